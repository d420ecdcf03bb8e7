"""Makes sure that the Multi-AZ database's writer is not in the zone that fails; forces the failover if RDS does not.

RDS fails over by itself, usually within two minutes: by then a zone's alarm has held, and this looks for the first
time. What was the writer is then the standby: a failover asked twice leads back into the zone. So it is asked again
only when RDS knows of no failover that began, and never on the word of somebody who did not answer. Nothing is lost:
the standby is written synchronously.
Sources: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZ.Failover.html (60 to 120 seconds, and
the new zone may be shown later), https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RebootDBInstance.html,
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html (category `failover`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.places import zone_of
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
BEFORE: Final = timedelta(minutes=3)
"""How long before the incident a failover may have begun that is about the same failure."""
PASSING: Final = frozenset(
    {"backing-up", "modifying", "rebooting", "maintenance", "configuring-log-exports", "upgrading"}
)
INSTANCE: Final = ("arn:aws:rds:{primary}:{account}:db:{primary_instance}",)


@dataclass(frozen=True, slots=True)
class Writer:
    """`began`: whether RDS knows of a failover that began lately, or why that is not known."""

    zone: str
    secondary: str
    multi_az: bool
    status: str
    began: bool | NoData | Refused = False


class DatabaseElsewhere:
    """At most one forced failover, unless it had no effect."""

    name: ClassVar[str] = "database-elsewhere"
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="rds", operation="describe_db_instances", resources=INSTANCE, where="primary"),
        AwsOp(service="rds", operation="describe_events", resources=("*",), where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="rds", operation="reboot_db_instance", resources=INSTANCE, where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Writer | Refused | NoData:
        side = policy.platform.database.primary
        found = reader.aws("rds", side.region, "describe_db_instances", DBInstanceIdentifier=side.instance)
        if not isinstance(found, Mapping):
            return found
        instance = found["DBInstances"][0]
        events = reader.aws(
            "rds",
            side.region,
            "describe_events",
            SourceIdentifier=side.instance,
            SourceType="db-instance",
            EventCategories=["failover"],
            StartTime=target.opened_at - BEFORE / policy.speed,
        )
        return Writer(
            zone=instance.get("AvailabilityZone", ""),
            secondary=instance.get("SecondaryAvailabilityZone", ""),
            multi_az=bool(instance.get("MultiAZ")),
            status=instance["DBInstanceStatus"],
            began=bool(events["Events"]) if isinstance(events, Mapping) else events,
        )

    def next(self, target: Target, policy: Policy, facts: Writer | Refused | NoData, now: datetime) -> Next:
        side, zone = policy.platform.database.primary, zone_of(target, policy)
        named = f"database {side.instance!r}"
        if isinstance(facts, NoData):
            return Wait(because=f"{facts.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if isinstance(facts, Refused):
            return Stuck(because=f"{facts.because} ({facts.code})")
        if zone is None:
            return Stuck(because=f"{target.scope!r} names no zone of platform.yaml, so nothing fails over")
        if facts.status in PASSING:
            because = f"{named} is {facts.status!r} in {facts.zone}, expected 'available'"
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if facts.status != "available":
            return Stuck(because=f"{named} is {facts.status!r} in {facts.zone}; RDS must bring it back first")
        if facts.zone != zone.name:
            beside = f"; its standby is in {facts.secondary} until RDS moves it" if facts.secondary == zone.name else ""
            return Done(because=f"{named} has its writer in {facts.zone}{beside}", facts={"writer": facts.zone})
        if not facts.multi_az:
            because = f"{named} stands in {zone.name} alone, and RDS has nothing to fail over to"
            return Stuck(
                because=f"{because}; restore it in another zone, or promote the replica by declaring the region"
            )
        match facts.began:
            case NoData(because=why):
                return Wait(because=f"{why}; nothing is forced, looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=why, code=code):
                return Stuck(because=f"whether {named} fails over is not known: {why} ({code}); nothing is forced")
            case True:
                because = f"{named} is failing over, RDS says, and still is shown in {zone.name}"
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case _:
                call = Call(
                    system="aws",
                    service="rds",
                    region=side.region,
                    operation="reboot_db_instance",
                    params={"DBInstanceIdentifier": side.instance, "ForceFailover": True},
                    until=f"it is 'available' in {facts.secondary or 'another zone'}",
                    reversible=True,
                )
                because = f"{named} still has its writer in {zone.name}, and RDS has begun no failover"
                return Act(because=because, call=call)
