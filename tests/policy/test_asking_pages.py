"""What the page of a plan says to whoever is woken: how the case begins, who may answer and how, why each step asks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from chalicelib.core.plan import plan
from chalicelib.policy.load import load
from drctl.cli.plans import looks
from tests.policy import test_plan_pages
from tests.policy.broken import SHIPPED, Broken
from tests.policy.test_plan_pages import SCENARIOS

printed, told = cache(test_plan_pages.printed), cache(test_plan_pages.told)
ASK = [s for s in SCENARIOS if any(step["asks"] for step in told(s)["steps"])]


def test_what_two_people_must_allow_says_so_however_much_else_of_the_case_is_automatic() -> None:
    page = {s["id"]: s for s in told("failback")["steps"]}
    two = {"wrong-side", "empty-standby", "discard", "discard-standby"}
    assert {s for s, step in page.items() if step["people"] == 2} == two
    assert {s for s, step in page.items() if (step["asks"] or "").startswith("two people: ")} == two
    assert "wrong-side: two people: it is given up" in printed("failback")


@pytest.mark.parametrize("scenario", ASK)
def test_a_page_that_asks_says_how_it_begins_how_one_answers_and_who_may(scenario: str) -> None:
    page, lines = printed(scenario), told(scenario)["typed"]
    first = next(s["id"] for s in told(scenario)["steps"] if s["asks"])
    assert "What is typed begin: drctl " in page
    assert lines["look"].startswith("drctl status")
    assert lines["allow"].startswith(f"drctl approve --step {first} --note …")
    assert f"drctl reject {first} " in lines["stop"]
    assert "drctl abort --note …" in lines["stop"]
    assert "who: the operator may say yes: ana, bob; a yes expires 30m after it was said" in page
    assert told(scenario)["voices"] == {"roles": ["operator"], "people": ["ana", "bob"], "valid_s": 1800.0}


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - set(ASK)))
def test_a_page_that_asks_nobody_says_nothing_of_answers(scenario: str) -> None:
    found = told(scenario)
    assert not {"allow", "stop"} & set(found["typed"])
    # What may be named before it has begun is said all the same.
    assert ("What is typed" in printed(scenario)) is bool(found["choices"])
    assert set(found["typed"]) <= {"begin", "look", "choose otherwise", "where", "who"}


@pytest.mark.parametrize(
    ("scenario", "begin"),
    [
        ("region-failure", "drctl declare region-failure us-east-1 --note …; it confirms what is only suspected"),
        ("planned-switchover", "drctl declare planned-switchover us-east-1 --note …"),
        ("failback", "drctl failback --begin --note …; drctl failback says what it would do"),
        ("provider-outage", "drctl respond --offline --declare provider-outage --note …"),
        ("node-failure", "drctl declare node-failure us-east-1/cluster --note …"),
        (
            "az-failure",
            "drctl declare az-failure us-east-1/us-east-1a or drctl declare az-failure us-east-1/us-east-1b",
        ),
    ],
)
def test_a_case_is_begun_by_the_command_that_begins_it(scenario: str, begin: str) -> None:
    assert told(scenario)["typed"]["begin"].startswith(begin)


def test_without_aws_every_command_goes_to_this_machine() -> None:
    assert told("provider-outage")["typed"]["where"] == "each with --stage offline"
    assert told("region-failure")["typed"]["where"] == "each with --stage prod, unless DR_STAGE says so"


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (
            "pod-failure",
            "suspected by pods (alarm PodAvailability); confirmed once it is bad for 1m30s, or by a person",
        ),
        ("backup-failure", "suspected by backups (alarm BackupSuccess); confirmed by that at once, or by a person"),
        ("data-corruption", "suspected by integrity (alarm DataIntegrity); confirmed by a person only"),
        (
            "region-failure",
            "aws-health (AWS Health, which only counts); confirmed by 3 of 6 observers bad for 10s, or by",
        ),
        ("ransomware", "1 of burst (alarms WriteBurst, DeleteBurst), guardduty (GuardDuty's findings of 'encryption')"),
        ("ransomware", "confirmed by 2 of 2 observers bad, or by a person"),
        ("backup-drift", "suspected by schedules (the primary's backup schedules)"),
        ("failback", "no signal opens it: it begins by a person's word"),
    ],
)
def test_every_page_says_what_opens_and_what_confirms_the_case(scenario: str, says: str) -> None:
    assert says in printed(scenario).split("Asks a person", maxsplit=1)[0]


def test_whoever_may_approve_and_for_how_long_is_policy_s(tmp_path: Path) -> None:
    broken = Broken.copied(tmp_path / "policies")
    broken.edit("platform", "approval_valid: 30m", "approval_valid: 20m")
    page = printed("region-failure", "--policies", str(tmp_path / "policies"))
    assert "a yes expires 20m after it was said" in page


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_a_step_looks_at_is_said_once(scenario: str) -> None:
    for step in plan(scenario, policy=load(SHIPPED)).steps:
        assert len(looks(step)) == len(set(looks(step)))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_target_is_named_as_a_person_knows_it(scenario: str) -> None:
    called = [call for step in told(scenario)["steps"] for call in step["calls"]]
    assert not [c for c in called if "??????" in c or "og:*" in c or "pg:*" in c or "subgrp:*" in c]


def test_a_secret_is_named_by_its_name() -> None:
    calls = next(s["calls"] for s in told("region-failure")["steps"] if s["id"] == "repoint")
    assert calls == ["aws: secretsmanager put_secret_value in us-west-2, secret:neurectomy/database"]


def test_only_the_steps_of_services_that_lean_on_it_bring_infrastructure_back() -> None:
    back = {r["name"]: r["steps"] for r in told("region-failure")["infrastructure"]}
    assert back == {
        "ebs-volumes": ["restore-redis"],
        "s3": [],
        "pvc": ["restore-prometheus"],
        "storage": ["restore-jaeger"],
    }


def test_only_a_time_has_an_earliest() -> None:
    page = printed("security-breach")
    assert "by commas, or none; step found proposes what it has found; waited for by quarantine-instances" in page
    assert "at most 30d back; step found proposes one and says the earliest; waited for by logs" in page


def test_none_is_for_what_has_none_of_it_whatever_befell_it() -> None:
    assert "as_of=AS_OF; none where none of it is" in printed("security-breach")


def test_each_step_asks_for_a_reason_of_its_own_in_a_whole_sentence() -> None:
    asks = {s["id"]: s["asks"] for s in told("provider-outage")["steps"]}
    assert len({asks["leave"], asks["protect-backups"], asks["rewrites"]}) == 3
    for scenario in ("region-failure", "planned-switchover", "failback"):
        (promote,) = [s["asks"] for s in told(scenario)["steps"] if s["id"] == "promote"]
        assert promote.startswith("it asks unless the ")
