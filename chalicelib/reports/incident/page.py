"""The report of one incident as a page: the picture, and every figure of it in tables. One file that loads nothing.

What it is made of is kept for good (the archive, its plan and its policy), so it can be made again at any time and says
the same. It names what is inside, and is not for customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from chalicelib.core.incident import Incident, StepState
from chalicelib.core.plan import Rules
from chalicelib.core.report import data_loss
from chalicelib.core.times import Times
from chalicelib.reports.incident.lines import Lines, took
from chalicelib.reports.incident.picture import picture

if TYPE_CHECKING:
    from jinja2 import Template

SHOWN: Final = 12
"""Earlier runs in the trend."""


class StepRow(NamedTuple):
    """One step: what it took itself, what a person took, what is written, and what it usually took."""

    id: str
    title: str
    state: str
    took: str
    answer: str
    written: str
    usual: str
    because: str


class Failure(NamedTuple):
    """One thing that went wrong, and what."""

    what: str
    because: str


def steps(incident: Incident, rules: Rules, found: Lines, times: Times) -> tuple[StepRow, ...]:
    """Every step of the plan. `times` are of earlier runs; this one does not count as usual for itself."""
    rules = rules.of(incident.policy)
    plan, speed = rules.plan_of(incident.plan, incident.scenario, incident.chosen), rules.policy.speed
    bars = {b.id: b for b in found.bars}
    rows = []
    for step in plan.steps:
        record, bar = incident.step(step.id), bars.get(step.id)
        earlier = [r.steps[step.id] for r in times.runs if step.id in r.steps and r.source != incident.id]
        rows.append(
            StepRow(
                id=step.id,
                title=step.title,
                state=record.state,
                took=took(bar.end - bar.start - bar.answer) if bar else "",
                answer=took(bar.answer) if bar and bar.answer else "",
                written=took(step.expected.total_seconds() * speed),
                usual=f"{took(median(earlier))} ({len(earlier)})" if earlier else "",
                because=record.because,
            )
        )
    return tuple(rows)


def failures(incident: Incident, rules: Rules) -> tuple[Failure, ...]:
    """What failed: calls that were refused or doubtful, steps late, stuck, rejected or left, and notices."""
    rules = rules.of(incident.policy)
    found = []
    for step in rules.plan_of(incident.plan, incident.scenario, incident.chosen).steps:
        record = incident.step(step.id)
        said = [f"{record.refused} of {record.calls} calls refused"] if record.refused else []
        said += ["a call whose answer was lost"] if record.doubtful else []
        said += [f"late: {rules.policy.real(step.deadline)} were allowed"] if record.late_at else []
        said += [f"rejected by {record.rejected_by}"] if record.rejected_by else []
        said += [record.state] if record.state in (StepState.STUCK, StepState.LEFT) else []
        if said:
            found.append(Failure(step.title, f"{'; '.join(said)} ({record.because})"))
    for key, notice in incident.notices.items():
        if notice.state in ("failed", "doubtful"):
            found.append(Failure(f"notice {key}", f"{notice.state}: {notice.because}"))
        elif notice.at > notice.due_at:
            late = rules.policy.real(notice.at - notice.due_at)
            found.append(Failure(f"notice {key}", f"told {late} after its deadline"))
    return tuple(found)


def page(
    incident: Incident, rules: Rules, found: Lines, *, times: Times, timeline: Sequence[tuple[datetime, str, str]]
) -> str:
    """The page. `timeline` is (when, kind, text), oldest first."""
    return _template().render(
        incident=incident,
        found=found,
        svg=picture(found),
        loss=data_loss(incident, rules.of(incident.policy)),
        steps=steps(incident, rules, found, times),
        failures=failures(incident, rules),
        runs=times.runs[:SHOWN],
        timeline=timeline,
        took=took,
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # takes a tenth of a second, and only reports need it

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((Path(__file__).parent / "templates" / "page.html.j2").read_text())
