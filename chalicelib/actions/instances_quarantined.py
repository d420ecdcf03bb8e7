"""Moves instances into a security group without rules, and back: they go on running, and reach nobody anew.

They are kept as evidence, so termination is refused first (DisableApiTermination; an Auto Scaling group does not heed
it, and its instances are detached by a person). A security group stops what begins from now on; connections that it
tracks may go on until they time out, and to end those the subnet is denied (subnets_quarantined.py). What an interface
was in is noted before it is moved, and that is what it is moved back to. Sources:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html (Groups replaces all),
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.quarantine import DESCRIBE_GROUPS, WAS, containment_of, group_holds, silent
from chalicelib.core.bounds import listed
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck
from chalicelib.policy import Policy

UNPROTECTED: Final = "unprotected."
"""The fact that an instance could be terminated before: `unprotected.i-0a1b…`."""
GONE: Final = frozenset({"terminated", "shutting-down"})
_INSTANCES: Final = ("arn:aws:ec2:{primary}:{account}:instance/*",)
_READS: Final = (
    AwsOp(service="ec2", operation="describe_instances", resources=("*",), where="primary"),
    AwsOp(service="ec2", operation="describe_instance_attribute", resources=_INSTANCES, where="primary"),
)
_CALLS: Final = (
    AwsOp(service="ec2", operation="modify_instance_attribute", resources=_INSTANCES, where="primary"),
    AwsOp(
        service="ec2",
        operation="modify_network_interface_attribute",
        # Of the interface, and of every group that it is given.
        resources=(
            "arn:aws:ec2:{primary}:{account}:network-interface/*",
            "arn:aws:ec2:{primary}:{account}:security-group/*",
        ),
        where="primary",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One instance: whether its termination is refused, and the groups of each of its interfaces."""

    id: str
    state: str
    protected: bool
    interfaces: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Standings:
    """`leaks` says why the quarantine would let something through."""

    instances: tuple[Standing, ...]
    leaks: str = ""


class InstancesQuarantined:
    """`with: {instances: …}`; one interface a call. The interfaces' own groups say whether it was done."""

    name: ClassVar[str] = "instances-quarantined"
    reads: ClassVar[tuple[Op, ...]] = (*_READS, DESCRIBE_GROUPS)
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Standings | Refused | NoData:
        wanted = listed(target.params["instances"])
        if not wanted:
            return Standings(())
        leaks = group_holds(policy, reader)
        if not isinstance(leaks, str):
            return leaks
        found = _standings(policy, reader, wanted)
        return Standings(found, leaks) if isinstance(found, tuple) else found

    def next(self, target: Target, policy: Policy, facts: Standings | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Standings):
            return silent(facts)
        if not listed(target.params["instances"]):
            return Done(because="no instance was chosen to be quarantined")
        if facts.leaks:
            return Stuck(because=facts.leaks)
        known = {i.id for i in facts.instances}
        if absent := [i for i in listed(target.params["instances"]) if i not in known]:
            return Stuck(because=f"EC2 knows no {', '.join(absent)} in {policy.platform.regions.primary}")
        group = containment_of(policy).quarantine_group
        for found in facts.instances:
            if found.state in GONE:
                continue
            if not found.protected:
                return Act(
                    because=f"instance {found.id} could be terminated, and it is evidence",
                    call=_protect(policy, found.id, protect=True),
                    facts={**target.facts, f"{UNPROTECTED}{found.id}": 1.0},
                )
            for interface, groups in found.interfaces:
                if groups != (group,):
                    its = ", ".join(groups)
                    return Act(
                        because=f"interface {interface} of {found.id} is in {its}, expected {group} alone",
                        call=_move(policy, interface, (group,)),
                        facts={**target.facts, f"{WAS}{interface}": ",".join(groups)},
                    )
        held = ", ".join(f"{i.id} ({i.state})" for i in facts.instances)
        because = f"{held} stand in {group}, which lets nothing through; connections of before may last until they time"
        return Done(because=f"{because} out: deny the subnet to end them")


class InstancesReleased:
    """Moves each interface that the other step has moved back to where it was; what somebody else moved stays."""

    name: ClassVar[str] = "instances-released"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Standings | Refused | NoData:
        wanted = listed(target.params["instances"])
        if not wanted:
            return Standings(())
        found = _standings(policy, reader, wanted)
        return Standings(found) if isinstance(found, tuple) else found

    def next(self, target: Target, policy: Policy, facts: Standings | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Standings):
            return silent(facts)
        group = containment_of(policy).quarantine_group
        for found in facts.instances:
            if found.state in GONE:
                continue
            for interface, groups in found.interfaces:
                was = str(target.facts.get(f"{WAS}{interface}", ""))
                if was and groups == (group,):
                    return Act(
                        because=f"interface {interface} of {found.id} is in quarantine, and was in {was}",
                        call=_move(policy, interface, tuple(was.split(","))),
                        facts=target.facts,
                    )
            if found.protected and f"{UNPROTECTED}{found.id}" in target.facts:
                return Act(
                    because=f"the termination of {found.id} is refused, and was not before",
                    call=_protect(policy, found.id, protect=False),
                    facts=target.facts,
                )
        names = ", ".join(i.id for i in facts.instances) or "no instance"
        return Done(because=f"nothing of {names} is in quarantine by this incident any more")


def _standings(policy: Policy, reader: Reader, wanted: tuple[str, ...]) -> tuple[Standing, ...] | Refused | NoData:
    region = policy.platform.regions.primary
    # By a filter: what is not there any more is left out, and refuses nothing.
    asked_for = [{"Name": "instance-id", "Values": list(wanted)}]
    described = reader.aws("ec2", region, "describe_instances", Filters=asked_for)
    if not isinstance(described, Mapping):
        return described
    rows: list[Mapping[str, Any]] = [i for r in described["Reservations"] for i in r["Instances"]]
    rows.sort(key=lambda i: str(i["InstanceId"]))
    found = []
    for row in rows:
        asked = {"InstanceId": str(row["InstanceId"]), "Attribute": "disableApiTermination"}
        said = reader.aws("ec2", region, "describe_instance_attribute", **asked)
        if not isinstance(said, Mapping):
            return said
        interfaces = tuple(
            (str(i["NetworkInterfaceId"]), tuple(sorted(str(g["GroupId"]) for g in i["Groups"])))
            for i in row.get("NetworkInterfaces", ())
        )
        protected = bool((said.get("DisableApiTermination") or {}).get("Value"))
        state = str(row["State"]["Name"])
        found.append(Standing(id=str(row["InstanceId"]), state=state, protected=protected, interfaces=interfaces))
    return tuple(found)


def _protect(policy: Policy, instance: str, *, protect: bool) -> Call:
    return Call(
        system="aws",
        service="ec2",
        region=policy.platform.regions.primary,
        operation="modify_instance_attribute",
        params={"InstanceId": instance, "DisableApiTermination": {"Value": protect}},
        until=f"the termination of {instance} is {'refused' if protect else 'as it was'}",
        reversible=True,
    )


def _move(policy: Policy, interface: str, groups: tuple[str, ...]) -> Call:
    return Call(
        system="aws",
        service="ec2",
        region=policy.platform.regions.primary,
        operation="modify_network_interface_attribute",
        params={"NetworkInterfaceId": interface, "Groups": list(groups)},
        until=f"{interface} is in {', '.join(groups)} alone",
        reversible=True,
    )
