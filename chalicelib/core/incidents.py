"""How an incident opens, moves and leaves a trace: the small moves that fold is made of.

Rules. Every change of state goes through `states.move`, and every one leaves a timeline entry with the sentence that
says why. Ids are made from what happened (scope, scenario, time), so that a repeat makes the same one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from chalicelib.core.book import Block, Book, Entry, case_of
from chalicelib.core.claims import on_their_way
from chalicelib.core.incident import Incident, Paging, StepRecord, StepState
from chalicelib.core.plan import Rules, plan
from chalicelib.core.states import Event, IncidentState, move

PLATFORM = "platform"
Ending = Literal["recovered", "cleared", "aborted", "resolved", "absorbed"]
_ENDINGS: dict[Event, Ending] = {
    Event.RECOVERED: "recovered",
    Event.CLEARED: "cleared",
    Event.ABORTED: "aborted",
    Event.RESOLVED: "resolved",
    Event.ABSORBED: "absorbed",
}


def note(book: Book, incident_id: str, kind: str, text: str, now: datetime) -> Book:
    """The book with one more timeline entry; `incident_id` may be a debt's, or 'platform'."""
    incident = case_of(book, incident_id)
    if incident is None:
        entry = Entry(incident=PLATFORM, n=book.entries, at=now, kind=kind, text=text)
        return replace(book, outbox=(*book.outbox, entry), entries=book.entries + 1)
    entry = Entry(incident=incident_id, n=incident.entries, at=now, kind=kind, text=text)
    book = put(book, replace(incident, entries=incident.entries + 1))
    return replace(book, outbox=(*book.outbox, entry))


def put(book: Book, incident: Incident) -> Book:
    """The book with this incident, drill, or what a debt knows, in place of its former self."""
    if incident.id in book.drills:
        return replace(book, drills={**book.drills, incident.id: incident})
    if incident.id not in book.incidents and any(d.case and d.case.id == incident.id for d in book.debts):
        debts = tuple(replace(d, case=incident) if d.case and d.case.id == incident.id else d for d in book.debts)
        return replace(book, debts=debts)
    return replace(book, incidents={**book.incidents, incident.id: incident})


def put_step(book: Book, incident_id: str, step_id: str, record: StepRecord) -> Book:
    """The book with this record of a step."""
    incident = case_of(book, incident_id)
    if incident is None:
        raise KeyError(f"there is no open incident and no debt {incident_id!r}")
    return put(book, replace(incident, steps={**incident.steps, step_id: record}))


def opened(
    book: Book,
    *,
    scenario: str,
    scope: str,
    failed_at: datetime,
    declared_by: str | None,
    because: str,
    rules: Rules,
    now: datetime,
    takes_over: tuple[str, ...] = (),
) -> Book:
    """A new incident, in doubt unless a person declared it; those it takes over and open ones below it are absorbed."""
    policy = rules.policy
    incident_id = _fresh_id(book, f"{scope.replace('/', '.')}-{scenario}-{now:%Y%m%dT%H%M%S}")
    state = IncidentState.RESPONDING if declared_by else IncidentState.SUSPECTING
    rule = next((r for r in policy.signals.rules if (r.scenario, r.scope) == (scenario, scope)), None)
    awaits = tuple(r.scope for r in policy.signals.awaited(rule)) if rule else ()
    incident = Incident(
        id=incident_id,
        scenario=scenario,
        scope=scope,
        severity=policy.scenario(scenario).severity,
        state=state,
        because=because,
        plan=plan(scenario, policy=policy).hash,
        policy=policy.digest,
        opened_at=now,
        failed_at=failed_at,
        confirmed_at=now if declared_by else None,
        declared_by=declared_by,
        bad_since=now,
        # One that may wait asks at once: it has to know what is good.
        alarms_asked_at=None if awaits else now,
        speaks_for=rule.speaks_for if rule else (),
        awaits=awaits,
    )
    book = note(put(book, incident), incident_id, "opened", because, now)
    return _absorbing(book, incident_id, takes_over, rules, now)


def confirmed(book: Book, incident_id: str, because: str, rules: Rules, now: datetime) -> Book:
    """The suspicion is no more one: it takes over what it had left alone while it might have been all of it."""
    return _absorbing(moved(book, incident_id, Event.CONFIRMED, because, now), incident_id, (), rules, now)


def _absorbing(book: Book, incident_id: str, named: tuple[str, ...], rules: Rules, now: datetime) -> Book:
    """Those named, and what is open and belongs to this incident, are taken over by it."""
    incident = book.incidents[incident_id]
    smaller = [
        i.id
        for i in book.incidents.values()
        if i.id != incident_id and i.state is not IncidentState.CLOSING and (i.id in named or incident.holds(i.scope))
    ]
    theirs = [name for i in smaller for name in book.incidents[i].absorbed]
    book = put(book, replace(incident, absorbed=(*incident.absorbed, *smaller, *theirs)))
    for other in smaller:
        left = ", ".join(s.id for s in on_their_way(book.incidents[other], rules, now))
        first = f"; on the way are {left}: each is looked at before anything else moves what it moves" if left else ""
        book = moved(book, other, Event.ABSORBED, f"taken over by {incident_id}", now)
        book = note(book, incident_id, "absorbed", f"incident {other} belongs to this one now{first}", now)
    return book


def _fresh_id(book: Book, wanted: str) -> str:
    """`wanted`, or with a number when an incident of that name, opened in the same second, is still closing."""
    number, found = 2, wanted
    while found in book.incidents:
        number, found = number + 1, f"{wanted}-{number}"
    return found


def moved(book: Book, incident_id: str, event: Event, because: str, now: datetime) -> Book:
    """The book after `event`, or unchanged when the table has no such move."""
    incident = book.incidents[incident_id]
    row = move(incident.state, event)
    if row is None:
        return book
    changed = replace(incident, state=row.target, because=f"{row.sentence}: {because}")
    if row.target is IncidentState.CLOSING:
        changed = replace(changed, ending=_ENDINGS[event], ended_at=now)
    if event is Event.CONFIRMED:
        changed = replace(changed, confirmed_at=now)
    return note(put(book, changed), incident_id, event, changed.because, now)


def paged(book: Book, incident_id: str, because: str, rules: Rules, now: datetime) -> Book:
    """The next rung of the ladder is paged; at its top, the top again. Its foot was paged by the detection."""
    incident = book.incidents[incident_id]
    ladder = rules.of(incident.policy).policy.notifications.ladder
    rung = min(max((p.rung for p in incident.pagings), default=0) + 1, len(ladder) - 1)
    paging = Paging(rung=rung, at=now, because=because)
    book = put(book, replace(incident, pagings=(*incident.pagings, paging)))
    return note(book, incident_id, "escalated", f"paging {ladder[rung].who}: {because}", now)


def alarmed(book: Book, incident_id: str, because: str, rules: Rules, now: datetime) -> Book:
    """Every rung of the ladder is paged at once."""
    incident = book.incidents[incident_id]
    ladder = rules.of(incident.policy).policy.notifications.ladder
    pagings = tuple(Paging(rung=n, at=now, because=because) for n in range(len(ladder)))
    book = put(book, replace(incident, pagings=(*incident.pagings, *pagings)))
    everybody = ", ".join(rung.who for rung in ladder)
    return note(book, incident_id, "escalated", f"paging everybody ({everybody}): {because}", now)


def blocked(book: Book, scope: str, rules: Rules, now: datetime) -> Book:
    """The block window that follows a recovery."""
    until = now + rules.policy.platform.responder.block_window
    because = f"the recovery of {scope} ended at {now:%H:%M:%S} UTC; nothing moves by itself until {until:%H:%M:%S} UTC"
    kept = tuple(b for b in book.blocks if b.scope != scope)
    return replace(book, blocks=(*kept, Block(scope=scope, until=until, because=because)))


def settle(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """Derives asking, stalling, responding and recovered from the steps, and moves the incident there."""
    incident = book.incidents[incident_id]
    if incident.state not in (IncidentState.RESPONDING, IncidentState.ASKING, IncidentState.STALLING):
        return book
    steps = rules.plan_of(incident.plan, incident.scenario, incident.chosen).steps
    records = {s.id: incident.step(s.id) for s in steps}
    wanted = [s for s in steps if not s.best_effort]
    if all(records[s.id].state is StepState.DONE for s in wanted):
        return recovered(book, incident_id, rules, now)
    ready = [s for s in wanted if all(records[n].state is StepState.DONE for n in s.needs)]
    states = {records[s.id].state for s in ready} - {StepState.DONE}
    if states & {StepState.RUNNING, StepState.ACTING, StepState.PENDING, StepState.HELD}:
        return moved(book, incident_id, Event.MOVED, "steps are under way", now)
    asking = [s.id for s in ready if records[s.id].state is StepState.ASKING]
    stuck = [s.id for s in ready if records[s.id].state is StepState.STUCK]
    if stuck:
        return moved(book, incident_id, Event.STALLED, f"stuck: {', '.join(stuck)}", now)
    return moved(book, incident_id, Event.ASKED, f"a person must answer for: {', '.join(asking)}", now)


def recovered(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """Every step is done: the incident closes, and what a failover leaves behind is written down."""
    incident = book.incidents[incident_id]
    done = sum(r.state is StepState.DONE for r in incident.steps.values())
    book = moved(book, incident_id, Event.RECOVERED, f"{done} steps done", now)
    if incident.moved and rules.policy.scenario(incident.scenario).rests:
        book = blocked(book, incident.scope, rules, now)
    return book
