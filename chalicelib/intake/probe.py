"""What our own probes saw, as a `Signal` like any other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.intake.alarms import REASON_KEPT
from chalicelib.intake.reading import clean

STATES: Final = {True: AlarmState.OK, False: AlarmState.ALARM, None: AlarmState.INSUFFICIENT_DATA}
"""What was seen, as a state: None is "nobody could look", and that is no data, never down."""


def from_probe(name: str, *, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
    """The probe's verdict since `changed_at` (aware; kept in UTC to the millisecond, as the identity is).

    ValueError for a naive time or no name.
    """
    return _seen("probe", SignalKind.PROBE, name, healthy, changed_at, reason)


def from_heartbeat(name: str, *, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
    """Whether a heartbeat arrives, since `changed_at`; as `from_probe`."""
    return _seen("heartbeat", SignalKind.HEARTBEAT, name, healthy, changed_at, reason)


def from_audit(name: str, *, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
    """Whether a cluster's backup schedules are as policy writes them, since `changed_at`; as `from_probe`."""
    return _seen("audit", SignalKind.AUDIT, name, healthy, changed_at, reason)


def _seen(what: str, kind: SignalKind, name: str, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
    if not name.strip():
        raise ValueError(f"a {what}'s name is empty; expected the name that policy/signals.yaml gives it")
    if changed_at.tzinfo is None:
        raise ValueError(f"{what} {name!r} changed at {changed_at.isoformat()}, which names no zone; expected UTC")
    at = changed_at.astimezone(UTC)
    return Signal(
        source=f"{what}:{name}",
        name=name,
        kind=kind,
        state=STATES[healthy],
        changed_at=at.replace(microsecond=at.microsecond // 1000 * 1000),
        reason=clean(reason)[:REASON_KEPT] or "no reason given",
    )
