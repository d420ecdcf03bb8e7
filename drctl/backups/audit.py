"""The retention audit: of each schedule the last so many backups, whether each is really there, good, and in the copy.

Rules. Pure: it judges what was seen. A backup counts as kept only when all of it is so: Completed without errors, not
expired and not being deleted, its files in the source bucket. It counts as copied when every one of its objects is in
the copy's bucket too, of the same size. What was not seen is not known, and never a gap. A gap has a time: that of the
run that left no good backup. Runs before the schedule was made are none.

Velero's files of a backup: https://velero.io/docs/v1.18/output-file-format/ (`velero-backup.json`, `<name>.tar.gz`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.schedules import Drift, Place, drifts, unknown
from chalicelib.policy import Policy
from chalicelib.policy.backups import Schedule
from chalicelib.policy.lint.backups import runs

SCHEDULE: Final = "velero.io/schedule-name"
RUNNING: Final = frozenset(
    {"", "New", "Queued", "ReadyToStart", "InProgress", "WaitingForPluginOperations", "Finalizing"}
    | {"WaitingForPluginOperationsPartiallyFailed", "FinalizingPartiallyFailed"}
)
NOTICED: Final = timedelta(minutes=2)
"""Velero looks at its schedules every minute, so a run that came due just now may have no backup yet."""

Unseen = NoData | Refused
Objects = Mapping[str, int]
"""Key → size in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen. Each part that was not is the reason why."""

    schedules: Sequence[Mapping[str, Any]] | Unseen
    backups: Sequence[Mapping[str, Any]] | Unseen
    source: Objects | Unseen
    copy: Objects | Unseen
    prefix: str = ""
    """The location's own prefix, without slashes at its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A run that has no good backup, and why."""

    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncopied:
    """A kept backup that is not whole in the copy."""

    backup: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One schedule. `wanted` is how many runs there have been, at most policy's `copies`, and `kept` how many of them
    left a good backup. `good` counts those that were asked for by hand as well, `copied` is how many of `good` are
    whole in the copy; None when the copy was not seen. `newest` is the newest good one's name, `age` how old its end
    is.
    """

    schedule: str
    promised: int
    wanted: int
    kept: int
    good: int
    gaps: tuple[Gap, ...]
    newest: str | None
    age: timedelta | None
    copied: int | None
    uncopied: tuple[Uncopied, ...]
    drift: tuple[Drift, ...]
    because: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, as far as was seen."""
        return not (self.gaps or self.uncopied or self.drift)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything, at one moment. `age` is of the newest good backup of all; `unseen` are sentences of what was not."""

    at: datetime
    rows: tuple[Kept, ...]
    rpo: timedelta
    age: timedelta | None
    unknown: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def risk(self) -> str:
        """How much of the RPO the newest good backup's age has used up: `within`, `half`, `three quarters`, `missed`;
        or `not known`.
        """
        if self.age is None:
            return "not known" if self.unseen else "missed"
        share = self.age / self.rpo
        return "missed" if share > 1 else "three quarters" if share >= 0.75 else "half" if share >= 0.5 else "within"

    @property
    def whole(self) -> bool:
        """Whether all is as promised, and all of it was seen."""
        return all(r.whole for r in self.rows) and not self.unseen and self.risk != "missed"


def audit(policy: Policy, place: Place, seen: Seen, now: datetime) -> Page:
    """The page of the cluster of a place."""
    parts = {"schedules": seen.schedules, "backups": seen.backups, "bucket": seen.source, "copy": seen.copy}
    unseen = tuple(f"{name}: {p.because}" for name, p in parts.items() if isinstance(p, Unseen))
    schedules = () if isinstance(seen.schedules, Unseen) else tuple(seen.schedules)
    drift = () if isinstance(seen.schedules, Unseen) else drifts(policy, place, schedules)
    rows = tuple(
        _kept(row, policy, seen, schedules, tuple(d for d in drift if d.schedule == row.name), now)
        for row in policy.backups.on(place)
    )
    backups = () if isinstance(seen.backups, Unseen) else seen.backups
    ends = [_ended(b) for b in backups if not _unfit(b, seen, now)]
    return Page(
        at=now,
        rows=rows,
        rpo=policy.backups.rpo,
        age=now - max(ends) if ends else None,
        unknown=unknown(policy, place, schedules),
        unseen=unseen,
    )


def _kept(
    row: Schedule,
    policy: Policy,
    seen: Seen,
    schedules: Sequence[Mapping[str, Any]],
    drift: tuple[Drift, ...],
    now: datetime,
) -> Kept:
    stands = next((s for s in schedules if s["metadata"]["name"] == row.name), None)
    if isinstance(seen.backups, Unseen):
        return _nothing_known(row, drift, seen.backups.because)
    own = [b for b in seen.backups if (b["metadata"].get("labels") or {}).get(SCHEDULE) == row.name]
    since = _made(stands) if stands else min((_begun(b) for b in own), default=now)
    expected = _runs_before(row, policy, min(since, *map(_begun, own)) if own else since, now)
    good = sorted((b for b in own if not _unfit(b, seen, now)), key=_begun)
    kept, gaps = 0, list[Gap]()
    for at, until in expected:
        within = [b for b in own if at <= _begun(b) < until]
        if any(at <= _begun(b) < until for b in good):
            kept += 1
        elif not _under_way(within, at, now):
            gaps.append(Gap(at=at, because=_why(within, seen, now)))
    uncopied = None
    if not isinstance(seen.copy, Unseen) and not isinstance(seen.source, Unseen):
        uncopied = _uncopied((str(b["metadata"]["name"]) for b in good), seen, seen.source, seen.copy)
    newest = max(good, key=_ended, default=None)
    return Kept(
        schedule=row.name,
        promised=row.copies,
        wanted=len(expected),
        kept=kept,
        good=len(good),
        gaps=tuple(gaps),
        newest=str(newest["metadata"]["name"]) if newest else None,
        age=now - _ended(newest) if newest else None,
        copied=None if uncopied is None else len(good) - len(uncopied),
        uncopied=uncopied or (),
        drift=drift,
        because="" if stands else "it does not stand, so its runs are counted from its oldest backup",
    )


def _nothing_known(row: Schedule, drift: tuple[Drift, ...], because: str) -> Kept:
    return Kept(
        schedule=row.name,
        promised=row.copies,
        wanted=0,
        kept=0,
        good=0,
        gaps=(),
        newest=None,
        age=None,
        copied=None,
        uncopied=(),
        drift=drift,
        because=because,
    )


def _runs_before(row: Schedule, policy: Policy, since: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """The last `copies` runs, each with the moment of the next one; none before the schedule was there."""
    # The cron line runs by the clock, also where policy's durations are scaled.
    back = max(since, now - policy.speed * row.keep) - timedelta(seconds=1)
    found, runs_ = list[datetime](), runs(row.cron, back)
    for at in runs_:
        found.append(at)
        if at > now:
            break
    return [(a, b) for a, b in pairwise(found) if a >= since - timedelta(seconds=1)][-row.copies :]


def _under_way(within: Sequence[Mapping[str, Any]], at: datetime, now: datetime) -> bool:
    return now - at < NOTICED or any(_phase(b) in RUNNING for b in within)


def _why(within: Sequence[Mapping[str, Any]], seen: Seen, now: datetime) -> str:
    if not within:
        return "no backup was made, or it was deleted"
    return "; ".join(f"{b['metadata']['name']} {_unfit(b, seen, now)}" for b in within)


def _unfit(backup: Mapping[str, Any], seen: Seen, now: datetime) -> str:
    """Why a backup is none to restore from; empty when it is one."""
    status, name = backup.get("status") or {}, str(backup["metadata"]["name"])
    if _phase(backup) != "Completed":
        why = "; ".join([*status.get("validationErrors", []), *filter(None, [status.get("failureReason")])])
        errors = f" with {status['errors']} errors" if status.get("errors") else ""
        return f"is {_phase(backup) or 'New'}{errors}" + (f" ({why})" if why else "")
    if status.get("errors"):
        return f"is Completed with {status['errors']} errors"
    if not status.get("completionTimestamp"):
        return "does not say when it was completed"
    if backup["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    expires = status.get("expiration")
    if expires and datetime.fromisoformat(expires) <= now:
        return f"expired at {datetime.fromisoformat(expires).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if not isinstance(seen.source, Unseen):
        folder = _folder(seen, name)
        lacks = [f for f in ("velero-backup.json", f"{name}.tar.gz") if folder + f not in seen.source]
        if lacks:
            return f"has no {' and no '.join(lacks)} in the bucket"
    return ""


def _uncopied(good: Iterable[str], seen: Seen, source: Objects, copy: Objects) -> tuple[Uncopied, ...]:
    found = []
    for name in good:
        folder = _folder(seen, name)
        missing = tuple(sorted(k for k, size in source.items() if k.startswith(folder) and copy.get(k) != size))
        if missing:
            found.append(Uncopied(backup=name, missing=missing))
    return tuple(found)


def _folder(seen: Seen, name: str) -> str:
    return f"{seen.prefix}/backups/{name}/" if seen.prefix else f"backups/{name}/"


def _phase(backup: Mapping[str, Any]) -> str:
    return str((backup.get("status") or {}).get("phase", ""))


def _made(obj: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(obj["metadata"]["creationTimestamp"]).astimezone(UTC)


def _begun(backup: Mapping[str, Any]) -> datetime:
    """When it began. One that was synced from the bucket was made as an object later than as a backup."""
    started = (backup.get("status") or {}).get("startTimestamp")
    return datetime.fromisoformat(started).astimezone(UTC) if started else _made(backup)


def _ended(backup: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(backup["status"]["completionTimestamp"]).astimezone(UTC)
