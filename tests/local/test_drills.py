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


def kept(stage: Stage, runbook: str) -> Incident | None:
    found = [read_incident(body) for _, body in stage.store.documents("drill")]
    return next((case for case in found if case.scenario == runbook), None)


def test_a_drill_proves_the_way_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with up(tmp_path, speed=20) as stage:
        stage.healthy()
        refused = stage.drctl("drill", "region-failure", "--by", "ana")
        assert refused.returncode == 1
        assert "the mode is observe" in refused.stdout + refused.stderr
        stage.say("set-mode", mode="automatic", id="mode")
        assert stage.drctl("drill", "region-failure", "--by", "ana").returncode == 0
        case = eventually(lambda: kept(stage, "region-failure"), within=280, what="the end of the drill")
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
        puts_objects_back(stage)


def puts_objects_back(stage: Stage) -> None:
    """Another drill, of objects in a folder of its own: what was harmed is as it was, and no version of it is left."""
    folder = stage.policy.drills.test_folder
    assert folder is not None
    row = next(r for r in stage.policy.backups.restorable if r.bucket == folder.bucket)
    s3 = stage.client("s3", row.region)
    before = versions(s3, row.bucket)
    assert before, "the world keeps objects in that bucket that nobody may touch"
    assert stage.drctl("drill", "accidental-deletion", "--by", "ana").returncode == 0
    case = eventually(lambda: kept(stage, "accidental-deletion"), within=180, what="the end of the drill of objects")
    assert case.drill is not None
    assert case.drill.result == "passed", case.because
    assert {r.state for r in case.steps.values()} == {StepState.DONE}
    assert "are as they were" in case.step("drill-objects-same").because
    assert versions(s3, row.bucket) == before


def versions(s3: Any, bucket: str) -> list[tuple[str, str]]:
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    return sorted(
        (v["Key"], v["VersionId"]) for p in pages for kind in ("Versions", "DeleteMarkers") for v in p.get(kind, ())
    )
