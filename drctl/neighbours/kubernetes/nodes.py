"""Nodes that live and nodes whose kubelet falls silent, and what becomes of the pods on them.

Sources, in github.com/kubernetes/kubernetes: pkg/controller/nodelifecycle/node_lifecycle_controller.go (Ready becomes
Unknown, NodeStatusUnknown, after --node-monitor-grace-period, 50 s since 1.32 and 40 s before; the taints
node.kubernetes.io/unreachable; its pods are marked not Ready), plugin/pkg/admission/defaulttolerationseconds (every pod
tolerates that for 300 s), pkg/controller/tainteviction (then it is deleted, DeletionByTaintManager),
pkg/controller/podgc (pods of a Node that is gone are removed after 40 s in quarantine, looked at every 20 s;
terminating pods on a node with node.kubernetes.io/out-of-service at the next look);
kubernetes.io/docs/concepts/cluster-administration/node-shutdown, "Non-graceful node shutdown".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from drctl.neighbours.kubernetes.budgets import is_going
from drctl.neighbours.kubernetes.deletes import terminating
from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.trees import copied

GRACE: Final = 50.0
TOLERATED: Final = 300.0
ORPHANED: Final = 60.0
COLLECTED: Final = 20.0
"""Seconds: until a silent node is Unknown; until its pods are evicted; until the pods of a Node that is gone are
removed; until terminating pods of a node that is out of service are.
"""
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
CAPACITY: Final = {"cpu": "4", "memory": "16Gi"}


def labels(name: str, zone: str) -> dict[str, str]:
    """The labels that every node has."""
    return {"kubernetes.io/hostname": name} | ({"topology.kubernetes.io/zone": zone} if zone else {})


def made(cluster: Cluster, name: str, pods: int, labels: Mapping[str, str], **spec: Any) -> Obj:
    """A node that is Ready at once, with room for so many pods."""
    now, room = stamp(cluster.now), {**CAPACITY, "pods": str(pods)}
    ready = {
        "type": "Ready",
        "status": "True",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    return {
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": spec,
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    }


def is_ready(node: Obj) -> bool:
    """Whether its Ready condition is True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions") or ())


def has_taint(node: Obj, key: str) -> bool:
    """Whether the node has a taint of this key."""
    return any(t["key"] == key for t in node["spec"].get("taints") or ())


def with_condition(node: Obj, now: str, status: str, reason: str, message: str) -> Obj:
    """The node with this said of Ready."""
    new = copied(node)
    for condition in new["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition |= {"status": status, "reason": reason, "message": message, "lastTransitionTime": now}
    return new


class Nodes:
    """The node lifecycle controller, the taint manager and the pod garbage collector."""

    name = "nodes"

    def __init__(self, cluster: Cluster) -> None:
        """`on_unknown` is told the name of a node that nobody has heard of for the grace period."""
        self.cluster = cluster
        self.on_unknown: Callable[[str], None] = lambda _name: None

    def lose(self, name: str) -> None:
        """Its kubelet falls silent. KeyError when there is no such node."""
        self._node(name)
        self.cluster.silent.add(name)
        self.cluster.after(GRACE, self.name, "unknown", name)

    def answer(self, name: str) -> None:
        """Its kubelet is back: it ends what is to end, and everything else runs again."""
        self.cluster.silent.discard(name)
        node = self._node(name)
        new = with_condition(node, stamp(self.cluster.now), "True", "KubeletReady", "kubelet is posting ready status")
        new["spec"]["taints"] = [t for t in new["spec"].get("taints") or () if t["key"] != UNREACHABLE]
        self.cluster.write(by_key("nodes"), new)
        for pod in self._on(name):
            if is_going(pod):
                self.cluster.remove(by_key("pods"), pod)
            else:
                meta = pod["metadata"]
                self.cluster.after(1.0, "workloads", "ready", meta["namespace"], meta["name"], meta["uid"])

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if resource.key != "nodes":
            return
        name = obj["metadata"]["name"]
        if gone:
            self.cluster.silent.discard(name)
            self.cluster.after(ORPHANED, self.name, "orphans", name)
        elif has_taint(obj, OUT_OF_SERVICE):
            self.cluster.after(0.0, self.name, "evict", name)
            self.cluster.after(COLLECTED, self.name, "collect", name)
        elif _untolerated(obj):
            self.cluster.after(0.0, self.name, "evict", name)

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        node = self.cluster.get("nodes", "", key[0])
        match what:
            case "unknown" if node is not None and key[0] in self.cluster.silent:
                self._unknown(node)
            case "evict" if node is not None and (has_taint(node, UNREACHABLE) or _untolerated(node)):
                for pod in self._on(key[0]):
                    terminating(self.cluster, pod)
                if key[0] not in self.cluster.silent:
                    # Its kubelet hears of it, and ends them.
                    self._remove(self._on(key[0]))
            case "collect" if node is not None and has_taint(node, OUT_OF_SERVICE) and not is_ready(node):
                self._remove([p for p in self._on(key[0]) if is_going(p)])
            case "orphans" if node is None:
                self._remove(self._on(key[0]))
            case _:
                pass

    def _unknown(self, node: Obj) -> None:
        name, now = node["metadata"]["name"], stamp(self.cluster.now)
        new = with_condition(node, now, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
        taints = [t for t in new["spec"].get("taints") or () if t["key"] != UNREACHABLE]
        new["spec"]["taints"] = [
            *taints,
            {"key": UNREACHABLE, "effect": "NoSchedule", "timeAdded": now},
            {"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": now},
        ]
        self.cluster.write(by_key("nodes"), new)
        for pod in self._on(name):
            self.cluster.write(by_key("pods"), _not_ready(pod, now))
        self.cluster.after(TOLERATED, self.name, "evict", name)
        self.on_unknown(name)

    def _on(self, name: str) -> list[Obj]:
        return [p for p in self.cluster.every_object("pods") if p["spec"].get("nodeName") == name]

    def _remove(self, pods: list[Obj]) -> None:
        for pod in pods:
            self.cluster.remove(by_key("pods"), pod)

    def _node(self, name: str) -> Obj:
        found = self.cluster.get("nodes", "", name)
        if found is None:
            raise KeyError(f"there is no node {name!r}")
        return found


def _untolerated(node: Obj) -> bool:
    """Whether it bears a NoExecute taint that no pod tolerates for a while, as each does its two (tainteviction)."""
    own = ("node.kubernetes.io/not-ready", UNREACHABLE)
    return any(t["effect"] == "NoExecute" and t["key"] not in own for t in node["spec"].get("taints") or ())


def _not_ready(pod: Obj, now: str) -> Obj:
    """MarkPodsNotReady: only the condition changes, the containers are not heard of."""
    new = copied(pod)
    for condition in new["status"].get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] == "True":
            condition |= {"status": "False", "lastTransitionTime": now}
    return new
