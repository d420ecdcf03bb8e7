"""What the desk holds, as JSON: the same names and units wherever a command prints it with `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.core.book import Book, Finding
from chalicelib.core.bounds import proposed
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.loss import Loss, Unknown
from chalicelib.core.plan import Rules
from chalicelib.core.report import clocks, data_loss


def held_json(incident: Incident) -> list[dict[str, str]]:
    """The steps that wait for another incident, and for which."""
    waiting = {i: r for i, r in incident.steps.items() if r.state is StepState.HELD and r.waits_for}
    return [{"step": i, "waits_for": r.waits_for, "because": r.because} for i, r in waiting.items()]


def switch_json(book: Book) -> dict[str, Any] | None:
    """What was last seen of the traffic switch; None while it never was looked at. A look that finds nothing new is not
    written down, so there is no time of the last one.
    """
    if book.switch is None:
        return None
    silent = book.switch.silent_since
    return {
        "region": book.switch.region,
        "because": book.switch.because,
        "since": book.switch.since.isoformat(),
        "silent_since": silent and silent.isoformat(),
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """What people must know and that is no incident, and whom it was told to."""
    return {
        "finding": finding.id,
        "kind": finding.kind,
        "severity": finding.severity,
        "headline": finding.headline,
        "because": finding.because,
        "since": finding.since.isoformat(),
        "settled": finding.settled_because or None,
        "notices": {k: {"state": n.state, "because": n.because} for k, n in finding.notices.items()},
    }


def choices_json(incident: Incident, rules: Rules) -> dict[str, Any]:
    """Each choice of the runbook by name: what was chosen by whom and when, or None, and what is proposed."""
    runbook = rules.of(incident.policy).policy.runbook(incident.scenario)
    return {
        choice.name: {
            "kind": choice.kind,
            "value": made and made.value,
            "by": made and made.by,
            "at": made and made.at.isoformat(),
            "proposed": proposed(choice, incident) or None,
            "default": choice.default,
        }
        for choice in (runbook.choices if runbook else ())
        for made in (incident.choices.get(choice.name),)
    }


def loss_json(incident: Incident, rules: Rules) -> dict[str, Any] | None:
    """The same as JSON: null for what is not known, with the reason; None when the plan promotes nothing."""
    found = data_loss(incident, rules)
    if found is None:
        return None
    speed, loss = rules.policy.speed, found.loss if isinstance(found.loss, Loss) else None
    return {
        "seconds": loss and round(loss.time.total_seconds() * speed, 1),
        "rows": loss and loss.rows,
        "known_until": loss and loss.known_until and loss.known_until.isoformat(),
        "unknown": found.loss.because or found.because if isinstance(found.loss, Unknown) else None,
        "fenced": found.fenced,
        "rpo_s": found.rpo.total_seconds() * speed,
        "met": found.met,
        "because": found.because,
    }


def incident_json(incident: Incident, rules: Rules, timeline: Sequence[Any]) -> dict[str, Any]:
    """Everything about an incident as JSON; recovery times and the data loss in real seconds."""
    speed = rules.policy.speed
    return {
        "incident": incident.id,
        "scenario": incident.scenario,
        "scope": incident.scope,
        "state": incident.state,
        "ending": incident.ending or None,
        "because": incident.because,
        "plan": incident.plan,
        "choices": choices_json(incident, rules),
        "opened_at": incident.opened_at.isoformat(),
        "ended_at": incident.ended_at and incident.ended_at.isoformat(),
        "steps": {
            s.id: {"state": (r := incident.step(s.id)).state, "because": r.because, "calls": r.calls}
            | ({"waits_for": r.waits_for} if r.waits_for else {})
            | approved(r)
            for s in rules.plan_of(incident.plan, incident.scenario, incident.chosen).steps
        },
        "services": [
            {
                "service": c.service,
                "tier": c.tier,
                "recovery_time_s": c.recovery_time and round(c.recovery_time.total_seconds() * speed, 1),
                "rto_s": c.rto.total_seconds() * speed,
                "inherited": c.inherited,
                "met": c.met,
            }
            for c in clocks(incident, rules, incident.ended_at or datetime.now(UTC))
        ],
        "data_loss": loss_json(incident, rules),
        "notices": {k: {"state": n.state, "because": n.because} for k, n in incident.notices.items()},
        "timeline": list(timeline),
    }


def approved(record: StepRecord) -> dict[str, Any]:
    """Who has allowed a step, proven by which principals, and whether it took a broken glass; nothing while nobody."""
    given = (record.approval,) if record.approval else record.voices
    return {"approved": [{"by": a.by, "principals": a.arns, "broke_glass": a.glass} for a in given]} if given else {}
