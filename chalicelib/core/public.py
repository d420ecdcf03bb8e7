"""What customers may see of the book: components, levels, updates.

Rules. Only words of policy that were written for customers come through: the platform's display name, component names,
scenarios' `customer_text`. No internal name, host, identifier or step ever does; incident keys are digests. When things
are expected back is said only where it was measured often enough (forewarning.py).
The banner is not stored: whoever renders the page derives it from the components.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Literal

from chalicelib.core.book import Book
from chalicelib.core.forewarning import promised_by
from chalicelib.core.incident import Incident
from chalicelib.core.message import Component, ComponentStatus, IncidentStatus, PublicIncident, StatusPage, Update
from chalicelib.core.plan import Rules
from chalicelib.core.report import clocks
from chalicelib.core.states import IncidentState
from chalicelib.policy import Policy
from chalicelib.policy.scenarios import Severity

_IMPACT: dict[Severity, Literal["none", "minor", "major", "critical"]] = {
    Severity.LOW: "none",
    Severity.MEDIUM: "minor",
    Severity.HIGH: "major",
    Severity.CRITICAL: "critical",
}
_LEVEL: dict[Severity, ComponentStatus] = {
    Severity.LOW: "operational",
    Severity.MEDIUM: "degraded_performance",
    Severity.HIGH: "major_outage",
    Severity.CRITICAL: "major_outage",
}
_WORST: tuple[ComponentStatus, ...] = (
    "operational",
    "under_maintenance",
    "degraded_performance",
    "partial_outage",
    "major_outage",
)


def page(book: Book, rules: Rules, now: datetime) -> StatusPage:
    """The whole page as it should be now."""
    policy = rules.policy
    shown = [i for i in book.incidents.values() if is_public(i)]
    names = list(dict.fromkeys(s.component for s in policy.services.in_order() if s.component))
    components = tuple(
        Component(
            name=name,
            status=max((*(_status(name, i, rules, now) for i in shown), _drilled(book, policy)), key=_WORST.index),
        )
        for name in names
    )
    live = tuple(_expected(public(i, rules), promised_by(book, i, rules, now)) for i in shown)
    keys = {i.key for i in live}
    return StatusPage(
        name=policy.platform.display_name,
        url=policy.platform.responder.status_url,
        at=now,
        components=components,
        incidents=(*live, *(h for h in book.history if h.key not in keys)),
    )


def _drilled(book: Book, policy: Policy) -> ComponentStatus:
    """A drill is nobody's business outside, but where policy says that it may be felt."""
    rows = (policy.drills.row(d.scenario) for d in book.drills.values() if d.state is not IncidentState.CLOSING)
    return "under_maintenance" if any(row and row.maintenance for row in rows) else "operational"


def _expected(shown: PublicIncident, by: datetime | None) -> PublicIncident:
    if by is None or shown.status == "investigating":
        return shown
    newest, *older = shown.updates
    text = f"{newest.text} We expect everything to be available again by about {by:%H:%M} UTC."
    return replace(shown, updates=(replace(newest, text=text), *older))


def is_public(incident: Incident) -> bool:
    """Customers see what is confirmed and of medium severity or worse, and no false alarm."""
    return incident.confirmed_at is not None and incident.severity.rank >= 1 and incident.ending != "absorbed"


def public(incident: Incident, rules: Rules) -> PublicIncident:
    """One incident as customers see it; updates newest first."""
    rules = rules.of(incident.policy)
    text = rules.policy.scenario(incident.scenario).customer_text
    planned = rules.policy.scenario(incident.scenario).planned
    first = "Planned maintenance has begun." if planned else "We are investigating a problem."
    updates: list[Update] = [Update(status="investigating", at=incident.opened_at, text=first)]
    if incident.confirmed_at:
        updates.append(Update(status="identified", at=incident.confirmed_at, text=text))
    if incident.started_at:
        under_way = "The move is under way." if planned else "Recovery is under way."
        updates.append(Update(status="identified", at=incident.started_at, text=under_way))
    if waited := min((r.waited_at for r in incident.steps.values() if r.waited_at), default=None):
        waits = "Part of this work waits for another recovery that is under way."
        updates.append(Update(status="identified", at=waited, text=waits))
    if back := incident.step("traffic").first_done_at:
        updates.append(
            Update(status="monitoring", at=back, text="Critical services are available again; the others follow.")
        )
    if incident.state is IncidentState.CLOSING and incident.ended_at:
        ended = "All services are available again." if incident.ending == "recovered" else "The problem is over."
        updates.append(Update(status="resolved", at=incident.ended_at, text=ended))
    updates.sort(key=lambda u: u.at)
    status: IncidentStatus = updates[-1].status
    return PublicIncident(
        key=hashlib.sha256(incident.id.encode()).hexdigest()[:12],
        name=rules.policy.scenario(incident.scenario).display,
        status=status,
        impact="none" if planned else _IMPACT[incident.severity],
        started_at=incident.opened_at,
        resolved_at=incident.ended_at if status == "resolved" else None,
        components=tuple(c for c in _components(rules) if _touched(c, incident, rules)),
        updates=tuple(reversed(updates)),
    )


def _components(rules: Rules) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s.component for s in rules.policy.services.in_order() if s.component))


def _touched(component: str, incident: Incident, rules: Rules) -> bool:
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    named = {s.service for s in plan.steps if s.service}
    services = {s.name for s in rules.policy.services.services if s.component == component}
    return not named or bool(named & services) or any(s.kind == "database" for s in map(rules.policy.service, services))


def _status(component: str, incident: Incident, rules: Rules, now: datetime) -> ComponentStatus:
    rules = rules.of(incident.policy)
    if incident.state is IncidentState.CLOSING or not _touched(component, incident, rules):
        return "operational"
    services = {s.name for s in rules.policy.services.services if s.component == component}
    clocked = [c for c in clocks(incident, rules, now) if c.service in services]
    if rules.policy.scenario(incident.scenario).planned:
        return "under_maintenance"
    if clocked and all(c.recovered_at for c in clocked):
        return "operational"
    if clocked and any(c.recovered_at for c in clocked):
        return "partial_outage"
    return _LEVEL[incident.severity]
