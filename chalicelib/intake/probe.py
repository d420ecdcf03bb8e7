"""What our own probes saw, as a `Signal` like any other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.intake.alarms import REASON_KEPT
from chalicelib.intake.reading import clean

_STATES: Final = {True: AlarmState.OK, False: AlarmState.ALARM, None: AlarmState.INSUFFICIENT_DATA}


def from_probe(name: str, *, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
    """The probe's verdict since `changed_at` (aware; kept in UTC to the millisecond, as the identity is).

    `healthy` None is "the probe could not look": no data, never down. ValueError for a naive time or no name.
    """
    if not name.strip():
        raise ValueError("a probe's name is empty; expected the name that policy/signals.yaml gives it")
    if changed_at.tzinfo is None:
        raise ValueError(f"probe {name!r} changed at {changed_at.isoformat()}, which names no zone; expected UTC")
    at = changed_at.astimezone(UTC)
    return Signal(
        source=f"probe:{name}",
        name=name,
        kind=SignalKind.PROBE,
        state=_STATES[healthy],
        changed_at=at.replace(microsecond=at.microsecond // 1000 * 1000),
        reason=clean(reason)[:REASON_KEPT] or "no reason given",
    )
