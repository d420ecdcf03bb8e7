"""`drctl plan` says of every scenario what it would call; a page that cannot be printed is found here, not at night."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chalicelib.policy.load import load
from drctl.cli.main import app
from tests.policy.broken import SHIPPED, Broken
from tests.policy.switches import KINDS, METRIC

SCENARIOS = [runbook.scenario for runbook in load(SHIPPED).runbooks.runbooks]
THROWS = {"metric": "put_metric_data", "object": "put_object", "arc": "update_routing_control_states"}


def printed(scenario: str, *more: str) -> str:
    """Without line ends, which are where a terminal's width puts them."""
    done = CliRunner().invoke(app, ["plan", scenario, *more])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_a_page_with_each_of_its_steps(scenario: str) -> None:
    page, told = printed(scenario), json.loads(printed(scenario, "--json"))
    assert told["scenario"] == scenario
    assert told["steps"]
    assert all(f" {step['id']} " in page for step in told["steps"])


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
