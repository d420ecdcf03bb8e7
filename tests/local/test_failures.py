"""A pod failure and a node failure in the deployed local world: one command breaks it, the alarm follows by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.incident import StepState
from chalicelib.core.states import IncidentState
from tests.local.stage import Stage, eventually, up

# Two whole cases of one to two minutes each: `make test-long` runs them, `make test` does not.
pytestmark = pytest.mark.long
PODS, NODES = "us-east-1/cluster/deployments/pods", "us-east-1/cluster"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("failures")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        yield made


def test_a_crash_loop_becomes_an_incident_by_itself_and_ends_when_it_is_mended(stage: Stage) -> None:
    made = stage.told("break", "pods", "redis", "--crash-loop")
    assert (made["kind"], made["what"]) == ("pods", "redis")
    eventually(lambda: stage.step("pods") is StepState.STUCK, within=120, what="a stuck step")
    (incident,) = stage.open()
    assert (incident.scenario, incident.scope) == ("pod-failure", PODS)
    assert "crashes in a loop (Error, exit code 1" in incident.step("pods").because
    assert [f["kind"] for f in stage.told("mend")] == ["pods"]
    closed = eventually(lambda: stage.archive(PODS), within=180, what="the end")
    assert closed.ending == "recovered"


def test_a_stuck_volume_is_released_when_a_person_says_so(stage: Stage) -> None:
    eventually(lambda: not stage.open(), within=60, what="a quiet platform")
    made = stage.told("break", "node", "--volume-stuck")
    asking = eventually(
        lambda: [i for i in stage.open() if i.scope == NODES and i.state is IncidentState.ASKING],
        within=240,
        what="a question",
    )
    assert asking[0].step("volumes").facts["instance"] == "stopped"
    assert asking[0].step("volumes").facts["node"] == made["what"]
    assert "us-east-1/cluster/deployments/pods" not in [
        i.scope for i in stage.open() if i.state is IncidentState.RESPONDING
    ]
    stage.say("approve", incident=asking[0].id, step="volumes", plan=asking[0].plan, id="yes", note="it is stopped")
    closed = eventually(lambda: stage.archive(NODES), within=180, what="the end")
    assert closed.ending == "recovered"
    # The node may still be there, out of service.
    assert {r.state for s, r in closed.steps.items() if s != "readmit"} == {StepState.DONE}
    stage.told("mend")
