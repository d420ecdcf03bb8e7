"""readiness.html, from one round's report. It names clusters, databases and secrets, so it is for operators alone and
never lies where the public status page does.

Pure: the same report gives the same bytes. It has no script and loads nothing, and so cannot know how late it is read:
it says in words until when it holds. States are told by word and shape, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chalicelib.core.happened import Readiness
from chalicelib.core.judging import Report, Row, RunbookReport
from chalicelib.policy import Policy

if TYPE_CHECKING:
    from jinja2 import Template

KEY: Final = "readiness.html"
CONTENT_TYPE: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Word:
    """How a state is told: `mark` is the shape, `rank` how much it wants to be read."""

    text: str
    mark: str
    rank: int
    meaning: str


WORDS: Final = {
    Readiness.NOT_READY: Word(
        "Not ready", "not-ready", 0, "every step of the runbook asks a person until it is mended"
    ),
    Readiness.UNKNOWN: Word("Not known", "unknown", 1, "something could not be looked at; nothing is lowered by that"),
    Readiness.WITH_FINDINGS: Word("Ready, with findings", "findings", 2, "it could succeed; what was found is to mend"),
    Readiness.READY: Word("Ready", "ready", 4, "all that can be looked at beforehand is as it must be"),
}
AROUND: Final = Word(
    "Ready, steps not seen", "findings", 3, "what is around it is well; its steps only the day can show"
)


def html(report: Report, policy: Policy) -> str:
    """The page."""
    order = sorted(report.runbooks, key=lambda r: word(r).rank)
    told = [word(r) for r in order]
    return _template().render(
        name=policy.platform.display_name,
        report=report,
        runbooks=[(r, word(r), bad(r), well(r)) for r in order],
        findings=findings(order),
        counts=[(w, told.count(w)) for w in dict.fromkeys(told)],
        worst=told[0] if told else AROUND,
        words=sorted({*WORDS.values(), AROUND}, key=lambda w: w.rank),
        every=policy.real(policy.readiness.every),
        holds_until=report.at + policy.readiness.stale_after,
        ago=lambda at: ago(report.at - at),
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that lacks or is not known, with the runbooks that it touches: mended once, it is mended in all."""

    row: Row
    runbooks: tuple[RunbookReport, ...]

    @property
    def mark(self) -> str:
        """Its shape."""
        return _mark(self.row)


def findings(runbooks: Sequence[RunbookReport]) -> Sequence[Finding]:
    """Each once, what lowers most first. Where a step's title says the same of two runbooks it is one thing."""
    found: dict[tuple[str, str], list[tuple[Row, RunbookReport]]] = {}
    for runbook in runbooks:
        for row in bad(runbook):
            found.setdefault((row.judge, row.subject), []).append((row, runbook))
    once = []
    for seen in found.values():
        worst = min((row for row, _ in seen), key=_rank)
        once.append(Finding(worst, tuple(r for _, r in seen)))
    return sorted(once, key=lambda f: (_rank(f.row), -len(f.runbooks)))


def _rank(row: Row) -> tuple[bool, bool]:
    return not row.lowers, row.state != "lacking"


def _mark(row: Row) -> str:
    if row.lowers:
        return "not-ready"
    return "findings" if row.state == "lacking" else "unknown"


def word(runbook: RunbookReport) -> Word:
    """The state in a word. Ready where no step could be looked at is a word on what is around the steps."""
    around = runbook.by_what_is_around and runbook.state is Readiness.READY
    return AROUND if around else WORDS[runbook.state]


def bad(runbook: RunbookReport) -> Sequence[Row]:
    """What is to be read first: what lowers it, then what else lacks, then what is not known."""
    rows = [row for row in runbook.rows if row.state != "ready"]
    return sorted(rows, key=_rank)


def well(runbook: RunbookReport) -> Sequence[Row]:
    """What was looked at and is as it must be."""
    return [row for row in runbook.rows if row.state == "ready"]


def ago(length: timedelta) -> str:
    """`since this round`, `for 42 min`, `for 3 h 5 min`, `for 2 d 4 h`."""
    minutes = round(length / timedelta(minutes=1))
    if minutes < 1:
        return "since this round"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (0 if days else minutes, "min")]
    return "for " + " ".join(f"{n} {unit}" for n, unit in parts if n)


def clock(at: datetime) -> str:
    """`24 Nov 2026, 01:49 UTC`."""
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def machine(at: datetime) -> str:
    """What stands in `datetime=`."""
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 40 ms that only a round pays

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark"] = _mark
    environment.filters["clock"] = clock
    environment.filters["machine"] = machine
    return environment.get_template("readiness.html.j2")
