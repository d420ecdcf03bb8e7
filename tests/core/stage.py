"""What the tests of the core stand on: the shipped policy, a moment that everything is counted from, short ways to say
that something happened, and one round of work done the way the desk does it, against a little world of plain values.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from chalicelib.core.book import Book, Watermark
from chalicelib.core.fold import Happened, fold
from chalicelib.core.happened import AlarmState, Approve, Declare, Said, Signal, SignalKind, Tick
from chalicelib.core.incident import Incident, NoticeState, StepRecord, StepState
from chalicelib.core.outcome import Call
from chalicelib.core.plan import Plan, Rules, plan
from chalicelib.core.states import IncidentState
from chalicelib.policy import Policy
from chalicelib.policy.load import load, read_raw
from chalicelib.policy.platform import Mode
from chalicelib.store.codec import dump_book, read_book

FOLDER: Final = Path(__file__).parents[2] / "policies"
POLICY: Final = load(FOLDER)
_RAW: Final = read_raw(FOLDER)
START: Final = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
PRIMARY: Final = POLICY.platform.regions.primary
STANDBY: Final = POLICY.platform.regions.standby
ROUTE53: Final = "neurectomy-endpoint-health"
PROBE: Final = "standby-probe"
REGION: Final = "region-failure"


def at(seconds: float) -> datetime:
    """That many seconds after the start."""
    return START + timedelta(seconds=seconds)


def rules_for(policy: Policy) -> Rules:
    """The rules with every plan of the policy loaded, as the desk has them."""
    plans = [plan(r.scenario, policy=policy) for r in policy.runbooks.runbooks]
    return Rules(policy, {p.hash: p for p in plans})


RULES: Final = rules_for(POLICY)


@cache
def plan_of(scenario: str) -> Plan:
    return plan(scenario, policy=POLICY)


def policy_with(edit: Callable[[dict[str, Any]], None]) -> Policy:
    """The shipped policy after an edit of its plain data."""
    raw = copy.deepcopy(_RAW)
    edit(raw)
    return Policy.model_validate(raw, context={"speed": 1.0})


def empty(mode: Mode = Mode.AUTOMATIC, serving: str = PRIMARY) -> Book:
    return Book(mode=mode, serving=serving)


def alarm(
    name: str,
    state: AlarmState = AlarmState.ALARM,
    seconds: float = 0,
    *,
    region: str | None = PRIMARY,
    kind: SignalKind = SignalKind.METRIC_ALARM,
) -> Signal:
    arn = f"arn:aws:cloudwatch:{region}:111122223333:alarm:{name}"
    return Signal(
        source=arn, name=name, kind=kind, state=state, changed_at=at(seconds), reason="said so", region=region
    )


def probe(state: AlarmState = AlarmState.ALARM, seconds: float = 0) -> Signal:
    return Signal(
        source=f"probe:{PROBE}",
        name=PROBE,
        kind=SignalKind.PROBE,
        state=state,
        changed_at=at(seconds),
        reason="3 of 3 tries failed",
    )


def heartbeat(state: AlarmState = AlarmState.ALARM, seconds: float = 0) -> Signal:
    return Signal(
        source="heartbeat:primary",
        name="primary",
        kind=SignalKind.HEARTBEAT,
        state=state,
        changed_at=at(seconds),
        reason="silent for 41s, and the witness's heartbeat arrives",
    )


def said(name: str, seconds: float = 0, *, by: str = "ana", note: str = "") -> Said:
    """A proven person of the shipped policy."""
    return Said(id=name, by=by, at=at(seconds), note=note, arn=arn_of(by))


def arn_of(name: str) -> str:
    return next(a for p in POLICY.people.people if p.name == name for a in p.principals if a.startswith("arn:"))


def take(book: Book, *happened: Happened, seconds: float = 0, rules: Rules = RULES) -> Book:
    """All of it, folded at one moment."""
    for one in happened:
        book = fold(book, one, rules=rules, now=at(seconds))
    return book


def only(book: Book) -> Incident:
    """The one open incident."""
    (incident,) = book.incidents.values()
    return incident


def suspected(book: Book | None = None) -> Book:
    """One observer is bad."""
    return take(book, alarm(ROUTE53)) if book else _suspected()


@cache
def _suspected() -> Book:
    return take(empty(), alarm(ROUTE53))


def confirmed(book: Book | None = None) -> Book:
    """Three of five observers have been bad for the hold: the region failure is confirmed, at 10 s."""
    return take(take(suspected(book), probe(), heartbeat()), Tick(), seconds=10) if book else _confirmed()


@cache
def _confirmed() -> Book:
    """Made once: a book is never changed."""
    return take(take(suspected(), probe(), heartbeat()), Tick(), seconds=10)


def declared(scenario: str, scope: str, *, seconds: float = 0, book: Book | None = None, rules: Rules = RULES) -> Book:
    command = Declare(said=said(f"declare-{scenario}", seconds), scenario=scenario, scope=scope)
    return take(book or empty(), command, seconds=seconds, rules=rules)


def with_step(book: Book, step: str, record: StepRecord) -> Book:
    """The book in which this step of the only incident stands like that."""
    incident = only(book)
    changed = replace(incident, steps={**incident.steps, step: record})
    return replace(book, incidents={incident.id: changed})


def done(seconds: float = 0, **facts: str | float) -> StepRecord:
    """A step that was done then."""
    return StepRecord(
        state=StepState.DONE,
        because="it is there",
        started_at=at(seconds),
        first_done_at=at(seconds),
        done_at=at(seconds),
        facts=facts,
    )


def all_done_but(book: Book, *left: str, seconds: float = 10) -> Book:
    """Every step of the only incident done, those named excepted."""
    incident = only(book)
    for step in RULES.plan_of(incident.plan, incident.scenario, incident.chosen).steps:
        if step.id not in left:
            book = with_step(book, step.id, done(seconds))
    return book


def call(operation: str = "promote_read_replica", *, reversible: bool = False) -> Call:
    return Call(
        system="aws",
        service="rds",
        region=STANDBY,
        operation=operation,
        params={"DBInstanceIdentifier": "neurectomy-pg-west"},
        until="it replicates from nobody",
        reversible=reversible,
    )


def wants(seconds: float, **more: Any) -> StepRecord:
    """A step that was looked at then, and whose call is missing."""
    return replace(
        StepRecord(
            state=StepState.RUNNING,
            because="the call is missing",
            started_at=at(seconds),
            look_at=at(seconds + 60),
            call=call(),
        ),
        **more,
    )


def approve(book: Book, name: str, seconds: float, step: str | None = None, *, by: str = "ana") -> Approve:
    incident = only(book)
    return Approve(said=said(name, seconds, by=by), incident=incident.id, plan=incident.plan, step=step)


def reread(book: Book) -> Book:
    """The book as the next worker gets it from the store."""
    again, aside = read_book(dump_book(book))
    assert not aside
    return again


def marks(book: Book) -> dict[str, Watermark]:
    return dict(book.watermarks)


@cache
def in_state(state: IncidentState) -> Book:
    """A book whose only incident is a region failure in that state, some way into it."""
    book = confirmed()
    if state is IncidentState.SUSPECTING:
        return suspected()
    if state is IncidentState.RESPONDING:
        return book
    incident = only(book)
    if state is IncidentState.CLOSING:
        closing = replace(incident, state=state, ending="aborted", ended_at=at(10), because="a person aborted it")
        return replace(book, incidents={incident.id: closing})
    book = all_done_but(book, "promote", "repoint", "verify-database", "traffic")
    held = wants(10, state=StepState.ASKING if state is IncidentState.ASKING else StepState.STUCK, asked_at=at(10))
    if state is IncidentState.STALLING:
        held = replace(held, stuck_at=at(10), because="it is stuck", call=None)
    return take(with_step(book, "promote", held), Tick(), seconds=10)


def unsettled(incident: Incident) -> dict[str, NoticeState]:
    """The notices of which the record does not say what became of them."""
    final = {NoticeState.SENT, NoticeState.FAILED, NoticeState.LAPSED}
    return {k: n.state for k, n in incident.notices.items() if n.state not in final}
