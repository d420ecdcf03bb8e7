"""Restores the database to a chosen moment as a new instance beside the old one, which is left as it is.

RDS gives the new instance the source's engine, class and storage, and the defaults for the rest: security groups,
subnet group and parameter group are the default ones, and it stands in one zone. So what the source has is asked for by
name, and compared again when the instance is there. How long backups are retained is only compared: RDS keeps the
source's, and to ask for it is newer than the boto3 of Lambda's runtime, which refuses to send what it does not know.
Sources:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceToPointInTime.html,
…/UserGuide/USER_PIT.html, …/UserGuide/accessing-monitoring.html (the statuses).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.copies import DESCRIBE_DRILLED, DRILL_ONES, is_copy, throw_away
from chalicelib.actions.restored import (
    RESTORED_ONES,
    SOURCE,
    TAG,
    USABLE,
    Absent,
    as_of,
    instance,
    name_of,
    tags,
)
from chalicelib.core.bounds import spelled
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=15)
PASSING: Final = frozenset(
    {
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "creating",
        "maintenance",
        "modifying",
        "rebooting",
        "resetting-master-credentials",
        "storage-config-upgrade",
        "storage-initialization",
        "storage-optimization",
    }
)
AS_OF: Final = "dr-responder/as-of"
KEPT: Final = frozenset({"BackupRetentionPeriod"})
"""Of the settings, what RDS takes from the source by itself."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The old instance and the new one, as RDS describes them; None while there is no new one."""

    old: Mapping[str, Any]
    new: Mapping[str, Any] | None


class RestoreInstance:
    """One restore; then, where RDS gave it other settings than the old one has, one modification."""

    name: ClassVar[str] = "restore-instance"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE_DRILLED,)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="rds",
            operation="restore_db_instance_to_point_in_time",
            resources=(
                SOURCE,
                RESTORED_ONES,
                DRILL_ONES,
                "arn:aws:rds:{primary}:{account}:og:*",
                "arn:aws:rds:{primary}:{account}:pg:*",
                "arn:aws:rds:{primary}:{account}:subgrp:*",
            ),
            where="primary",
            iam=("rds:RestoreDBInstanceToPointInTime", "rds:AddTagsToResource"),
        ),
        AwsOp(
            service="rds",
            operation="modify_db_instance",
            resources=(RESTORED_ONES, DRILL_ONES, "arn:aws:rds:{primary}:{account}:pg:*"),
            where="primary",
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Beside | Absent | Refused | NoData:
        old = instance(policy, reader, policy.platform.database.primary.instance)
        if not isinstance(old, Mapping):
            return old
        new = instance(policy, reader, _name(target, policy))
        if isinstance(new, Refused | NoData):
            return new
        return Beside(old, new if isinstance(new, Mapping) else None)

    def next(self, target: Target, policy: Policy, facts: Beside | Absent | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Absent(because=because):
                return Stuck(because=f"{because}; there is nothing to restore from")
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Beside(old=old, new=None):
                return _restore(target, policy, old)
            case Beside(old=old, new=new) if new is not None:
                return _there(target, policy, old, new)
        raise TypeError(f"{facts!r} is neither an instance nor the want of one")


def _restore(target: Target, policy: Policy, old: Mapping[str, Any]) -> Next:
    side, latest = policy.platform.database.primary, old.get("LatestRestorableTime")
    name = _name(target, policy)
    if not old.get("BackupRetentionPeriod") or latest is None:
        return Stuck(because=f"instance {side.instance!r} has no automated backups: RDS cannot restore it to a moment")
    at = latest.replace(microsecond=0) if is_copy(target) else as_of(target)
    if at > latest:
        because = f"RDS can restore {side.instance!r} to {spelled(latest)} at the latest, {spelled(at)} is wanted"
        return Wait(because=f"{because}; its logs are uploaded every 5 min, looking again", again_in=AGAIN)
    call = Call(
        system="aws",
        service="rds",
        region=side.region,
        operation="restore_db_instance_to_point_in_time",
        params={
            "SourceDBInstanceIdentifier": side.instance,
            "TargetDBInstanceIdentifier": name,
            "RestoreTime": spelled(at),
            **placed(old),
            **{name: value for name, value in _wanted(target, old).items() if name not in KEPT},
            "Tags": [{"Key": TAG, "Value": target.incident}, {"Key": AS_OF, "Value": spelled(at)}],
        },
        until=f"{name!r} is 'available' with the settings of {side.instance!r}",
        reversible=True,
    )
    because = f"instance {name!r}, {side.instance!r} as it was at {spelled(at)}, is not there yet"
    # What would be lost had the old one been lost now: the restore comes from its backups.
    lost = {"loss_seconds": max(0.0, (target.at - at).total_seconds())} if is_copy(target) else {}
    return Act(because=because, call=call, facts=lost)


def _there(target: Target, policy: Policy, old: Mapping[str, Any], new: Mapping[str, Any]) -> Next:
    side = policy.platform.database.primary
    name, status = str(new["DBInstanceIdentifier"]), str(new["DBInstanceStatus"])
    if tags(new).get(TAG) != target.incident:
        made = tags(new).get(TAG) or "somebody else"
        return Stuck(
            because=f"instance {name!r} was made by {made} and not for {target.incident}: it is not taken for ours; "
            "choose a moment a second away, or delete it"
        )
    if status not in USABLE:
        if status in PASSING:
            because = f"instance {name!r} is {status!r}, expected 'available'; looking again in {AGAIN.seconds} s"
            return Wait(because=because, again_in=AGAIN)
        return Stuck(because=f"instance {name!r} is {status!r}, expected 'available'; a person must look at it in RDS")
    differs = {k: v for k, v in _wanted(target, old).items() if settings(new).get(k) != v}
    if not differs:
        endpoint = new["Endpoint"]
        where = f"{endpoint['Address']}:{endpoint['Port']}"
        moment = tags(new).get(AS_OF, "then") if is_copy(target) else spelled(as_of(target))
        because = f"instance {name!r} holds {side.instance!r} as of {moment}, at {where}"
        return Done(because=f"{because}, with its settings", facts={"instance": name, "address": where})
    if new.get("PendingModifiedValues"):
        because = f"instance {name!r} applies {', '.join(new['PendingModifiedValues'])}"
        return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
    call = Call(
        system="aws",
        service="rds",
        region=side.region,
        operation="modify_db_instance",
        params={"DBInstanceIdentifier": name, **differs, "ApplyImmediately": True},
        until=f"{name!r} has the settings of {side.instance!r}",
        reversible=True,
    )
    return Act(because=f"instance {name!r} differs from {side.instance!r} in {', '.join(differs)}", call=call)


def _name(target: Target, policy: Policy) -> str:
    return throw_away(policy, target) if is_copy(target) else name_of(policy, as_of(target))


def _wanted(target: Target, old: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that it is to have, the old one's: what is thrown away needs no protection and no standby."""
    whole = settings(old)
    return {**whole, "MultiAZ": False, "DeletionProtection": False} if is_copy(target) else whole


def placed(old: Mapping[str, Any]) -> dict[str, Any]:
    """Where it stands; what cannot be changed afterwards without moving it."""
    found: dict[str, Any] = {
        "DBInstanceClass": old["DBInstanceClass"],
        "PubliclyAccessible": bool(old.get("PubliclyAccessible")),
    }
    if group := (old.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"):
        found["DBSubnetGroupName"] = group
    return found


def settings(described: Mapping[str, Any]) -> dict[str, Any]:
    """What RDS would give a default of its own, under the names by which it is asked for."""
    found: dict[str, Any] = {
        "MultiAZ": bool(described.get("MultiAZ")),
        "BackupRetentionPeriod": int(described.get("BackupRetentionPeriod") or 0),
        "DeletionProtection": bool(described.get("DeletionProtection")),
        "CopyTagsToSnapshot": bool(described.get("CopyTagsToSnapshot")),
        "VpcSecurityGroupIds": sorted(g["VpcSecurityGroupId"] for g in described.get("VpcSecurityGroups") or ()),
    }
    groups = [g["DBParameterGroupName"] for g in described.get("DBParameterGroups") or ()]
    if groups:
        found["DBParameterGroupName"] = groups[0]
    return found
