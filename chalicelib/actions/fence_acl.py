"""Denies the old primary's database port by network ACL, on every subnet of the database.

A security group would not do: what it tracks as established goes on (a network ACL is stateless, so connections that
are open end too). One entry an ACL, of the lowest number, which is evaluated first.
Sources: https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

Side = Literal["primary", "standby"]
AGAIN: Final = timedelta(seconds=10)
TCP: Final = "6"
ANYWHERE: Final = "0.0.0.0/0"
ALL: Final = "-1"


@dataclass(frozen=True, slots=True)
class Denials:
    """By the ACL of each subnet: those that deny the port already, and those that do not; `in_the_way` is a rule that
    is evaluated before ours, or has its number.
    """

    denied: tuple[str, ...]
    missing: tuple[str, ...]
    bare: tuple[str, ...]
    in_the_way: str | None


class FenceAcl:
    """One entry a call; the ACLs' own entries say whether it was done."""

    name: ClassVar[str] = "fence-acl"
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="ec2", operation="describe_network_acls", resources=("*",), where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="ec2",
            operation="create_network_acl_entry",
            resources=("arn:aws:ec2:{primary}:{account}:network-acl/*",),
            where="primary",
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Denials | Refused | NoData:
        return denials(policy, reader)

    def next(self, target: Target, policy: Policy, facts: Denials | Refused | NoData, now: datetime) -> Next:
        return deny(policy, facts)


def denials(policy: Policy, reader: Reader, side: Side = "primary") -> Denials | Refused | NoData:
    """What the ACLs of a side's subnets, the old primary's, say about its port."""
    fence, found = policy.platform.fence, _asked(policy, reader, side)
    if not isinstance(found, Mapping):
        return found
    acls = {a["NetworkAclId"]: a for a in found["NetworkAcls"]}
    there = {x["SubnetId"] for a in acls.values() for x in a["Associations"]}
    denied = tuple(name for name, acl in sorted(acls.items()) if _denies(acl, policy))
    rows = [(name, r) for name, acl in acls.items() if name not in denied for r in _ingress(acl)]
    first = next((f"{name} rule {r['RuleNumber']}" for name, r in rows if r["RuleNumber"] <= fence.rule_number), None)
    return Denials(
        denied=denied,
        missing=tuple(name for name in sorted(acls) if name not in denied),
        bare=tuple(s for s in subnets(policy, side) if s not in there),
        in_the_way=first,
    )


def ours(policy: Policy, reader: Reader, side: Side = "primary") -> tuple[str, ...] | Refused | NoData:
    """The ACLs of those subnets that hold a denial of the port under our number."""
    fence, found = policy.platform.fence, _asked(policy, reader, side)
    if not isinstance(found, Mapping):
        return found
    number, port = fence.rule_number, policy.platform.database.port
    return tuple(
        sorted(
            acl["NetworkAclId"]
            for acl in found["NetworkAcls"]
            for entry in _ingress(acl)
            if (entry["RuleNumber"], entry["RuleAction"]) == (number, "deny")
            and entry.get("PortRange") == {"From": port, "To": port}
        )
    )


def deny(policy: Policy, facts: Denials | Refused | NoData, side: Side = "primary") -> Next:
    """The next entry that is missing; Done when the port is denied on every subnet."""
    region, fence = _region(policy, side), policy.platform.fence
    match facts:
        case NoData(because=because):
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        case Refused(because=because, code=code):
            return Stuck(because=f"{because} ({code})")
        case Denials(bare=bare) if bare:
            return Stuck(because=f"no network ACL in {region} is associated with {', '.join(bare)}; mend platform.yaml")
        case Denials(in_the_way=rule) if rule:
            because = f"{rule} comes before rule {fence.rule_number}, which is to deny; number it higher"
            return Stuck(because=because)
        case Denials(missing=()):
            return Done(because=f"port {policy.platform.database.port} is denied by {', '.join(facts.denied)}")
    call = Call(
        system="aws",
        service="ec2",
        region=region,
        operation="create_network_acl_entry",
        params={
            "NetworkAclId": facts.missing[0],
            "RuleNumber": fence.rule_number,
            "Protocol": TCP,
            "RuleAction": "deny",
            "Egress": False,
            "CidrBlock": ANYWHERE,
            "PortRange": {"From": policy.platform.database.port, "To": policy.platform.database.port},
        },
        until=f"{facts.missing[0]} denies the port",
        reversible=True,
    )
    because = f"{facts.missing[0]} in {region} lets port {policy.platform.database.port} through"
    return Act(because=because, call=call)


def subnets(policy: Policy, side: Side) -> tuple[str, ...]:
    """Those in which a side's database stands, as policy has them."""
    fence = policy.platform.fence
    return fence.standby_subnets if side == "standby" else fence.subnets


def _region(policy: Policy, side: Side) -> str:
    database = policy.platform.database
    return database.replica.region if side == "standby" else database.primary.region


def _asked(policy: Policy, reader: Reader, side: Side) -> Mapping[str, Any] | Refused | NoData:
    filters = [{"Name": "association.subnet-id", "Values": list(subnets(policy, side))}]
    return reader.aws("ec2", _region(policy, side), "describe_network_acls", Filters=filters)


def _ingress(acl: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted((e for e in acl["Entries"] if not e["Egress"]), key=lambda e: int(e["RuleNumber"]))


def _denies(acl: Mapping[str, Any], policy: Policy) -> bool:
    """Whether the first rule that the port meets from anywhere is a denial of it from everywhere."""
    port = policy.platform.database.port
    for entry in _ingress(acl):
        ports = entry.get("PortRange")
        meets = entry["Protocol"] in (TCP, ALL) and (ports is None or ports["From"] <= port <= ports["To"])
        if meets:
            return bool(entry["RuleAction"] == "deny" and entry.get("CidrBlock") == ANYWHERE)
    return True  # nothing lets it through: the default of an ACL is to deny
