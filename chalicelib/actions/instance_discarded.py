"""Deletes an instance that is kept aside, with a last snapshot: what was in it stays, until people delete that too.

Only while the one that took its name is there and made anew by this return. What protects it from deletion is taken
away first. Sources: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html
(FinalDBSnapshotIdentifier), …/API_ModifyDBInstance.html (DeletionProtection).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.instance_aside import Standing, standing
from chalicelib.actions.restored import USABLE
from chalicelib.actions.sides import BUSY, LOOK, PRIMARY_ASIDE, STANDBY_ASIDE, aside_of, made_anew, row_of, side_of
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=15)
SNAPSHOT: Final = "-last"
"""After the instance's name."""


class InstanceDiscarded:
    """At most two calls: its protection, and the deletion."""

    name: ClassVar[str] = "instance-discarded"
    reads: ClassVar[tuple[Op, ...]] = LOOK
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="rds", operation="modify_db_instance", resources=(PRIMARY_ASIDE,), where="primary"),
        AwsOp(service="rds", operation="modify_db_instance", resources=(STANDBY_ASIDE,)),
        AwsOp(
            service="rds",
            operation="delete_db_instance",
            resources=(PRIMARY_ASIDE, "arn:aws:rds:{primary}:{account}:snapshot:{primary_aside}-aside-*"),
            where="primary",
            iam=("rds:DeleteDBInstance", "rds:CreateDBSnapshot", "rds:AddTagsToResource"),
        ),
        AwsOp(
            service="rds",
            operation="delete_db_instance",
            resources=(STANDBY_ASIDE, "arn:aws:rds:{standby}:{account}:snapshot:{replica_aside}-aside-*"),
            iam=("rds:DeleteDBInstance", "rds:CreateDBSnapshot", "rds:AddTagsToResource"),
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Standing | Refused | NoData:
        return standing(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Standing | Refused | NoData, now: datetime) -> Next:
        side = side_of(target)
        row, aside = row_of(policy, side), aside_of(target, policy, side)
        again = f"looking again in {AGAIN.seconds} s"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; {again}", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Standing(aside=None):
                return Done(because=f"there is no {aside!r} in {row.region}: what was in it is in its last snapshot")
        if facts.here is None or not made_anew(facts.here, target):
            return Stuck(because=f"{row.instance!r} in {row.region} was not made anew: {aside!r} is all there is of it")
        return _away(facts.aside or {}, row.region, aside)


def _away(kept: Mapping[str, Any], region: str, aside: str) -> Next:
    status = str(kept["DBInstanceStatus"])
    if status in BUSY or status == "deleting":
        return Wait(because=f"{aside!r} is {status!r}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
    if status not in USABLE:
        return Stuck(because=f"{aside!r} is {status!r}, expected 'available', and RDS makes no last snapshot of it so")
    if kept.get("DeletionProtection"):
        operation = "modify_db_instance"
        params: dict[str, Any] = {"DeletionProtection": False, "ApplyImmediately": True}
        because, until = f"{aside!r} in {region} is protected from deletion", "it is not protected any more"
    else:
        snapshot = f"{aside}{SNAPSHOT}"
        operation = "delete_db_instance"
        params = {"FinalDBSnapshotIdentifier": snapshot, "SkipFinalSnapshot": False}
        because, until = f"{aside!r} in {region} is still kept aside", f"it is gone, and {snapshot!r} is left of it"
    call = Call(
        system="aws",
        service="rds",
        region=region,
        operation=operation,
        params={"DBInstanceIdentifier": aside, **params},
        until=until,
        reversible=operation == "modify_db_instance",
    )
    return Act(because=because, call=call)
