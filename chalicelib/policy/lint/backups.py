"""Rules about backups: schedules that fill their retention, and replication that promises no more than it is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter

from chalicelib.policy.backups import Schedule
from chalicelib.policy.base import show_duration
from chalicelib.policy.go import parse_cron
from chalicelib.policy.lint.finding import Flaw, Whole, error, repeats, warning

_FROM: Final = datetime(2027, 1, 1, tzinfo=UTC)
"""Any moment would do; from here the windows that are counted hold a 29th of February."""
_WINDOWS: Final = 60
"""So many windows are looked at, one before each backup: five years of a monthly schedule."""
_RTC_OBJECTIVE: Final = timedelta(minutes=15)
_RTC_SHARE: Final = 99.99
"""S3 Replication Time Control: 99.99 % of objects within 15 minutes (Amazon S3 user guide, "Using S3 RTC")."""


def cron_is_readable(whole: Whole) -> Iterator[Flaw]:
    """Velero reads robfig/cron's standard lines: five fields, a descriptor or `@every`, with a time zone or without."""
    for i, schedule in enumerate(whole.policy.backups.schedules):
        if why := _unreadable(schedule):
            yield error(
                *("backups", "schedules", i, "cron"),
                allowed="five cron fields: minute, hour, day of the month, month, day of the week (0-6); or @hourly,"
                " @daily, @every 6h; CRON_TZ=Area/City may stand before them",
                found=schedule.cron,
                because=f"{schedule.cron!r} is no schedule that Velero reads ({why}):"
                f" {schedule.name!r} would never run",
            )


def retention_lasts_a_second(whole: Whole) -> Iterator[Flaw]:
    """A retention becomes Velero's `ttl`, a Go duration; what is less than a second would be kept for none."""
    for i, schedule in enumerate(whole.policy.backups.schedules):
        if schedule.keep < timedelta(seconds=1):
            yield error(
                *("backups", "schedules", i, "keep"),
                allowed="a second and more",
                found=schedule.keep,
                because=f"backups of {schedule.name!r} would expire as they are made",
            )


def backups_are_audited_in_time(whole: Whole) -> Iterator[Flaw]:
    """EventBridge runs a schedule by whole minutes, and drift that is looked for more seldom than backups are made
    costs some of them.
    """
    backups, least = whole.policy.backups, timedelta(minutes=1)
    whole_minutes = backups.audit.every >= least and backups.audit.every % least == timedelta()
    if not whole_minutes or backups.audit.every > backups.rpo:
        yield error(
            *("backups", "audit", "every"),
            allowed=f"whole minutes, at least one, and at most {show_duration(backups.rpo)}, the backups' RPO",
            found=backups.audit.every,
            because=f"the schedules would be compared with policy every {show_duration(backups.audit.every)}"
            + ("" if whole_minutes else ", which EventBridge has no rate for"),
        )


def schedule_is_single(whole: Whole) -> Iterator[Flaw]:
    """Each schedule has a name of its own: it is the name of its object in the cluster."""
    for i, first, name in repeats(s.name for s in whole.policy.backups.schedules):
        yield error(
            *("backups", "schedules", i, "name"),
            allowed="a name that no other schedule has",
            found=name,
            because=f"{name!r} already is schedules[{first}]; one object cannot be both",
        )


def retention_can_be_filled(whole: Whole) -> Iterator[Flaw]:
    """As many backups as `copies` must fall within `keep`, also just before the next one is made."""
    for i, schedule in enumerate(whole.policy.backups.schedules):
        if not _readable(schedule):
            continue
        filled = fills(schedule)
        if filled < schedule.copies:
            yield error(
                *("backups", "schedules", i, "keep"),
                allowed=f"long enough for {schedule.copies} backups of {schedule.cron!r}",
                found=f"{show_duration(schedule.keep)}, which holds {filled}",
                because=f"{schedule.name!r} promises {schedule.copies} copies, and {show_duration(schedule.keep)} of"
                f" {schedule.cron!r} hold {filled} at worst",
            )


def _unreadable(schedule: Schedule) -> str:
    """Why Velero would not read its cron line; empty when it does."""
    try:
        found = parse_cron(schedule.cron)
    except ValueError as error:
        return str(error)
    if found.every is None and not croniter.is_valid(found.fields):
        return "no day is ever met"
    return ""


def _readable(schedule: Schedule) -> bool:
    return not _unreadable(schedule)


def _runs(schedule: Schedule) -> Iterator[datetime]:
    return runs(schedule.cron, _FROM)


def runs(line: str, after: datetime) -> Iterator[datetime]:
    """When a readable cron line runs, in order, after a moment. A line with `@every` is taken to have run at it."""
    cron, at = parse_cron(line), after
    if cron.every is not None:
        while True:
            at += cron.every
            yield at
    zone = ZoneInfo(cron.zone) if cron.zone else UTC
    found = croniter(cron.fields, after.astimezone(zone))
    while True:
        at = found.get_next(datetime)
        yield at.astimezone(UTC)


def fills(schedule: Schedule) -> int:
    """How many backups are kept at the emptiest moment, counted up to `copies`.

    The emptiest moment is just before a backup is made; one that is exactly `keep` old then is still there.
    """
    ran = list(islice(_runs(schedule), schedule.copies + _WINDOWS))
    return min(
        min(i - bisect_left(ran, ran[i] - schedule.keep), schedule.copies) for i in range(schedule.copies, len(ran))
    )


def newest_backup_is_young_enough(whole: Whole) -> Iterator[Flaw]:
    """The gap between backups, and the time their copies take to the standby, fit into the RPO."""
    backups = whole.policy.backups
    readable = [s for s in backups.schedules if _readable(s)]
    if not readable:
        if not backups.schedules:
            yield error(
                *("backups", "schedules"),
                allowed="at least one schedule",
                found="none",
                because="nothing is ever backed up",
            )
        return
    gaps = {s.name: max(b - a for a, b in pairwise(islice(_runs(s), _WINDOWS))) for s in readable}
    name, gap = min(gaps.items(), key=lambda g: g[1])
    copying = max((r.objective for r in backups.replication), default=timedelta())
    worst = gap + copying
    if gap <= backups.rpo < worst and copying <= backups.rpo:
        yield warning(
            *("backups", "rpo"),
            allowed=f"at least {show_duration(worst)}, or more frequent backups",
            found=backups.rpo,
            because=f"just before the next {name!r} backup is copied, the newest one in the standby is"
            f" {show_duration(worst)} old ({show_duration(gap)} between backups + {show_duration(copying)} copying)",
        )
    elif gap > backups.rpo:
        yield error(
            *("backups", "rpo"),
            allowed=f"at least {show_duration(gap)}, or more frequent backups",
            found=backups.rpo,
            because=f"the most frequent schedule, {name!r}, leaves {show_duration(gap)} between backups",
        )


def replication_fits_the_rpo(whole: Whole) -> Iterator[Flaw]:
    """Where the copy is all that is left, nothing younger than the replication's objective is there."""
    backups = whole.policy.backups
    for i, row in enumerate(backups.replication):
        if backups.rpo < row.objective:
            yield error(
                *("backups", "replication", i, "objective"),
                allowed=f"at most {show_duration(backups.rpo)}, the backups' RPO",
                found=row.objective,
                because=f"the copy in {row.destination_region} may be {show_duration(row.objective)} behind,"
                f" and no more than {show_duration(backups.rpo)} may be lost",
            )


def replication_is_not_synchronous(whole: Whole) -> Iterator[Flaw]:
    """RTC is an objective of 15 minutes for 99.99 % of objects; without it S3 promises no time at all."""
    for i, row in enumerate(whole.policy.backups.replication):
        path = ("backups", "replication", i)
        if not row.rtc:
            yield warning(
                *(*path, "rtc"),
                allowed="true, where an objective is counted on",
                found=row.rtc,
                because=f"without RTC, S3 gives no time for copying: {show_duration(row.objective)} is a hope",
            )
        if row.rtc and row.objective < _RTC_OBJECTIVE:
            yield error(
                *(*path, "objective"),
                allowed="at least 15m: RTC is asynchronous",
                found=row.objective,
                because=f"RTC aims at 15m and is not synchronous; {show_duration(row.objective)} is more than that",
            )
        if not 0 < row.objective_share <= _RTC_SHARE:
            yield error(
                *(*path, "objective_share"),
                allowed="more than 0 and at most 99.99, per cent of objects",
                found=row.objective_share,
                because=f"RTC aims at 99.99 % of objects; {row.objective_share:g} % is more than it promises"
                if row.objective_share > _RTC_SHARE
                else f"{row.objective_share:g} % of objects is no objective",
            )
    database = whole.policy.platform.database
    if database.standby_replication == "synchronous" and database.primary.region != database.replica.region:
        yield error(
            *("platform", "database", "standby_replication"),
            allowed="asynchronous, between regions",
            found=database.standby_replication,
            because=f"a read replica of RDS in {database.replica.region} is asynchronous: to count on nothing lost"
            " would be wrong by its lag",
        )


def backups_reach_the_standby(whole: Whole) -> Iterator[Flaw]:
    """What is restored in the standby must be there, volumes too."""
    backups, regions = whole.policy.backups, whole.policy.platform.regions
    for i, row in enumerate(backups.replication):
        if row.source_region == row.destination_region:
            yield error(
                *("backups", "replication", i, "destination_region"),
                allowed=f"a region other than {row.source_region}",
                found=row.destination_region,
                because=f"the copy of {row.source!r} is lost together with it",
            )
    if not any(r.destination_region == regions.standby for r in backups.replication):
        yield error(
            *("backups", "replication"),
            allowed=f"at least one with destination_region {regions.standby}",
            found=", ".join(r.destination_region for r in backups.replication) or "none",
            because=f"no backup reaches {regions.standby}, where it would be restored",
        )
    if backups.scope.volumes == "snapshots":
        yield error(
            *("backups", "scope", "volumes"),
            allowed="file-system or data-mover",
            found=backups.scope.volumes,
            because="volume snapshots do not cross regions by themselves: volumes would not be restored in the standby",
        )
