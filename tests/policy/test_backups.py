from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.policy.backups import Schedule
from chalicelib.policy.lint.backups import fills
from tests.policy.broken import Broken


@pytest.mark.parametrize(
    ("cron", "keep", "copies", "filled"),
    [
        ("0 * * * *", timedelta(hours=24), 24, 24),
        ("0 * * * *", timedelta(hours=12), 24, 12),
        ("15 2 * * *", timedelta(days=30), 30, 30),
        ("15 2 * * *", timedelta(days=29), 30, 29),
        ("30 3 * * 0", timedelta(weeks=12), 12, 12),
        ("45 4 1 * *", timedelta(days=366), 12, 12),
        # In a leap year the twelfth backup is 366 days old, so a year of 365 days has already dropped it.
        ("45 4 1 * *", timedelta(days=365), 12, 11),
        ("0 9 * * 1-5", timedelta(days=7), 7, 5),
    ],
)
def test_a_schedule_fills_as_many_copies_as_fall_within_its_retention_at_worst(
    cron: str, keep: timedelta, copies: int, filled: int
) -> None:
    assert fills(Schedule(name="s", cron=cron, keep=keep, copies=copies)) == filled


@pytest.mark.parametrize("cron", ["0 * * *", "every hour", "61 * * * *", "0 0 * * 7", "0 0 0 * * *", "0 0 * * 5#2"])
def test_a_cron_that_velero_does_not_read_is_told(broken: Broken, cron: str) -> None:
    broken.edit("backups", '"0 * * * *"', f'"{cron}"').says(
        "cron-is-readable",
        "backups.yaml schedules[0].cron",
        at="name: hourly",
        found=cron,
        allowed="five cron fields",
    )


def test_two_schedules_of_one_name_are_told(broken: Broken) -> None:
    broken.edit("backups", "name: daily", "name: hourly").says(
        "schedule-is-single",
        "backups.yaml schedules[1].name",
        at='cron: "15 2 * * *"',
        found="hourly",
        allowed="no other schedule",
    )


def test_a_retention_that_its_schedule_cannot_fill_is_told_with_what_it_would_hold(broken: Broken) -> None:
    broken.edit("backups", "keep: 12w", "keep: 60d").says(
        "retention-can-be-filled",
        "backups.yaml schedules[2].keep",
        at="name: weekly",
        found="60d, which holds 8",
        allowed="12 backups of '30 3 * * 0'",
    )


@pytest.mark.parametrize("keep", ["0s", "0.5s"])
def test_a_retention_in_which_backups_expire_as_they_are_made_is_told(broken: Broken, keep: str) -> None:
    broken.edit("backups", "keep: 24h", f"keep: {keep}").says(
        "retention-lasts-a-second",
        "backups.yaml schedules[0].keep",
        at="name: hourly",
        found=keep,
        allowed="a second and more",
    )


@pytest.mark.parametrize(
    ("every", "because"),
    [
        ("30s", "every 30s, which EventBridge has no rate for"),
        ("1m30s", "every 1m30s, which EventBridge has no rate for"),
        ("2h", "compared with policy every 2h"),
    ],
)
def test_an_audit_that_the_clock_cannot_keep_or_that_looks_too_seldom_is_told(
    broken: Broken, every: str, because: str
) -> None:
    broken.edit("backups", "every: 5m", f"every: {every}").says(
        "backups-are-audited-in-time",
        "backups.yaml audit.every",
        at="audit:",
        found=every,
        allowed="at most 1h15m, the backups' RPO",
        because=because,
    )


def test_an_rpo_without_room_for_the_copying_is_a_warning(broken: Broken) -> None:
    broken.edit("backups", "rpo: 75m", "rpo: 1h").says(
        "newest-backup-is-young-enough",
        "backups.yaml rpo",
        at="rpo:",
        found="1h",
        allowed="at least 1h15m",
        severity="warning",
    )


def test_an_rpo_with_room_for_the_copying_is_fine(broken: Broken) -> None:
    assert not broken.findings("newest-backup-is-young-enough")


def test_an_rpo_shorter_than_the_gap_between_backups_is_told(broken: Broken) -> None:
    broken.edit("backups", "rpo: 75m", "rpo: 30m").says(
        "newest-backup-is-young-enough",
        "backups.yaml rpo",
        at="rpo:",
        found="30m",
        allowed="at least 1h",
        because="'hourly', leaves 1h between backups",
    )


def test_an_rpo_tighter_than_the_replication_is_told(broken: Broken) -> None:
    broken.edit("backups", "objective: 15m", "objective: 2h").says(
        "replication-fits-the-rpo",
        "backups.yaml replication[0].objective",
        at="objective: 2h",
        found="2h",
        allowed="at most 1h15m",
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "found", "allowed", "severity"),
    [
        ("objective: 15m", "objective: 1m", "objective", "1m", "at least 15m", "error"),
        ("share: 99.99", "share: 100", "objective_share", "100.0", "at most 99.99", "error"),
        ("rtc: true", "rtc: false", "rtc", "false", "true", "warning"),
    ],
)
def test_rtc_taken_for_more_than_it_promises_is_told(
    broken: Broken, old: str, new: str, field: str, found: str, allowed: str, severity: str
) -> None:
    broken.edit("backups", old, new).says(
        "replication-is-not-synchronous",
        f"backups.yaml replication[0].{field}",
        at=new,
        found=found,
        allowed=allowed,
        severity=severity,
    )


def test_a_replica_in_another_region_that_is_called_synchronous_is_told(broken: Broken) -> None:
    broken.edit("platform", "standby_replication: asynchronous", "standby_replication: synchronous").says(
        "replication-is-not-synchronous",
        "platform.yaml database.standby_replication",
        at="standby_replication",
        found="synchronous",
        allowed="asynchronous",
    )


def test_replication_that_is_called_synchronous_has_not_the_shape_of_policy(broken: Broken) -> None:
    broken.edit("backups", "kind: asynchronous", "kind: synchronous").says(
        "value-fits",
        "backups.yaml replication[0].kind",
        at="kind:",
        found="'synchronous'",
        allowed="one of: asynchronous",
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "found", "allowed"),
    [
        (
            "destination_region: us-west-2",
            "destination_region: us-east-1",
            "replication[0].destination_region",
            "us-east-1",
            "other than us-east-1",
        ),
        ("volumes: file-system", "volumes: snapshots", "scope.volumes", "snapshots", "file-system or data-mover"),
    ],
)
def test_backups_that_do_not_reach_the_standby_are_told(
    broken: Broken, old: str, new: str, field: str, found: str, allowed: str
) -> None:
    broken.edit("backups", old, new).says(
        "backups-reach-the-standby", f"backups.yaml {field}", at=new, found=found, allowed=allowed
    )
