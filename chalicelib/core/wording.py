"""How things are said: one message from the book, worded once for every channel.

Rules. Subject, fact, value, what happens next. Internal messages name steps and what a person can type; external
ones are made of policy's customer words alone. A retry says the same, because `at` is the time of the first try.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.core.book import Book
from chalicelib.core.bounds import wanting
from chalicelib.core.forewarning import sentences
from chalicelib.core.incident import Incident, NoticeState, StepState
from chalicelib.core.message import Message
from chalicelib.core.notices import Owed
from chalicelib.core.plan import Rules, Step
from chalicelib.core.public import public
from chalicelib.core.report import clocks, data_loss
from chalicelib.core.states import IncidentState
from chalicelib.policy.notifications import NoticeEvent


def message(book: Book, incident: Incident, owed: Owed, rules: Rules, at: datetime) -> Message:
    """The message of one owed notice."""
    rules = rules.of(incident.policy)
    external = owed.audience == "external"
    headline, lines = _external(incident, rules) if external else _internal(book, incident, owed, rules, at)
    return Message(
        id=f"{incident.id}/{owed.key}",
        event=owed.event,
        audience=owed.audience,
        channel=owed.channel,
        incident=incident.id,
        scope=incident.scope,
        scenario=incident.scenario,
        severity=incident.severity,
        state=incident.state,
        headline=headline,
        lines=lines,
        asks=() if external else asks(incident, rules),
        closes=incident.state is IncidentState.CLOSING,
        keys=_earlier(incident, owed.channel),
        opened_at=incident.opened_at,
        due_at=owed.due_at,
        at=at,
    )


def asks(incident: Incident, rules: Rules) -> tuple[tuple[str, str, str], ...]:
    """What a person must answer now: (step id, what it will do, why it asks)."""
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    return tuple(
        (s.id, record.call.sentence() if record.call else s.title, record.because)
        for s in plan.steps
        if (record := incident.step(s.id)).state is StepState.ASKING and not wanting(incident, s, rules)
    )


def unchosen(incident: Incident, rules: Rules) -> tuple[str, ...]:
    """What a person must choose now: the step, what is wanted, and what to type."""
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    return tuple(
        f"{s.title}: {why}"
        for s in plan.steps
        if incident.step(s.id).state is StepState.ASKING and (why := wanting(incident, s, rules))
    )


def progress(incident: Incident, rules: Rules) -> str:
    """`12 of 37 steps done; under way: restore-redis, promote`."""
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    done = [s for s in plan.steps if incident.step(s.id).state is StepState.DONE]
    running = [s.id for s in plan.steps if incident.step(s.id).state not in (StepState.DONE, StepState.PENDING)]
    return f"{len(done)} of {len(plan.steps)} steps done" + (f"; under way: {', '.join(running)}" if running else "")


def held(incident: Incident, rules: Rules) -> tuple[tuple[str, str], ...]:
    """What waits for another incident now: (step id, for whom, for what and what happens next), each reason once."""
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    records = {s.id: incident.step(s.id) for s in plan.steps}
    waiting = {i: r.because for i, r in records.items() if r.state is StepState.HELD and r.waits_for}
    first = {because: step for step, because in reversed(waiting.items())}
    return tuple((step, because) for step, because in waiting.items() if first[because] == step)


def _held_lines(incident: Incident, rules: Rules) -> tuple[str, ...]:
    return tuple(f"Held, {step}: {because}." for step, because in held(incident, rules))


def _earlier(incident: Incident, channel: str) -> tuple[str, ...]:
    """What this channel may have delivered of the incident: its key ends in the channel, or in a fallback to it."""
    return tuple(
        f"{incident.id}/{key}"
        for key, record in incident.notices.items()
        if key.replace(">", "/").rsplit("/", 1)[-1] == channel and record.state is not NoticeState.FAILED
    )


def _external(incident: Incident, rules: Rules) -> tuple[str, tuple[str, ...]]:
    shown = public(incident, rules)
    return f"{rules.policy.platform.display_name}: {shown.name}", tuple(u.text for u in shown.updates)


def _internal(book: Book, incident: Incident, owed: Owed, rules: Rules, at: datetime) -> tuple[str, tuple[str, ...]]:
    name = rules.policy.scenario(incident.scenario).display
    where = f"{name} at {incident.scope}"
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    match owed.event:
        case NoticeEvent.INCIDENT_DETECTED:
            return f"{where}: detected", (f"{incident.because}.", f"Incident {incident.id}, mode {book.mode}.")
        case NoticeEvent.DR_ACTIVATED:
            return f"{where}: disaster recovery is active", (
                f"{incident.because}.",
                f"Plan: {plan.title}, {len(plan.steps)} steps.",
            )
        case NoticeEvent.RECOVERY_STARTED:
            return f"{where}: recovery has started", (
                f"{progress(incident, rules)}.",
                *sentences(book, incident, rules, at),
            )
        case NoticeEvent.RECOVERY_PROGRESS:
            return f"{where}: progress", (
                f"{progress(incident, rules)}.",
                *_held_lines(incident, rules),
                *sentences(book, incident, rules, at),
                *_clock_lines(incident, rules, at),
            )
        case NoticeEvent.BUDGET_SPENT:
            word, _, rto = owed.about.rpartition("-")
            return f"{where}: {word.replace('-', ' ')} of the RTO of {rto} {_is(word)} over", (
                f"Not back yet: {_not_back(incident, rules, rto, at)}.",
                *sentences(book, incident, rules, at),
                f"{progress(incident, rules)}.",
                *_held_lines(incident, rules),
            )
        case NoticeEvent.FORECAST_MISS:
            return f"{where}: the RTO of {owed.about} is forecast to be missed", (
                f"{incident.forewarned[owed.about].because}.",
                f"{progress(incident, rules)}.",
                *(f"Waiting for a person: {name}." for name, _, _ in asks(incident, rules)),
                *_held_lines(incident, rules),
            )
        case NoticeEvent.RECOVERY_COMPLETE:
            return f"{where}: recovered", (
                *_clock_lines(incident, rules, at),
                *_loss_line(incident, rules),
                *_left(book, incident, at),
            )
        case NoticeEvent.APPROVAL_NEEDED:
            wanted = (f"{text}." for text in unchosen(incident, rules))
            told = (f"{progress(incident, rules)}.", *wanted, *_held_lines(incident, rules))
            return f"{where}: a person must answer", told
        case NoticeEvent.STEP_LATE | NoticeEvent.STEP_STUCK:
            word = "late" if owed.event is NoticeEvent.STEP_LATE else "stuck"
            step = _step(plan.steps, owed.about)
            record = incident.step(step.id)
            return f"{where}: {step.title} is {word}", (f"{record.because}.", f"{progress(incident, rules)}.")
        case NoticeEvent.ESCALATED:
            paging = incident.pagings[int(owed.about.split("-")[0])]
            who = rules.policy.notifications.ladder[paging.rung].who
            told = (f"{paging.because}.", f"{progress(incident, rules)}.", *_held_lines(incident, rules))
            return f"{where}: paging {who}", told
        case NoticeEvent.STOOD_DOWN:
            return f"{where}: {incident.ending}", (f"{incident.because}.",)
        case NoticeEvent.FINDING_RAISED | NoticeEvent.FINDING_SETTLED | NoticeEvent.CHANNEL_TEST:
            raise ValueError(f"{owed.event} tells of a finding (findings.py), and {incident.id} is an incident")


def _step(steps: tuple[Step, ...], about: str) -> Step:
    return max((s for s in steps if about.startswith(s.id)), key=lambda s: len(s.id))


def _clock_lines(incident: Incident, rules: Rules, at: datetime) -> tuple[str, ...]:
    real = rules.policy.real
    lines = []
    for clock in clocks(incident, rules, at):
        if clock.recovery_time is None:
            lines.append(f"{clock.display}: not back yet after {real(clock.elapsed)}, RTO {real(clock.rto)}.")
        else:
            verdict = "met" if clock.met else "missed"
            lines.append(f"{clock.display}: back after {real(clock.recovery_time)}, RTO {real(clock.rto)} {verdict}.")
    return tuple(lines)


def _not_back(incident: Incident, rules: Rules, rto: str, at: datetime) -> str:
    held = [c for c in clocks(incident, rules, at) if rules.policy.real(c.rto) == rto]
    return ", ".join(c.display for c in held if c.recovered_at is None) or "nothing any more"


def _is(word: str) -> str:
    return "are" if word == "three-quarters" else "is"


def _loss_line(incident: Incident, rules: Rules) -> tuple[str, ...]:
    found = data_loss(incident, rules)
    return (f"Data loss: {found.because}.",) if found else ()


def _left(book: Book, incident: Incident, at: datetime) -> tuple[str, ...]:
    debts = [f"Still owed: {d.because}." for d in book.debts if d.incident in (incident.id, *incident.absorbed)]
    blocks = [f"{b.because}." for b in book.blocks if b.until > at]
    return (*debts, *blocks, "The post-mortem is to be scheduled: within two working days, with the timeline attached.")
