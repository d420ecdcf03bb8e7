"""Moves the pods of a failed zone's dead nodes to the other zones, and watches every service run there.

A node that is NotReady is tainted, so that its pods need not wait (zone_nodes.py). A pod that can run in the failed
zone alone, as one with a volume there, has nowhere to go, and a service whose only pods run in the zone gets no traffic
any more: both are a person's matter. What runs in the zone beside others outside is left where it is.
Sources: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/#known-limitations (running
pods are never moved by it), https://docs.aws.amazon.com/eks/latest/userguide/zone-shift.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions import nodes, zone_nodes
from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.nodes import NODES
from chalicelib.actions.places import cluster_of, zone_of
from chalicelib.actions.pods import PODS
from chalicelib.actions.pods_recovered import DEPLOYMENTS
from chalicelib.actions.volumes_attached import ATTACHMENTS, CLAIMS
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.services import Service

AGAIN: Final = timedelta(seconds=5)
Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """Pods of one service: how many it wants, how many are ready outside the zone and how many in it, and what is said
    of those that no node takes. `pinned`: why one that is not ready can be nowhere but in the failed zone. `rooted`:
    why one that is ready there, since its node is back, stays.
    """

    service: str
    wanted: int
    outside: int
    inside: int = 0
    unplaced: str = ""
    pinned: str = ""
    rooted: str = ""

    @property
    def short(self) -> bool:
        """Whether it has fewer pods than it wants."""
        return self.outside + self.inside < self.wanted


@dataclass(frozen=True, slots=True)
class Redistribution:
    """`dead`: the zone's nodes that are NotReady and not left yet. `left`: those that are. `others`: Ready nodes
    outside the zone.
    """

    services: tuple[Spread, ...]
    dead: tuple[Obj, ...] = ()
    left: tuple[str, ...] = ()
    others: int = 0


class PodsRedistributed:
    """One call for each dead node."""

    name: ClassVar[str] = "pods-redistributed"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="apps", resource="deployments", where="primary"),
        KubeOp(verb="list", group="", resource="pods", where="primary"),
        KubeOp(verb="list", group="", resource="nodes", where="primary"),
        KubeOp(verb="list", group="", resource="persistentvolumeclaims", where="primary"),
        KubeOp(verb="list", group="storage.k8s.io", resource="volumeattachments", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (KubeOp(verb="patch", group="", resource="nodes", where="primary"),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Redistribution | Refused | NoData:
        cluster, zone = cluster_of(target, policy).name, zone_of(target, policy)
        looked: dict[str, Sequence[Obj]] = {}
        for resource in (DEPLOYMENTS, PODS, NODES, CLAIMS, ATTACHMENTS):
            found = reader.kube(cluster, resource)
            if isinstance(found, NoData | Refused):
                return found
            looked[resource] = [f for f in found if isinstance(f, Mapping)] if isinstance(found, Sequence) else []
        name = zone.name if zone else ""
        here = [n for n in looked[NODES] if zone_nodes.in_zone(n, name)]
        names = frozenset(n["metadata"]["name"] for n in here)
        silent = [n for n in here if not nodes.is_ready(n)]
        bound = _bound(looked[CLAIMS], looked[ATTACHMENTS], names)
        services = [s for s in policy.services.in_order() if s.kind == "workload" and s.deployments]
        return Redistribution(
            services=tuple(_spread(s, looked[DEPLOYMENTS], looked[PODS], names, name, bound) for s in services),
            dead=tuple(n for n in silent if not zone_nodes.is_left(n, policy)),
            left=tuple(n["metadata"]["name"] for n in silent if zone_nodes.is_left(n, policy)),
            others=sum(nodes.is_ready(n) for n in looked[NODES] if n["metadata"]["name"] not in names),
        )

    def next(self, target: Target, policy: Policy, facts: Redistribution | Refused | NoData, now: datetime) -> Next:
        cluster, zone = cluster_of(target, policy), zone_of(target, policy)
        if isinstance(facts, NoData):
            return Wait(because=f"{facts.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if isinstance(facts, Refused):
            return Stuck(because=f"{facts.because} ({facts.code})")
        if zone is None:
            return Stuck(because=f"{target.scope!r} names no zone of platform.yaml, so no pod is moved")
        if facts.dead and not facts.others:
            because = f"no node outside {zone.name} is Ready in cluster {cluster.name!r}, so no pod could go anywhere"
            return Stuck(because=f"{because}; nothing is done to its {len(facts.dead)} dead nodes")
        if facts.dead:
            node = facts.dead[0]
            because = f"{nodes.silence(node)}, in {zone.name}; its pods would wait five minutes for it"
            return Act(because=because, call=zone_nodes.leave(node, cluster, policy, zone.name))
        if short := [s for s in facts.services if s.short and not s.pinned]:
            told = ", ".join(f"{s.service} has {s.outside} of {s.wanted} pods outside {zone.name}" for s in short)
            said = next((f"; no node takes them yet: {s.unplaced}" for s in short if s.unplaced), "")
            return Wait(because=f"{told}{said}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if pinned := [s for s in facts.services if s.short]:
            told = "; ".join(f"{s.service} can run in {zone.name} alone: {s.pinned}" for s in pinned)
            because = f"{told}; restore it in another zone, or wait until the zone is back; every other service runs"
            return Stuck(because=because)
        alone = [s for s in facts.services if s.wanted and not s.outside]
        if movable := [s.service for s in alone if not s.rooted]:
            because = f"every pod of {', '.join(movable)} runs in {zone.name}, and Kubernetes moves no running pod"
            return Stuck(because=f"{because}; restart it, so that it is scheduled into another zone")
        outside, inside = sum(s.outside for s in facts.services), sum(s.inside for s in facts.services)
        rest = f"; {inside} more run in {zone.name} and are left there" if inside else ""
        stays = "".join(f"; {s.service} runs there alone until the zone is taken back: {s.rooted}" for s in alone)
        because = (
            f"every {'other ' if alone else ''}service runs outside {zone.name}, {outside} pods in all{rest}{stays}"
        )
        return Done(because=because, facts={"outside": float(outside), "inside": float(inside)})


def _spread(
    service: Service,
    deployments: Sequence[Obj],
    pods: Sequence[Obj],
    names: frozenset[str],
    zone: str,
    bound: Mapping[tuple[str, str], str],
) -> Spread:
    wanted = sum(
        int(d["spec"].get("replicas", 1))
        for d in deployments
        if d["metadata"].get("namespace") == service.namespace and d["metadata"]["name"] in service.deployments
    )
    label, _, value = service.label.partition("=")
    ours = [
        p
        for p in pods
        if p["metadata"].get("namespace") == service.namespace
        and (p["metadata"].get("labels") or {}).get(label) == value
        and not p["metadata"].get("deletionTimestamp")
    ]
    ready = [p["spec"].get("nodeName") for p in ours if nodes.is_ready(p)]
    waiting = [p for p in ours if not p["spec"].get("nodeName") and _refused(p)]
    inside = sum(n in names for n in ready)
    return Spread(
        service=service.name,
        wanted=wanted,
        outside=len(ready) - inside,
        inside=inside,
        unplaced=next((_refused(p) for p in waiting), ""),
        pinned=next((why for p in ours if not nodes.is_ready(p) and (why := _pinned(p, zone, bound))), ""),
        rooted=next((why for p in ours if p["spec"].get("nodeName") in names and (why := _rooted(p, zone, bound))), ""),
    )


def _bound(claims: Sequence[Obj], attachments: Sequence[Obj], names: frozenset[str]) -> dict[tuple[str, str], str]:
    """(namespace, claim) → its volume, of every claim whose volume is attached to a node of the zone."""
    there = {a["spec"]["source"].get("persistentVolumeName", "") for a in attachments if a["spec"]["nodeName"] in names}
    return {
        (c["metadata"]["namespace"], c["metadata"]["name"]): volume
        for c in claims
        if (volume := c["spec"].get("volumeName", "")) and volume in there
    }


def _rooted(pod: Obj, zone: str, bound: Mapping[tuple[str, str], str]) -> str:
    """Why a pod that is ready in the zone cannot be scheduled into another."""
    if not nodes.is_ready(pod):
        return ""
    return "its node selector wants that zone" if _only(pod["spec"], zone) else _pinned(pod, zone, bound)


def _pinned(pod: Obj, zone: str, bound: Mapping[tuple[str, str], str]) -> str:
    if not pod["spec"].get("nodeName") and _only(pod["spec"], zone):
        return f"its node selector wants that zone ({_refused(pod) or 'not scheduled yet'})"
    for mount in pod["spec"].get("volumes") or ():
        claim = (mount.get("persistentVolumeClaim") or {}).get("claimName", "")
        if volume := bound.get((pod["metadata"].get("namespace", ""), claim)):
            return f"its volume {volume!r} is there"
    return ""


def _refused(pod: Obj) -> str:
    """What the scheduler says of a pod that no node takes; "" of every other."""
    said = nodes.condition(pod, "PodScheduled")
    return str(said.get("message", "Unschedulable")) if said.get("status") == "False" else ""


def _only(spec: Obj, zone: str) -> bool:
    """Whether its node selector or its required affinity lets it run in this zone and in no other."""
    if (spec.get("nodeSelector") or {}).get(zone_nodes.ZONE) == zone:
        return True
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return bool(terms) and all(
        any(
            e.get("key") == zone_nodes.ZONE and e.get("operator") == "In" and list(e.get("values") or ()) == [zone]
            for e in term.get("matchExpressions") or ()
        )
        for term in terms
    )
