"""What policy promises of the account beside the backup schedules, as the clock's look finds it: broken is a finding.

Rules. Each promise is an audit of its own: OK is kept, ALARM is broken, INSUFFICIENT_DATA is that nobody could look,
which neither raises nor settles. A broken promise opens no incident and holds back no step: nothing here is recovered
from, somebody has to put it right, and the sentence says with which command. Never let one stand for evidence of a
failure: that a copy is late or an alarm was changed says nothing of whether the region serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from chalicelib.core.book import Book, Watermark
from chalicelib.core.findings import raised, settled
from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.policy.scenarios import Severity


@dataclass(frozen=True, slots=True)
class Promise:
    """`broken` and `kept` are what people read of it."""

    broken: str
    kept: str
    severity: Severity


PROMISES: Final[Mapping[str, Promise]] = {
    "replication": Promise(
        "Backups are not replicated as promised", "backups are replicated as policy says", Severity.HIGH
    ),
    "replica": Promise(
        "The database's replica is not as promised", "the database's replica is as policy says", Severity.HIGH
    ),
    "locks": Promise(
        "The newest air-gapped copy is not locked as promised",
        "the newest air-gapped copies are locked as policy says",
        Severity.HIGH,
    ),
    "health-check": Promise(
        "The endpoint's health check is not as promised",
        "the endpoint's health check is as policy says",
        Severity.MEDIUM,
    ),
    "alarms": Promise(
        "Alarms are not as promised", "every alarm is as policy says, and tells the responder", Severity.MEDIUM
    ),
}
"""By the name of the audit that looks at it."""


def source(name: str) -> str:
    """The source of its signals."""
    return f"audit:{name}"


def kind(name: str) -> str:
    """The kind of its finding: of each promise one at a time stands."""
    return f"promise-{name}"


def is_one(signal: Signal) -> bool:
    """Whether a signal is of a promise."""
    return signal.kind is SignalKind.AUDIT and signal.name in PROMISES and signal.source == source(signal.name)


def heard(book: Book, signal: Signal, now: datetime) -> Book:
    """The book after what one look found of one promise; a look no newer than what is known changes nothing."""
    mark, promise = book.watermarks.get(signal.source), PROMISES[signal.name]
    if mark and signal.changed_at <= mark.changed_at:
        return book
    mark = Watermark(
        name=signal.name,
        kind=signal.kind,
        state=signal.state,
        changed_at=signal.changed_at,
        reason=signal.reason,
        region=signal.region,
    )
    book = replace(book, watermarks={**book.watermarks, signal.source: mark})
    match signal.state:
        case AlarmState.ALARM:
            return raised(
                book,
                kind(signal.name),
                headline=promise.broken,
                because=signal.reason,
                severity=promise.severity,
                scope=signal.name,
                now=now,
            )
        case AlarmState.OK:
            return settled(book, kind(signal.name), because=f"{promise.kept} ({signal.reason})", now=now)
        case AlarmState.INSUFFICIENT_DATA:
            return book
    assert_never(signal.state)


def news(book: Book | None, name: str, state: AlarmState, reason: str) -> bool:
    """Whether the desk should hear of a look: of another state, or of another reason for what is broken. A reason that
    only counts on is no other. That nothing was ever seen is none.
    """
    mark = book.watermarks.get(source(name)) if book else None
    if mark is None:
        return state is not AlarmState.INSUFFICIENT_DATA
    if mark.state is not state:
        return True
    return state is AlarmState.ALARM and _uncounted(mark.reason) != _uncounted(reason)


def _uncounted(reason: str) -> str:
    return "".join(c for c in reason if not c.isdigit())
