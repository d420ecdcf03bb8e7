"""How long recovery took, service by service, against its objective.

Rules. Clocks are per incident and service. They start at `failed_at`, the earliest bad observation, and stop when the
service was first verified *and* the traffic had moved, since nobody could use it before. Measured values are
`recovery_time`; `rto` is the target. What is not over has no recovery time: None, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core.book import Incident
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
    plan = rules.plan_of(incident.plan, incident.scenario)
    services = rules.policy.services
    moved = _first_done(incident, "traffic") if any(s.id == "traffic" for s in plan.steps) else None
    needs_traffic = any(s.id == "traffic" for s in plan.steps)
    found = []
    for service in services.in_order():
        step = _verifies(service.name, service.kind, plan)
        if step is None:
            continue
        verified = _first_done(incident, step)
        at = verified if not needs_traffic else (max(verified, moved) if verified and moved else None)
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


def _verifies(service: str, kind: str, plan: Plan) -> str | None:
    if kind == "database":
        return next((s.id for s in plan.steps if s.action == "verify-write"), None)
    return next((s.id for s in plan.steps if s.action == "verify-service" and s.service == service), None)


def _first_done(incident: Incident, step_id: str) -> datetime | None:
    return incident.step(step_id).first_done_at
