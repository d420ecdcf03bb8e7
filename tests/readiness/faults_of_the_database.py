"""Faults of the database that is to be promoted."""

from __future__ import annotations

from tests.crash.platform_in_process import POLICY
from tests.readiness.day import Day
from tests.readiness.fault import Fault
from tests.readiness.faults_of_backups import back_up, pass_by

PLATFORM = POLICY.platform


def stopped(day: Day) -> None:
    day.instance().resting = "stopped"


def started(day: Day) -> None:
    day.instance().resting = "available"


def alone(day: Day) -> None:
    day.kept["source"] = day.instance().source
    day.instance().source = None


def followed(day: Day) -> None:
    day.instance().source = day.kept["source"]


def severed(day: Day) -> None:
    day.instance().source_lost = True


def joined(day: Day) -> None:
    day.instance().source_lost = False


def falls_behind(day: Day) -> None:
    day.platform.engine.pause(day.instance().resource_id, True)
    pass_by(day, 3 * PLATFORM.database.rpo)
    day.platform.beat()
    # A fault at a time: meanwhile the backups have gone on.
    back_up(day)


def catches_up(day: Day) -> None:
    day.platform.engine.pause(day.instance().resource_id, False)


DATABASE = (
    Fault(
        kind="the replica is stopped",
        done=stopped,
        mended=started,
        judge="replica",
        subject="replica's state",
        said="is 'stopped', expected 'available'",
    ),
    Fault(
        kind="the replica was promoted by somebody",
        done=alone,
        mended=followed,
        judge="replica",
        subject="replication",
        said="there is no replica to promote",
    ),
    Fault(
        kind="replication has ended",
        done=severed,
        mended=joined,
        judge="replica",
        subject="replication",
        said="does not replicate although its source is 'available'",
    ),
    Fault(
        kind="the replica is behind by more than the RPO",
        done=falls_behind,
        mended=catches_up,
        judge="replica",
        subject="possible loss",
        said="of writes behind, allowed are 1m",
    ),
)
