"""Keeps the database's instances and their automated backups from deletion, and takes that back.

An intruder who may delete an instance deletes its automated backups with it, and a breach that is found late is older
than what they reach back to. So each side is protected from deletion, and its backups are kept for as long as policy
says (`containment.databases`); a longer retention stays, and one of 0 too, since to begin with backups stops I/O.
`ApplyImmediately` is never given: it would let whatever else is pending happen now. Neither needs it: deletion
protection is applied at once, and a retention that goes from one number to another as soon as possible. Sources:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html (BackupRetentionPeriod,
DeletionProtection, ApplyImmediately; InvalidDBInstanceState unless available),
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html (settings table).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.quarantine import containment_of
from chalicelib.actions.restored import GONE, USABLE
from chalicelib.actions.sides import BUSY, PRIMARY, STANDBY
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import DatabaseSide

OPEN: Final = "unprotected."
"""The fact of an instance that could be deleted before: `unprotected.orders` is 1."""
KEPT: Final = "retention."
"""The fact of for how many days an instance's backups were kept before: `retention.orders` is 14."""
AGAIN: Final = timedelta(seconds=15)
_LOOK: Final = (
    AwsOp(service="rds", operation="describe_db_instances", resources=(PRIMARY,), where="primary"),
    AwsOp(service="rds", operation="describe_db_instances", resources=(STANDBY,)),
)
_CALLS: Final = (
    AwsOp(service="rds", operation="modify_db_instance", resources=(PRIMARY,), where="primary"),
    AwsOp(service="rds", operation="modify_db_instance", resources=(STANDBY,)),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One side's instance; or why nobody said. `retention` is in days, and the one that was asked for where one is
    pending.
    """

    instance: str
    region: str
    status: str = ""
    protected: bool = False
    retention: int = 0
    unseen: Refused | NoData | None = None


class DatabasesKept:
    """One call an instance. One that does not answer, or is busy, keeps no other from being kept."""

    name: ClassVar[str] = "databases-kept"
    reads: ClassVar[tuple[Op, ...]] = _LOOK
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Kept, ...]:
        return tuple(_looked(row, reader) for row in _sides(policy))

    def next(self, target: Target, policy: Policy, facts: tuple[Kept, ...], now: datetime) -> Next:
        if not facts:
            return Done(because="policy names no side of the database that is kept from deletion")
        days = _days(policy)
        wanted = {found.instance: _keep(found, days) for found in facts if found.unseen is None}
        noted = dict(target.facts)
        for found in facts:
            if wanted.get(found.instance) and found.status in USABLE:
                if not found.protected:
                    noted[f"{OPEN}{found.instance}"] = 1.0
                if "BackupRetentionPeriod" in wanted[found.instance]:
                    # What stood there first: somebody may have lowered it since it was raised.
                    noted.setdefault(f"{KEPT}{found.instance}", float(found.retention))
                return Act(
                    because=f"{found.instance!r} in {found.region} {_lacks(found, days)}",
                    call=_modify(found, wanted[found.instance], reversible=True),
                    facts=noted,
                )
        if held := _held(facts, wanted):
            return held
        return Done(because="; ".join(_stands(found) for found in facts))


class DatabasesGivenBack:
    """Takes back what the other step has set, where it still stands so: a retention that somebody has changed since
    stays, and of an instance that is gone there is nothing to take back.
    """

    name: ClassVar[str] = "databases-given-back"
    reads: ClassVar[tuple[Op, ...]] = _LOOK
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Kept, ...]:
        rows = tuple(_looked(row, reader) for row in _sides(policy) if _noted(target, row.instance))
        return tuple(f for f in rows if not (isinstance(f.unseen, Refused) and f.unseen.code in GONE))

    def next(self, target: Target, policy: Policy, facts: tuple[Kept, ...], now: datetime) -> Next:
        days = _days(policy) if facts else 0
        wanted = {f.instance: _back(f, target, days) for f in facts if f.unseen is None}
        for found in facts:
            if wanted.get(found.instance) and found.status in USABLE:
                said = " and ".join(_was(name, value) for name, value in wanted[found.instance].items())
                # To lower a retention deletes the backups that are older: those are gone.
                call = _modify(
                    found, wanted[found.instance], reversible="BackupRetentionPeriod" not in wanted[found.instance]
                )
                return Act(
                    because=f"{found.instance!r} in {found.region} {said} before this incident",
                    call=call,
                    facts=target.facts,
                )
        if held := _held(facts, wanted):
            return held
        names = ", ".join(found.instance for found in facts) or "none"
        return Done(
            because=f"nothing of the database is kept by this incident any more; instances it had kept: {names}"
        )


def _sides(policy: Policy) -> Iterator[DatabaseSide]:
    rows, database = containment_of(policy).databases, policy.platform.database
    return (getattr(database, side) for side in (rows.sides if rows else ()))


def _days(policy: Policy) -> int:
    rows = containment_of(policy).databases
    return rows.retention_days if rows else 0


def _looked(row: DatabaseSide, reader: Reader) -> Kept:
    found = reader.aws("rds", row.region, "describe_db_instances", DBInstanceIdentifier=row.instance)
    if not isinstance(found, Mapping):
        return Kept(row.instance, row.region, unseen=found)
    shown = found["DBInstances"][0]
    pending = (shown.get("PendingModifiedValues") or {}).get("BackupRetentionPeriod")
    return Kept(
        row.instance,
        row.region,
        str(shown["DBInstanceStatus"]),
        bool(shown.get("DeletionProtection")),
        int(shown.get("BackupRetentionPeriod") or 0 if pending is None else pending),
    )


def _keep(found: Kept, days: int) -> dict[str, Any]:
    """What has to be set."""
    raised = {"BackupRetentionPeriod": days} if 0 < found.retention < days else {}
    return {**({} if found.protected else {"DeletionProtection": True}), **raised}


def _back(found: Kept, target: Target, days: int) -> dict[str, Any]:
    opened = f"{OPEN}{found.instance}" in target.facts and found.protected
    was = target.facts.get(f"{KEPT}{found.instance}")
    lowered = {"BackupRetentionPeriod": int(was)} if was is not None and found.retention == days else {}
    return {**({"DeletionProtection": False} if opened else {}), **lowered}


def _noted(target: Target, instance: str) -> bool:
    return any(f"{prefix}{instance}" in target.facts for prefix in (OPEN, KEPT))


def _held(facts: tuple[Kept, ...], wanted: Mapping[str, Mapping[str, Any]]) -> Next | None:
    """An instance that nobody heard of is none that is kept; one that is busy is looked at again."""
    again = f"looking again in {AGAIN.seconds} s"
    for found in facts:
        match found.unseen:
            case Refused(because=because, code=code):
                return Stuck(because=f"{found.instance!r} in {found.region}: {because} ({code})")
            case NoData(because=because):
                return Wait(because=f"{found.instance!r} in {found.region}: {because}; {again}", again_in=AGAIN)
        if wanted.get(found.instance):
            said = f"{found.instance!r} in {found.region} is {found.status!r}, expected 'available'"
            if found.status in BUSY:
                return Wait(because=f"{said}; {again}", again_in=AGAIN)
            return Stuck(because=f"{said}, and RDS changes nothing of it so")
    return None


def _lacks(found: Kept, days: int) -> str:
    """Why it is not kept."""
    said = [] if found.protected else ["could be deleted"]
    if 0 < found.retention < days:
        said.append(f"keeps automated backups for {found.retention} days, expected {days}")
    return ", and ".join(said)


def _stands(found: Kept) -> str:
    backups = f"keeps automated backups for {found.retention} days" if found.retention else "has no automated backups"
    return f"{found.instance!r} in {found.region} is protected from deletion, and {backups}"


def _was(name: str, value: Any) -> str:
    return f"kept automated backups for {value} days" if name == "BackupRetentionPeriod" else "could be deleted"


def _modify(found: Kept, wanted: Mapping[str, Any], *, reversible: bool) -> Call:
    until = " and ".join(
        f"its backups are kept for {value} days"
        if name == "BackupRetentionPeriod"
        else f"deletion protection is {value}"
        for name, value in wanted.items()
    )
    return Call(
        system="aws",
        service="rds",
        region=found.region,
        operation="modify_db_instance",
        params={"DBInstanceIdentifier": found.instance, **wanted},
        until=f"{until} of {found.instance!r}",
        reversible=reversible,
    )
