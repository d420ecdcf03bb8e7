"""From a runbook and the service table to ordered steps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chalicelib.core.plan import Plan, PlanError, Rules, plan
from tests.core.stage import POLICY, REGION, RULES, plan_of, policy_with


def steps_of(raw: dict[str, Any], scenario: str = REGION) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = next(r for r in raw["runbooks"]["runbooks"] if r["scenario"] == scenario)["steps"]
    return found


def row(raw: dict[str, Any], step: str) -> dict[str, Any]:
    return next(s for s in steps_of(raw) if s["id"] == step)


@pytest.mark.parametrize("scenario", [r.scenario for r in POLICY.runbooks.runbooks])
def test_no_step_stands_before_what_it_needs(scenario: str) -> None:
    seen: set[str] = set()
    for step in plan_of(scenario).steps:
        assert seen.issuperset(step.needs)
        seen.add(step.id)


def test_services_come_back_in_the_order_of_the_tightest_objective_that_leans_on_them() -> None:
    restores = [s for s in plan_of(REGION).steps if s.action == "velero-restore"]
    assert [s.service for s in restores][:3] == ["api-gateway", "ml-service", "authentication"]
    for before, after in itertools.pairwise(restores):
        assert before.id in after.needs


def test_only_services_that_lean_on_the_database_wait_for_it() -> None:
    for step in plan_of(REGION).steps:
        if step.action == "verify-service":
            assert step.service is not None
            leans = POLICY.services.leans_on(step.service, "postgresql")
            assert ("verify-database" in step.needs) is leans, step.id


def test_the_database_is_promoted_after_the_standby_has_shown_that_it_can_run_pods() -> None:
    assert "ready-api-gateway" in plan_of(REGION).step("promote").needs
    assert not plan_of(REGION).step("promote").reversible


def test_the_same_policy_gives_the_same_plan() -> None:
    assert plan(REGION, policy=policy_with(lambda _: None)) == plan_of(REGION)


@pytest.mark.parametrize(
    "edit",
    [
        lambda raw: row(raw, "promote").update(title="Something else"),
        lambda raw: row(raw, "capacity").update(expected="5m"),
        lambda raw: raw["platform"].update(display_name="Other"),
        lambda raw: raw["notifications"].update(ladder=raw["notifications"]["ladder"][:1]),
    ],
    ids=["title", "expected time", "display name", "ladder"],
)
def test_words_and_times_do_not_change_the_hash(edit: Any) -> None:
    assert plan(REGION, policy=policy_with(edit)).hash == plan_of(REGION).hash


@pytest.mark.parametrize(
    "edit",
    [
        lambda raw: row(raw, "promote").update(needs=["capacity"]),
        lambda raw: row(raw, "promote").update(automatic=False),
        lambda raw: row(raw, "promote").update(reversible=True),
        lambda raw: row(raw, "capacity")["with"].update(cluster="tertiary"),
        lambda raw: row(raw, "capacity").update(action="person"),
        lambda raw: steps_of(raw).pop(),
        lambda raw: raw["services"]["services"].pop(),
        lambda raw: raw["services"]["services"][5].update(depends_on=["postgresql"]),
    ],
    ids=["order", "who decides", "reversible", "target", "action", "a step less", "a service less", "a dependency"],
)
def test_structure_changes_the_hash(edit: Any) -> None:
    assert plan(REGION, policy=policy_with(edit)).hash != plan_of(REGION).hash


def test_every_scenario_has_a_hash_of_its_own() -> None:
    hashes = [plan_of(r.scenario).hash for r in POLICY.runbooks.runbooks]
    assert len(set(hashes)) == len(hashes)


def test_an_unknown_need_is_an_error_that_names_the_step_and_what_there_is() -> None:
    policy = policy_with(lambda raw: row(raw, "promote").update(needs=["dance"]))
    with pytest.raises(PlanError, match="'promote' of 'region-failure' needs 'dance'; there are: capacity"):
        plan(REGION, policy=policy)


@pytest.mark.parametrize("need", ["traffic", "capacity"])
def test_a_circle_is_an_error_that_names_its_steps(need: str) -> None:
    policy = policy_with(lambda raw: row(raw, "capacity").update(needs=[need]))
    with pytest.raises(PlanError, match=r"circle: .*capacity"):
        plan(REGION, policy=policy)


def test_a_scenario_without_a_runbook_is_an_error_that_names_those_that_have_one() -> None:
    with pytest.raises(PlanError, match=r"'meteor' has no runbook.*region-failure"):
        plan("meteor", policy=POLICY)


def test_an_incident_keeps_the_plan_it_started_with_when_policy_changes() -> None:
    changed = policy_with(lambda raw: row(raw, "promote").update(needs=["capacity"]))
    old: Plan = plan_of(REGION)
    assert Rules(changed, {old.hash: old}).plan_of(old.hash, REGION) is old
    with pytest.raises(KeyError, match="is not loaded, and policy gives"):
        Rules(changed).plan_of(old.hash, REGION)
    assert Rules(POLICY).plan_of(old.hash, REGION) == RULES.plan_of(old.hash, REGION)


def test_a_step_that_is_not_there_is_a_key_error_that_names_it() -> None:
    with pytest.raises(KeyError, match="no step 'dance'"):
        plan_of(REGION).step("dance")


def test_after_ransomware_objects_are_put_back_no_sooner_than_the_database() -> None:
    """What is put back while an intruder still reaches it is encrypted again."""
    made = plan_of("ransomware")
    assert set(made.step("count").needs) >= set(made.step("restore-database").needs)
    assert set(made.step("restore-database").needs) >= {"quarantine-subnets", "quarantine-namespaces"}
    assert made.step("artifacts").needs == ("count",)


@pytest.mark.parametrize("scenario", ["data-corruption", "ransomware"])
def test_two_people_let_present_objects_be_written_over(scenario: str) -> None:
    assert plan_of(scenario).step("artifacts").people == 2
