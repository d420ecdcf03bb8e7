"""What a drill showed: how long each step took, each service against its RTO, the data against its RPO, what failed.

Rules. Made from the drill as it is kept, and from its plan; nothing is measured here. A step that was not done took no
time: None, never zero. Times are as measured; at a speed of N they are N times as much in real time. A service of which
no step was rehearsed has no clock, and is named among what was not rehearsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core.drilling import of
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.plan import Rules, Step
from chalicelib.core.report import ServiceClock, clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """One step: when it was first looked at and first done, how long that took, how long policy expects it to."""

    id: str
    title: str
    action: str
    state: StepState
    because: str
    started_at: datetime | None
    done_at: datetime | None
    took: timedelta | None
    expected: timedelta
    clean_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`loss` is what a restore as of a time would have lost when the copy was begun, `rpo` what policy allows it to: a
    copy is never of the replica, which loses less. None: not measured. `clean_in` is how long the clean-up took, None
    while it goes on.
    """

    id: str
    runbook: str
    kind: str
    result: str
    because: str
    began_at: datetime
    took: timedelta | None
    clean_in: timedelta | None
    steps: tuple[StepTime, ...]
    services: tuple[ServiceClock, ...]
    loss: timedelta | None
    rpo: timedelta
    not_rehearsed: tuple[tuple[str, str], ...]
    answers: tuple[tuple[str, timedelta], ...]

    @property
    def rpo_met(self) -> bool | None:
        """Whether the RPO would have been kept; None where that was not measured."""
        return None if self.loss is None else self.loss <= self.rpo


def report(case: Incident, rules: Rules, now: datetime) -> Report:
    """The report of a drill, over or not."""
    its, drill = rules.of(case.policy), of(case)
    plan = its.plan_of(case.plan, case.scenario, case.chosen)
    people = drill.kind == "people"
    steps = () if people else plan.steps
    undos = () if people else tuple(u for u in plan.undos if u.id in case.steps)
    known = (r.facts.get("loss_seconds") for r in case.steps.values())
    losses = [seconds for seconds in known if isinstance(seconds, float | int)]
    over_at, database = drill.over_at or case.ended_at, its.policy.platform.database
    return Report(
        id=case.id,
        runbook=case.scenario,
        kind=drill.kind,
        result=drill.result,
        because=drill.because or case.because,
        began_at=case.opened_at,
        took=over_at - case.opened_at if over_at else None,
        clean_in=drill.clean_at - over_at if drill.clean_at and over_at else None,
        steps=tuple(_time(case, s, clean_up=s in undos) for s in (*steps, *undos)),
        services=() if people else clocks(case, its, now),
        loss=timedelta(seconds=losses[0]) if losses else None,
        rpo=database.restore_rpo or database.rpo,
        not_rehearsed=drill.not_rehearsed,
        answers=tuple((a.by, a.at - case.opened_at) for a in drill.answers),
    )


def trend(reports: Sequence[Report]) -> str:
    """How the time that one takes has moved: `120 s faster than the one before`; empty where two did not pass."""
    passed = sorted((r for r in reports if r.result == "passed" and r.took), key=lambda r: r.began_at)
    if len(passed) < 2 or passed[-1].took is None or passed[-2].took is None:
        return ""
    moved = (passed[-1].took - passed[-2].took).total_seconds()
    return f"{abs(moved):.0f} s {'slower' if moved > 0 else 'faster'} than the one before"


def _time(case: Incident, step: Step, *, clean_up: bool) -> StepTime:
    record = case.step(step.id)
    done = record.first_done_at
    return StepTime(
        id=step.id,
        title=step.title,
        action=step.action,
        state=record.state,
        because=record.because,
        started_at=record.started_at,
        done_at=done,
        took=done - record.started_at if done and record.started_at else None,
        expected=step.expected,
        clean_up=clean_up,
    )
