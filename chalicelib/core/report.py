"""How long recovery took, service by service, and how much was lost, each against its objective.

Rules. Clocks are per incident and service. They start at `failed_at`, the earliest bad observation, and stop when the
service was first verified *and* the traffic had moved, since nobody could use it before. Measured values are
`recovery_time`; `rto` is the target. What is not over has no recovery time: None, never zero.

`data_loss` is what was known when the replica was promoted, against the `rpo`. It was kept only if that is what it was
known to be; a loss within the RPO counts as kept only if the old primary was by then proven to take no writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core.incident import Incident, StepState
from chalicelib.core.loss import FENCES, PROMOTES, Loss, Unknown
from chalicelib.core.loss import read as read_loss
from chalicelib.core.plan import Plan, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClock:
    """One service. Durations as measured; at a speed of N, N times as much in real time (so does `rto` shrink)."""

    service: str
    display: str
    tier: int
    rto: timedelta
    inherited: bool
    recovered_at: datetime | None
    recovery_time: timedelta | None
    elapsed: timedelta

    @property
    def met(self) -> bool | None:
        """Whether the RTO was met; None while that is open."""
        if self.recovery_time is None:
            return False if self.elapsed > self.rto else None
        return self.recovery_time <= self.rto


def clocks(incident: Incident, rules: Rules, now: datetime) -> tuple[ServiceClock, ...]:
    """One clock a service that the plan brings back, in recovery order."""
    rules = rules.of(incident.policy)
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    services = rules.policy.services
    found = []
    for service in services.in_order():
        ends = ends_of(service.name, service.kind, plan)
        if not ends:
            continue
        done = [_first_done(incident, step) for step in ends]
        known = [at for at in done if at is not None]
        at = max(known) if len(known) == len(done) else None
        rto = services.rto(service)
        found.append(
            ServiceClock(
                service=service.name,
                display=service.display,
                tier=service.tier,
                rto=rto,
                inherited=rto < services.tier(service.tier).rto,
                recovered_at=at,
                recovery_time=at - incident.failed_at if at else None,
                elapsed=(at or incident.ended_at or now) - incident.failed_at,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLoss:
    """What the promotion lost. `loss` is None while nothing is promoted. `fenced`: the old primary was proven to take
    no writes by then. `because` is a sentence without its full stop.
    """

    rpo: timedelta
    loss: Loss | Unknown | None
    fenced: bool
    because: str

    @property
    def met(self) -> bool | None:
        """Whether the RPO was kept; None while that is open, and where nobody knows."""
        if not isinstance(self.loss, Loss):
            return None
        if self.loss.time > self.rpo:
            return False
        return True if self.fenced else None


def data_loss(incident: Incident, rules: Rules) -> DataLoss | None:
    """The loss of the incident's promotion; None when its plan promotes nothing."""
    plan, policy = rules.plan_of(incident.plan, incident.scenario, incident.chosen), rules.policy
    step = next((s for s in plan.steps if s.action in PROMOTES), None)
    if step is None:
        return None
    record, rpo = incident.step(step.id), policy.platform.database.rpo
    if record.state is not StepState.DONE:
        return DataLoss(rpo=rpo, loss=None, fenced=False, because="nothing so far, since no replica is promoted")
    fenced = _fenced_by(record.first_done_at, incident, plan)
    found = read_loss(record.facts)
    match found:
        case Unknown(because=why):
            because = f"not known, because {why or 'no look before the promotion measured it'}"
        case Loss(time=time):
            verdict = f"over the RPO of {policy.real(rpo)}" if time > rpo else f"within the RPO of {policy.real(rpo)}"
            tail = "" if time > rpo or fenced else ", as far as is known"
            because = f"{found.words(policy, fenced=fenced)}: {verdict}{tail}"
    return DataLoss(rpo=rpo, loss=found, fenced=fenced, because=because)


def _fenced_by(moment: datetime | None, incident: Incident, plan: Plan) -> bool:
    """Whether a proof that the old primary takes no writes was there by then; one that came later proves nothing."""
    fences = (incident.step(s.id) for s in plan.steps if s.action in FENCES)
    proofs = (r.first_done_at for r in fences if r.state is StepState.DONE and r.facts.get("fenced"))
    return moment is not None and any(at is not None and at <= moment for at in proofs)


def ends_of(service: str, kind: str, plan: Plan) -> tuple[str, ...]:
    """The steps after which a service is back: the one that verifies it, and the traffic's where it moves; none where
    the plan does not bring it back.
    """
    step = _verifies(service, kind, plan)
    return (step, *(s.id for s in plan.steps if s.id == "traffic")) if step else ()


def _verifies(service: str, kind: str, plan: Plan) -> str | None:
    if kind == "database":
        return next((s.id for s in plan.steps if s.action in ("verify-write", "drill-write")), None)
    return next((s.id for s in plan.steps if s.action == "verify-service" and s.service == service), None)


def _first_done(incident: Incident, step_id: str) -> datetime | None:
    return incident.step(step_id).first_done_at
