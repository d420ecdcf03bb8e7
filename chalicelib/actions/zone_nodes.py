"""The nodes of one zone, and the taint that sends the pods of its dead nodes elsewhere. Pure.

Kubernetes leaves the pods of a node that fell silent where they are for five minutes (the toleration that every pod
is given), which is as long as a zone's failure may last. A taint of our own with NoExecute, which no pod tolerates,
ends that wait. A pod of an unreachable node that is deleted stays there as Terminating until its kubelet is heard of:
nothing is forced, no volume is taken from a node that may still write, and a Deployment starts another pod elsewhere.
Running nodes get none: it would end their pods all at once, whatever their budgets say. EKS cordons those by itself
when its cluster is shifted away.
Sources: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions,
https://kubernetes.io/docs/concepts/workloads/pods/disruptions/,
https://docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-shift.resource-types.eks.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chalicelib.actions.nodes import NODES
from chalicelib.core.outcome import Call
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster

ZONE: Final = "topology.kubernetes.io/zone"
Obj = Mapping[str, Any]


def in_zone(node: Obj, zone: str) -> bool:
    """Whether the node's label says that it stands there."""
    return bool((node["metadata"].get("labels") or {}).get(ZONE) == zone)


def key(policy: Policy) -> str:
    """The taint's key."""
    return f"{policy.platform.name}-dr/zone-left"


def is_left(node: Obj, policy: Policy) -> bool:
    """Whether the node bears the taint."""
    return bears(node, key(policy))


def bears(node: Obj, taint: str) -> bool:
    """Whether the node bears a taint of that key."""
    return any(t.get("key") == taint for t in _taints(node))


def leave(node: Obj, cluster: Cluster, policy: Policy, zone: str) -> Call:
    """The call that taints it."""
    taints = [*_taints(node), {"key": key(policy), "value": zone, "effect": "NoExecute"}]
    return _patch(node, cluster, taints, f"{key(policy)}={zone}:NoExecute", "no pod is left on it but Terminating ones")


def take_back(node: Obj, cluster: Cluster, policy: Policy) -> Call:
    """The call that takes the taint off."""
    return untaint(node, cluster, key(policy))


def untaint(node: Obj, cluster: Cluster, taint: str) -> Call:
    """The call that takes a taint of that key off."""
    taints = [t for t in _taints(node) if t.get("key") != taint]
    return _patch(node, cluster, taints, f"{taint}-", "it takes pods again")


def _taints(node: Obj) -> Sequence[Obj]:
    found: Sequence[Obj] = (node.get("spec") or {}).get("taints") or ()
    return found


def _patch(node: Obj, cluster: Cluster, taints: Sequence[Obj], shown: str, until: str) -> Call:
    name, version = node["metadata"]["name"], node["metadata"]["resourceVersion"]
    return Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"patch {NODES}",
        # A merge replaces the whole list, so it is refused when somebody has changed the node since it was read.
        params={
            "name": name,
            "taint": shown,
            "body": {"metadata": {"resourceVersion": version}, "spec": {"taints": list(taints)}},
        },
        until=f"node {name!r}: {until}",
        reversible=True,
    )
