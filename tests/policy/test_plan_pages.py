"""`drctl plan` says of every scenario what it would call; a page that cannot be printed is found here, not at night.
How a choice is typed stands beside the pages that ask for it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chalicelib.policy.load import load
from drctl.cli.main import app
from drctl.cli.people import chosen
from tests.policy.broken import SHIPPED, Broken
from tests.policy.switches import KINDS, METRIC

SCENARIOS = [runbook.scenario for runbook in load(SHIPPED).runbooks.runbooks]
THROWS = {"metric": "put_metric_data", "object": "put_object", "arc": "update_routing_control_states"}


def printed(scenario: str, *more: str) -> str:
    done = CliRunner().invoke(app, ["plan", scenario, *more], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def told(scenario: str, *more: str) -> Any:
    return json.loads(printed(scenario, *more, "--json"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_a_page_with_each_of_its_steps(scenario: str) -> None:
    page, whole = printed(scenario), told(scenario)
    assert whole["scenario"] == scenario
    assert whole["steps"]
    assert all(f" {step['id']} " in page for step in whole["steps"])


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_calls_of_the_switch_that_the_platform_has_are_named(kind: str, tmp_path: Path) -> None:
    Broken.copied(tmp_path / "policies").edit("platform", METRIC, KINDS[kind])
    page = printed("region-failure", "--policies", str(tmp_path / "policies"))
    assert {name for name, operation in THROWS.items() if operation in page} == {kind}


def test_a_step_that_is_aimed_at_one_cluster_is_said_to_call_that_one_only() -> None:
    page = printed("region-failure")
    assert "pause-standby-schedules: kubernetes: patch velero.io/v1 schedules in neurectomy-usw2" in page
    assert "pause-standby-schedules: kubernetes: patch velero.io/v1 schedules in neurectomy-use1" not in page


def test_what_would_be_taken_back_is_said() -> None:
    page = printed("planned-switchover")
    assert "reopen: Let the primary take writes again, once drain has begun, unless promote has begun" in page


@pytest.mark.parametrize("scenario", ["data-corruption", "accidental-deletion"])
def test_the_page_says_what_is_chosen_and_which_steps_wait_for_it(scenario: str) -> None:
    choices = {c["name"]: c for c in told(scenario)["choices"]}
    assert set(choices) == {"as_of", "namespaces", "folder"}
    assert "objects" in choices["namespaces"]["waited_for_by"]
    text = printed(scenario)
    assert "A person chooses" in text
    assert "waited for by" in text


def test_looks_do_not_ask_and_the_switch_asks_two_people() -> None:
    asks = {s["id"]: s["asks"] for s in told("data-corruption")["steps"]}
    assert (asks["point"], asks["check"], asks["count-artifacts"]) == (None, None, None)
    assert asks["switch"].startswith("two people: what was written since the chosen moment")


def test_with_a_choice_the_plan_is_another_and_nothing_waits_for_it() -> None:
    before = told("data-corruption")
    after = told("data-corruption", "--choose", "as_of=2026-11-26T03:00:00Z", "--choose", "namespaces=none")
    assert before["hash"] != after["hash"]
    assert {c["name"]: bool(c["waited_for_by"]) for c in after["choices"]} == {
        "as_of": False,
        "namespaces": False,
        "folder": True,
    }


def test_a_choice_is_a_name_and_a_value() -> None:
    assert chosen(["as_of=2026-11-26T03:00:00Z", "folder=b/a=b/"]) == {
        "as_of": "2026-11-26T03:00:00Z",
        "folder": "b/a=b/",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["as_of"], "'as_of' is no choice; allowed: NAME=VALUE"),
        (["as_of="], "'as_of=' is no choice"),
        (["=x"], "'=x' is no choice"),
        (["a=1", "a=2"], "'a' is chosen twice: '1' and '2'"),
        (["a=1", "incident"], "'incident' is no choice"),
    ],
)
def test_what_is_no_choice_is_told_before_anything_is_sent(words: list[str], says: str) -> None:
    done = CliRunner().invoke(app, ["choose", *(["some-incident"] if "=" in words[0] else ["an-incident"]), *words])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
