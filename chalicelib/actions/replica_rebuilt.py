"""Makes the replica of the other side anew, under the name and with the settings of the instance that is kept aside.

Of a replica in another region RDS takes almost nothing from its source: groups, zones, protection and the key are those
that are asked for, so what the instance aside has is asked for by name. How long backups are retained cannot be asked
for a replica; that comes with its promotion. An encrypted one needs a key of its own region. What RDS gave otherwise
is put right when the instance is there. Sources:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html,
…/UserGuide/USER_ReadRepl.XRgn.html, …/UserGuide/Overview.Encryption.Keys.html (the caller's rights to the key).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.instance_aside import Standing, standing
from chalicelib.actions.restore_instance import placed, settings
from chalicelib.actions.restored import USABLE, tags
from chalicelib.actions.sides import (
    BUSY,
    LOOK,
    PRIMARY,
    RETURNS,
    STANDBY,
    address,
    arn_of,
    aside_of,
    made_anew,
    other,
    row_of,
    side_of,
    source,
)
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=15)
RESERVED: Final = "aws:"
"""Tags of this beginning are AWS's own, and nobody may set them."""


def _create(where: str, own: str, source_: str) -> AwsOp:
    groups = tuple(f"arn:aws:rds:{{{where}}}:{{account}}:{kind}:*" for kind in ("og", "pg", "subgrp"))
    return AwsOp(
        service="rds",
        operation="create_db_instance_read_replica",
        resources=(own, source_, *groups),
        where="primary" if where == "primary" else "standby",
        iam=("rds:CreateDBInstanceReadReplica", "rds:AddTagsToResource"),
    )


def _key(where: str) -> AwsOp:
    # RDS uses the key by a grant that whoever calls must be able to make, and by no other way.
    return AwsOp(
        service="kms",
        operation="create_grant",
        resources=(f"arn:aws:kms:{{{where}}}:{{account}}:key/*",),
        where="primary" if where == "primary" else "standby",
        iam=("kms:CreateGrant", "kms:DescribeKey"),
        condition=("kms:ViaService", f"rds.{{{where}}}.amazonaws.com"),
    )


class ReplicaRebuilt:
    """One creation; then, where RDS gave it other settings, one modification."""

    name: ClassVar[str] = "replica-rebuilt"
    reads: ClassVar[tuple[Op, ...]] = LOOK
    calls: ClassVar[tuple[Op, ...]] = (
        _create("primary", PRIMARY, STANDBY),
        _create("standby", STANDBY, PRIMARY),
        AwsOp(
            service="rds",
            operation="modify_db_instance",
            resources=(PRIMARY, "arn:aws:rds:{primary}:{account}:pg:*"),
            where="primary",
        ),
        AwsOp(
            service="rds",
            operation="modify_db_instance",
            resources=(STANDBY, "arn:aws:rds:{standby}:{account}:pg:*"),
        ),
        _key("primary"),
        _key("standby"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Standing | Refused | NoData:
        return standing(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Standing | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Standing(here=None):
                return _missing(target, policy, facts)
            case Standing(here=here) if here is not None:
                return _there(target, policy, facts, here)
        raise TypeError(f"{facts!r} is neither an instance nor the want of one")


def _missing(target: Target, policy: Policy, facts: Standing) -> Next:
    side = side_of(target)
    row, writer, aside = row_of(policy, side), row_of(policy, other(side)), facts.aside
    named = f"{writer.instance!r} in {writer.region}"
    if aside is None:
        lost = aside_of(target, policy, side)
        return Stuck(because=f"there is no {lost!r}, so nobody knows the settings of {row.instance!r} in {row.region}")
    if facts.there is None or source(facts.there):
        return Stuck(because=f"{named} does not stand alone, so it is no source of a replica")
    status = facts.there["DBInstanceStatus"]
    if status in BUSY:
        return Wait(because=f"{named} is {status!r}, expected 'available'; looking again", again_in=AGAIN)
    if status not in USABLE:
        return Stuck(because=f"{named} is {status!r}, expected 'available'; RDS must bring it back first")
    if not facts.there.get("BackupRetentionPeriod"):
        return Stuck(because=f"{named} has no automated backups, and RDS makes no replica of it without")
    wanted = {name: value for name, value in settings(aside).items() if name != "BackupRetentionPeriod"}
    own = {k: v for k, v in tags(aside).items() if not k.startswith(RESERVED)} | {RETURNS: target.params["failover"]}
    call = Call(
        system="aws",
        service="rds",
        region=row.region,
        operation="create_db_instance_read_replica",
        params={
            "DBInstanceIdentifier": row.instance,
            "SourceDBInstanceIdentifier": arn_of(policy, other(side)),
            "SourceRegion": writer.region,
            **placed(aside),
            **({"KmsKeyId": aside["KmsKeyId"]} if aside.get("KmsKeyId") else {}),
            **wanted,
            "Tags": [{"Key": k, "Value": v} for k, v in own.items()],
        },
        until=f"{row.instance!r} is 'available' and follows {writer.instance!r}",
        reversible=True,
    )
    return Act(because=f"{row.instance!r} in {row.region}, a replica of {named}, is not there yet", call=call)


def _there(target: Target, policy: Policy, facts: Standing, here: Mapping[str, Any]) -> Next:
    side = side_of(target)
    row, writer, status = row_of(policy, side), row_of(policy, other(side)), str(here["DBInstanceStatus"])
    named = f"{row.instance!r} in {row.region}"
    if not made_anew(here, target):
        if source(here) == arn_of(policy, other(side)):
            return Done(because=f"{named} follows {writer.instance!r}, and this return has not made it")
        return Stuck(because=f"{named} is there, and this return has not made it: it must be set aside first")
    if status not in USABLE:
        if status in BUSY:
            because = f"replica {row.instance!r} is {status!r}, expected 'available'"
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        return Stuck(because=f"{named} is {status!r}, expected 'available'; a person must look at it in RDS")
    differs = _differs(here, facts.aside)
    if differs and here.get("PendingModifiedValues"):
        because = f"{named} applies {', '.join(here['PendingModifiedValues'])}"
        return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
    if differs:
        call = Call(
            system="aws",
            service="rds",
            region=row.region,
            operation="modify_db_instance",
            params={"DBInstanceIdentifier": row.instance, **differs, "ApplyImmediately": True},
            until="it has the settings of the one that is kept aside",
            reversible=True,
        )
        return Act(because=f"{named} differs from the one kept aside in {', '.join(differs)}", call=call)
    where = address(here)
    if where is None:
        return Wait(because=f"RDS gives no endpoint for {named} yet", again_in=AGAIN)
    follows = f"follows {writer.instance!r} in {writer.region}" if source(here) else "stands alone"
    return Done(because=f"{named} is there and {follows}", facts={"address": f"{where[0]}:{where[1]}"})


def _differs(here: Mapping[str, Any], aside: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is to be set: nothing is known to differ once the one aside is gone."""
    if aside is None:
        return {}
    stands = settings(here)
    return {k: v for k, v in settings(aside).items() if k != "BackupRetentionPeriod" and stands.get(k) != v}
