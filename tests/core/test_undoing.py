"""What a person owes who ends an incident on the way: the steps that had begun are taken back, or it is too late."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.answers import Looked
from chalicelib.core.book import Book
from chalicelib.core.due import Do, Held, due
from chalicelib.core.happened import Abort, Declare, Resolve
from chalicelib.core.incident import StepRecord, StepState
from chalicelib.core.incidents import put
from chalicelib.core.outcome import Act, Call
from chalicelib.core.plan import PlanError, Rules, plan
from tests.core.little_world import LittleWorld, Worker
from tests.core.stage import (
    POLICY,
    PRIMARY,
    REGION,
    RULES,
    STANDBY,
    at,
    confirmed,
    only,
    policy_with,
    reread,
    said,
    take,
)

SCENARIO = "planned-switchover"
WANTED = Act(
    because="the lease is revoked",
    call=Call(system="aws", service="dynamodb", region=STANDBY, operation="update_item", until="not", reversible=True),
)


def with_steps(**states: StepState) -> Book:
    """A region failover of which these steps are so far."""
    book = confirmed()
    steps = {name: StepRecord(state=state, because="so it is", calls=1) for name, state in states.items()}
    return put(book, replace(only(book), steps=steps))


def ended(book: Book, verb: type[Abort | Resolve] = Abort) -> Book:
    return take(book, verb(said=said("end"), incident=only(book).id), seconds=100)


def owed(book: Book) -> list[str]:
    return [d.case.id.rpartition("/")[2] for d in book.debts if d.case]


@pytest.mark.parametrize("verb", [Abort, Resolve])
@pytest.mark.parametrize("state", [StepState.DONE, StepState.ACTING, StepState.RUNNING, StepState.LEFT])
def test_a_fence_that_had_begun_is_taken_back_when_a_person_ends_the_incident(
    verb: type[Abort | Resolve], state: StepState
) -> None:
    book = ended(with_steps(fence=state), verb)
    assert owed(book) == ["reopen"]
    assert "fence had begun" in book.debts[0].because


def test_nothing_is_owed_where_nothing_had_begun() -> None:
    assert owed(ended(confirmed())) == []


@pytest.mark.parametrize("state", [StepState.ACTING, StepState.DONE])
def test_nothing_is_taken_back_once_the_promotion_was_asked_for(state: StepState) -> None:
    assert owed(ended(with_steps(fence=StepState.DONE, promote=state))) == []


def test_what_is_taken_back_is_no_longer_owed_itself() -> None:
    """Or the two would take turns: fenced in one tick, opened in the next."""
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    for seconds in range(10, 200, 5):
        worker.round(at(seconds))
        if "fence" in owed(worker.book):
            break
    incident = only(worker.book)
    book = put(worker.book, replace(incident, steps={k: v for k, v in incident.steps.items() if k != "promote"}))
    assert "fence" in owed(book)
    book = take(book, Abort(said=said("end"), incident=incident.id), seconds=300)
    assert "fence" not in owed(book)
    assert "reopen" in owed(book)


def test_it_waits_while_another_incident_fences() -> None:
    book = ended(with_steps(fence=StepState.DONE))
    book = take(book, Declare(said=said("again"), scenario=SCENARIO, scope=PRIMARY), seconds=111)
    worker = Worker(LittleWorld(), book, RULES)
    for seconds in range(115, 180, 5):
        worker.round(at(seconds))
    assert worker.world.called["reopen"] == 0
    assert owed(worker.book) == ["reopen"]
    reasons = [w.because for w in due(worker.book, rules=RULES, now=at(185)) if isinstance(w, Held)]
    told = [d.case.steps["reopen"].because for d in worker.book.debts if d.case]
    assert any("fence-primary is a step of its plan" in text for text in (*reasons, *told))


def test_it_waits_for_an_incident_that_follows_a_newer_policy_than_it_does_itself() -> None:
    """A deploy has changed the plan meanwhile, and the other incident's plan is what policy gives today."""
    book = ended(with_steps(fence=StepState.DONE))
    newer = policy_with(_without_cache).model_copy(update={"digest": "d" * 16})
    rules = Rules(newer, {plan(REGION, policy=POLICY).hash: plan(REGION, policy=POLICY)}, {POLICY.digest: POLICY})
    book = take(book, Declare(said=said("again"), scenario=SCENARIO, scope=PRIMARY), seconds=111, rules=rules)
    opened = next(i for i in book.incidents.values() if i.scenario == SCENARIO)
    assert opened.plan not in rules.plans
    assert opened.plan != plan(SCENARIO, policy=POLICY).hash
    (owes,) = (d.case.id for d in book.debts if d.case)
    book = take(book, Looked(incident=owes, step="reopen", next=WANTED), seconds=112, rules=rules)
    held = [w for w in due(book, rules=rules, now=at(113)) if isinstance(w, Held) and w.step == "reopen"]
    assert [w.because for w in held] == [f"incident {opened.id} is open, and fence-primary is a step of its plan"]


def test_it_does_not_wait_for_an_incident_whose_plan_is_another_by_what_was_chosen() -> None:
    """That plan is not loaded, and policy gives it only with the choices."""
    book = ended(with_steps(fence=StepState.DONE))
    choices = {"as_of": "2026-11-23T02:00:00Z", "namespaces": "none", "folder": "none"}
    declare = Declare(said=said("bad"), scenario="data-corruption", scope=f"{STANDBY}/database", choices=choices)
    bare = Rules(POLICY)
    book = take(book, declare, seconds=111, rules=bare)
    assert any(i.chosen == choices for i in book.incidents.values())
    (owes,) = (d.case.id for d in book.debts if d.case)
    book = take(book, Looked(incident=owes, step="reopen", next=WANTED), seconds=112, rules=bare)
    assert [w.step.id for w in due(book, rules=bare, now=at(113)) if isinstance(w, Do)] == ["reopen"]


def _without_cache(raw: dict[str, Any]) -> None:
    services = raw["services"]["services"]
    services[:] = [s for s in services if s["name"] != "redis"]


def test_it_is_done_after_the_incident_is_closed_and_paid_once() -> None:
    worker = Worker(LittleWorld(), ended(with_steps(fence=StepState.DONE)), RULES)
    for seconds in range(105, 600, 5):
        worker.round(at(seconds))
    assert worker.book.debts == ()
    assert worker.world.called["reopen"] == 1
    assert not [w for w in due(worker.book, rules=RULES, now=at(700)) if isinstance(w, Do)]


def test_an_undo_is_no_step_of_the_way() -> None:
    made = plan(SCENARIO, policy=RULES.policy)
    assert [s.id for s in made.undos] == ["reopen"]
    assert "reopen" not in {s.id for s in made.steps}
    assert made.step("reopen").undoes == "drain"


@pytest.mark.parametrize("field", ["undoes", "unless"])
def test_an_undo_names_steps_that_there_are(field: str) -> None:
    def broken(raw: dict) -> None:  # type: ignore[type-arg]
        for runbook in raw["runbooks"]["runbooks"]:
            for step in runbook["steps"]:
                if step["id"] == "reopen":
                    step[field] = "nothing"

    with pytest.raises(PlanError, match="takes back or spares 'nothing'; there are: "):
        plan(SCENARIO, policy=policy_with(broken))


def test_a_debt_that_undoes_is_read_from_an_older_worker_s_book() -> None:
    book = ended(with_steps(fence=StepState.DONE))
    assert reread(book) == book
