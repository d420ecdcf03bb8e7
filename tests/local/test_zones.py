"""An AZ failure in the deployed local world: one command breaks the zone, its alarm follows by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.book import StepState
from chalicelib.core.states import IncidentState
from tests.local.stage import Stage, eventually, up

# A whole case of some minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long
ZONE = "us-east-1/us-east-1b"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("zones")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        yield made


def test_a_zone_is_left_by_itself_and_taken_back_when_a_person_says_so(stage: Stage) -> None:
    made = stage.told("break", "zone", "us-east-1b")
    assert (made["kind"], made["what"]) == ("zone", "us-east-1b")
    opened = eventually(
        lambda: [i for i in stage.open() if i.scope == ZONE and i.step("away").state is StepState.DONE],
        within=240,
        what="a zone that is left",
    )
    assert opened[0].step("away").facts["zone"] == "use1-az2"
    assert opened[0].step("database").facts["writer"] == "us-east-1c"
    assert [i.scope for i in stage.open()] == [ZONE]
    assert [f["kind"] for f in stage.told("mend")] == ["zone"]
    asking = eventually(
        lambda: [i for i in stage.open() if i.scope == ZONE and i.step("return").state is StepState.ASKING],
        within=240,
        what="a question",
    )
    assert asking[0].state in (IncidentState.ASKING, IncidentState.RESPONDING)
    stage.say("approve", incident=asking[0].id, step="return", plan=asking[0].plan, id="yes", note="it is well")
    closed = eventually(lambda: stage.archive(ZONE), within=180, what="the end")
    assert closed.ending == "recovered"
    assert {r.state for r in closed.steps.values()} == {StepState.DONE}
