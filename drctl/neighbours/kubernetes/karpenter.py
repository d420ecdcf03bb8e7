"""Karpenter: NodeClaims that become nodes, nodes whose instance is gone, and nodes that it takes away by itself.

Sources, in github.com/kubernetes-sigs/karpenter: pkg/controllers/nodeclaim/lifecycle (launch.go, registration.go,
initialization.go: the conditions Launched, Registered, Initialized, and Ready over them, their reasons and messages;
InsufficientCapacityError is an event, and the NodeClaim is deleted), .../nodeclaim/garbagecollection and
pkg/controllers/node/termination (a NodeClaim whose instance is gone goes, and its Node with it),
pkg/controllers/disruption (the taint karpenter.sh/disrupted:NoSchedule, the condition DisruptionReason, eviction that
obeys budgets), pkg/controllers/provisioning (what pending pods get; limits); karpenter.sh/docs/concepts/disruption,
".../Interruption" for spot; github.com/kubernetes/cloud-provider-aws (the Node of a terminated instance is deleted).
Simplified: one NodePool, one size of node, and a replacement comes when evicted pods wait for it, not before.
"""

from __future__ import annotations

import math
from typing import Final, Literal, Protocol

from drctl.neighbours.kubernetes import budgets, nodes
from drctl.neighbours.kubernetes.claims import claim_of, condition, pool_object, said
from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.kubelet import fits, tell
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.trees import copied

CLAIMS: Final = "nodeclaims.karpenter.sh"
POOLS: Final = "nodepools.karpenter.sh"
TERMINATION: Final = "karpenter.sh/termination"
DISRUPTED: Final = "karpenter.sh/disrupted"
BATCH: Final = 2.0
LAUNCHES: Final = 4.0
REGISTERS: Final = 35.0
INITIALIZES: Final = 8.0
NOTICED: Final = 5.0
DRAINS: Final = 2.0
RETRIES: Final = 30.0
"""Seconds: of waiting for more pending pods, of EC2's answer, until the kubelet joins, until the node is Ready, until
the end of an instance is noticed, between two rounds of evictions, until a refused launch is tried again.
"""
CPU: Final = 4
Reason = Literal["Underutilized", "Empty", "Drifted", "SpotInterrupted"]


class NoCapacityError(Exception):
    """EC2 has no such instance to give; the text is EC2's."""


class Fleet(Protocol):
    """EC2, as Karpenter uses it."""

    def launch(self, zone: str) -> tuple[str, str]:
        """The id and the private DNS name of a new instance. Raises NoCapacityError."""
        ...

    def state(self, instance: str) -> str | None:
        """Its state by EC2's name (`running`, `stopped`, `terminated`); None when EC2 does not know it."""
        ...

    def terminate(self, instance: str) -> None: ...


class Karpenter:
    """One controller for all of it. It does nothing before `begin`."""

    name = "karpenter"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.fleet: Fleet | None = None
        self.zones: tuple[str, ...] = ()
        self.pods_per_node = 8
        self.away: frozenset[str] = frozenset()
        """Zones that a zonal shift has left, where nothing is launched."""
        self._asked = False

    def begin(
        self, fleet: Fleet, *, zones: tuple[str, ...], count: int, pods_per_node: int, cpu_limit: int = 1000
    ) -> None:
        """The NodePool `default`, with so many nodes that have been Ready for long."""
        self.fleet, self.zones, self.pods_per_node = fleet, zones, pods_per_node
        self.cluster.create(by_key(POOLS), pool_object(cpu_limit))
        for number in range(count):
            claim = self._claim(zones[number % len(zones)] if zones else "")
            self._launch(claim["metadata"]["name"])
            self._join(claim["metadata"]["name"], ready=True)
        self._count()

    def disrupt(self, name: str, reason: Reason) -> None:
        """Takes a node away because Karpenter wants to, or because EC2 has announced that it will: that is no failure.
        KeyError when no NodeClaim has that node.
        """
        claim = next((c for c in self._claims() if c["status"].get("nodeName") == name), None)
        node = self.cluster.get("nodes", "", name)
        if claim is None or node is None:
            raise KeyError(f"no NodeClaim has node {name!r}")
        new = copied(node)
        new["spec"]["taints"] = [*(new["spec"].get("taints") or ()), {"key": DISRUPTED, "effect": "NoSchedule"}]
        self.cluster.write(by_key("nodes"), new)
        if reason != "SpotInterrupted":
            claim = self._say(claim, "DisruptionReason", "True", reason, reason)
        self._delete(CLAIMS, claim)
        self.cluster.after(DRAINS, self.name, "drain", claim["metadata"]["name"])

    def gone(self, node: str) -> None:
        """A node has not been heard of: whether its instance still is there is asked, a little later."""
        self.cluster.after(NOTICED, self.name, "instance", node)

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if self.fleet is None:
            return
        if resource.key == "pods" and not gone and _unschedulable(obj) and not self._asked:
            self._asked = True
            self.cluster.after(BATCH, self.name, "provision")
        if resource.key == "nodes" and gone:
            for claim in self._claims():
                if claim["status"].get("nodeName") == obj["metadata"]["name"]:
                    self.cluster.remove(by_key(CLAIMS), claim)
            self._count()

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        match what:
            case "provision":
                self._asked = False
                self._provision()
            case "launch":
                self._launch(key[0])
            case "join":
                self._join(key[0], ready=False)
            case "ready":
                self._initialize(key[0])
            case "drain":
                self._drain(key[0])
            case "instance":
                self._end_if_gone(key[0])
            case _:
                pass

    # --- nodes for pods

    def _provision(self) -> None:
        waiting = [p for p in self.cluster.every_object("pods") if _unschedulable(p) and not budgets.is_going(p)]
        coming = [c for c in self._claims() if not _is(c, "Ready") and "deletionTimestamp" not in c["metadata"]]
        for claim in coming:
            zone = claim["metadata"]["labels"].get("topology.kubernetes.io/zone", "")
            takes = [p for p in waiting if fits(self._shape(zone), p)][: self.pods_per_node]
            waiting = [p for p in waiting if p not in takes]
        for zone in [z for z in self.zones if z not in self.away] or ("",) * (not self.zones):
            fitting = [p for p in waiting if fits(self._shape(zone), p)]
            for _ in range(math.ceil(len(fitting) / self.pods_per_node)):
                if self._at_limit():
                    text = 'all available instance types exceed limits for nodepool: "default"'
                    for pod in fitting:
                        tell(self.cluster, pod, "FailedScheduling", f"Failed to schedule pod, {text}", "karpenter")
                    self._again()
                    return
                self.cluster.after(LAUNCHES, self.name, "launch", self._claim(zone)["metadata"]["name"])
            waiting = [p for p in waiting if p not in fitting]

    def _again(self) -> None:
        if not self._asked:
            self._asked = True
            self.cluster.after(RETRIES, self.name, "provision")

    def _shape(self, zone: str) -> Obj:
        return {"metadata": {"labels": nodes.labels("", zone)}}

    def _at_limit(self) -> bool:
        pool = self.cluster.every_object(POOLS)[0]
        limit = (pool["spec"].get("limits") or {}).get("cpu")
        return limit is not None and (len(self._claims()) + 1) * CPU > int(limit)

    def _claim(self, zone: str) -> Obj:
        made = self.cluster.create(by_key(CLAIMS), claim_of(zone, stamp(self.cluster.now)))
        self._count()
        return made

    def _launch(self, name: str) -> None:
        claim = self.cluster.get(CLAIMS, "", name)
        if claim is None or self.fleet is None:
            return
        zone = claim["metadata"]["labels"].get("topology.kubernetes.io/zone", "")
        try:
            instance, _ = self.fleet.launch(zone)
        except NoCapacityError as error:
            text = f"NodeClaim {name} event: creating instance, insufficient capacity, {error}"
            tell(self.cluster, claim, "InsufficientCapacityError", text, "karpenter")
            self.cluster.remove(by_key(CLAIMS), claim)
            self._count()
            self._again()
            return
        new = copied(claim)
        new["status"] |= {"providerID": f"aws:///{zone}/{instance}", "imageID": "ami-0a1b2c3d4e5f60000"}
        new["status"] |= {"capacity": dict(nodes.CAPACITY), "allocatable": dict(nodes.CAPACITY)}
        self.cluster.write(by_key(CLAIMS), new)
        self._say(new, "Launched", "True", "Launched", "")
        self._say(self._known(name), "Registered", "Unknown", "NodeNotFound", "Node not registered with cluster")
        self._say(self._known(name), "Initialized", "Unknown", "NodeNotFound", "Node not registered with cluster")
        self.cluster.after(REGISTERS, self.name, "join", name)

    def _join(self, name: str, *, ready: bool) -> None:
        claim = self.cluster.get(CLAIMS, "", name)
        if claim is None or claim["status"].get("nodeName") or self.fleet is None:
            return
        instance = claim["status"]["providerID"].rpartition("/")[2]
        if self.fleet.state(instance) != "running":
            return
        host, zone = _host(instance), claim["metadata"]["labels"].get("topology.kubernetes.io/zone", "")
        labels = {**nodes.labels(host, zone), **claim["metadata"]["labels"], "karpenter.sh/registered": "true"}
        node = nodes.made(self.cluster, host, self.pods_per_node, labels, providerID=claim["status"]["providerID"])
        node["metadata"]["finalizers"] = [TERMINATION]
        if not ready:
            text = "container runtime network not ready: cni plugin not initialized"
            node = nodes.with_condition(node, stamp(self.cluster.now), "False", "KubeletNotReady", text)
            node["spec"]["taints"] = [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
        self.cluster.create(by_key("nodes"), node)
        new = copied(claim)
        new["status"]["nodeName"] = host
        self.cluster.write(by_key(CLAIMS), new)
        self._say(new, "Registered", "True", "Registered", "")
        if ready:
            self._initialize(name)
        else:
            self._say(self._known(name), "Initialized", "Unknown", "NodeNotReady", "Node status is NotReady")
            self.cluster.after(INITIALIZES, self.name, "ready", name)

    def _initialize(self, name: str) -> None:
        claim = self.cluster.get(CLAIMS, "", name)
        node = self.cluster.get("nodes", "", claim["status"]["nodeName"]) if claim else None
        if claim is None or node is None:
            return
        text = "kubelet is posting ready status"
        new = nodes.with_condition(node, stamp(self.cluster.now), "True", "KubeletReady", text)
        new["spec"].pop("taints", None)
        new["metadata"]["labels"]["karpenter.sh/initialized"] = "true"
        self.cluster.write(by_key("nodes"), new)
        self._say(claim, "Initialized", "True", "Initialized", "")
        self._say(self._known(name), "Ready", "True", "Ready", "")

    # --- nodes that go

    def _end_if_gone(self, name: str) -> None:
        node = self.cluster.get("nodes", "", name)
        instance = (node or {"spec": {}})["spec"].get("providerID", "").rpartition("/")[2]
        if node is None or self.fleet is None or not instance or nodes.is_ready(node):
            return
        if self.fleet.state(instance) in (None, "terminated"):
            self._finish(node)

    def _drain(self, name: str) -> None:
        claim = self.cluster.get(CLAIMS, "", name)
        node = self.cluster.get("nodes", "", claim["status"].get("nodeName", "")) if claim else None
        if claim is None or node is None:
            return
        host = node["metadata"]["name"]
        here = [p for p in self.cluster.every_object("pods") if p["spec"].get("nodeName") == host]
        if not here and self.fleet is not None:
            self.fleet.terminate(node["spec"]["providerID"].rpartition("/")[2])
            self._finish(node)
            return
        for pod in here:
            if budgets.refusal(self.cluster, pod) is None:
                self.cluster.remove(by_key("pods"), pod)
                break
        self.cluster.after(DRAINS, self.name, "drain", name)

    def _finish(self, node: Obj) -> None:
        """Its NodeClaim goes with it (`changed`)."""
        self.cluster.remove(by_key("nodes"), node)

    # --- telling

    def _claims(self) -> list[Obj]:
        return self.cluster.every_object(CLAIMS)

    def _known(self, name: str) -> Obj:
        found = self.cluster.get(CLAIMS, "", name)
        if found is None:
            raise KeyError(f"there is no NodeClaim {name!r}")
        return found

    def _say(self, claim: Obj, kind: str, status: str, reason: str, message: str) -> Obj:
        new = copied(claim)
        fresh = condition(kind, status, reason, message, stamp(self.cluster.now))
        kept = [c for c in new["status"]["conditions"] if c["type"] != kind]
        new["status"]["conditions"] = sorted([*kept, fresh], key=lambda c: c["type"])
        return self.cluster.write(by_key(CLAIMS), new)

    def _delete(self, key: str, obj: Obj) -> None:
        new = copied(obj)
        new["metadata"] |= {"deletionTimestamp": stamp(self.cluster.now), "deletionGracePeriodSeconds": 0}
        self.cluster.write(by_key(key), new)

    def _count(self) -> None:
        for pool in self.cluster.every_object(POOLS):
            many = len(self._claims())
            new = copied(pool)
            new["status"] = {**(pool.get("status") or {}), "nodes": many, "resources": {"cpu": str(many * CPU)}}
            self.cluster.write(by_key(POOLS), new)


def _host(instance: str) -> str:
    """The node's name: EC2's private DNS name of the kind that is made of the instance's id (`resource-name`,
    docs.aws.amazon.com/AWSEC2/latest/UserGuide/hostname-types.html).
    """
    return f"{instance}.ec2.internal"


def _is(claim: Obj, kind: str) -> bool:
    return said(claim, kind) == "True"


def _unschedulable(pod: Obj) -> bool:
    return not pod["spec"].get("nodeName") and any(
        c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable"
        for c in pod["status"].get("conditions") or ()
    )
