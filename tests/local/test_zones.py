"""An AZ failure in the deployed local world: one command breaks the zone, its alarm follows by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx2
import pytest

from chalicelib.core.incident import Incident, StepState
from chalicelib.core.states import IncidentState
from tests.local.stage import Stage, eventually, up, utc

# Two whole cases of some minutes: `make test-long` runs them, `make test` does not.
pytestmark = pytest.mark.long
REGION, ZONE, WRITERS = "us-east-1", "us-east-1/us-east-1b", "us-east-1/us-east-1c"
SPEED = 5.0
"""Slower than the other cases: what a busy machine takes for a call must be little beside the wait for the failover."""
PROMISED = timedelta(minutes=5) / SPEED


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("zones")
    with up(folder, speed=SPEED) as made:
        made.healthy()
        # The gateway's answer is as deep here as that of the services behind it: it fails when a write does.
        model = made.world.platform.services[REGION]
        cast("dict[str, bool]", model.services)[model.gateway] = True
        made.say("set-mode", mode="automatic", id="mode")
        eventually(lambda: good_zones(made) == {"a", "b", "c"}, within=120, what="the word that every zone is good")
        yield made


def good_zones(stage: Stage) -> set[str]:
    """As CloudWatch says; the responder has to ask, for nothing changed since it was deployed."""
    found = stage.client("cloudwatch", REGION).describe_alarms(AlarmNamePrefix="ZoneHealth-", StateValue="OK")
    return {a["AlarmName"].rpartition("-")[2] for a in found["MetricAlarms"]}


def serves(stage: Stage) -> bool:
    """Whether the primary's own address answers that it is well, database and all."""
    try:
        return httpx2.get(stage.world.world_url(REGION) + "/health", trust_env=False, timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def approve_the_return(stage: Stage, scope: str) -> Incident:
    """The zone is mended, and taken back by a person; the archive of its incident."""
    assert [f["kind"] for f in stage.told("mend")] == ["zone"]
    asking = eventually(
        lambda: [i for i in stage.open() if i.scope == scope and i.step("return").state is StepState.ASKING],
        within=240,
        what="a question",
    )
    assert asking[0].state in (IncidentState.ASKING, IncidentState.RESPONDING)
    stage.say(
        "approve", incident=asking[0].id, step="return", plan=asking[0].plan, id=f"yes-{scope}", note="it is well"
    )
    return eventually(lambda: stage.archive(scope), within=180, what="the end")


def test_a_zone_that_takes_the_writer_along_is_left_and_the_region_s_suspicion_waits_and_clears(stage: Stage) -> None:
    """RDS does not notice, so the failover is forced; meanwhile both probes, the heartbeat and Route 53 are bad."""
    began = utc()
    stage.told("break", "zone", "us-east-1c", "--database-stuck")
    eventually(lambda: not serves(stage), within=60, what="the failure")
    waiting = eventually(
        lambda: [i for i in stage.open() if i.scope == REGION and "waiting for that until" in i.because],
        within=120,
        what="a region's suspicion that waits",
    )
    assert waiting[0].state is IncidentState.SUSPECTING
    assert "us-east-1/us-east-1a, us-east-1/us-east-1b are good" in waiting[0].because
    eventually(lambda: serves(stage), within=120, what="an answer of the primary")
    assert utc() - began < PROMISED
    (zone,) = [i for i in stage.open() if i.scope == WRITERS]
    database = eventually(
        lambda: next((r for i in stage.open() if (r := i.step("database")).done_at), None), within=60, what="the writer"
    )
    assert database.facts["writer"] == "us-east-1a"
    assert database.calls == 1
    eventually(
        lambda: [i for i in stage.closed(REGION) if i.id == waiting[0].id], within=120, what="a suspicion that cleared"
    )
    assert {(i.ending, i.confirmed_at) for i in stage.closed(REGION)} == {("cleared", None)}
    assert [e for e in stage.timeline(waiting[0].id) if e["kind"] == "waiting"]
    closed = approve_the_return(stage, WRITERS)
    assert (closed.id, closed.scenario, closed.ending) == (zone.id, "az-failure", "recovered")
    assert {r.state for r in closed.steps.values()} == {StepState.DONE}
    for step in ("away", "database"):
        done_at = closed.step(step).first_done_at
        assert done_at is not None
        assert done_at - began < PROMISED
    assert [c for c in stage.calls(since=began, operation="RebootDBInstance") if c.function]
    assert not stage.calls(since=began, operation="PromoteReadReplica")


def test_a_zone_is_left_by_itself_and_taken_back_when_a_person_says_so(stage: Stage) -> None:
    eventually(lambda: not stage.open(), within=120, what="a quiet platform")
    made = stage.told("break", "zone", "us-east-1b")
    assert (made["kind"], made["what"]) == ("zone", "us-east-1b")
    opened = eventually(
        lambda: [i for i in stage.open() if i.scope == ZONE and i.step("away").state is StepState.DONE],
        within=240,
        what="a zone that is left",
    )
    assert opened[0].step("away").facts["zone"] == "use1-az2"
    assert opened[0].step("database").facts["writer"] == "us-east-1a"
    # Pods that were there are missing meanwhile: that is watched on its own, and nothing is called for it.
    others = [i for i in stage.open() if i.scope != ZONE]
    assert {i.scope for i in others} <= {f"{REGION}/cluster/deployments"}
    assert not any(i.moved for i in others)
    closed = approve_the_return(stage, ZONE)
    assert closed.ending == "recovered"
    assert {r.state for r in closed.steps.values()} == {StepState.DONE}
