"""What goes on in the platform while nobody looks: its monitoring agents publish what they see, Route 53's checkers
ask.

They speak to MiniStack directly and not through the gate: they stand inside AWS and inside the platform, and are
silent when their own region is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.policy import Policy
from drctl.neighbours.healthchecks import METRICS_NAMESPACE

log = logging.getLogger(__name__)
GOOD: Mapping[str, float] = {"LessThanThreshold": 1.0, "GreaterThanThreshold": -1.0}
CLUSTER = frozenset(
    {
        "ClusterHealthy",
        "AvailablePodsPercent",
        "cluster_failed_node_count",
        "DegradedApplications",
        "ConfigurationErrors",
        "ZoneReadyNodesPercent",
        "IntegrityViolations",
    }
)
"""What can only be said of a cluster, or a database, that is seen."""
EVERY_S = 15.0
"""Real seconds between two datapoints of the platform's agents."""


def healthy_values(policy: Policy) -> dict[str, list[tuple[str, Mapping[str, str], float]]]:
    """Namespace → (metric, its dimensions, a value that is on the good side of its alarm's threshold), Route 53's own
    left out.
    """
    found: dict[str, list[tuple[str, Mapping[str, str], float]]] = {}
    for alarm in policy.signals.alarms:
        if alarm.namespace == METRICS_NAMESPACE:
            continue
        step = GOOD[alarm.comparison.replace("OrEqualTo", "")]
        value = alarm.threshold if step < 0 and "OrEqual" not in alarm.comparison else alarm.threshold + step
        # What is summed up over a period must be nothing in each of its datapoints.
        value = 0.0 if alarm.statistic == "Sum" and step < 0 else max(value, 0.0)
        found.setdefault(alarm.namespace, []).append((alarm.metric, alarm.dimensions, value))
    return found


def _known(name: str, where: Mapping[str, str], truth: Mapping[str, float]) -> str:
    """Under which name the truth about a metric is kept: of one cluster there is one, of zones there are several."""
    whole = "/".join((name, *where.values()))
    return whole if whole in truth else name


async def publish_health(
    policy: Policy,
    client: Any,
    is_up: Callable[[], bool],
    stop: asyncio.Event,
    seen: Callable[[], Mapping[str, float]] = dict,
) -> None:
    """The primary's agents publish for as long as their region is up; lost, they say nothing. `seen` is what they see
    of the cluster, by the metric's name (with its dimensions' values after a slash, where there are several of it); of
    everything else they say that it is well.
    """
    values = healthy_values(policy)
    while not stop.is_set():
        if is_up():
            truth = await asyncio.to_thread(seen)
            for namespace, metrics in values.items():
                data: list[dict[str, Any]] = [
                    {"MetricName": name, "Value": truth.get(known, value), "Timestamp": datetime.now(UTC)}
                    | {"StorageResolution": 1}
                    | ({"Dimensions": [{"Name": k, "Value": v} for k, v in where.items()]} if where else {})
                    for name, where, value in metrics
                    for known in (_known(name, where, truth),)
                    if known in truth or name not in CLUSTER or not truth
                ]
                if not data:
                    continue
                try:
                    await asyncio.to_thread(client.put_metric_data, Namespace=namespace, MetricData=data)
                except (BotoCoreError, ClientError) as error:
                    log.warning("the platform's agents could not publish %s: %s", namespace, error)
        try:
            await asyncio.wait_for(stop.wait(), timeout=EVERY_S / policy.speed)
        except TimeoutError:
            continue
