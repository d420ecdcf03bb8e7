"""Status pages for the tests: made by hand, and made from a real book under the shipped policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chalicelib.core.book import Book, Failover
from chalicelib.core.fold import fold
from chalicelib.core.happened import Declare, Said
from chalicelib.core.incident import StepState
from chalicelib.core.incidents import moved, put_step
from chalicelib.core.message import Component, ComponentStatus, PublicIncident, StatusPage, Update
from chalicelib.core.plan import Rules, plan
from chalicelib.core.public import page, public
from chalicelib.core.states import Event
from chalicelib.policy.load import load
from chalicelib.policy.platform import Mode

POLICY = load(Path(__file__).parents[2] / "policies")
LEVELS = POLICY.notifications.status_levels
RULES = Rules(POLICY)
AT = datetime(2026, 11, 24, 14, 32, tzinfo=UTC)


def shown(*statuses: ComponentStatus, incidents: tuple[PublicIncident, ...] = ()) -> StatusPage:
    """A page with one component for each status."""
    components = tuple(Component(name=f"Component {n}", status=s) for n, s in enumerate(statuses))
    return StatusPage(
        name="Example", url="https://status.example.com", at=AT, components=components, incidents=incidents
    )


def incident(key: str = "0123456789ab", *, ago: timedelta, lasted: timedelta | None = None) -> PublicIncident:
    """An incident that began `ago`; resolved if it `lasted`."""
    began = AT - ago
    updates = [
        Update(status="investigating", at=began, text="We are looking."),
        Update(status="identified", at=began + timedelta(minutes=1), text="We know what it is."),
    ]
    if lasted:
        updates.append(Update(status="resolved", at=began + lasted, text="It is over."))
    return PublicIncident(
        key=key,
        name="Something broke",
        status=updates[-1].status,
        impact="major",
        started_at=began,
        resolved_at=began + lasted if lasted else None,
        components=("Component 0",),
        updates=tuple(reversed(updates)),
    )


def real(scenario: str, scope: str, *, progress: int = 0, over: bool = False) -> StatusPage:
    """The page of a declared incident with `progress` of its steps done; `over` ends it and keeps an older one."""
    book = Book(mode=Mode.AUTOMATIC, serving=POLICY.platform.regions.primary)
    if POLICY.scenario(scenario).returns:
        gone = Failover(incident="earlier", scenario="region-failure", at=AT - timedelta(days=1))
        book = replace(book, serving=POLICY.platform.regions.standby, failover=gone)
    said = Said(id="c1", by="ana", at=AT - timedelta(minutes=20), arn=POLICY.people.people[0].principals[0])
    now = AT - timedelta(minutes=20)
    book = fold(book, Declare(said=said, scenario=scenario, scope=scope), rules=RULES, now=now)
    (found,) = book.incidents
    book = replace(book, incidents={found: replace(book.incidents[found], started_at=now + timedelta(minutes=1))})
    for n, step in enumerate(plan(scenario, policy=POLICY).steps[:progress]):
        at = now + timedelta(seconds=20 * n)
        record = replace(
            book.incidents[found].step(step.id),
            state=StepState.DONE,
            first_done_at=at,
            done_at=at,
            because=f"{step.id} is done",
        )
        book = put_step(book, found, step.id, record)
    if over:
        book = moved(book, found, Event.RESOLVED, "a person says it is over", AT)
        book = replace(book, history=(public(book.incidents[found], RULES),))
    return page(book, RULES, AT)
