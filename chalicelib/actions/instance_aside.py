"""Renames the instance that stands in the way of a replica, and keeps it aside: nothing in it is lost, and nobody who
goes by its name finds it any more.

Renaming restarts it and takes its endpoint's name away. It is done only to an instance that stands alone, has no
replica, and was not made anew by this return; and only while the other side's stands alone too, so that one is left
that takes writes. Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
(NewDBInstanceIdentifier), …/UserGuide/USER_RenameInstance.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.restored import USABLE
from chalicelib.actions.sides import (
    BUSY,
    LOOK,
    PRIMARY,
    PRIMARY_ASIDE,
    STANDBY,
    STANDBY_ASIDE,
    aside_of,
    described,
    instance_of,
    made_anew,
    other,
    row_of,
    side_of,
    silent,
    source,
)
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Standing:
    """The side's instance, the one that is kept aside, and the other side's; None for one that is not there."""

    here: Mapping[str, Any] | None
    aside: Mapping[str, Any] | None
    there: Mapping[str, Any] | None


class InstanceAside:
    """One rename; the name aside says whether it was done."""

    name: ClassVar[str] = "instance-aside"
    reads: ClassVar[tuple[Op, ...]] = LOOK
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="rds", operation="modify_db_instance", resources=(PRIMARY, PRIMARY_ASIDE), where="primary"),
        AwsOp(service="rds", operation="modify_db_instance", resources=(STANDBY, STANDBY_ASIDE)),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Standing | Refused | NoData:
        return standing(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Standing | Refused | NoData, now: datetime) -> Next:
        side = side_of(target)
        row, aside = row_of(policy, side), aside_of(target, policy, side)
        named = f"{row.instance!r} in {row.region}"
        again = f"looking again in {AGAIN.seconds} s"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; {again}", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Standing(here=None, aside=None):
                return Stuck(
                    because=f"there is neither {named} nor {aside!r}: a person must say which database is whose"
                )
            case Standing(here=None, aside=kept) if kept is not None:
                status = kept["DBInstanceStatus"]
                if status in BUSY:
                    return Wait(because=f"{aside!r} is {status!r}, expected 'available'; {again}", again_in=AGAIN)
                return Done(because=f"{named} is kept aside as {aside!r}", facts={"aside": aside})
            case Standing(here=here) if here is not None:
                return _here(target, policy, facts, here)
        raise TypeError(f"{facts!r} is neither an instance nor the want of one")


def standing(target: Target, policy: Policy, reader: Reader) -> Standing | Refused | NoData:
    """What RDS says of the three."""
    side = side_of(target)
    here = instance_of(policy, reader, side)
    aside = described(policy, reader, side, aside_of(target, policy, side))
    there = instance_of(policy, reader, other(side))
    if none := silent(here, aside, there):
        return none
    found = [one if isinstance(one, Mapping) else None for one in (here, aside, there)]
    return Standing(found[0], found[1], found[2])


def _here(target: Target, policy: Policy, facts: Standing, here: Mapping[str, Any]) -> Next:
    side = side_of(target)
    row, aside, writer = row_of(policy, side), aside_of(target, policy, side), row_of(policy, other(side))
    named, status = f"{row.instance!r} in {row.region}", here["DBInstanceStatus"]
    if made_anew(here, target):
        return Done(because=f"{named} was made anew by this return: nothing stands in its way")
    if follows := source(here):
        return Done(because=f"{named} follows {follows!r}: nothing stands in its way")
    if status in BUSY:
        return Wait(because=f"{named} is {status!r}, expected 'available'; looking again", again_in=AGAIN)
    if facts.aside is not None:
        return Stuck(because=f"there are both {named} and {aside!r}: a person must say which of them is the older one")
    if status not in USABLE:
        return Stuck(because=f"{named} is {status!r}, expected 'available'; RDS must bring it back first")
    if replicas := here.get("ReadReplicaDBInstanceIdentifiers"):
        return Stuck(because=f"{named} is followed by {', '.join(replicas)}, which would follow it aside")
    if facts.there is None or source(facts.there) or facts.there["DBInstanceStatus"] not in USABLE | BUSY:
        return Stuck(
            because=f"{writer.instance!r} in {writer.region} does not stand alone: no other database takes writes"
        )
    call = Call(
        system="aws",
        service="rds",
        region=row.region,
        operation="modify_db_instance",
        params={"DBInstanceIdentifier": row.instance, "NewDBInstanceIdentifier": aside, "ApplyImmediately": True},
        until=f"it is called {aside!r}",
        reversible=True,
    )
    return Act(because=f"{named} stands where the replica of {writer.instance!r} is to be", call=call)
