"""Drills on the real desk and actions: whole, ended by a real alarm, and with the worker stopped at its calls."""

from __future__ import annotations

from chalicelib.core.book import StepState
from tests.crash.drills import DrillStory, kept, left


def test_a_drill_proves_the_way_and_leaves_nothing_behind() -> None:
    platform = DrillStory().tell()
    case = kept(platform)
    assert case.drill is not None
    assert case.drill.result == "passed", case.because
    assert {r.state for r in case.steps.values()} == {StepState.DONE}
    assert left(platform) == []
