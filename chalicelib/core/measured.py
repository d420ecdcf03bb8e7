"""What one recovery that has ended measured of its steps: from its journal to a run of times.py.

Rules. A step's time begins when what it needs was done and the incident was confirmed, so that the time until somebody
looked is in it; it ends when the step was first done. What people took to answer is taken out and kept apart. A step
that was held for a reason outside its plan (a pause, the mode, a block window, another incident) measured that reason
and not itself: it is left out, and so is everything that was not done. A suspicion that was cleared recovered nothing.
A drill measures what it did as the real plan does it: a step in whose place another action was rehearsed, and what
takes copies away, are no measure of the real one.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.core.incident import Incident, StepRecord
from chalicelib.core.plan import Plan, Rules, Step
from chalicelib.core.plan import plan as real_plan
from chalicelib.core.report import clocks
from chalicelib.core.times import Kind, Run


def measured(incident: Incident, rules: Rules, *, kind: Kind = "incident") -> Run | None:
    """The run of an incident that has ended; None when it measured no step."""
    rules = rules.of(incident.policy)
    if incident.ended_at is None or incident.confirmed_at is None or incident.ending in ("absorbed", "cleared"):
        return None
    plan, speed = rules.plan_of(incident.plan, incident.scenario, incident.chosen), rules.policy.speed
    drill = kind == "drill"
    real = real_plan(incident.scenario, policy=rules.policy, choices=incident.chosen) if drill else plan
    actions = {s.id: s.action for s in real.steps}
    steps: dict[str, float] = {}
    answers: dict[str, float] = {}
    for step in plan.steps:
        record, began = incident.step(step.id), could_begin(step, incident)
        if record.first_done_at is None or began is None or record.hindered or record.first_done_at < began:
            continue
        if actions.get(step.id) != step.action:
            continue
        waited = answer_of(step, record, incident, began)
        steps[step.id] = _real((record.first_done_at - began).total_seconds() - waited, speed)
        if waited or step.may_ask:
            answers[step.id] = _real(waited, speed)
    if not steps:
        return None
    ends = [r.first_done_at for s in plan.steps if (r := incident.step(s.id)).first_done_at and not s.best_effort]
    back = (c for c in clocks(incident, rules, incident.ended_at) if c.recovery_time is not None)
    return Run(
        source=incident.id,
        kind=kind,
        ended_at=incident.ended_at,
        steps=steps,
        answers=answers,
        detected=None
        if incident.declared_by or drill
        else _real(_between(incident.failed_at, incident.confirmed_at), speed),
        services={c.service: _real(c.recovery_time.total_seconds(), speed) for c in back if c.recovery_time},
        whole=_real(_between(incident.failed_at, max(ends)), speed) if _whole(plan, incident) and not drill else None,
    )


def could_begin(step: Step, incident: Incident) -> datetime | None:
    """When everything that it needs was first done; the confirmation, where it needs nothing. None while it is open."""
    ready = [incident.confirmed_at, *(incident.step(n).first_done_at for n in step.needs)]
    known = [at for at in ready if at is not None]
    return max(known) if len(known) == len(ready) else None


def answer_of(step: Step, record: StepRecord, incident: Incident, began: datetime) -> float:
    """The seconds, as measured, until people had said all that the step waited for; 0 where it did not ask."""
    said = [incident.choices[name].at for name in step.takes if name in incident.choices]
    said += [record.approval.at] if record.approval else []
    if not said or record.asked_at is None:
        return 0.0
    # A step that takes a choice asks for it first, and for a yes afterwards: what counts is the last of it.
    asked = began if step.takes else record.asked_at
    return max(0.0, _between(asked, min(max(said), record.first_done_at or max(said))))


def _whole(plan: Plan, incident: Incident) -> bool:
    return all(incident.step(s.id).first_done_at for s in plan.steps if not s.best_effort)


def _between(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def _real(seconds: float, speed: float) -> float:
    """To a tenth of a second: a look is never more exact."""
    return round(max(0.0, seconds) * speed, 1)
