"""What must be done now, what is held back and why, and when to look again.

Rules. Derived from the book alone: after a crash the next worker derives the same. Steps and notices are one kind of
work. Looking is never gated; calling always is. Nothing here does anything: the desk does, in this order. A step that
was left `acting` by a crash is looked at again before anything else is done about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import channel_test, copies, drilling, findings, synthetic
from chalicelib.core.answers import Asked, HeldBack
from chalicelib.core.book import Book, Finding
from chalicelib.core.bounds import wanting
from chalicelib.core.claims import on_their_way
from chalicelib.core.copies import LookAtCopies
from chalicelib.core.debts import rests
from chalicelib.core.evidence import rule_of
from chalicelib.core.gates import Ask, Pass, Refuse, Wanted, judge
from chalicelib.core.incident import Incident, NoticeRecord, StepRecord, StepState
from chalicelib.core.message import Message
from chalicelib.core.notices import Owed, outstanding
from chalicelib.core.outcome import Call
from chalicelib.core.plan import Plan, Rules, Step
from chalicelib.core.states import IncidentState
from chalicelib.core.switch import LookAtSwitch, look_due, next_look_at
from chalicelib.core.synthetic import Sound
from chalicelib.core.waiting import Goes, Waits, weighed
from chalicelib.core.wording import message


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Let this step's action observe; it only reads. `aside`: nothing waits for what it finds."""

    incident: str
    step: Step
    because: str
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Make this step's call; the gates let it pass. `aside`: nothing waits for its answer."""

    incident: str
    step: Step
    call: Call
    because: str
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Send this message; `incident` is the id of what it tells of, which may be a finding."""

    incident: str
    key: str
    message: Message
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAlarms:
    """Ask CloudWatch for the states of the alarms that speak for this incident."""

    incident: str
    alarms: tuple[tuple[str, str], ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Write the archive of a finished incident, then let it leave the book."""

    incident: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Work that is not done now: `answer` puts that into the book where it is not there yet."""

    incident: str
    step: str
    because: str
    answer: Asked | HeldBack


Work = Look | Do | Tell | AskAlarms | Archive | LookAtSwitch | LookAtCopies | Sound
_RUNNING = (IncidentState.RESPONDING, IncidentState.ASKING, IncidentState.STALLING)


def due(book: Book, *, rules: Rules, now: datetime) -> tuple[Work | Held, ...]:
    """Everything that must be done now, pages before steps, and everything that is held back."""
    found: list[Work | Held] = []
    for incident in book.incidents.values():
        found += _tell(book, incident, rules, now)
    for finding in book.findings.values():
        found += _tell_of(finding, rules, now)
    found += _test(book, rules, now)
    for incident in book.incidents.values():
        its = rules.of(incident.policy)
        if incident.state in _RUNNING:
            found += _steps(book, incident, its, now)
        else:
            found += _left_moving(incident, rules, now)
        found += _ask_alarms(incident, its, now)
        found += _archive(book, incident, its, now)
    for debt in book.debts:
        if debt.case:
            step_id, record = next(iter(debt.case.steps.items()))
            its = rules.of(debt.case.policy)
            step = its.plan_of(debt.case.plan, debt.case.scenario, debt.case.chosen).step(step_id)
            if not rests(book, debt, step):
                found += _step(book, debt.case, step, record, its, now, debt=True)
    for case in book.drills.values():
        found += _drill(book, case, rules.of(case.policy), now)
    found += look_due(book, rules, now)
    found += copies.look_due(book, rules, now)
    found += synthetic.due(book, rules, now)
    return tuple(found)


def wake_at(book: Book, *, rules: Rules, now: datetime) -> datetime | None:
    """When something will be due that is not due now; None when only the outside can change anything.

    Never earlier than `now`; at most a look too early does no harm.
    """
    times: list[datetime] = []
    for notices in (*(i.notices for i in book.incidents.values()), *(f.notices for f in book.findings.values())):
        times += [n.again_at for n in notices.values() if n.again_at and n.state == "doubtful"]
    if look_at := next_look_at(book, rules):
        times.append(look_at)
    if look_at := copies.next_look_at(book, rules):
        times.append(look_at)
    for incident in book.incidents.values():
        its = rules.of(incident.policy)
        if incident.state is IncidentState.SUSPECTING or not incident.moved:
            rule = rule_of(incident.scenario, incident.scope, its.policy)
            if rule and incident.bad_since:
                times.append(incident.bad_since + rule.hold)
                match weighed(book, incident, rule, its.policy, now):
                    case Waits(until=until):
                        times.append(until)
                    case Goes():
                        pass
            if rule and incident.good_since:
                times.append(incident.good_since + rule.clear_after)
        if incident.state in _RUNNING:
            plan = its.plan_of(incident.plan, incident.scenario, incident.chosen)
            records = [incident.step(name) for name in _ready(incident, plan)]
            times += [r.look_at for r in records if r.look_at and r.state is not StepState.LEFT]
        elif incident.state is IncidentState.CLOSING:
            times += [at for s in on_their_way(incident, rules, now) if (at := incident.step(s.id).look_at)]
    times += drilling.wake_times(book, rules, now)
    times += [r.look_at for d in book.debts if d.case for r in d.case.steps.values() if r.look_at]
    ahead = [t for t in times if t > now]
    return min(ahead, default=None)


def _tell(book: Book, incident: Incident, rules: Rules, now: datetime) -> Iterator[Tell]:
    for owed in outstanding(book, incident, rules, now):
        if (at := _told_at(incident.notices.get(owed.key), now)) is not None:
            yield _telling(incident.id, owed, message(book, incident, owed, rules, at))


def _tell_of(finding: Finding, rules: Rules, now: datetime) -> Iterator[Tell]:
    for owed in findings.outstanding(finding, rules):
        if (at := _told_at(finding.notices.get(owed.key), now)) is not None:
            yield _telling(finding.id, owed, findings.message(finding, owed, rules, at))


def _test(book: Book, rules: Rules, now: datetime) -> Iterator[Tell]:
    for owed in channel_test.outstanding(book, rules):
        if book.tested and (at := _told_at(book.tested.notices.get(owed.key), now)) is not None:
            yield _telling(book.tested.id, owed, channel_test.message(book.tested, owed, rules, at))


def _told_at(record: NoticeRecord | None, now: datetime) -> datetime | None:
    """The time that a notice bears, which is that of its first try; None while it is not to be tried again yet."""
    if record and record.state == "doubtful" and record.again_at and record.again_at > now:
        return None
    return record.message_at if record else now


def _telling(about: str, owed: Owed, worded: Message) -> Tell:
    because = f"{owed.event} is owed to {owed.channel} by {owed.due_at:%H:%M:%S} UTC"
    return Tell(incident=about, key=owed.key, message=worded, because=because)


def _steps(book: Book, incident: Incident, rules: Rules, now: datetime) -> Iterator[Work | Held]:
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    ready = _ready(incident, plan)
    leaned_on = {need for step in ready.values() for need in step.needs}
    for step in plan.steps:
        record = incident.step(step.id)
        if step.id in ready and record.state is not StepState.LEFT:
            yield from _step(book, incident, step, record, rules, now)
        elif step.id in leaned_on and _stale(step, record, now):
            yield Look(incident=incident.id, step=step, because=f"{step.id} is leaned on and no longer fresh")


def _drill(book: Book, case: Incident, its: Rules, now: datetime) -> Iterator[Work | Held]:
    for step, record in (*drilling.ready_steps(case, its), *drilling.clean_steps(case, its, now)):
        yield from _step(book, case, step, record, its, now, drill=True)
    if drilling.of(case).clean_at and not any(e.incident == case.id for e in book.outbox):
        yield Archive(incident=case.id, because=f"{drilling.of(case).result}, and everything of it is gone")


def _step(
    book: Book,
    incident: Incident,
    step: Step,
    record: StepRecord,
    rules: Rules,
    now: datetime,
    *,
    debt: bool = False,
    drill: bool = False,
) -> Iterator[Work | Held]:
    # Of a drill nothing waits for anything: a region that does not answer it must not hold up a real recovery.
    aside = step.best_effort or drill
    if record.rejected_by:
        return
    if because := wanting(incident, step, rules):
        asked = Asked(incident=incident.id, step=step.id, because=because)
        yield Held(incident=incident.id, step=step.id, because=because, answer=asked)
        return
    if record.look_at is None or record.look_at <= now or record.state is StepState.ACTING:
        if record.state in (StepState.PENDING, StepState.ACTING) or record.look_at is not None:
            because = f"{step.id}: {record.because}"
            yield Look(incident=incident.id, step=step, because=because, aside=aside)
        return
    if record.call is None:
        return
    wanted = Wanted(incident=incident, step=step, record=record, call=record.call, debt=debt, drill=drill)
    match judge(wanted, book, rules, now):
        case Pass(because=because):
            yield Do(incident=incident.id, step=step, call=record.call, because=because, aside=aside)
        case Ask(because=because):
            asked = Asked(incident=incident.id, step=step.id, because=because)
            yield Held(incident=incident.id, step=step.id, because=because, answer=asked)
        case Refuse(because=because, waits_for=waits_for):
            held = HeldBack(incident=incident.id, step=step.id, because=because, waits_for=waits_for)
            yield Held(incident=incident.id, step=step.id, because=because, answer=held)


def _left_moving(incident: Incident, rules: Rules, now: datetime) -> Iterator[Look]:
    """What an incident that was ended or taken over had called for is looked at until it is known what became of it."""
    for step in on_their_way(incident, rules, now):
        record = incident.step(step.id)
        if record.state is StepState.ACTING or record.look_at is None or record.look_at <= now:
            because = f"{step.id} had called when the incident was {incident.ending}: {record.because}"
            yield Look(incident=incident.id, step=step, because=because, aside=step.best_effort)


def _ready(incident: Incident, plan: Plan) -> dict[str, Step]:
    """The steps that are not done and of which all that they need is, by name."""
    done = {step.id for step in plan.steps if incident.step(step.id).state is StepState.DONE}
    return {step.id: step for step in plan.steps if step.id not in done and done.issuperset(step.needs)}


def _stale(step: Step, record: StepRecord, now: datetime) -> bool:
    """Whether its Done is older than policy allows to lean on."""
    return step.fresh_for is not None and record.done_at is not None and now - record.done_at > step.fresh_for


def _ask_alarms(incident: Incident, rules: Rules, now: datetime) -> Iterator[AskAlarms]:
    every: timedelta = rules.policy.signals.ask_alarms_every
    if incident.state is IncidentState.CLOSING:
        return
    if incident.alarms_asked_at and now - incident.alarms_asked_at < every:
        return
    signals = rules.policy.signals
    own = [r for r in signals.rules if r.scenario == incident.scenario]
    # Whether it waits hangs on what is good beside it, and what was good before anybody listened told nobody.
    names = {
        name
        for rule in (*own, *(r for mine in own for r in signals.awaited(mine)))
        for observer in rule.observers
        for name in observer.alarms
    }
    alarms = tuple((name, region) for name, region in signals.regions.items() if name in names)
    if alarms:
        yield AskAlarms(incident=incident.id, alarms=alarms, because="an OK can be missed: alarms act on change only")


def _archive(book: Book, incident: Incident, rules: Rules, now: datetime) -> Iterator[Archive]:
    if incident.state is not IncidentState.CLOSING or outstanding(book, incident, rules, now):
        return
    if any(e.incident == incident.id for e in book.outbox) or any(on_their_way(incident, rules, now)):
        return
    yield Archive(incident=incident.id, because=f"{incident.ending}, and everyone was told")
