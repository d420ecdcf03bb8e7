"""What `drctl break pods` and `drctl break node` do to the primary cluster, and what `drctl mend` ends."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.world import sight
from drctl.world.breaks import Breaks
from tests.actions.stage import POLICY
from tests.actions.test_failures import Primary


@pytest.fixture
def primary() -> Primary:
    return Primary()


@pytest.fixture
def breaks(primary: Primary) -> Breaks:
    return Breaks(POLICY, primary.api, primary.ec2)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"kind": "pods", "service": "absent"}, "service is 'absent', allowed are api-gateway"),
        ({"kind": "pods", "service": "postgresql"}, "service is 'postgresql'"),
        ({"kind": "node", "node": "absent"}, "node is 'absent', allowed are Karpenter's: i-0"),
        ({"kind": "pods", "service": "redis", "colour": 1}, "a break has colour"),
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
    assert sight.seen(primary.api) == {
        "ClusterHealthy": 1.0,
        "AvailablePodsPercent": 100.0,
        "cluster_failed_node_count": 0.0,
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
