"""What our own work found and did, and how it is taken into the book.

Rules. A look changes nothing outside; what it found replaces what was known. A call is first `Decided` (saved), then
made, then `Called`: a crash in between leaves the step `acting`, and the next worker looks again before anything else.
A late answer for an incident that is gone, or a step that is done, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from chalicelib.core.approvals import acted_on, asked_for
from chalicelib.core.book import Book, case_of
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.incidents import note, put, put_step
from chalicelib.core.outcome import Act, Done, Doubtful, Made, Next, Outcome, Refused, Stuck, Wait
from chalicelib.core.plan import Rules, Step
from chalicelib.core.public import is_public, public
from chalicelib.core.sending import begun, ended, without
from chalicelib.core.states import IncidentState
from chalicelib.core.yielding import taking_over
from chalicelib.policy.platform import Mode

ASKED: Final = frozenset({"person", "wrong-side-listed"})
"""Actions without a call: what they wait for, once they have seen it, is a person's word."""
LOOK_AFTER_CALL: Final = timedelta(seconds=2)
LOOK_AFTER_REFUSAL: Final = timedelta(seconds=10)
LOOK_AT_DEBTS: Final = timedelta(minutes=1)
"""A debt is tried every tick, not more often: whoever does not answer now is dark for longer than that."""
LOOK_WHILE_HELD: Final = timedelta(seconds=60)
REFUSALS_TO_STUCK: Final = 3
HISTORY_KEPT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """An action observed, and said the one thing that is missing."""

    incident: str
    step: str
    next: Next


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The gates want a person's yes before this step's call."""

    incident: str
    step: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """The gates refuse this step's call for now; `waits_for` is the incident that it waits for, where it does."""

    incident: str
    step: str
    because: str
    waits_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """This step's call is about to be made."""

    incident: str
    step: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What became of the call."""

    incident: str
    step: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A notice is about to be sent. `key` is its identity within the incident."""

    incident: str
    key: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a notice."""

    incident: str
    key: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsAsked:
    """The states of an open incident's alarms were asked for; what they said comes as signals."""

    incident: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """The incident's archive is written; it leaves the book."""

    incident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A call or notice that was decided and then not made: something new came in first, or time ran out.

    `step` names the call, `key` the notice.
    """

    incident: str
    step: str | None = None
    key: str | None = None


Answer = Looked | Asked | HeldBack | Decided | Called | Withdrawn | Telling | Told | AlarmsAsked | Archived


def fold_answer(book: Book, answer: Answer, *, rules: Rules, now: datetime) -> Book:
    """The book with this answer taken in."""
    incident = case_of(book, answer.incident)
    if incident is None:
        return book
    rules = rules.of(incident.policy)
    match answer:
        case Looked() | Asked() | HeldBack() | Decided() | Called():
            try:
                step = rules.plan_of(incident.plan, incident.scenario, incident.chosen).step(answer.step)
            except KeyError:
                return book
            return _fold_step(book, incident, step, answer, rules, now)
        case Telling(key=key, due_at=due_at):
            record = begun(incident.notices.get(key), due_at, now)
            return put(book, replace(incident, notices={**incident.notices, key: record}))
        case Told(key=key, outcome=outcome):
            return _told(book, incident, key, outcome, rules, now)
        case AlarmsAsked():
            return put(book, replace(incident, alarms_asked_at=now))
        case Withdrawn(step=step_id, key=key):
            return _withdrawn(book, incident, step_id, key, now)
        case Archived():
            kept = (public(incident, rules), *book.history)[:HISTORY_KEPT] if is_public(incident) else book.history
            return replace(book, incidents={k: v for k, v in book.incidents.items() if k != incident.id}, history=kept)
    assert_never(answer)


def _fold_step(
    book: Book,
    incident: Incident,
    step: Step,
    answer: Looked | Asked | HeldBack | Decided | Called,
    rules: Rules,
    now: datetime,
) -> Book:
    record = incident.step(step.id)
    if record.state is StepState.LEFT or (record.state is StepState.DONE and not isinstance(answer, Looked)):
        return book
    match answer:
        case Looked(next=found):
            return _looked(book, incident, step, record, found, rules, now)
        case Asked(because=because):
            if record.state is StepState.ASKING and record.because == because:
                return book
            asked_at = _asked_since(record, record.asked_at if record.state is StepState.ASKING else None, now)
            changed = replace(record, state=StepState.ASKING, because=because, asked_at=asked_at)
            book = put_step(book, incident.id, step.id, changed)
            return note(book, incident.id, "asks", f"{step.title}: {because}", now)
        case HeldBack(because=because, waits_for=other):
            if record.state is StepState.HELD and record.because == because:
                return book
            waited_at = record.waited_at or (now if other else None)
            changed = replace(
                record,
                state=StepState.HELD,
                because=because,
                waits_for=other,
                waited_at=waited_at,
                hindered=record.hindered or bool(other) or _hindered(book, because),
            )
            book = put_step(book, incident.id, step.id, changed)
            return note(book, incident.id, "held", f"{step.title}: {because}", now)
        case Decided(because=because):
            changed = replace(
                record, state=StepState.ACTING, because=because, calls=record.calls + 1, called_at=now, waits_for=""
            )
            book = taking_over(book, incident, step, rules, now)
            book = put_step(book, incident.id, step.id, changed)
            if step.announces == "recovery-started" and incident.started_at is None:
                book = put(book, replace(case_of(book, incident.id) or incident, started_at=now))
            return note(book, incident.id, "calling", f"{step.title}: {because}", now)
        case Called(outcome=outcome):
            return _called(book, incident, step, record, outcome, rules, now)
    assert_never(answer)


def _hindered(book: Book, because: str) -> bool:
    """Whether what holds it back has nothing to do with its plan; that a need is to be verified again first has."""
    stands = book.paused is not None or book.mode is Mode.OBSERVE
    return stands or any(because == block.because for block in book.blocks)


def _asked_since(record: StepRecord, asked_at: datetime | None, now: datetime) -> datetime:
    """When the question that stands was asked. Whose word has expired since does not know it: it is a new one then, and
    is told as one.
    """
    expired = asked_at is not None and any(asked_at < voice.expires_at <= now for voice in record.voices)
    return now if asked_at is None or expired else asked_at


def _looked(
    book: Book, incident: Incident, step: Step, record: StepRecord, found: Next, rules: Rules, now: datetime
) -> Book:
    speed = rules.policy.speed
    owed = incident.id not in book.incidents and incident.id not in book.drills
    rest = LOOK_AT_DEBTS if owed else timedelta()
    if record.state is StepState.ACTING:
        # Whoever decided the call was stopped, before it or after it.
        record = replace(record, approval=acted_on(record.approval, now))
    base = replace(record, started_at=record.started_at or now, call=None)
    if incident.state is IncidentState.CLOSING and incident.id in book.incidents and not isinstance(found, Done | Wait):
        # It had called when it was ended or taken over: what the call came to is known now, and no more is done of it.
        because = f"{found.because}; the incident is {incident.ending}, so no more is done about it here"
        book = put_step(book, incident.id, step.id, replace(base, state=StepState.HELD, because=because))
        return note(book, incident.id, "let-go", f"{step.title}: {because}", now)
    match found:
        case Done():
            changed = replace(
                base,
                state=StepState.DONE,
                because=found.because,
                done_at=now,
                first_done_at=record.first_done_at or now,
                look_at=None,
                stuck_at=None,
                facts={**record.facts, **found.facts},
            )
            book = put_step(book, incident.id, step.id, changed)
            if record.first_done_at is None:
                book = note(book, incident.id, "done", f"{step.title}: {found.because}", now)
                if incident.id not in book.drills and (owed or incident.ending in ("", "absorbed")):
                    book = _consequences(book, changed)
            return book
        case Wait():
            changed = replace(
                base,
                state=StepState.RUNNING,
                because=found.because,
                look_at=now + max(found.again_in, rest) / speed,
                stuck_at=None,
                facts={**record.facts, **found.facts},
            )
            if step.action in ASKED and record.approval is None and (step.action == "person" or found.facts):
                because = asked_for(step, record, incident.plan, now, found.because)
                asked_at = _asked_since(record, record.asked_at, now)
                changed = replace(changed, state=StepState.ASKING, asked_at=asked_at, because=because)
            book = put_step(book, incident.id, step.id, changed)
            kind = "asks" if changed.state is StepState.ASKING else "waits"
            return (
                book
                if record.because == changed.because
                else note(book, incident.id, kind, f"{step.title}: {changed.because}", now)
            )
        case Act():
            # A call that still asks or is still held keeps that state, so that nobody is asked anew for the same thing.
            state = record.state if record.state in (StepState.ASKING, StepState.HELD) else StepState.RUNNING
            because = record.because if state is not StepState.RUNNING else found.because
            changed = replace(
                base,
                state=state,
                because=because,
                waits_for=record.waits_for if state is StepState.HELD else "",
                call=found.call,
                look_at=now + LOOK_WHILE_HELD / speed,
                # A call that was refused and is found missing again is the same trouble, told once.
                stuck_at=record.stuck_at,
                # What the gates judge by is what this look found, and nothing that an earlier one did.
                facts=found.facts or record.facts,
            )
            return put_step(book, incident.id, step.id, changed)
        case Stuck():
            changed = replace(
                base,
                state=StepState.STUCK,
                because=found.because,
                look_at=now + max(found.again_in, rest) / speed,
                stuck_at=record.stuck_at or now,
                facts={**record.facts, **found.facts},
            )
            book = put_step(book, incident.id, step.id, changed)
            return (
                book
                if record.because == found.because
                else note(book, incident.id, "stuck", f"{step.title}: {found.because}", now)
            )
    assert_never(found)


def _called(
    book: Book, incident: Incident, step: Step, record: StepRecord, outcome: Outcome, rules: Rules, now: datetime
) -> Book:
    if record.state is not StepState.ACTING:
        return book
    speed = rules.policy.speed
    match outcome:
        case Made():
            changed = replace(
                record,
                state=StepState.RUNNING,
                because=outcome.because,
                call=None,
                approval=acted_on(record.approval, now),
                look_at=now + LOOK_AFTER_CALL / speed,
            )
            kind = "called"
        case Refused():
            stuck = record.calls >= REFUSALS_TO_STUCK
            changed = replace(
                record,
                state=StepState.STUCK if stuck else StepState.RUNNING,
                refused=record.refused + 1,
                because=f"{outcome.because} ({outcome.code}); looking again in {LOOK_AFTER_REFUSAL.seconds} s",
                call=None,
                look_at=now + LOOK_AFTER_REFUSAL / speed,
                stuck_at=(record.stuck_at or now) if stuck else None,
            )
            kind = "refused"
        case Doubtful():
            changed = replace(
                record,
                state=StepState.RUNNING,
                because=f"{outcome.because}; it may have been done, looking again",
                call=None,
                approval=acted_on(record.approval, now),
                doubtful=True,
                look_at=now + LOOK_AFTER_CALL / speed,
            )
            kind = "doubtful"
        case _:
            assert_never(outcome)
    book = put_step(book, incident.id, step.id, changed)
    return note(book, incident.id, kind, f"{step.title}: {changed.because}", now)


def _consequences(book: Book, record: StepRecord) -> Book:
    """What a step that is done leaves behind for the platform as a whole. Of an incident that a person has ended on the
    way it is left to people: that the switch stands elsewhere than the book has it is told (switch.py).
    """
    if serves := record.facts.get("serves"):
        book = replace(book, serving=str(serves))
    return book


def _withdrawn(book: Book, incident: Incident, step_id: str | None, key: str | None, now: datetime) -> Book:
    if step_id and (record := incident.step(step_id)).state is StepState.ACTING:
        changed = replace(record, state=StepState.RUNNING, calls=record.calls - 1, call=None, look_at=now)
        book = put_step(book, incident.id, step_id, changed)
    if key and (left := without(incident.notices, key, now)) is not None:
        book = put(book, replace(case_of(book, incident.id) or incident, notices=left))
    return book


def _told(book: Book, incident: Incident, key: str, outcome: Outcome, rules: Rules, now: datetime) -> Book:
    changed = ended(incident.notices.get(key), outcome, rules, now)
    if changed is None:
        return book
    book = put(book, replace(incident, notices={**incident.notices, key: changed}))
    return note(book, incident.id, f"notice-{changed.state}", f"{key}: {changed.because}", now)
