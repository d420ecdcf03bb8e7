"""Rows for the actions that look after backups: facts → next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.actions.backup_now import BackingUp, Taken
from chalicelib.actions.velero_schedules_kept import Standing
from chalicelib.core.outcome import Act, Done, Next, Stuck, Wait
from chalicelib.core.schedules import spec
from tests.actions.stage import AT, DENIED, POLICY, SILENT

PRIMARY: dict[str, str] = {"cluster": "primary"}


def schedule(name: str, **more: Any) -> dict[str, Any]:
    """A Schedule object that is as policy says, but for `more`."""
    row = next(s for s in POLICY.backups.schedules if s.name == name)
    wanted = spec(row, POLICY, "primary")
    labels = {"team": "platform"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {**wanted, "template": {**wanted["template"], **more.pop("template", {})}, **more},
        "status": {"phase": "Enabled"},
    }


NAMES = [s.name for s in POLICY.backups.schedules]
ALL = tuple(schedule(n) for n in NAMES)
OLD = Taken(
    name="hourly-old", phase="Completed", began_at=AT - timedelta(minutes=50), ended_at=AT - timedelta(minutes=49)
)
OURS = Taken(name="hourly-20261124030000", phase="InProgress", began_at=AT, ours=True, items=", 3 of 9 items")
FAILED = replace(OURS, phase="PartiallyFailed", errors=2, ended_at=AT - timedelta(minutes=2))
UP = BackingUp(schedule=schedule("hourly"), backups=(OLD,))
NOT_OURS = replace(OURS, name="hourly-x", ours=False, phase="Completed", schedule="hourly", ended_at=AT)


def up(*taken: Taken, **more: Any) -> BackingUp:
    return replace(UP, backups=(OLD, *taken), **more)


ROWS: list[tuple[str, dict[str, str], Any, type[Next], str]] = [
    ("velero-schedules-kept", PRIMARY, SILENT, Wait, "looking again"),
    ("velero-schedules-kept", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("velero-schedules-kept", PRIMARY, Standing(ALL), Done, "all 4 schedules stand as policy says"),
    ("velero-schedules-kept", PRIMARY, Standing(ALL[1:]), Act, "'hourly' does not stand, policy says '0 * * * *'"),
    (
        "velero-schedules-kept",
        PRIMARY,
        Standing((schedule("hourly", schedule="0 */2 * * *"), *ALL[1:])),
        Act,
        "spec.schedule is '0 */2 * * *', policy says '0 * * * *'; it is put right",
    ),
    (
        "velero-schedules-kept",
        PRIMARY,
        Standing((schedule("hourly", paused=True), *ALL[1:])),
        Stuck,
        "paused are 'hourly', and nothing that is mended lets a schedule run again",
    ),
    (
        "velero-schedules-kept",
        PRIMARY,
        Standing((schedule("daily", paused=True), *ALL[2:])),
        Act,
        "it is made, paused as the others are",
    ),
    ("backup-now", PRIMARY, SILENT, Wait, "looking again"),
    ("backup-now", PRIMARY, DENIED, Stuck, "AccessDenied"),
    ("backup-now", PRIMARY, UP, Act, "is 49m old, the RPO is 1h15m; a backup is taken from schedule 'hourly'"),
    ("backup-now", PRIMARY, up(OURS), Wait, "is InProgress, 3 of 9 items; the newest good backup is 49m old"),
    ("backup-now", PRIMARY, up(replace(OURS, phase="Completed", ended_at=AT, warnings=1)), Done, "with 1 warnings"),
    ("backup-now", PRIMARY, up(NOT_OURS), Done, "backup 'hourly-x' is Completed"),
    ("backup-now", PRIMARY, up(replace(NOT_OURS, whole=False)), Act, "a backup is taken"),
    ("backup-now", PRIMARY, up(replace(NOT_OURS, errors=1)), Act, "a backup is taken"),
    ("backup-now", PRIMARY, up(FAILED), Act, "is PartiallyFailed with 2 errors (velero backup describe"),
    ("backup-now", PRIMARY, up(replace(FAILED, ended_at=AT)), Wait, "attempt 2 comes in 1m"),
    ("backup-now", PRIMARY, up(FAILED, FAILED, FAILED), Stuck, "that was attempt 3, and it is tried again"),
    (
        "backup-now",
        PRIMARY,
        up(FAILED, FAILED, replace(FAILED, ended_at=AT - timedelta(minutes=6))),
        Act,
        "a backup is taken from schedule",
    ),
    ("backup-now", PRIMARY, up(access_mode="ReadOnly"), Stuck, "takes no backup until somebody sets it ReadWrite"),
    (
        "backup-now",
        PRIMARY,
        up(phase="Unavailable", message="no bucket"),
        Stuck,
        "is Unavailable: no bucket; the newest",
    ),
    ("backup-now", PRIMARY, up(phase=""), Stuck, "is not validated yet"),
    ("backup-now", PRIMARY, up(schedule=None), Stuck, "has no schedule 'hourly' to take a backup from"),
    ("backup-now", PRIMARY, BackingUp(schedule=schedule("hourly"), backups=()), Act, "there is no good backup at all"),
]
