"""What a running incident is forecast to come to, as text and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.core.book import Book
from chalicelib.core.foreseen import Foreseen
from chalicelib.core.forewarning import foreseen, sentences
from chalicelib.core.incident import Incident
from chalicelib.core.plan import Rules
from drctl.cli.places import out


def print_forecast(book: Book, incident: Incident, rules: Rules) -> None:
    """When it is forecast to end, in words; nothing while there is nothing to forecast."""
    for line in sentences(book, incident, rules, datetime.now(UTC)):
        out.print(f"  [cyan]{line}[/cyan]" if line.startswith("Forecast") else f"  {line}", soft_wrap=True)


def running_json(book: Book, incident: Incident, rules: Rules) -> dict[str, Any] | None:
    """The forecast of a running incident; None while there is nothing to forecast."""
    found = foreseen(book, incident, rules, datetime.now(UTC))
    if found is None:
        return None
    speed = rules.of(incident.policy).policy.speed
    return {
        "ends_at": ends_at(incident, found.whole.median, speed),
        "ends_by": ends_at(incident, found.whole.late, speed),
        "services": {
            o.service: {"back_at": ends_at(incident, o.chance.median, speed), "chance": o.chance.share}
            for o in found.services
        },
        "forewarned": {rto: w.because for rto, w in incident.forewarned.items()},
        "rests_on": basis_json(found),
    }


def ends_at(incident: Incident, seconds: float, speed: float) -> str:
    """The moment that many seconds of real time after the failure."""
    return (incident.failed_at + timedelta(seconds=seconds / speed)).isoformat()


def basis_json(found: Foreseen) -> dict[str, Any]:
    """What a forecast rests on: how many runs, how many steps of it were measured, and which were not."""
    basis = found.basis
    return {
        "incidents": basis.incidents,
        "drills": basis.drills,
        "steps": basis.steps,
        "measured": basis.measured,
        "written": basis.written,
        "answers_measured": basis.answers,
    }
