"""What the picture of an incident shows, as plain figures: which bars, from when to when, and which budgets.

All figures are seconds of real time since the failure, whatever speed the incident ran at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.measured import answer_of, could_begin
from chalicelib.core.plan import Plan, Rules, Step
from chalicelib.core.report import clocks
from chalicelib.policy.base import show_duration

Verdict = Literal["met", "missed", "running"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One step. Its answer, where it had one, comes before its work: from `asked` for `answer` seconds. `end` is now,
    or the incident's end, where it is not done. `decides`: it lies on the way that decided the end.
    """

    id: str
    title: str
    start: float
    end: float
    asked: float | None = None
    answer: float = 0.0
    state: StepState
    decides: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """One service against its RTO; `back` is None while it is not back."""

    display: str
    tier: int
    rto: float
    inherited: bool
    back: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """All of the picture, its bars by when they could begin. `seen` is when the failure was confirmed, `end` when the
    last of it ended, or now.
    """

    heading: str
    seen: float | None
    end: float
    over: bool
    services: tuple[ServiceLine, ...]
    bars: tuple[Bar, ...]
    forecast: tuple[float, float] | None = None


def lines(incident: Incident, rules: Rules, now: datetime, *, forecast: tuple[float, float] | None = None) -> Lines:
    """The picture's figures. `forecast` is when all is forecast to be done, as (half of the runs, nine of ten)."""
    rules = rules.of(incident.policy)
    policy = rules.policy
    until = incident.ended_at or now

    def since(at: datetime) -> float:
        return (at - incident.failed_at).total_seconds() * policy.speed

    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    way = _way(incident, plan)
    bars = []
    for step in plan.steps:
        record, began = incident.step(step.id), could_begin(step, incident)
        if record.started_at is None:
            continue
        start = began or record.started_at
        waited = answer_of(step, record, incident, start)
        bars.append(
            Bar(
                id=step.id,
                title=step.title,
                start=since(start),
                end=since(record.first_done_at or until),
                asked=since(record.asked_at) if record.asked_at and _asked(record, waited) else None,
                answer=_answered(record, waited, until) * policy.speed,
                state=StepState.DONE if record.first_done_at else record.state,
                decides=step.id in way,
                late=record.late_at is not None,
            )
        )
    words: dict[bool | None, Verdict] = {True: "met", False: "missed", None: "running"}
    services = tuple(
        ServiceLine(
            display=c.display,
            tier=c.tier,
            rto=c.rto.total_seconds() * policy.speed,
            inherited=c.inherited,
            back=c.recovery_time.total_seconds() * policy.speed if c.recovery_time is not None else None,
            verdict=words[c.met],
        )
        for c in clocks(incident, rules, until)
    )
    return Lines(
        heading=f"{policy.scenario(incident.scenario).display} at {incident.scope}",
        seen=since(incident.confirmed_at) if incident.confirmed_at else None,
        end=max((since(until), *(b.end for b in bars)), default=0.0),
        over=incident.ended_at is not None,
        services=services if policy.scenario(incident.scenario).held_to_rto else (),
        bars=tuple(sorted(bars, key=lambda b: b.start)),
        forecast=forecast,
    )


def described(found: Lines) -> str:
    """The picture in sentences, for whoever cannot see it."""
    said = [f"{len(found.bars)} steps over {took(found.end)}."]
    for word in ("missed", "running", "met"):
        named = [s for s in found.services if s.verdict == word]
        if named:
            shown = "; ".join(f"{s.display} {took(s.back) if s.back is not None else 'not back'}" for s in named)
            said.append(f"RTO {word} by {shown}.")
    if way := [b.id for b in found.bars if b.decides]:
        said.append(f"Its end was decided by {', then '.join(way)}.")
    if stuck := [b.id for b in found.bars if b.state is StepState.STUCK]:
        said.append(f"Stuck: {', '.join(stuck)}.")
    if left := [b.id for b in found.bars if b.state is StepState.LEFT]:
        said.append(f"Left, as a debt: {', '.join(left)}.")
    return " ".join(said)


def took(seconds: float) -> str:
    """As a person writes it, to the second."""
    return show_duration(timedelta(seconds=round(seconds)))


def _asked(record: StepRecord, waited: float) -> bool:
    return waited > 0 or record.state is StepState.ASKING


def _answered(record: StepRecord, waited: float, until: datetime) -> float:
    if record.state is StepState.ASKING and record.asked_at:
        return max(0.0, (until - record.asked_at).total_seconds())
    return waited


def _way(incident: Incident, plan: Plan) -> frozenset[str]:
    """The steps that decided the end: back from the last one that was done, each time to what was done last before."""
    done = {s.id: at for s in plan.steps if (at := incident.step(s.id).first_done_at) and not s.best_effort}
    steps: dict[str, Step] = {s.id: s for s in plan.steps}
    place = max(done, key=done.__getitem__, default=None)
    found: set[str] = set()
    while place is not None:
        found.add(place)
        place = max((n for n in steps[place].needs if n in done), key=done.__getitem__, default=None)
    return frozenset(found)
