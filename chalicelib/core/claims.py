"""Who may move what two open incidents need: one moves it, every other waits and says for whom.

Rules. Nothing is claimed in the book: who holds a thing follows from the steps as they stand, so a crash leaves no lock
behind. A step holds what it moves from its first call on, and where what comes after leans on it (`Thing.stays`) until
its incident is closed. Of two incidents one comes first, by one order over all of them and all things: whoever a person
has not let give way, then the wider scope, the graver severity, the older. Whoever comes first takes a thing over from
one who comes later, except while that one's move is on its way outside: its call may have been made and was not looked
at, or was made and the world is at work on it, and then until its deadline at most. An incident that was ended or taken
over while a move of its was on its way holds that much longer, and no more.

Two therefore never wait for each other. Whoever waits for one who comes first waits upwards in one order; whoever comes
first waits only for a move that is on its way, and that waits for nobody here. What recovery does not wait for (best
effort, debts) holds nothing against anybody but for the time of its call. Never add a claim that is asked for and
given: it would need giving back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from chalicelib.core.book import Book
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.plan import Plan, Rules, Step
from chalicelib.core.states import IncidentState
from chalicelib.core.things import Thing, UnknownThingError, moved_by


class Grip(IntEnum):
    """How an incident holds a thing, from what nobody takes from it to what it only wants."""

    MOVING = 0
    BEGUN = 1
    PLACED = 2
    WANTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One incident's hold of a thing, or the one that keeps a step waiting."""

    incident: Incident
    step: Step
    thing: Thing
    grip: Grip


def moving(incident: Incident, step: Step, record: StepRecord, now: datetime) -> bool:
    """Whether a call of it may be having its effect just now: it was not looked at since, or the world is at work.
    For what nothing waits for, only the former: whoever does not answer must keep nobody waiting.
    """
    if record.state is StepState.ACTING:
        return True
    at_work = record.state is StepState.RUNNING and record.calls > 0 and record.call is None
    if not at_work or step.best_effort:
        return False
    began = record.called_at or record.started_at or incident.opened_at
    return now < began + step.deadline


def on_their_way(incident: Incident, rules: Rules, now: datetime) -> Iterator[Step]:
    """The steps of an incident, mostly an ended one, that move a thing and of which a move is on its way."""
    its = rules.of(incident.policy)
    for step in _plan(incident, its).steps:
        if moving(incident, step, incident.step(step.id), now) and _things(step, incident, its):
            yield step


Able = Callable[[Incident, Step, StepRecord], bool]
"""Whether a step's call would be made now, were it not for what others hold: gates.py knows."""


def waits_for(book: Book, incident: Incident, step: Step, rules: Rules, now: datetime, able: Able) -> Hold | None:
    """The hold for which the step's call must wait, by whoever comes first; None when it may be made.

    UnknownThingError where nobody can say what the step moves. `incident` may be what a debt knows.
    """
    mine = moved_by(step, incident.scope, rules.of(incident.policy).policy)
    place = _rank(incident, book, rules)
    found = [
        hold
        for hold in _others(book, incident, rules, now)
        if hold.thing in mine
        and (hold.grip is Grip.MOVING or _rank(hold.incident, book, rules) < place)
        and (hold.grip is not Grip.WANTED or able(hold.incident, hold.step, hold.incident.step(hold.step.id)))
    ]
    return min(found, key=lambda h: (h.grip is not Grip.MOVING, _rank(h.incident, book, rules), h.grip), default=None)


def taken_over(book: Book, incident: Incident, step: Step, rules: Rules, now: datetime) -> tuple[Hold, ...]:
    """What the step's call takes from incidents that come later and had begun to move it or had placed it."""
    if incident.id not in book.incidents:
        return ()
    mine = _things(step, incident, rules.of(incident.policy))
    return tuple(
        hold
        for hold in _others(book, incident, rules, now)
        if hold.thing in mine and hold.grip in (Grip.BEGUN, Grip.PLACED)
    )


def in_common(book: Book, incident: Incident, rules: Rules) -> dict[str, tuple[Thing, ...]]:
    """What other open incidents' plans move that this one's does too, by their ids."""
    mine = _all_things(incident, rules)
    others = (i for i in book.incidents.values() if i.id != incident.id and i.state is not IncidentState.CLOSING)
    return {i.id: both for i in others if (both := tuple(sorted(mine & _all_things(i, rules))))}


def sentence(hold: Hold, mine: Incident, step: Step, rules: Rules) -> str:
    """Whom the step waits for, for what, why that one comes first, and what happens next."""
    other, scenario = hold.incident, rules.of(hold.incident.policy).policy.scenario(hold.incident.scenario).display
    whom = f"waits for incident {other.id} ({scenario}, step {hold.step.id}) to let go of {hold.thing}"
    record = other.step(hold.step.id)
    if hold.grip is Grip.MOVING:
        if record.state is StepState.ACTING:
            return f"{whom}: its call may have been made, and is looked at first; then this goes on"
        by = (record.called_at or record.started_at or other.opened_at) + hold.step.deadline
        return f"{whom}: that move is on its way; this goes on when it has ended, at {by:%H:%M:%S} UTC at the latest"
    until = "that incident is closed" if hold.thing.stays else "that step is done"
    why = f"{_why(other, mine, rules)}, so it goes first"
    if _owed(other, hold.step):
        until, why = "that is owed no more", "of what is owed one thing is moved after the other"
    elif _owed(mine, step):
        why = "what is owed comes after every open incident"
    told = "" if other.gave_way_at or _owed(mine, step) else f" (drctl yield {other.id} lets this go first)"
    return f"{whom}: {why}; this goes on when {until}{told}"


def _owed(incident: Incident, step: Step) -> bool:
    return incident.state is IncidentState.CLOSING and incident.id.endswith(f"/{step.id}")


def _others(book: Book, mine: Incident, rules: Rules, now: datetime) -> Iterator[Hold]:
    # What is owed of an open incident goes beside it; of an ended one, after what that one had called for.
    parents = {d.incident for d in book.debts if d.case and d.case.id == mine.id}
    ended = {i.id for i in book.incidents.values() if i.state is IncidentState.CLOSING}
    own = {mine.id} | (parents - ended)
    for other in book.incidents.values():
        if other.id not in own:
            yield from _holds(other, rules, now)
    for debt in book.debts:
        case = debt.case
        if case is None or {case.id, debt.incident} & (own | parents):
            continue
        its = rules.of(case.policy)
        for step_id, record in case.steps.items():
            grip = Grip.MOVING if record.state is StepState.ACTING else Grip.WANTED if _wants(record) else None
            step = _plan(case, its).step(step_id)
            if grip is None:
                continue
            for thing in _things(step, case, its):
                yield Hold(incident=case, step=step, thing=thing, grip=grip)


def _holds(incident: Incident, rules: Rules, now: datetime) -> Iterator[Hold]:
    if incident.confirmed_at is None:
        return
    its = rules.of(incident.policy)
    for step in _plan(incident, its).steps:
        for thing in _things(step, incident, its):
            grip = _grip(incident, step, thing, now)
            if grip is not None:
                yield Hold(incident=incident, step=step, thing=thing, grip=grip)


def _grip(incident: Incident, step: Step, thing: Thing, now: datetime) -> Grip | None:
    record = incident.step(step.id)
    if moving(incident, step, record, now):
        return Grip.MOVING
    if incident.state is IncidentState.CLOSING or record.state is StepState.LEFT:
        return None
    if record.state is StepState.DONE:
        return Grip.PLACED if thing.stays else None
    if record.calls:
        return Grip.BEGUN
    ready = all(incident.step(need).state is StepState.DONE for need in step.needs)
    return Grip.WANTED if ready and _wants(record) else None


def _wants(record: StepRecord) -> bool:
    return record.call is not None and record.state in (StepState.RUNNING, StepState.HELD)


def _rank(incident: Incident, book: Book, rules: Rules) -> tuple[bool, float, int, int, datetime, str]:
    """The place in the one order: the smaller goes first. What is owed comes after every open incident."""
    gave_way = incident.gave_way_at.timestamp() if incident.gave_way_at else 0.0
    owed = incident.id not in book.incidents
    return owed, gave_way, _depth(incident, rules), -incident.severity.rank, incident.opened_at, incident.id


def _depth(incident: Incident, rules: Rules) -> int:
    """How narrow its scope is: the platform, a region, what lies in one."""
    platform = rules.of(incident.policy).policy.platform.name
    return 0 if incident.scope == platform else 1 + incident.scope.count("/")


def _why(first: Incident, later: Incident, rules: Rules) -> str:
    if first.gave_way_at != later.gave_way_at:
        return f"this one gave way ({later.gave_way_by} said so)"
    if _depth(first, rules) != _depth(later, rules):
        return f"its scope {first.scope} is wider than {later.scope}"
    if first.severity is not later.severity:
        return f"its severity is {first.severity}, this one's {later.severity}"
    return "it is the older one"


def _all_things(incident: Incident, rules: Rules) -> set[Thing]:
    its = rules.of(incident.policy)
    return {thing for step in _plan(incident, its).steps for thing in _things(step, incident, its)}


def _things(step: Step, incident: Incident, its: Rules) -> tuple[Thing, ...]:
    try:
        return moved_by(step, incident.scope, its.policy)
    except UnknownThingError:
        return ()


def _plan(incident: Incident, its: Rules) -> Plan:
    return its.plan_of(incident.plan, incident.scenario, incident.chosen)
