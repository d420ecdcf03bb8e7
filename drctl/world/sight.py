"""What the primary cluster's monitoring agents see of it, as the metrics that policy's alarms read.

Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-EKS.html
(`cluster_failed_node_count`: "a node is considered failed if it is suffering from any node conditions");
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status (`availableReplicas`);
https://argo-cd.readthedocs.io/en/stable/operator-manual/metrics/ (`argocd_app_info`, its labels `health_status`
and `project`); https://external-secrets.io/latest/api/metrics/ (`externalsecret_status_condition`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drctl.neighbours.kubernetes import nodes
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.karpenter import DISRUPTED
from drctl.neighbours.kubernetes.objects import Obj

ZONE_METRIC: Final = "ZoneReadyNodesPercent"
ENOUGH: Final = 2
CONFIGURATION: Final = "configuration"
"""Argo CD's project of what is configuration and no service."""


def well(api: KubeApi) -> bool:
    """Whether every pod that is wanted is available: a platform begins whole, and what breaks was so before."""
    return seen(api).get("AvailablePodsPercent") == 100.0


def seen(api: KubeApi) -> Mapping[str, float]:
    """ClusterHealthy, and while the API server answers also AvailablePodsPercent, cluster_failed_node_count,
    BackupSucceeded, DegradedApplications and ConfigurationErrors: those that nobody can count are not published.
    """
    if not api.reachable:
        return {"ClusterHealthy": 0.0}
    apps = api.objects("applications.argoproj.io")
    shares = [_available(d) for d in api.objects("deployments.apps") if d["spec"].get("replicas", 1) > 0]
    return _zones(api) | {
        "ClusterHealthy": 1.0,
        # https://velero.io/docs/v1.18/ lists it nowhere; pkg/metrics/metrics.go does: velero_backup_last_status.
        "BackupSucceeded": float(all(api.velero.last_status.values())),
        "AvailablePodsPercent": min(shares, default=100.0),
        "cluster_failed_node_count": float(sum(_failed(n) for n in api.objects("nodes"))),
        "DegradedApplications": float(sum(_degraded(a) for a in apps if _project(a) != CONFIGURATION)),
        "ConfigurationErrors": float(
            sum(_degraded(a) for a in apps if _project(a) == CONFIGURATION)
            + sum(_not_ready(s) for s in api.objects("externalsecrets.external-secrets.io"))
        ),
    }


def _zones(api: KubeApi) -> dict[str, float]:
    """`ZoneReadyNodesPercent/us-east-1a`, for every zone that has two nodes or more: one alone that fails is a node's
    failure, and a zone without nodes is not seen at all.
    """
    zones: dict[str, list[bool]] = {}
    for node in api.objects("nodes"):
        name = node["metadata"].get("labels", {}).get("topology.kubernetes.io/zone")
        fresh = nodes.has_taint(node, "node.kubernetes.io/not-ready")
        if name and not fresh and not nodes.has_taint(node, DISRUPTED):
            zones.setdefault(name, []).append(nodes.is_ready(node))
    return {
        f"{ZONE_METRIC}/{name}": 100.0 * sum(ready) / len(ready)
        for name, ready in zones.items()
        if len(ready) >= ENOUGH
    }


def _available(deployment: Obj) -> float:
    wanted = int(deployment["spec"].get("replicas", 1))
    available = int((deployment.get("status") or {}).get("availableReplicas", 0))
    return min(100.0, 100.0 * available / wanted)


def _project(application: Obj) -> str:
    return str(application["spec"]["project"])


def _not_ready(secret: Obj) -> bool:
    conditions = (secret.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "False" for c in conditions)


def _degraded(application: Obj) -> bool:
    return bool(((application.get("status") or {}).get("health") or {}).get("status") == "Degraded")


def _failed(node: Obj) -> bool:
    """Not one that is new, and not one that is taken away on purpose."""
    fresh = nodes.has_taint(node, "node.kubernetes.io/not-ready")
    return not (nodes.is_ready(node) or nodes.has_taint(node, DISRUPTED) or fresh)
