"""From what each judge said to one word a runbook, with since when, and whose it is to mend.

Rules. Three verdicts, never turned into one another: ready, lacking, and no data, which is neither and says what is
unknown. One thing that lacks makes a runbook not ready, unless policy or the judge has it as a mere finding; what is
unknown makes it unknown, and lowers it only after as long as policy says. What cannot be looked at beforehand is named,
and counts for nothing. What was so in the round before keeps its time. Nothing here looks at the world.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, assert_never

from chalicelib.core.happened import Readiness, ReadinessJudged, RunbookJudged
from chalicelib.core.outcome import NoData
from chalicelib.policy import Policy

STEPS: Final = "steps"
"""The judge of what the steps themselves look at."""
LONGEST: Final = 400
"""Characters of a runbook's sentence: it lies in the desk's book, which is kept small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """It is there, and could be used now."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """It is not, or not as it must be, and somebody can mend it."""

    because: str


Verdict = Ready | Lacking | NoData


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one judge said of one thing. `lowers`, `mend` and `owner` are the judge's own word, under policy's."""

    judge: str
    subject: str
    verdict: Verdict
    lowers: bool = True
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What nobody can look at before the day, and why."""

    subject: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A check as it is kept: since when it is so, who mends it with which command, whether it lowers the runbook."""

    judge: str
    subject: str
    state: Literal["ready", "lacking", "unknown"]
    because: str
    since: datetime
    owner: str
    mend: str
    lowers: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookReport:
    """One runbook after one round."""

    scenario: str
    display: str
    state: Readiness
    since: datetime
    because: str
    rows: tuple[Row, ...]
    unseen: tuple[Unseen, ...] = ()

    @property
    def by_what_is_around(self) -> bool:
        """Whether no step of it was looked at: the word is then on people, channels and the like alone."""
        return bool(self.unseen) and not any(row.judge == STEPS for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One round; `seconds` is how long it took."""

    at: datetime
    seconds: float
    runbooks: tuple[RunbookReport, ...]

    def judged(self) -> ReadinessJudged:
        """What of it the desk is told."""
        rows = (RunbookJudged(scenario=r.scenario, state=r.state, because=_told(r)) for r in self.runbooks)
        return ReadinessJudged(at=self.at, runbooks=tuple(rows))


def _told(report: RunbookReport) -> str:
    """A runbook's sentence for the desk: where it is not ready, with whose it is to mend the first thing, and how."""
    first = next((row for row in report.rows if row.lowers), None)
    if report.state is not Readiness.NOT_READY or first is None:
        return report.because
    return f"{report.because}; to mend by {first.owner}" + (f": {first.mend}" if first.mend else "")


def runbook(
    scenario: str,
    checks: Sequence[Check],
    unseen: Sequence[Unseen],
    *,
    policy: Policy,
    before: Report | None,
    at: datetime,
) -> RunbookReport:
    """One runbook's report. `before` is the round before, None when there was none."""
    last = next((r for r in before.runbooks if r.scenario == scenario), None) if before else None
    rows = tuple(_rows(checks, last, policy, at))
    lowering = [row for row in rows if row.lowers]
    unknown = [row for row in rows if row.state == "unknown"]
    lacking = [row for row in rows if row.state == "lacking"]
    if lowering:
        state, because = Readiness.NOT_READY, _sentence(lowering)
    elif unknown:
        state, because = Readiness.UNKNOWN, f"nothing stands against it as far as is known; {_sentence(unknown)}"
    elif lacking:
        state, because = Readiness.WITH_FINDINGS, _sentence(lacking)
    else:
        state, because = Readiness.READY, _nothing_against(rows, unseen)
    since = last.since if last and last.state is state else at
    return RunbookReport(
        scenario=scenario,
        display=policy.scenario(scenario).display,
        state=state,
        since=since,
        because=because,
        rows=rows,
        unseen=tuple(unseen),
    )


def _rows(checks: Sequence[Check], last: RunbookReport | None, policy: Policy, at: datetime) -> Iterator[Row]:
    known: Mapping[tuple[str, str], Row] = {(r.judge, r.subject): r for r in last.rows} if last else {}
    for check in checks:
        said = policy.readiness.row(check.judge)
        lowers = check.lowers if said.lowers is None else said.lowers
        state: Literal["ready", "lacking", "unknown"]
        match check.verdict:
            case Ready():
                state = "ready"
            case Lacking():
                state = "lacking"
            case NoData():
                state = "unknown"
            case _:
                assert_never(check.verdict)
        there = known.get((check.judge, check.subject))
        since = there.since if there and there.state == state else at
        because = check.verdict.because
        if state == "unknown":
            lowers = said.unknown_for is not None and at - since >= said.unknown_for
            if lowers and said.unknown_for is not None:
                because += f"; unknown since {since:%Y-%m-%d %H:%M} UTC, allowed are {policy.real(said.unknown_for)}"
        yield Row(
            judge=check.judge,
            subject=check.subject,
            state=state,
            because=because,
            since=since,
            owner=said.owner or policy.readiness.owner,
            mend=said.mend or check.mend,
            lowers=lowers and state != "ready",
        )


def _nothing_against(rows: Sequence[Row], unseen: Sequence[Unseen]) -> str:
    """Says of how much it is said: of what nobody can look at beforehand nothing is known either way."""
    looked = f"{len(rows)} things were looked at, and nothing stands against it"
    return f"{looked}; {len(unseen)} steps cannot be looked at beforehand" if unseen else looked


def _sentence(rows: Sequence[Row]) -> str:
    said = f"{rows[0].subject}: {rows[0].because}"
    more = f"; and {len(rows) - 1} more" if len(rows) > 1 else ""
    return said if len(said + more) <= LONGEST and not more else said[: LONGEST - len(more)] + more
