"""The forecast on graphs and times whose answers are known by hand."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from random import Random

import pytest

from chalicelib.core import draws
from chalicelib.core.draws import drawn_for
from chalicelib.core.forecast import Aim, Chance, Draw, Goal, Node, foretell, met, slowest
from chalicelib.core.foreseen import DETECTION, foresee, planned
from chalicelib.core.forewarning import basis, percent
from chalicelib.core.times import KEPT, NONE, Run, Times
from tests.core.stage import POLICY, REGION, at, plan_of


def drawn(seed: int) -> Draw:
    return Random(seed).random  # noqa: S311  # a forecast need not be unguessable


def never() -> float:
    raise AssertionError("nothing is left to choose, so nothing may be drawn")


def only(nodes: tuple[Node, ...], limit: float = inf, *, runs: int = 4000, draw: Draw | None = None) -> Chance:
    goal = Goal("all", (Aim(tuple(range(len(nodes))), limit),))
    (chance,) = foretell(nodes, (goal,), runs=runs, draw=draw or drawn(7))
    return chance


DIAMOND = (
    Node(id="start", works=(10.0,)),
    Node(id="short", needs=(0,), works=(20.0,)),
    Node(id="long", needs=(0,), works=(50.0,)),
    Node(id="end", needs=(1, 2), answers=(30.0,), works=(5.0,)),
)


def test_times_without_spread_give_exactly_the_critical_path_in_one_run() -> None:
    chance = only(DIAMOND, 95.0, draw=never)
    assert (chance.runs, chance.met, chance.median, chance.late) == (1, 1, 95.0, 95.0)
    assert [(s.id, s.takes, s.on, s.seconds) for s in chance.decides] == [
        ("long", "work", 1.0, 50.0),
        ("end", "answer", 1.0, 30.0),
        ("start", "work", 1.0, 10.0),
        ("end", "work", 1.0, 5.0),
    ]


def test_a_limit_that_is_met_to_the_second_is_met_and_one_below_it_is_missed() -> None:
    assert only(DIAMOND, 95.0).share == 1
    assert only(DIAMOND, 94.9).share == 0


def test_independent_steps_go_side_by_side_and_the_slowest_decides() -> None:
    nodes = (*(Node(id=str(n), works=(float(n),)) for n in range(1, 40)), Node(id="join", needs=(4, 38), works=(1.0,)))
    assert only(nodes).median == 40.0


def test_a_step_of_two_times_gives_their_chance() -> None:
    nodes = (Node(id="coin", works=(10.0, 10.0, 10.0, 100.0)),)
    chance = only(nodes, 50.0, runs=20_000)
    assert chance.share == pytest.approx(0.75, abs=0.015)
    assert (chance.median, chance.late) == (10.0, 100.0)


def test_two_such_steps_in_a_row_miss_unless_both_are_quick() -> None:
    nodes = (Node(id="one", works=(10.0, 100.0)), Node(id="two", needs=(0,), works=(10.0, 100.0)))
    assert only(nodes, 20.0, runs=20_000).share == pytest.approx(0.25, abs=0.015)
    assert only(nodes, 110.0, runs=20_000).share == pytest.approx(0.75, abs=0.015)


def test_two_such_steps_side_by_side_miss_unless_both_are_quick() -> None:
    nodes = (Node(id="one", works=(10.0, 100.0)), Node(id="two", works=(10.0, 100.0)))
    chance = only(nodes, 20.0, runs=20_000)
    assert chance.share == pytest.approx(0.25, abs=0.015)
    # Of the runs that miss, either was slow alone as often as both were: each decides about half of them.
    assert sum(s.on for s in chance.decides) == pytest.approx(1.0)
    assert all(s.on == pytest.approx(0.5, abs=0.2) for s in chance.decides)


def test_what_decides_is_told_of_the_runs_that_miss_where_any_do() -> None:
    nodes = (Node(id="steady", works=(60.0,)), Node(id="rare", works=(1.0,) * 9 + (500.0,)))
    chance = only(nodes, 100.0, runs=5000)
    assert [(s.id, s.on) for s in chance.decides] == [("rare", 1.0)]
    shares = {s.id: s.on for s in only(nodes, 1000.0, runs=5000).decides}
    assert shares == {"steady": pytest.approx(0.9, abs=0.02), "rare": pytest.approx(0.1, abs=0.02)}


def test_the_same_draws_give_the_same_forecast_and_others_another() -> None:
    nodes = tuple(Node(id=str(n), works=tuple(float(k * k) for k in range(9))) for n in range(9))
    first, again, other = (only(nodes, 60.0, draw=drawn(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_tier_is_met_only_where_each_of_its_services_is() -> None:
    nodes = (Node(id="one", works=(10.0, 100.0)), Node(id="two", works=(10.0, 100.0)))
    goals = (Goal("one", (Aim((0,), 20.0),)), Goal("both", (Aim((0,), 20.0), Aim((1,), 20.0))))
    one, both = foretell(nodes, goals, runs=20_000, draw=drawn(3))
    assert one.share == pytest.approx(0.5, abs=0.015)
    assert both.share == pytest.approx(0.25, abs=0.015)


def test_what_the_slowest_keeps_every_run_keeps() -> None:
    nodes = (Node(id="coin", works=(10.0, 100.0)), Node(id="then", needs=(0,), answers=(0.0, 60.0), works=(1.0,)))
    assert slowest(nodes) == (100.0, 161.0)
    kept, missed = (Goal("all", (Aim((1,), limit),)) for limit in (161.0, 160.0))
    assert met(kept, slowest(nodes))
    assert not met(missed, slowest(nodes))
    assert [c.share for c in foretell(nodes, (kept,), runs=2_000, draw=drawn(3))] == [1.0]
    assert foretell(nodes, (missed,), runs=2_000, draw=drawn(3))[0].share < 1.0


def test_the_draws_of_a_name_are_even_and_the_same_for_everybody() -> None:
    draw, again = drawn_for("us-east-1-region-failure"), drawn_for("us-east-1-region-failure")
    numbers = [draw() for _ in range(20_000)]
    assert numbers == [again() for _ in range(20_000)]
    assert all(0 <= n < 1 for n in numbers)
    for tenth in range(10):
        assert sum(tenth <= n * 10 < tenth + 1 for n in numbers) == pytest.approx(2000, abs=200)
    assert drawn_for("another")() != numbers[0]


def test_split_mix_is_the_published_one() -> None:
    # rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64 gives its first outputs for this seed; 53 bits count here.
    draw = draws._from(1234567)
    published = (6457827717110365317, 3203168211198807973, 9817491932198370423)
    assert [draw() for _ in range(3)] == [(n >> 11) / (1 << 53) for n in published]


@pytest.mark.parametrize(
    ("met", "runs", "said"),
    [(5000, 5000, "100%"), (4999, 5000, "over 99%"), (1, 5000, "under 1%"), (0, 5000, "0%"), (2500, 5000, "50%")],
)
def test_a_chance_is_never_rounded_to_a_certainty(met: int, runs: int, said: str) -> None:
    assert percent(Chance(name="", met=met, runs=runs, median=0, late=0, decides=())) == said


# A plan of the shipped policy


def measured(n: int, *, promote: float = 120.0) -> Run:
    """An incident in which every step took what is written, and the promotion that."""
    return Run(
        source=f"run-{n}",
        kind="incident",
        ended_at=at(n * 86400),
        steps={s.id: s.expected.total_seconds() for s in plan_of(REGION).steps} | {"promote": promote},
        answers={"promote": 60.0},
        detected=30.0,
    )


def times(*runs: Run) -> Times:
    found = NONE
    for run in runs:
        found = found.with_run(run)
    return found


ASKING = {s.id for s in plan_of(REGION).steps if s.may_ask}


def test_without_measurements_the_written_times_stand_in_and_it_is_said() -> None:
    nodes = planned(plan_of(REGION), NONE, policy=POLICY, asking=ASKING, detected=timedelta(seconds=100))
    found = foresee(nodes, plan_of(REGION), NONE, policy=POLICY, runs=5000, draw=never)
    # By hand: detection, nodes, the gateway ready, a person's answer, promote, repoint, verify, traffic.
    answer = POLICY.platform.responder.answer_time.total_seconds()
    by_hand = 100 + 90 + 20 + answer + 120 + 5 + 5
    gateway = next(o for o in found.services if o.service == "api-gateway")
    assert gateway.chance.median == pytest.approx(by_hand + 5 + 30, abs=60)
    assert {o.rto for o in found.services if o.service == "postgresql"} == {900.0}
    assert next(o for o in found.services if o.service == "postgresql").inherited
    assert found.basis.measured == 0
    assert "since nothing of it was ever measured" in basis(found.basis)
    assert "no spread" in basis(found.basis)


def test_measured_times_take_the_place_of_the_written_ones() -> None:
    one = times(measured(1))
    nodes = planned(plan_of(REGION), one, policy=POLICY, asking=ASKING, detected=timedelta(seconds=100))
    written = planned(plan_of(REGION), NONE, policy=POLICY, asking=ASKING, detected=timedelta(seconds=100))
    ends = [
        foresee(n, plan_of(REGION), t, policy=POLICY, runs=1, draw=never) for n, t in ((nodes, one), (written, NONE))
    ]
    answer = POLICY.platform.responder.answer_time.total_seconds()
    # The same steps, an answer after 60 s instead of the written one, and seen after 30 s instead of 100.
    assert ends[1].whole.median - ends[0].whole.median == pytest.approx(answer - 60 + 70)
    assert basis(ends[0].basis) == "1 incident; 40 of 40 steps ahead were measured"


def test_a_promotion_that_is_slow_every_fourth_time_misses_the_rto_every_fourth_time_and_decides_it() -> None:
    known = times(*(measured(n, promote=900.0 if n == 4 else 120.0) for n in range(1, 5)))
    nodes = planned(plan_of(REGION), known, policy=POLICY, asking=ASKING, detected=timedelta())
    found = foresee(nodes, plan_of(REGION), known, policy=POLICY, runs=8000, draw=drawn(5))
    tiers = dict(found.tiers)
    assert tiers[1].share == pytest.approx(0.75, abs=0.02)
    assert (tiers[1].decides[0].id, tiers[1].decides[0].takes, tiers[1].decides[0].on) == ("promote", "work", 1.0)
    assert tiers[1].decides[0].rests_on == 4
    # Tier 2 holds PostgreSQL, which inherits tier 1's RTO; tier 3 has hours.
    assert tiers[2].share == tiers[1].share
    assert tiers[3].share == 1


def test_what_was_never_measured_is_named() -> None:
    part = Run(source="half", kind="drill", ended_at=at(0), steps={"capacity": 80.0})
    known = times(part)
    nodes = planned(plan_of(REGION), known, policy=POLICY, asking=ASKING, detected=timedelta(seconds=100))
    found = foresee(nodes, plan_of(REGION), known, policy=POLICY, runs=10, draw=never)
    assert found.basis.measured == 1
    assert "promote" in found.basis.written
    assert DETECTION in found.basis.written
    said = basis(found.basis)
    assert said.startswith("1 drill; 1 of 40 steps ahead were measured, the written time stands for detection, ")
    assert said.endswith("how long people take to answer was never measured")


def test_a_run_is_taken_in_once_and_the_newest_are_kept() -> None:
    known = times(*(measured(n) for n in range(KEPT + 5)))
    assert len(known.runs) == KEPT
    assert known.runs[0].source == f"run-{KEPT + 4}"
    assert known.with_run(measured(KEPT + 4)) is known


def test_that_a_drill_did_not_ask_says_nothing_of_an_incident() -> None:
    asked = Run(source="a", kind="drill", ended_at=at(1), steps={"promote": 1.0}, answers={"promote": 40.0})
    silent = Run(source="b", kind="drill", ended_at=at(2), steps={"promote": 1.0}, answers={"promote": 0.0})
    real = Run(source="c", kind="incident", ended_at=at(3), steps={"promote": 1.0}, answers={"promote": 0.0})
    assert times(silent).answers("promote") == ()
    assert times(asked, silent, real).answers("promote") == (0.0, 40.0)
    assert times(asked, silent, real).any_answers() == (40.0,)
