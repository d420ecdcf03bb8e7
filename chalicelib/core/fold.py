"""`fold` takes one thing that happened into the book. The only way the book changes.

Rules. Pure and total: every thing that can happen is met in every state. A signal no newer than its source's
watermark and a command already known change nothing. After each, what follows from the book as a whole is derived
(evidence, deadlines, the state of each incident): time alone is a thing that happens too. Only an operator's
illegal command raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from chalicelib.core import (
    channel_test,
    copies,
    debt_asks,
    drilling,
    evidence,
    findings,
    forewarning,
    promises,
    readiness,
    service_events,
    synthetic,
    waiting,
)
from chalicelib.core.answers import (
    AlarmsAsked,
    Answer,
    Archived,
    Asked,
    Called,
    Decided,
    HeldBack,
    Looked,
    Telling,
    Told,
    Withdrawn,
    fold_answer,
)
from chalicelib.core.backup_age import warned
from chalicelib.core.book import Book, Watermark
from chalicelib.core.commands import fold_command
from chalicelib.core.copies import CopiesSeen
from chalicelib.core.debts import left_at_the_end, overdue, owed_by_absorbed, paid
from chalicelib.core.elsewhere import MarkerSeen, heeded
from chalicelib.core.failback import remembered
from chalicelib.core.happened import (
    Abort,
    Acknowledge,
    AlarmState,
    Approve,
    BreakGlass,
    Choose,
    Command,
    Declare,
    Escalate,
    GiveWay,
    KeepSwitch,
    Pause,
    Raise,
    ReadinessJudged,
    Rehearse,
    Reject,
    Repin,
    Resolve,
    Resume,
    Review,
    SetMode,
    Signal,
    Status,
    Tick,
)
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.incidents import confirmed, moved, note, opened, paged, put, put_step, settle
from chalicelib.core.notices import owed
from chalicelib.core.plan import Rules
from chalicelib.core.sending import lapsed, under_way
from chalicelib.core.states import Event, IncidentState
from chalicelib.core.switch import SwitchSeen, forgotten, seen
from chalicelib.core.synthetic import Sounded, Sounding
from chalicelib.policy.scenarios import ScopeKind
from chalicelib.policy.signals import Rule

Happened = (
    Signal | Command | ReadinessJudged | Answer | SwitchSeen | MarkerSeen | CopiesSeen | Sounding | Sounded | Tick
)


def fold(book: Book, happened: Happened, *, rules: Rules, now: datetime) -> Book:
    """The book after this; IllegalCommandError for an operator's command that is not allowed, the book unchanged."""
    match happened:
        case Signal():
            book = _fold_signal(book, happened, rules, now)
        case (
            Declare()
            | Choose()
            | Approve()
            | Reject()
            | BreakGlass()
            | Review()
            | Raise()
            | Repin()
            | Escalate()
            | Acknowledge()
            | Abort()
            | Resolve()
            | Pause()
            | Resume()
            | SetMode()
            | GiveWay()
            | KeepSwitch()
            | Rehearse()
            | Status()
        ):
            book = fold_command(book, happened, rules=rules, now=now)
        case Telling() | Told() | Withdrawn() if happened.incident in book.findings:
            book = findings.fold_notice(book, happened, rules, now)
        case Telling() | Told() | Withdrawn() if book.tested and happened.incident == book.tested.id:
            book = channel_test.fold_notice(book, book.tested, happened, rules, now)
        case Archived() if happened.incident in book.drills:
            book = drilling.recorded(book, book.drills[happened.incident], now)
        case (
            Looked()
            | Asked()
            | HeldBack()
            | Decided()
            | Called()
            | Withdrawn()
            | Telling()
            | Told()
            | AlarmsAsked()
            | Archived()
        ):
            book = fold_answer(
                _kept(_moved_live(book, happened, now), happened, rules, now), happened, rules=rules, now=now
            )
        case SwitchSeen():
            book = seen(book, happened, rules, now)
        case ReadinessJudged():
            book = readiness.judged(book, happened, rules, now)
        case CopiesSeen():
            book = copies.seen(book, happened, rules, now)
        case MarkerSeen():
            book = heeded(book, happened, now)
        case Sounding():
            book = synthetic.sounding(book, happened, now)
        case Sounded():
            book = synthetic.sounded(book, happened)
        case Tick():
            book = readiness.aged(findings.lapse(_lapse(book, rules, now), rules, now), rules, now)
            # Only time makes a forecast worse that nothing else has changed; what else happens is met by the next tick.
            book = drilling.heard_of(forewarning.forewarned(book, rules, now), rules, now)
            book = channel_test.opened(synthetic.aged(book, rules, now), rules, now)
        case _:
            assert_never(happened)
    return _follows(book, rules, now)


def _fold_signal(book: Book, signal: Signal, rules: Rules, now: datetime) -> Book:
    if promises.is_one(signal):
        return promises.heard(book, signal, now)
    if synthetic.is_one(signal, rules.policy):
        return synthetic.heard(book, signal, now)
    mark = book.watermarks.get(signal.source)
    if mark and (signal.changed_at <= mark.changed_at or _told_twice(mark, signal)):
        return book
    today = evidence.rules_reading(signal, rules.policy)
    # What an open incident goes by is heard although today's policy names it no more; it opens nothing new.
    kept = {i.policy for i in book.incidents.values()} & set(rules.policies)
    former = [r for k in sorted(kept) for r in evidence.rules_reading(signal, rules.of(k).policy) if r not in today]
    if not today and not former:
        return book
    policies = (rules.policy, *(rules.of(k).policy for k in sorted(kept)))
    if signal.event and not service_events.counts_at_all(signal, policies, now):
        return book
    watermark = Watermark(
        name=signal.name,
        kind=signal.kind,
        state=signal.state,
        changed_at=signal.changed_at,
        reason=signal.reason,
        region=signal.region,
        flips=evidence.flips(mark, signal, rules.policy),
        event=signal.event,
    )
    marks = {**book.watermarks, signal.source: watermark}
    book = replace(book, watermarks=service_events.kept(marks, policies, now) if signal.event else marks)
    text = f"{signal.name} is {signal.state} since {signal.changed_at:%H:%M:%S} UTC: {signal.reason}"
    for rule in (*today, *former):
        there = book.incident_at(rule.scope)
        if there is not None:
            earlier = signal.state is AlarmState.ALARM and signal.changed_at < there.failed_at
            if earlier and evidence.opens(signal, rule, rules.policy):
                book = put(book, replace(there, failed_at=signal.changed_at))
            book = note(book, there.id, "signal", text, now)
            if there.scope == rule.scope or there.scenario == rule.scenario:
                continue
        if signal.state is AlarmState.ALARM and there is None and rule in today:
            if evidence.opens(signal, rule, rules.policy):
                book = _open(book, rule, text, rules, now)
            else:
                book = note(book, "", "quiet", f"{text}; it opens no {rule.scenario} by itself", now)
    return book


def _moved_live(book: Book, answer: Answer, now: datetime) -> Book:
    """A planned move that was a drill has come to its end, and counts as one."""
    case = book.incidents.get(answer.incident) if isinstance(answer, Archived) else None
    return book if case is None or case.drill is None else drilling.recorded_live(book, case, now)


def _kept(book: Book, answer: Answer, rules: Rules, now: datetime) -> Book:
    """What a move has set outlives it, until it is taken back; so does what one that was taken over had begun."""
    case = book.incidents.get(answer.incident) if isinstance(answer, Archived) else None
    if case is None:
        return book
    if case.ending == "absorbed":
        book = owed_by_absorbed(book, case.id, rules, now)
    return remembered(book, case, rules, now)


def _told_twice(mark: Watermark, signal: Signal) -> bool:
    """Our own looks report a state until the book has it, each time as of a later moment: the first one stands. What
    AWS Health says comes by two regions.
    """
    ours = signal.source.startswith(evidence.OURS) and signal.state is mark.state
    return ours or service_events.told_twice(mark, signal)


def _open(book: Book, rule: Rule, text: str, rules: Rules, now: datetime) -> Book:
    """An incident in doubt, when enough of the rule's observers are bad; a region that does not serve has none."""
    found = evidence.observations(book, rule, rules.policy, now)
    openers = {o.name for o in rule.observers if o.opens}
    ill = [o for o in evidence.bad(found) if o.observer in openers]
    if len(ill) < rule.opens:
        return book
    if rules.policy.scenario(rule.scenario).scope is ScopeKind.REGION and rule.scope != book.serving:
        quiet = f"{rule.scope} does not serve ({book.serving} does): no incident; {text}"
        return note(book, "", "quiet", quiet, now)
    return opened(
        book,
        scenario=rule.scenario,
        scope=rule.scope,
        failed_at=min((o.since for o in ill if o.since), default=now),
        declared_by=None,
        because=evidence.sentence(found),
        rules=rules,
        now=now,
    )


def _cleared(book: Book, incident: Incident, because: str, rules: Rules, now: datetime) -> Book:
    """The suspicion was false; what it had swallowed or kept from opening below it is an incident of its own again."""
    book = moved(book, incident.id, Event.CLEARED, because, now)
    for rule in rules.policy.signals.rules:
        below = rule.scope != incident.scope and incident.holds(rule.scope)
        if below and book.incident_at(rule.scope) is None:
            book = _open(book, rule, because, rules, now)
    return book


def _follows(book: Book, rules: Rules, now: datetime) -> Book:
    """What follows from the book as it is now, for every open incident."""
    if any(b.until <= now for b in book.blocks):
        book = replace(book, blocks=tuple(b for b in book.blocks if b.until > now))
    for incident_id in tuple(book.incidents):
        if book.incidents[incident_id].state is IncidentState.CLOSING:
            continue
        its = rules.of(book.incidents[incident_id].policy)
        book = _weigh(book, incident_id, rules, now)
        book = overdue(book, incident_id, its, now)
        book = _deadlines(book, incident_id, its, now)
        book = warned(book, incident_id, its, now)
        book = _climb(book, incident_id, its, now)
        book = settle(book, incident_id, its, now)
        if book.incidents[incident_id].ending == "recovered":
            book = left_at_the_end(book, incident_id, its, now)
    book = drilling.follows(forgotten(book, rules, now), rules, now)
    book = debt_asks.follows(paid(book, rules, now), now)
    return findings.without_told(book, rules)


def _lapse(book: Book, rules: Rules, now: datetime) -> Book:
    """Notices that a stopped worker left on their way, and that nobody is owed any more: what they asked was answered.

    Only when time goes by: between a notice's `Telling` and its `Told` the desk takes nothing else in.
    """
    for incident in tuple(book.incidents.values()):
        left = under_way(incident.notices)
        wanted = {o.key for o in owed(book, incident, rules, now)} if left else set()
        for key, record in left.items():
            if key not in wanted:
                over = lapsed(record, now)
                there = book.incidents[incident.id]
                book = put(book, replace(there, notices={**there.notices, key: over}))
                book = note(book, incident.id, "notice-lapsed", f"{key}: {over.because}", now)
    return book


def _weigh(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """Confirms a suspicion whose quorum has held, clears an incident that has been good for long enough."""
    incident = book.incidents[incident_id]
    policy = rules.of(incident.policy).policy
    rule = evidence.rule_of(incident.scenario, incident.scope, policy)
    if rule is None or incident.declared_by:
        return book
    found = evidence.observations(book, rule, policy, now)
    ill = evidence.bad(found)
    good = not ill and any(o.verdict is evidence.Verdict.GOOD for o in found)
    good_since = (incident.good_since or now) if good else None
    bad_since = (incident.bad_since or now) if len(evidence.steady(found)) >= rule.quorum else None
    if incident.state is IncidentState.SUSPECTING and bad_since is None and len(ill) >= rule.quorum:
        said = f"held, since observers change their mind: {evidence.sentence(found)}"
        book = _held(book, incident, "flapping", said, now)
        incident = book.incidents[incident_id]
    if (good_since, bad_since) != (incident.good_since, incident.bad_since):
        book = put(book, replace(incident, good_since=good_since, bad_since=bad_since))
    if incident.state is IncidentState.SUSPECTING and bad_since and now - bad_since >= rule.hold:
        match waiting.weighed(book, book.incidents[incident_id], rule, policy, now):
            case waiting.Waits(because=because):
                return _held(book, book.incidents[incident_id], "waiting", because, now)
            case waiting.Goes(because=because):
                return confirmed(
                    book, incident_id, "; ".join(filter(None, (evidence.sentence(found), because))), rules, now
                )
    if good_since and now - good_since >= rule.clear_after and not incident.moved:
        return _cleared(book, incident, evidence.sentence(found), rules, now)
    return book


def _held(book: Book, incident: Incident, kind: str, because: str, now: datetime) -> Book:
    """Says why a suspicion is not confirmed, each time that is another reason."""
    if incident.because == because:
        return book
    return note(put(book, replace(incident, because=because)), incident.id, kind, because, now)


def _deadlines(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """A step past its deadline is told once, and pages the next rung."""
    for step in rules.plan_of(
        book.incidents[incident_id].plan, book.incidents[incident_id].scenario, book.incidents[incident_id].chosen
    ).steps:
        record = book.incidents[incident_id].step(step.id)
        over = record.state is StepState.DONE or record.first_done_at or step.best_effort
        if record.started_at is None or over or record.late_at:
            continue
        if now - record.started_at > step.deadline:
            late = f"{step.title} is late: allowed {rules.policy.real(step.deadline)}, now {record.because}"
            book = put_step(book, incident_id, step.id, replace(record, late_at=now))
            book = note(book, incident_id, "late", late, now)
            book = paged(book, incident_id, late, rules, now)
    return book


def _climb(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """Nobody acknowledged: the ladder is climbed at the times that policy gives."""
    incident: Incident = book.incidents[incident_id]
    if incident.acknowledged_at or rules.policy.scenario(incident.scenario).severity.rank == 0:
        return book
    highest = max((p.rung for p in incident.pagings), default=0)
    for n, rung in enumerate(rules.policy.notifications.ladder):
        if n > highest and now - incident.opened_at >= rung.after:
            return paged(book, incident_id, f"nobody acknowledged for {rules.policy.real(rung.after)}", rules, now)
    return book
