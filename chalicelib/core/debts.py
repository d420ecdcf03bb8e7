"""Steps that recovery did not wait for: how one is left, and how what is left is paid.

Rules. Only a step of best effort can be left, and nothing needs one. What is left is a debt: a case of its own with the
one step, looked at and tried every tick, also after its incident is closed, until it is done. A debt has a timeline
under its own name, so that a closed incident's stays as it was archived. Nothing here forgives a debt.

A person who ends an incident on the way owes what takes its steps back: the fence of a primary that is still the
primary, say. Where there is no way back any more (the promotion was asked for), nothing of it is owed. What a step has
noted of how things were before it goes along, since nobody else knows it.

So does an incident that a wider one has taken over, once nothing of it is on its way any more. What it owes rests
until the wider one is closed: nobody is asked about a zone while its region is left. Where the database takes writes
and where traffic goes is that one's to say, so what would move either back is not owed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from chalicelib.core.book import Book, Debt
from chalicelib.core.failback import remembered
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.incidents import PLATFORM, note, put_step
from chalicelib.core.plan import Plan, Rules, Step
from chalicelib.core.states import IncidentState
from chalicelib.core.things import Kind, UnknownThingError, moved_by

_WAITING = (StepState.PENDING, StepState.RUNNING, StepState.STUCK)


def overdue(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """Leaves the steps of best effort that did not get done within their deadline, and do not ask a person."""
    for step in _plan(book.incidents[incident_id], rules).steps:
        record = book.incidents[incident_id].step(step.id)
        if not step.best_effort or record.started_at is None or record.state not in _WAITING:
            continue
        if now - record.started_at > step.deadline:
            book = _left(book, incident_id, step, record, f"not done in {rules.policy.real(step.deadline)}", now)
    return book


def left_at_the_end(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """Leaves every step of best effort that is not done when all others are."""
    for step in _plan(book.incidents[incident_id], rules).steps:
        record = book.incidents[incident_id].step(step.id)
        if step.best_effort and record.state not in (StepState.DONE, StepState.LEFT):
            book = _left(book, incident_id, step, record, "everything else is recovered", now)
    return book


def owed_to_undo(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """What takes back the steps of an incident that a person has ended, where they began and there is a way back."""
    incident = book.incidents[incident_id]
    for undo, undone in _undos(incident, rules):
        because = f"{undo.title} is owed: the incident is {incident.ending}, and {undone} had begun"
        book = _undo_owed(book, incident, undo, undone, because, incident_id, now)
    return book


def owed_by_absorbed(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """The same of one that was taken over, when it leaves the book; told by the wider one's timeline."""
    incident = book.incidents[incident_id]
    wider = next((i.id for i in book.incidents.values() if incident_id in i.absorbed), "")
    for undo, undone in _undos(incident, rules):
        if _is_the_wider_ones(undo, incident, rules):
            continue
        once = f" once {wider} is closed" if wider else ""
        because = f"{undo.title} is owed{once}: {incident_id} was taken over, and {undone} had begun"
        book = _undo_owed(book, incident, undo, undone, because, wider or PLATFORM, now)
    return book


def rests(book: Book, debt: Debt, step: Step) -> bool:
    """Whether it takes back what an incident had begun that one which is still there took over. A step that was left
    never rests: a primary that comes back is fenced by the first tick.
    """
    return bool(step.undoes) and any(debt.incident in incident.absorbed for incident in book.incidents.values())


def _undos(incident: Incident, rules: Rules) -> Iterator[tuple[Step, str]]:
    """Each undo of what began and has a way back, and the step that it undoes."""
    for undo in _plan(incident, rules.of(incident.policy)).undos:
        if undo.undoes and _begun(incident, undo.undoes) and not (undo.unless and _begun(incident, undo.unless)):
            yield undo, undo.undoes


def _is_the_wider_ones(undo: Step, incident: Incident, rules: Rules) -> bool:
    try:
        moved = moved_by(undo, incident.scope, rules.of(incident.policy).policy)
    except UnknownThingError:
        return True
    return any(thing.kind in (Kind.DATABASE, Kind.TRAFFIC) for thing in moved)


def _undo_owed(
    book: Book, incident: Incident, undo: Step, undone: str, because: str, told_in: str, now: datetime
) -> Book:
    # Whoever owes its undoing does not owe the step itself any more, or the two would take turns.
    book = replace(book, debts=tuple(d for d in book.debts if not d.case or d.case.id != f"{incident.id}/{undone}"))
    record = StepRecord(because=because, facts=incident.step(undone).facts)
    return _debt(book, incident.id, undo, record, because, now, told_in=told_in)


def _begun(incident: Incident, step: str) -> bool:
    record = incident.step(step)
    return record.calls > 0 or record.state in (StepState.ACTING, StepState.DONE, StepState.LEFT)


def paid(book: Book, rules: Rules, now: datetime) -> Book:
    """Strikes out the debts whose step is done."""
    for debt in book.debts:
        if debt.case and all(r.state is StepState.DONE for r in debt.case.steps.values()):
            because = "; ".join(r.because for r in debt.case.steps.values())
            book = note(book, debt.case.id, "paid", because, now)
            book = remembered(book, debt.case, rules, now)
            name = debt.case.id
            book = replace(book, debts=tuple(d for d in book.debts if d.case is None or d.case.id != name))
            book = note(book, PLATFORM, "paid", f"{debt.what} is owed no more: {because}", now)
    return book


def _left(book: Book, incident_id: str, step: Step, record: StepRecord, why: str, now: datetime) -> Book:
    because = f"{step.title} is left, {why}: {record.because}; it is tried every tick until it is done"
    book = put_step(book, incident_id, step.id, replace(record, state=StepState.LEFT, because=because, call=None))
    return _debt(book, incident_id, step, record, because, now)


def _debt(
    book: Book, incident_id: str, step: Step, record: StepRecord, because: str, now: datetime, *, told_in: str = ""
) -> Book:
    incident = book.incidents[incident_id]
    case = Incident(
        id=f"{incident_id}/{step.id}",
        scenario=incident.scenario,
        scope=incident.scope,
        severity=incident.severity,
        state=IncidentState.CLOSING,
        because=because,
        plan=incident.plan,
        policy=incident.policy,
        opened_at=now,
        failed_at=incident.failed_at,
        confirmed_at=incident.confirmed_at,
        declared_by=incident.declared_by,
        choices=incident.choices,
        steps={step.id: replace(record, state=StepState.PENDING, call=None, look_at=None, asked_at=None)},
    )
    debt = Debt(kind="step", what=step.title, incident=incident_id, since=now, because=because, case=case)
    return note(replace(book, debts=(*book.debts, debt)), told_in or incident_id, "debt", because, now)


def _plan(incident: Incident, rules: Rules) -> Plan:
    return rules.plan_of(incident.plan, incident.scenario, incident.chosen)
