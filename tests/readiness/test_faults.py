"""Each kind of fault: not there before, found by name within one round, and gone in the round after it was mended."""

from __future__ import annotations

from collections import Counter

import pytest

from chalicelib.core.findings import standing
from chalicelib.core.happened import Readiness
from chalicelib.core.judging import Row, RunbookReport
from chalicelib.core.readiness import judged, kind
from chalicelib.readiness.registry import JUDGES
from tests.core.stage import RULES, empty
from tests.readiness.day import Day, lacking
from tests.readiness.fault import Fault
from tests.readiness.faults import FAULTS


def found(report: RunbookReport, fault: Fault) -> list[Row]:
    return [r for r in lacking(report) if (r.judge, r.subject) == (fault.judge, fault.subject)]


def told(day: Day, scenario: str) -> str:
    """What the desk hears of it."""
    return next(r.because for r in day.report.judged().runbooks if r.scenario == scenario)


@pytest.mark.parametrize("scenario", sorted({f.scenario for f in FAULTS}))
def test_a_good_day_lacks_nothing_that_a_fault_takes_away(scenario: str) -> None:
    day = Day()
    report = day.runbook(scenario)
    assert report.state is Readiness.READY, report.because
    assert [r for f in FAULTS if f.scenario == scenario for r in found(report, f)] == []
    book = judged(empty(), day.report.judged(), RULES, day.report.at)
    assert standing(book, kind(scenario)) is None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.kind.replace(" ", "-"))
def test_a_fault_is_found_by_name_in_one_round_and_settled_after_it_is_mended(fault: Fault) -> None:
    day = Day()
    fault.done(day)
    after = day.runbook(fault.scenario)
    (row,) = found(after, fault)
    assert fault.said in row.because
    assert row.since == day.report.at
    assert row.lowers is fault.lowers
    assert row.owner
    assert row.mend
    if fault.lowers:
        assert after.state is Readiness.NOT_READY
        assert after.since == day.report.at
        first = next(r for r in after.rows if r.lowers)
        assert f"to mend by {first.owner}: {first.mend}" in told(day, fault.scenario)
    else:
        assert after.state is not Readiness.NOT_READY
    book = judged(empty(), day.report.judged(), RULES, day.report.at)
    assert (standing(book, kind(fault.scenario)) is not None) is fault.lowers

    fault.mended(day)
    mended = day.runbook(fault.scenario)
    assert found(mended, fault) == []
    assert mended.state is Readiness.READY, mended.because
    book = judged(book, day.report.judged(), RULES, day.report.at)
    assert standing(book, kind(fault.scenario)) is None


def test_every_judge_has_a_fault_that_it_finds() -> None:
    assert {f.judge for f in FAULTS} >= set(JUDGES)
    assert len({f.kind for f in FAULTS}) == len(FAULTS)


def test_no_two_faults_are_the_same_one_under_another_name() -> None:
    same = Counter((f.judge, f.subject, f.said) for f in FAULTS)
    assert [one for one, times in same.items() if times > 1] == []
