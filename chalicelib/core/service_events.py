"""Whether what an AWS service said is evidence, for whom, and for how long.

Rules. Policy's rows pick events by what they are about, never by their wording. AWS's word counts for as long as its
row says after it was last updated, bad and good alike: an event that nobody ever closed must not confirm the next
failure, and one that was closed a month ago must not clear it. What counts no more says nothing, which is no data.
Events have no fixed set of names, as alarms have, so what is remembered of them is bounded here: what counts for no
policy that is in use goes, and of findings, which are never good, the newest `KEPT` are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, assert_never

from chalicelib.core.book import Watermark
from chalicelib.core.happened import HealthEvent, SecurityFinding, Signal
from chalicelib.policy import Policy
from chalicelib.policy.signals import FindingSource, HealthSource, Observer

KEPT: Final = 50
"""So many findings are remembered: with one of them bad the observer is, and a burst must not fill the book."""


def sources(told: Signal | Watermark, policy: Policy) -> tuple[HealthSource | FindingSource, ...]:
    """The rows of policy that pick this event."""
    match told.event:
        case None:
            return ()
        case HealthEvent(service=service, category=category):
            return tuple(row for row in policy.signals.health if row.fits(told.region, service, category))
        case SecurityFinding(type=type_, severity=severity):
            return tuple(row for row in policy.signals.findings if row.fits(told.region, type_, severity))
        case _:
            assert_never(told.event)


def speaks_for(told: Signal | Watermark, observer: Observer, policy: Policy) -> bool:
    """Whether this observer listens to this event."""
    return any(_listens(observer, row) for row in sources(told, policy))


def counts(told: Signal | Watermark, observer: Observer, policy: Policy, now: datetime) -> bool:
    """Whether the event still is this observer's word."""
    rows = (row for row in sources(told, policy) if _listens(observer, row))
    return any(now - told.changed_at <= row.counts_for for row in rows)


def counts_at_all(told: Signal | Watermark, policies: Iterable[Policy], now: datetime) -> bool:
    """Whether the event still is anybody's word under one of these policies."""
    return any(now - told.changed_at <= row.counts_for for policy in policies for row in sources(told, policy))


def kept(marks: Mapping[str, Watermark], policies: Iterable[Policy], now: datetime) -> Mapping[str, Watermark]:
    """The watermarks without those events that count no more, and without the oldest of too many findings."""
    known = tuple(policies)
    left = {s: m for s, m in marks.items() if m.event is None or counts_at_all(m, known, now)}
    found = sorted((m.changed_at, s) for s, m in left.items() if isinstance(m.event, SecurityFinding))
    for _, source in found[: max(0, len(found) - KEPT)]:
        del left[source]
    return left


def told_twice(mark: Watermark, signal: Signal) -> bool:
    """The same communication of AWS Health, which comes by two regions and in several pages."""
    return (
        isinstance(mark.event, HealthEvent)
        and isinstance(signal.event, HealthEvent)
        and bool(signal.event.communication)
        and mark.event.communication == signal.event.communication
        and mark.state is signal.state
    )


def _listens(observer: Observer, row: HealthSource | FindingSource) -> bool:
    return row.name == (observer.health if isinstance(row, HealthSource) else observer.findings)
