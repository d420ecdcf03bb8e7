"""What `drctl break pods` and `drctl break node` do to the primary cluster, and what `drctl mend` ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drctl.world import sight
from drctl.world.breaks import Breaks
from drctl.world.folders import Folders
from tests.actions.stage import POLICY
from tests.actions.test_failures import Primary


@pytest.fixture
def primary() -> Primary:
    return Primary()


@pytest.fixture
def breaks(primary: Primary) -> Breaks:
    return Breaks(POLICY, primary.api, primary.ec2, primary.rds)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"kind": "pods", "service": "absent"}, "service is 'absent', allowed are api-gateway"),
        ({"kind": "pods", "service": "postgresql"}, "service is 'postgresql'"),
        ({"kind": "node", "node": "absent"}, "node is 'absent', allowed are Karpenter's: i-0"),
        ({"kind": "pods", "service": "redis", "colour": 1}, "a break has colour"),
        (
            {"kind": "zone", "zone": "us-west-2a"},
            "zone is 'us-west-2a', allowed are us-east-1a, us-east-1b, us-east-1c",
        ),
    ],
)
def test_what_cannot_be_broken_is_refused_with_what_can(breaks: Breaks, wanted: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        breaks.add(1, wanted)
    assert list(breaks) == []


def test_pods_that_are_killed_are_seen_and_come_back_by_themselves(primary: Primary, breaks: Breaks) -> None:
    breaks.add(1, {"kind": "pods", "service": "api-gateway"})
    assert sight.seen(primary.api)["AvailablePodsPercent"] == 0.0
    primary.move(25)
    assert sight.seen(primary.api)["AvailablePodsPercent"] == 100.0


def test_a_crash_loop_lasts_until_it_is_mended(primary: Primary, breaks: Breaks) -> None:
    breaks.add(1, {"kind": "pods", "service": "redis", "crash_loop": True})
    primary.move(300)
    assert sight.seen(primary.api)["AvailablePodsPercent"] == 0.0
    assert [b["what"] for b in breaks.clear()] == ["redis"]
    primary.move(301)
    assert sight.seen(primary.api)["AvailablePodsPercent"] == 100.0


def test_a_node_with_a_stuck_volume_is_seen_as_failed_until_it_is_mended(primary: Primary, breaks: Breaks) -> None:
    made = breaks.add(7, {"kind": "node", "volume_stuck": True})
    assert made.what in {primary.node_of(app) for app in ("redis", "prometheus", "jaeger")}
    primary.move(400)
    assert sight.seen(primary.api)["cluster_failed_node_count"] == 1.0
    assert sight.seen(primary.api)["AvailablePodsPercent"] == 0.0
    breaks.remove(7)
    primary.move(60)
    assert primary.seen() == {
        "ClusterHealthy": 1.0,
        "AvailablePodsPercent": 100.0,
        "cluster_failed_node_count": 0.0,
        "BackupSucceeded": 1.0,
        "DegradedApplications": 0.0,
        "ConfigurationErrors": 0.0,
    }


def test_a_terminated_node_is_replaced_and_there_is_nothing_to_mend(primary: Primary, breaks: Breaks) -> None:
    breaks.add(1, {"kind": "node"})
    primary.move(300)
    assert sight.seen(primary.api)["AvailablePodsPercent"] == 100.0
    breaks.clear()
    assert sight.seen(primary.api)["cluster_failed_node_count"] == 0.0


def test_a_cluster_that_does_not_answer_is_not_healthy_and_nothing_else_is_said_of_it(primary: Primary) -> None:
    primary.api.reachable = False
    assert sight.seen(primary.api) == {"ClusterHealthy": 0.0}


def test_a_zone_takes_its_nodes_its_capacity_and_the_database_s_writer_until_it_is_mended(
    primary: Primary, breaks: Breaks
) -> None:
    region, side = POLICY.platform.regions.primary, POLICY.platform.database.primary
    primary.writer.zone = "us-east-1b"
    made = breaks.add(3, {"kind": "zone", "zone": "us-east-1b", "database_stuck": True})
    assert made.because.startswith("its 2 nodes are silent")
    with pytest.raises(ValueError, match="allowed are us-east-1a, us-east-1c"):
        breaks.add(4, {"kind": "zone", "zone": "us-east-1b"})
    primary.move(60)
    seen = sight.seen(primary.api)
    assert (seen["ZoneReadyNodesPercent/us-east-1a"], seen["ZoneReadyNodesPercent/us-east-1b"]) == (100.0, 0.0)
    assert primary.ec2.instances.full == {"us-east-1b"}
    assert primary.rds.instance(region, side.instance, POLICY.platform.account).zone == "us-east-1b"
    breaks.remove(3)
    primary.move(60)
    assert sight.seen(primary.api)["ZoneReadyNodesPercent/us-east-1b"] == 100.0
    assert primary.ec2.instances.full == set()


def test_every_zone_of_a_platform_that_begins_is_seen(primary: Primary) -> None:
    zones = {f"ZoneReadyNodesPercent/us-east-1{letter}" for letter in "abc"}
    assert {name for name in sight.seen(primary.api) if name.startswith("Zone")} == zones


def test_a_zone_with_one_node_is_not_told_of_for_that_is_a_node_s_failure(primary: Primary, breaks: Breaks) -> None:
    at_c = [
        n for n in primary.api.objects("nodes") if n["metadata"]["labels"]["topology.kubernetes.io/zone"][-1] == "c"
    ]
    primary.api.trouble.disrupt(at_c[0]["metadata"]["name"], "Underutilized")
    assert "ZoneReadyNodesPercent/us-east-1c" not in sight.seen(primary.api)
    breaks.add(1, {"kind": "zone", "zone": "us-east-1c"})
    primary.move(60)
    assert "ZoneReadyNodesPercent/us-east-1c" not in sight.seen(primary.api)
    assert sight.seen(primary.api)["cluster_failed_node_count"] == 1.0


class Deleted(Folders):
    """Three objects in memory."""

    def __init__(self) -> None:
        self.there = ["b/a/1", "b/a/2", "b/a/3"]

    @property
    def default(self) -> str:
        return "b/a/"

    def delete(self, folder: str) -> tuple[int, Callable[[], None]]:
        gone, self.there = self.there, []
        if not gone:
            raise ValueError(f"there is nothing below {folder!r}")
        return len(gone), lambda: self.there.extend(gone)


def test_a_deletion_takes_workloads_and_objects_and_is_counted(primary: Primary) -> None:
    folders = Deleted()
    breaks = Breaks(POLICY, primary.api, primary.ec2, primary.rds, folders=folders)
    assert breaks.seen() == {"DeletedObjects": 0.0}
    with pytest.raises(ValueError, match="namespace is 'absent', allowed are edge, ml"):
        breaks.add(1, {"kind": "deletion", "namespace": "absent"})
    assert folders.there
    made = breaks.add(2, {"kind": "deletion", "namespace": "cache"})
    assert made.what == "b/a/"
    assert not primary.api.ready_deployment("cache", "redis")
    assert breaks.seen()["DeletedObjects"] >= 4.0
    breaks.clear()
    assert len(folders.there) == 3


@pytest.mark.parametrize("kind", ["data", "deletion"])
def test_what_is_not_there_cannot_be_broken(breaks: Breaks, kind: str) -> None:
    with pytest.raises(ValueError, match=r"there (is no database|are no buckets) here"):
        breaks.add(1, {"kind": kind})
