"""Which notices an incident owes, to whom and by when.

Rules. What is owed is derived from the incident's moments and the notification matrix; what was sent stands in the
book. A notice that failed for good is owed to its channel's fallback. External notices are held while the mode is
`observe`: a customer is not told of a failover that nobody carries out. The wording lives in wording.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from chalicelib.core.book import Book
from chalicelib.core.incident import Incident, NoticeRecord, NoticeState, StepState
from chalicelib.core.plan import Rules
from chalicelib.core.report import clocks
from chalicelib.core.states import IncidentState
from chalicelib.policy.notifications import Notice, NoticeEvent
from chalicelib.policy.platform import Mode

Audience = Literal["internal", "external"]
SPENT: Final = (("half", 0.5), ("three-quarters", 0.75))
"""The shares of an RTO whose passing is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One notice that must be with a channel by `due_at`. `about` is the step, rung or number it is about."""

    key: str
    event: NoticeEvent
    about: str
    channel: str
    audience: Audience
    due_at: datetime


def owed(book: Book, incident: Incident, rules: Rules, now: datetime) -> tuple[Owed, ...]:
    """Everything that this incident has owed so far, sent or not, fallbacks included."""
    if incident.ending == "absorbed":
        return ()
    rules = rules.of(incident.policy)
    found: list[Owed] = []
    for event, about, at in _moments(incident, rules, now):
        row = rules.policy.notifications.row(event, incident.severity)
        if row is None:
            continue
        for channel, audience in _channels(row, event, about, rules):
            if audience == "external" and book.mode is Mode.OBSERVE:
                continue
            key = "/".join(part for part in (event.value, about, channel) if part)
            first = Owed(key=key, event=event, about=about, channel=channel, audience=audience, due_at=at + row.within)
            found += with_fallbacks(first, incident.notices, rules)
    return tuple(found)


def outstanding(book: Book, incident: Incident, rules: Rules, now: datetime) -> tuple[Owed, ...]:
    """Those that are neither sent nor failed for good; one that lapsed and is owed again is sent anew."""
    return unsettled(owed(book, incident, rules, now), incident.notices)


def unsettled(wanted: Iterable[Owed], notices: Mapping[str, NoticeRecord]) -> tuple[Owed, ...]:
    """Those of which the records do not say that they were sent, or failed for good."""
    final = {NoticeState.SENT, NoticeState.FAILED}
    return tuple(o for o in wanted if (record := notices.get(o.key)) is None or record.state not in final)


def _channels(row: Notice, event: NoticeEvent, about: str, rules: Rules) -> Iterator[tuple[str, Audience]]:
    if event is NoticeEvent.ESCALATED:
        rung = rules.policy.notifications.ladder[int(about.split("-")[1])]
        for channel in rung.channels:
            yield channel, "internal"
        return
    for channel in row.internal:
        yield channel, "internal"
    for channel in row.external:
        yield channel, "external"


def with_fallbacks(first: Owed, notices: Mapping[str, NoticeRecord], rules: Rules) -> Iterator[Owed]:
    """A notice, and where its channel failed for good the same by the channel's fallback."""
    yield first
    seen = {first.channel}
    last = first
    while (record := notices.get(last.key)) and record.state is NoticeState.FAILED:
        fallback = rules.policy.notifications.channel(last.channel).fallback
        if fallback is None or fallback in seen:
            return
        seen.add(fallback)
        last = Owed(
            key=f"{last.key}>{fallback}",
            event=first.event,
            about=first.about,
            channel=fallback,
            audience=first.audience,
            due_at=first.due_at,
        )
        yield last


def _moments(incident: Incident, rules: Rules, now: datetime) -> Iterator[tuple[NoticeEvent, str, datetime]]:
    yield NoticeEvent.INCIDENT_DETECTED, "", incident.opened_at
    if incident.confirmed_at:
        yield NoticeEvent.DR_ACTIVATED, "", incident.confirmed_at
    if incident.started_at:
        yield NoticeEvent.RECOVERY_STARTED, "", incident.started_at
    closing = incident.state is IncidentState.CLOSING
    if not closing:
        yield from _progress(incident, rules, now)
        yield from _steps(incident)
        yield from _budgets(incident, rules, now)
    for n, paging in enumerate(incident.pagings):
        if not closing:
            yield NoticeEvent.ESCALATED, f"{n}-{paging.rung}", paging.at
    if closing and incident.ended_at:
        event = NoticeEvent.RECOVERY_COMPLETE if incident.ending == "recovered" else NoticeEvent.STOOD_DOWN
        yield event, "", incident.ended_at


def _progress(incident: Incident, rules: Rules, now: datetime) -> Iterator[tuple[NoticeEvent, str, datetime]]:
    row = rules.policy.notifications.row(NoticeEvent.RECOVERY_PROGRESS, incident.severity)
    if row is None or row.every is None or incident.confirmed_at is None:
        return
    # Only the newest: after a pause of an hour nobody wants two stale updates.
    n = int((now - incident.confirmed_at) / row.every)
    if n:
        yield NoticeEvent.RECOVERY_PROGRESS, str(n), incident.confirmed_at + n * row.every


def _steps(incident: Incident) -> Iterator[tuple[NoticeEvent, str, datetime]]:
    for step_id, record in incident.steps.items():
        if record.state is StepState.ASKING and record.asked_at:
            yield NoticeEvent.APPROVAL_NEEDED, f"{step_id}-{record.asked_at:%H%M%S}", record.asked_at
        if record.late_at:
            yield NoticeEvent.STEP_LATE, step_id, record.late_at
        if record.state is StepState.STUCK and record.stuck_at:
            yield NoticeEvent.STEP_STUCK, f"{step_id}-{record.stuck_at:%H%M%S}", record.stuck_at


def _budgets(incident: Incident, rules: Rules, now: datetime) -> Iterator[tuple[NoticeEvent, str, datetime]]:
    """That half, and three quarters, of an RTO are over while a service that is held to it is not back; and that it is
    forecast to be missed.
    """
    for budget, warning in incident.forewarned.items():
        yield NoticeEvent.FORECAST_MISS, budget, warning.at
    policy = rules.policy
    row = policy.notifications.row(NoticeEvent.BUDGET_SPENT, incident.severity)
    confirmed = incident.confirmed_at
    if row is None or confirmed is None or not policy.scenario(incident.scenario).held_to_rto:
        return
    tightest = min((t.rto for t in policy.services.tiers), default=None)
    if tightest is None or now < incident.failed_at + tightest / 2:
        return
    found = clocks(incident, rules, now)
    for rto in sorted({c.rto for c in found}):
        ends = [c.recovered_at for c in found if c.rto == rto]
        for word, share in SPENT:
            spent_at = incident.failed_at + rto * share
            if spent_at <= now and any(end is None or end > spent_at for end in ends):
                yield NoticeEvent.BUDGET_SPENT, f"{word}-{policy.real(rto)}", max(spent_at, confirmed)
