"""A drill of a region failure in the deployed local world: nothing of production moves, and nothing of it is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.incident import Incident, StepState
from chalicelib.store.codec import read_incident
from tests.local.stage import Stage, eventually, up

# One whole drill of some minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long


def kept(stage: Stage) -> Incident | None:
    found = [read_incident(body) for _, body in stage.store.documents("drill")]
    return found[0] if found else None


def test_a_drill_proves_the_way_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with up(tmp_path, speed=20) as stage:
        stage.healthy()
        refused = stage.drctl("drill", "region-failure", "--by", "ana")
        assert refused.returncode == 1
        assert "the mode is observe" in refused.stdout + refused.stderr
        stage.say("set-mode", mode="automatic", id="mode")
        assert stage.drctl("drill", "region-failure", "--by", "ana").returncode == 0
        case = eventually(lambda: kept(stage), within=280, what="the end of the drill")
        assert case.drill is not None
        assert case.drill.result == "passed", case.because
        assert {r.state for r in case.steps.values()} == {StepState.DONE}
        assert stage.world.serving() == stage.primary
        rds = stage.client("rds", stage.primary)
        names = [i["DBInstanceIdentifier"] for i in rds.describe_db_instances()["DBInstances"]]
        assert not [n for n in names if "drill" in n]
        shown: Any = stage.told("drills")
        (row,) = [r for r in shown if r["runbook"] == "region-failure"]
        assert (row["result"], row["asks"]) == ("passed", "")
        page = stage.drctl("drills", case.id)
        assert page.returncode == 0
        assert "not rehearsed" in page.stdout
        assert "RTO" in page.stdout
        # Nobody outside was told, and nobody was paged.
        assert "under_maintenance" not in stage.page().get("api/v2/summary.json", "")
        assert not stage.seen("pagerduty")["alerts"]
