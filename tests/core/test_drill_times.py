"""What a drill measures counts for the steps that it did as the real plan does them, and for no others."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.measured import measured
from chalicelib.core.plan import Rules
from tests.core.little_world import LittleWorld, Worker
from tests.core.stage import POLICY, REGION, RULES, confirmed, only, plan_of
from tests.core.test_failover import run


def drill_rules() -> Rules:
    """The plan as a drill has it: a throw-away instance in the place of the promotion, and a clean-up after all."""
    real = plan_of(REGION)
    steps = tuple(replace(s, action="restore-instance") if s.id == "promote" else s for s in real.steps)
    clean = replace(real.step("rewrites"), id="clean-copies", title="Take the copies away", needs=("verify-traffic",))
    return Rules(POLICY, {**RULES.plans, "drill": replace(real, steps=(*steps, clean), hash="drill")})


def test_a_step_that_a_drill_rehearsed_by_another_action_is_no_measure_of_the_real_one() -> None:
    rules, book = drill_rules(), confirmed()
    book = replace(book, incidents={only(book).id: replace(only(book), plan="drill")})
    worker = Worker(LittleWorld(), book, rules)
    run(worker)
    (drill,) = worker.archived.values()
    assert drill.step("clean-copies").first_done_at
    found = measured(drill, rules, kind="drill")
    assert found
    assert "promote" not in found.steps
    assert "clean-copies" not in found.steps
    assert "restore-redis" in found.steps
    # A drill is not noticed, it is begun; and it is not the whole of the real plan.
    assert (found.kind, found.detected, found.whole) == ("drill", None, None)
