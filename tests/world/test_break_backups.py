"""What `drctl break backups` does to the primary cluster's backups, and what `drctl mend` ends."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.neighbours.kubernetes.api import seed
from drctl.world import sight, workloads
from drctl.world.breaks import Breaks
from tests.actions.stage import POLICY
from tests.actions.test_failures import Primary


@pytest.fixture
def primary() -> Primary:
    found = Primary()
    seed(found.api, workloads.schedules(POLICY))
    found.move(60)
    return found


def newest(primary: Primary) -> dict[str, Any]:
    found: list[dict[str, Any]] = primary.api.objects("backups.velero.io")
    return max(found, key=lambda b: str(b["metadata"]["name"]))


@pytest.mark.parametrize(
    ("option", "phase", "said"),
    [
        ({}, "PartiallyFailed", "errors"),
        ({"node_agent": True}, "PartiallyFailed", "errors"),
        ({"location": True}, "Failed", "failureReason"),
    ],
)
def test_backups_fail_for_a_cause_that_velero_has_until_it_is_mended(
    primary: Primary, option: dict[str, bool], phase: str, said: str
) -> None:
    assert sight.seen(primary.api)["BackupSucceeded"] == 1.0
    breaks = Breaks(POLICY, primary.api, primary.ec2, primary.rds)
    made = breaks.add(1, {"kind": "backups", **option})
    assert (made.kind, made.what) == ("backups", "hourly")
    primary.move(120)
    status = newest(primary)["status"]
    assert status["phase"] == phase
    assert status[said]
    assert sight.seen(primary.api)["BackupSucceeded"] == 0.0
    locations = primary.api.objects("backupstoragelocations.velero.io")
    assert locations[0]["status"]["phase"] == ("Unavailable" if "location" in option else "Available")
    breaks.clear()
    primary.move(180)
    primary.api.cluster.advance()
    primary.api.schedules.run("hourly")
    primary.move(240)
    assert newest(primary)["status"]["phase"] == "Completed"
    assert sight.seen(primary.api)["BackupSucceeded"] == 1.0


def test_a_cluster_without_schedules_has_no_backups_to_break() -> None:
    bare = Primary()
    with pytest.raises(ValueError, match="has no schedule whose backups could fail"):
        Breaks(POLICY, bare.api, bare.ec2, bare.rds).add(1, {"kind": "backups"})
