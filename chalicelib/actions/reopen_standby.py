"""Lets the standby's database take writes again, after a person has ended a failback on the way: the drain, undone.

Only while it still is the one that takes writes: as soon as the primary's stands alone there are two databases, and
this one stays fenced. Whether it is so is looked at before every call; a region that does not answer is a reason to
wait, never to open (open_primary.py, the other way round).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_acl import AGAIN, ours
from chalicelib.actions.open_primary import open_acl
from chalicelib.actions.sides import LOOK, instance_of, made_anew, row_of, silent, source
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy


@dataclass(frozen=True, slots=True)
class Reopening:
    """`promoted`: whether the primary's database was made anew by this return and follows nobody any more."""

    promoted: bool
    acls: tuple[str, ...]


class ReopenStandby:
    """One entry a call; the ACLs' own entries say whether it was done."""

    name: ClassVar[str] = "reopen-standby"
    reads: ClassVar[tuple[Op, ...]] = (
        *LOOK,
        AwsOp(service="ec2", operation="describe_network_acls", resources=("*",)),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="ec2",
            operation="delete_network_acl_entry",
            resources=("arn:aws:ec2:{standby}:{account}:network-acl/*",),
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Reopening | Refused | NoData:
        home, acls = instance_of(policy, reader, "primary"), ours(policy, reader, "standby")
        if none := silent(home, acls):
            return none
        found: Mapping[str, Any] | None = home if isinstance(home, Mapping) else None
        promoted = found is not None and made_anew(found, target) and source(found) is None
        return Reopening(promoted, acls if isinstance(acls, tuple) else ())

    def next(self, target: Target, policy: Policy, facts: Reopening | Refused | NoData, now: datetime) -> Next:
        row, home, port = row_of(policy, "standby"), row_of(policy, "primary"), policy.platform.database.port
        named = f"{row.instance!r} in {row.region}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Reopening(promoted=True):
                promoted = f"{home.instance!r} in {home.region} was promoted meanwhile"
                return Done(because=f"{promoted}, so {named} stays fenced; two would take writes")
            case Reopening(acls=(first, *_)):
                because = f"{first} still denies port {port} by our rule"
                return Act(because=because, call=open_acl(policy, row.region, first))
        return Done(because=f"nothing of ours denies port {port} of {named}: it takes writes again")
