"""Every order in which workers of the real desk can take turns, with crashes, early expiries and lost answers.

The budgets here take well under a minute. `PROTOCOL_EXHAUSTIVE=1` adds three workers with two crashes and two early
expiries (see README.md for how many states that is and how long it takes).
"""

from __future__ import annotations

import os

import pytest

from tests.protocol import promises
from tests.protocol.broken import SameDesk
from tests.protocol.explore import Budget
from tests.protocol.tiny import abort, alarm, declare, pause, tiny_policy
from tests.protocol.workers import Cast, explore

ALARM_TWICE = Cast(brings=[[alarm()], [alarm()]], finishes=True)
ALARM_AND_PAUSE = Cast(brings=[[alarm()], [pause()]])
ALARM_AND_ABORT = Cast(brings=[[alarm()], [abort()]], policy=tiny_policy(notices=("incident-detected", "stood-down")))
THREE = Cast(brings=[[alarm()], [pause()], [alarm()]])


@pytest.mark.parametrize(
    ("cast", "budget", "least"),
    [
        pytest.param(ALARM_TWICE, Budget(crashes=2, expiries=2), 10_000, id="one alarm twice"),
        pytest.param(ALARM_AND_PAUSE, Budget(crashes=1, expiries=2, unanswered=1), 20_000, id="an alarm and a pause"),
        pytest.param(ALARM_AND_ABORT, Budget(crashes=1, expiries=1, unanswered=1), 20_000, id="an alarm and an abort"),
        pytest.param(ALARM_TWICE, Budget(crashes=1, expiries=1, echoes=1), 20_000, id="a save delivered twice"),
        pytest.param(Cast(brings=[[declare()], []], finishes=True), Budget(2, 2, 1), 5_000, id="a person and the tick"),
        pytest.param(THREE, Budget(), 30_000, id="three workers and nothing goes wrong"),
    ],
)
def test_no_promise_is_broken_whoever_takes_turns_when(cast: Cast, budget: Budget, least: int) -> None:
    found = explore(cast, budget)
    assert found.broken is None, str(found.broken)
    assert found.states >= least, "so few states that the scheduler cannot have tried everything"


def test_no_promise_is_broken_when_one_of_three_workers_crashes() -> None:
    found = explore(Cast(brings=[[alarm()], [pause()], []]), Budget(crashes=1))
    assert found.broken is None, str(found.broken)
    assert found.states >= 50_000


@pytest.mark.skipif("PROTOCOL_EXHAUSTIVE" not in os.environ, reason="takes minutes; set PROTOCOL_EXHAUSTIVE=1")
@pytest.mark.parametrize(
    ("cast", "budget"),
    [
        pytest.param(Cast(brings=[[alarm()], [pause()], []]), Budget(2, 2), id="alarm, pause, tick"),
        pytest.param(Cast(brings=[[alarm()], [alarm()]], finishes=True), Budget(2, 2, 1, 1), id="everything"),
    ],
)
def test_no_promise_is_broken_with_two_crashes_and_two_early_expiries(cast: Cast, budget: Budget) -> None:
    found = explore(cast, budget)
    assert found.broken is None, str(found.broken)


def test_without_early_expiry_no_act_starts_after_a_newer_worker_has_saved() -> None:
    found = explore(ALARM_AND_PAUSE, Budget(crashes=2), at_turn=promises.acts_after_newer_save)
    assert found.broken is None, str(found.broken)


def test_a_worker_that_stands_still_past_its_lease_may_start_the_acts_of_its_last_save() -> None:
    """What cannot be promised, shown: nothing outside the store is fenced by a condition in the store."""
    found = explore(ALARM_AND_PAUSE, Budget(expiries=1), at_turn=promises.acts_after_newer_save)
    assert found.broken is not None
    assert "is started after the save of epoch 2" in found.broken.promise


def test_the_copy_of_the_loop_that_variants_are_made_of_takes_the_same_turns_as_the_desk() -> None:
    budget = Budget(crashes=1, expiries=1)
    real, copy = explore(ALARM_AND_PAUSE, budget), explore(ALARM_AND_PAUSE, budget, desk=SameDesk)
    assert (real.states, real.turns, real.ends) == (copy.states, copy.turns, copy.ends)
