"""Gives subnets a network ACL that denies everything, and the former one back: what stands in them reaches nobody.

A network ACL tracks nothing, so open connections end too; and everything in the subnet is cut off, not one machine
alone. The subnet's association is changed and no rule of an ACL that others use. What ACL it had is noted before.
Sources: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclAssociation.html (a new id each
time), https://docs.aws.amazon.com/vpc/latest/userguide/custom-network-acl.html (a new ACL denies all).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.quarantine import DESCRIBE_ACLS, WAS, acl_holds, containment_of, silent
from chalicelib.core.bounds import listed
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck
from chalicelib.policy import Policy

_CALLS: Final = (
    AwsOp(
        service="ec2",
        operation="replace_network_acl_association",
        resources=("arn:aws:ec2:{primary}:{account}:network-acl/*", "arn:aws:ec2:{primary}:{account}:subnet/*"),
        where="primary",
    ),
)


@dataclass(frozen=True, slots=True)
class Associations:
    """(subnet, association, ACL) of each subnet that is there; `leaks` why the quarantine lets something through."""

    rows: tuple[tuple[str, str, str], ...]
    leaks: str = ""


class SubnetsQuarantined:
    """`with: {subnets: …}`; one association a call, which the subnet's ACL shows."""

    name: ClassVar[str] = "subnets-quarantined"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE_ACLS,)
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Associations | Refused | NoData:
        if not listed(target.params["subnets"]):
            return Associations(())
        leaks = acl_holds(policy, reader)
        if not isinstance(leaks, str):
            return leaks
        rows = _rows(target, policy, reader)
        return Associations(rows, leaks) if isinstance(rows, tuple) else rows

    def next(self, target: Target, policy: Policy, facts: Associations | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Associations):
            return silent(facts)
        wanted, acl = listed(target.params["subnets"]), containment_of(policy).quarantine_acl
        if not wanted:
            return Done(because="no subnet was chosen to be quarantined")
        if facts.leaks:
            return Stuck(because=facts.leaks)
        if absent := [s for s in wanted if s not in {subnet for subnet, _, __ in facts.rows}]:
            return Stuck(
                because=f"EC2 knows no network ACL of {', '.join(absent)} in {policy.platform.regions.primary}"
            )
        for subnet, association, now_has in facts.rows:
            if now_has != acl:
                return Act(
                    because=f"subnet {subnet} has {now_has}, expected {acl}, which denies everything",
                    call=_replace(policy, subnet, association, acl),
                    facts={**target.facts, f"{WAS}{subnet}": now_has},
                )
        return Done(because=f"{', '.join(wanted)} have {acl}: everything in them is cut off, open connections too")


class SubnetsReleased:
    """Gives each subnet that the other step has cut off its former ACL; one that somebody else changed stays."""

    name: ClassVar[str] = "subnets-released"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE_ACLS,)
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Associations | Refused | NoData:
        if not listed(target.params["subnets"]):
            return Associations(())
        rows = _rows(target, policy, reader)
        return Associations(rows) if isinstance(rows, tuple) else rows

    def next(self, target: Target, policy: Policy, facts: Associations | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Associations):
            return silent(facts)
        acl = containment_of(policy).quarantine_acl
        for subnet, association, now_has in facts.rows:
            was = str(target.facts.get(f"{WAS}{subnet}", ""))
            if was and now_has == acl:
                return Act(
                    because=f"subnet {subnet} has the quarantine's ACL, and had {was}",
                    call=_replace(policy, subnet, association, was),
                    facts=target.facts,
                )
        return Done(because=f"no subnet of {target.params['subnets']} is in quarantine by this incident any more")


def _rows(target: Target, policy: Policy, reader: Reader) -> tuple[tuple[str, str, str], ...] | Refused | NoData:
    wanted = listed(target.params["subnets"])
    found = reader.aws(
        "ec2",
        policy.platform.regions.primary,
        "describe_network_acls",
        Filters=[{"Name": "association.subnet-id", "Values": list(wanted)}],
    )
    if not isinstance(found, Mapping):
        return found
    rows = [
        (str(a["SubnetId"]), str(a["NetworkAclAssociationId"]), str(acl["NetworkAclId"]))
        for acl in found["NetworkAcls"]
        for a in acl["Associations"]
        if a["SubnetId"] in wanted
    ]
    return tuple(sorted(rows))


def _replace(policy: Policy, subnet: str, association: str, acl: str) -> Call:
    return Call(
        system="aws",
        service="ec2",
        region=policy.platform.regions.primary,
        operation="replace_network_acl_association",
        params={"AssociationId": association, "NetworkAclId": acl},
        until=f"{subnet} is associated with {acl}",
        reversible=True,
    )
