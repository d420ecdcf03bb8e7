"""Two breaks at once in the deployed local world, of which both cases move the cluster's applications: one goes first,
the other is held and says for whom, in drctl as on the timeline, and both end recovered. Then a switch that is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.book import Incident, StepState
from tests.local.stage import Stage, eventually, up

# A whole case of some minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long
DEPLOYMENTS, CONFIGURATION = "us-east-1/cluster/deployments", "us-east-1/cluster/configuration"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("several")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        yield made


def one(stage: Stage, scope: str, step: str, *states: StepState) -> Incident | None:
    """The open incident of that scope, once its step is in one of these states."""
    return next((i for i in stage.open() if i.scope == scope and i.step(step).state in states), None)


def yes(stage: Stage, scope: str, step: str) -> None:
    asking = eventually(lambda: one(stage, scope, step, StepState.ASKING), within=180, what=f"{step} asks")
    stage.say("approve", incident=asking.id, step=step, plan=asking.plan, id=f"yes-{step}", note="I looked at it")


def test_of_two_breaks_at_once_one_is_held_and_says_for_whom_and_both_end_recovered(stage: Stage) -> None:
    stage.told("break", "configuration")
    configuration = eventually(
        lambda: one(stage, CONFIGURATION, "revision", StepState.ASKING), within=240, what="the configuration asks"
    )
    stage.say("pause", id="hold-on", note="something else is wrong too")
    stage.told("break", "deployment", "redis")
    yes(stage, CONFIGURATION, "revision")
    deployment = eventually(
        lambda: (
            one(stage, DEPLOYMENTS, "rollback", StepState.HELD)
            and one(stage, CONFIGURATION, "revision", StepState.HELD)
            and one(stage, DEPLOYMENTS, "rollback", StepState.HELD)
        ),
        within=240,
        what="both want the applications",
    )
    stage.say("resume", id="go-on")
    held = eventually(
        lambda: [
            str(e["text"])
            for e in stage.timeline(deployment.id)
            if e["kind"] == "held" and "waits for incident" in str(e["text"])
        ],
        within=120,
        what="a held step",
    )
    assert f"waits for incident {configuration.id} (Configuration error, step revision)" in held[0]
    assert "to let go of applications of cluster neurectomy-use1" in held[0]
    for step in ("secrets", "terraform-state"):
        yes(stage, CONFIGURATION, step)
    for scope in (DEPLOYMENTS, CONFIGURATION):
        closed = eventually(lambda scope=scope: stage.archive(scope), within=300, what=f"the end of {scope}")  # type: ignore[misc] # a lambda's default
        assert closed.ending == "recovered"
    first, then = stage.archive(CONFIGURATION), stage.archive(DEPLOYMENTS)
    assert first is not None
    assert then is not None
    done, called = first.step("revision").first_done_at, then.step("rollback").called_at
    assert done is not None
    assert called is not None
    assert done <= called
    stage.told("mend")
