"""`drctl plan` says of every scenario what it would call; a page that cannot be printed is found here, not at night.
How a choice is typed stands beside the pages that ask for it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from chalicelib.core.bounds import spelled
from chalicelib.policy.load import load
from drctl.cli.main import app
from drctl.cli.people import chosen
from tests.policy.broken import SHIPPED, Broken
from tests.policy.switches import KINDS, METRIC

SCENARIOS = [runbook.scenario for runbook in load(SHIPPED).runbooks.runbooks]
THROWS = {"metric": "put_metric_data", "object": "put_object", "arc": "update_routing_control_states"}


def printed(scenario: str, *more: str) -> str:
    """Without line ends, which are where a terminal's width puts them."""
    done = CliRunner().invoke(app, ["plan", scenario, *more])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


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


def test_the_page_says_whom_a_suspicion_waits_for_and_how_long() -> None:
    said = "waits for an az-failure that is open below us-east-1, at most 3m since the failure began"
    assert said in " ".join(printed("region-failure").split())
    assert json.loads(printed("region-failure", "--json"))["waits"] == [
        {"scope": "us-east-1", "scenario": "az-failure", "at_most": "3m"}
    ]
    assert "waits for" not in printed("az-failure").split("Asks a person")[0]
    assert json.loads(printed("az-failure", "--json"))["waits"] == []


@pytest.mark.parametrize("scenario", ["data-corruption", "accidental-deletion"])
def test_the_page_says_what_is_chosen_and_which_steps_wait_for_it(scenario: str) -> None:
    choices = {c["name"]: c for c in told(scenario)["choices"]}
    assert {name for name, row in choices.items() if row["default"] is None} == {"as_of", "namespaces", "folder"}
    assert "objects" in choices["namespaces"]["waited_for_by"]
    text = printed(scenario)
    assert "A person chooses" in text
    assert "waited for by" in text


def test_the_page_says_what_is_typed_what_cannot_be_undone_and_what_is_done_by_hand() -> None:
    page = printed("data-corruption")
    assert "begin: drctl declare data-corruption us-east-1/database --note …;" in page
    assert "choose: drctl choose as_of=AS_OF namespaces=NAMESPACES folder=FOLDER; none where none of it is" in page
    assert "allow: drctl approve --step restore" in page
    assert "is left behind in the old database; cannot be undone" in page
    assert "Done by hand standby: make a replica of the restored instance" in page
    assert "allowed: edge, ml, auth, cache, monitoring, dev, ci, or none" in page


def test_the_page_says_what_stands_as_long_as_nobody_chooses() -> None:
    choices = {c["name"]: c["default"] for c in told("configuration-error")["choices"]}
    assert choices == {"revision": "found", "secrets": "all", "version": "found"}
    page = printed("configuration-error")
    assert "or none or found; found as long as nobody chooses" in page
    assert "choose otherwise: drctl choose revision=REVISION secrets=SECRETS version=VERSION, any of them" in page
    deletion = printed("accidental-deletion")
    assert "choose: drctl choose as_of=AS_OF namespaces=NAMESPACES folder=FOLDER; none" in deletion
    assert "choose otherwise: drctl choose revision=REVISION" in deletion


def test_what_is_chosen_is_shown_on_the_page_as_it_would_be_kept() -> None:
    as_of = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    page = printed("data-corruption", "--choose", f"as_of={as_of}+00:00", "--choose", "namespaces=cache,ml")
    assert f"as_of: the last moment of good data; {as_of}Z is chosen" in page
    assert "namespaces: where deleted Kubernetes objects are put back; ml,cache is chosen" in page


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("as_of=2099-01-01T00:00:00Z", "which is to come"),
        ("as_of=2026-01-01T00:00:00", "allowed: a time with its zone"),
        ("as_of=2020-01-01T00:00:00Z", "30d back is how far policy reaches"),
        ("namespaces=cash", "did you mean 'cache'?"),
        ("folder=somebody-elses/", "allowed: what begins with"),
        ("namespace=cache", "has no choice 'namespace' in runbooks.yaml; allowed: as_of, namespaces, folder"),
    ],
)
def test_a_page_of_what_may_not_be_chosen_is_not_shown(choice: str, says: str) -> None:
    done = CliRunner().invoke(app, ["plan", "data-corruption", "--choose", choice], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


def test_looks_do_not_ask_and_the_switch_asks_two_people() -> None:
    asks = {s["id"]: s["asks"] for s in told("data-corruption")["steps"]}
    assert (asks["point"], asks["check"], asks["count-artifacts"]) == (None, None, None)
    assert asks["switch"].startswith("two people: what was written since the chosen moment")


def test_with_a_choice_the_plan_is_another_and_nothing_waits_for_it() -> None:
    before, as_of = told("data-corruption"), spelled(datetime.now(UTC) - timedelta(hours=1))
    after = told("data-corruption", "--choose", f"as_of={as_of}", "--choose", "namespaces=none")
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


def test_the_write_that_proves_the_database_outside_aws_asks_and_what_only_looks_does_not() -> None:
    asks = {step["id"]: step["asks"] for step in json.loads(printed("provider-outage", "--json"))["steps"]}
    assert asks["verify-database"] == "it writes a row into the database that people will work with"
    assert asks["traffic"].startswith("two people: from then on AWS")
    assert [s for s, why in asks.items() if s.startswith(("ready-", "verify-move")) and why] == []


def test_a_plan_says_what_its_services_lean_on_how_it_is_looked_at_and_what_brings_it_back() -> None:
    page, whole = printed("node-failure"), told("node-failure")
    (row,) = whole["infrastructure"]
    assert (row["name"], row["type"], row["checks"]) == ("ebs-volumes", "ebs-volume", ["bound", "attached"])
    assert (row["services"], row["steps"]) == (["postgresql", "redis"], ["volumes"])
    assert "EBS volumes: ebs-volume, for postgresql, redis; looked at: bound, attached; way back: volumes-att" in page
    assert [r["name"] for r in told("region-failure")["infrastructure"]] == ["ebs-volumes", "s3", "pvc", "storage"]
