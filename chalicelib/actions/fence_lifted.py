"""Lifts the fence of a side once only a replica stands under its database's name: what a failover, or the failback's
own drain, had denied is let through again.

Only then. As long as the old database stands there, two would take writes: that is Stuck. What it takes away is our
own entry of each network ACL, by its number, and of the primary the revocation of its lease, first: a primary that
finds it revoked would fence itself again. A denial that somebody else has made stays.
Sources: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkAclEntry.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html (REMOVE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_acl import AGAIN, ours
from chalicelib.actions.fence_primary import READ_BEAT, TABLE, read_beat
from chalicelib.actions.open_primary import give_back, open_acl
from chalicelib.actions.sides import LOOK, arn_of, instance_of, made_anew, other, row_of, side_of, silent, source
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat


@dataclass(frozen=True, slots=True)
class Lifting:
    """The side's instance (None while it is not there), the primary's lease, and the ACLs that hold our denial."""

    here: Mapping[str, Any] | None
    lease: Beat
    acls: tuple[str, ...]


class FenceLifted:
    """The lease, then the ACLs."""

    name: ClassVar[str] = "fence-lifted"
    reads: ClassVar[tuple[Op, ...]] = (
        *LOOK,
        READ_BEAT,
        AwsOp(service="ec2", operation="describe_network_acls", resources=("*",), where="primary"),
        AwsOp(service="ec2", operation="describe_network_acls", resources=("*",)),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="dynamodb", operation="update_item", resources=TABLE),
        AwsOp(
            service="ec2",
            operation="delete_network_acl_entry",
            resources=("arn:aws:ec2:{primary}:{account}:network-acl/*",),
            where="primary",
        ),
        AwsOp(
            service="ec2",
            operation="delete_network_acl_entry",
            resources=("arn:aws:ec2:{standby}:{account}:network-acl/*",),
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Lifting | Refused | NoData:
        side = side_of(target)
        here, acls = instance_of(policy, reader, side), ours(policy, reader, side)
        lease = read_beat(policy, reader, "lease") if side == "primary" else Beat({})
        if none := silent(here, acls, lease):
            return none
        return Lifting(
            here=here if isinstance(here, Mapping) else None,
            lease=lease if isinstance(lease, Beat) else Beat({}),
            acls=acls if isinstance(acls, tuple) else (),
        )

    def next(self, target: Target, policy: Policy, facts: Lifting | Refused | NoData, now: datetime) -> Next:
        side = side_of(target)
        row, port = row_of(policy, side), policy.platform.database.port
        named = f"{row.instance!r} in {row.region}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Lifting(here=None):
                return Stuck(because=f"there is no {named}: what stands aside must stay fenced until it is made anew")
        here = facts.here or {}
        if not made_anew(here, target) and source(here) != arn_of(policy, other(side)):
            return Stuck(because=f"{named} is the old one still, and would take writes: it stays fenced")
        if facts.lease.moment("revoked_at") is not None:
            return Act(because=f"the lease of {named} is revoked", call=give_back(policy))
        if facts.acls:
            because = f"{facts.acls[0]} still denies port {port} by our rule"
            return Act(because=because, call=open_acl(policy, row.region, facts.acls[0]))
        return Done(because=f"nothing of ours denies port {port} of {named} any more")
