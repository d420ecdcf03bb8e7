"""What the platform's agents publish, so that the alarms of policy read it: by its names and dimensions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from chalicelib.policy.load import load
from drctl.world.agents import publish_health
from tests.policy.broken import SHIPPED

POLICY = load(SHIPPED)


class Taking:
    """Takes datapoints, and stops whoever publishes after one round."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop = stop
        self.points: dict[str, list[tuple[Mapping[str, str], float]]] = {}

    def put_metric_data(self, **asked: Any) -> None:
        for row in asked["MetricData"]:
            where = {d["Name"]: d["Value"] for d in row.get("Dimensions", ())}
            self.points.setdefault(row["MetricName"], []).append((where, row["Value"]))
        self.stop.set()


def published(truth: Mapping[str, float]) -> Mapping[str, list[tuple[Mapping[str, str], float]]]:
    async def once() -> Taking:
        stop = asyncio.Event()
        client = Taking(stop)
        await publish_health(POLICY, client, lambda: True, stop, lambda: truth)
        return client

    return asyncio.run(once()).points


def test_failed_nodes_are_counted_by_their_cluster_as_container_insights_does() -> None:
    """Its only dimension is ClusterName, so an alarm over it without one reads nothing.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-EKS.html
    """
    cluster = {"ClusterName": POLICY.platform.cluster("primary").name}
    assert published({"cluster_failed_node_count": 2.0})["cluster_failed_node_count"] == [(cluster, 2.0)]


def test_a_zone_is_told_of_by_its_own_name_and_one_that_is_not_seen_is_not_told_of() -> None:
    points = published({"ZoneReadyNodesPercent/us-east-1b": 50.0})
    assert points["ZoneReadyNodesPercent"] == [({"AvailabilityZone": "us-east-1b"}, 50.0)]
    assert "AvailablePodsPercent" not in points
