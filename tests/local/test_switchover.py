"""A planned switchover in the deployed local world: declared, drained by a person's word, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.core.incident import StepState
from chalicelib.core.states import IncidentState
from tests.local.stage import eventually, up

# One whole move of some minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long
SCENARIO = "planned-switchover"


def test_the_standby_takes_over_by_appointment_and_nothing_is_lost(tmp_path: Path) -> None:
    with up(tmp_path, speed=15) as stage:
        stage.healthy()
        stage.say("set-mode", mode="automatic", id="mode")
        assert stage.drctl("declare", SCENARIO, stage.primary, "--by", "ana", "--note", "the window").returncode == 0

        def asking() -> str | None:
            found = [i for i in stage.open() if i.scenario == SCENARIO and i.state is IncidentState.ASKING]
            return found[0].id if found and found[0].step("drain").state is StepState.ASKING else None

        incident = eventually(asking, within=240, what="the question when writes may stop")
        assert stage.world.serving() == stage.primary
        told = eventually(lambda: stage.page().get("api/v2/summary.json"), within=60, what="the page")
        assert "under_maintenance" in told
        stage.drctl("approve", incident, "--step", "drain", "--by", "ana", "--note", "now")
        closed = eventually(lambda: stage.archive(stage.primary), within=300, what="the end")
        assert closed.ending == "recovered"
        assert {r.state for r in closed.steps.values()} == {StepState.DONE}
        assert closed.step("promote").facts["loss_rows"] == 0.0
        assert stage.world.serving() == stage.standby
