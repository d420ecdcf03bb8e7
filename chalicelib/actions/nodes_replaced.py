"""Watches Karpenter replace nodes that have failed. Reads only.

Karpenter makes a node for pods that wait, not one for one: a failed node is replaced when nothing of ours is left on it
and no pod waits for room. Until then it is said where each NodeClaim stands.
Sources: https://karpenter.sh/docs/concepts/nodeclaims/, https://karpenter.sh/docs/troubleshooting/ (launches that fail:
the condition Launched, and the event InsufficientCapacityError), https://karpenter.sh/docs/concepts/nodepools/
(limits).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions import nodes
from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.listing import lists
from chalicelib.actions.nodes import NODE_CLAIMS, NODES
from chalicelib.actions.places import cluster_of
from chalicelib.actions.pods import EVENTS, PODS
from chalicelib.actions.quantities import amount
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
POOLS: Final = "karpenter.sh/v1 nodepools"
RECENT: Final = timedelta(minutes=3)
"""How long a launch that EC2 refused speaks for now: so long Karpenter does not ask for the same again
(troubleshooting).
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """`failed`: nodes that have failed, a sentence each. `left`: how many pods those still hold. `coming`: where the
    NodeClaims on their way stand. `refused`: launches that failed. `full`: NodePools at their limits. `waiting`: pods
    that no node takes. `taken`: nodes taken away on purpose.
    """

    ready: int
    failed: tuple[str, ...] = ()
    left: int = 0
    coming: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    waiting: int = 0
    taken: tuple[str, ...] = ()


class NodesReplaced:
    """Five looks, no call."""

    name: ClassVar[str] = "nodes-replaced"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="", resource="nodes", where="primary"),
        KubeOp(verb="list", group="karpenter.sh", resource="nodeclaims", where="primary"),
        KubeOp(verb="list", group="karpenter.sh", resource="nodepools", where="primary"),
        KubeOp(verb="list", group="", resource="pods", where="primary"),
        KubeOp(verb="list", group="", resource="events", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Fleet | Refused | NoData:
        looked = lists(reader, cluster_of(target, policy).name, NODES, NODE_CLAIMS, POOLS, PODS, EVENTS)
        if isinstance(looked, NoData | Refused):
            return looked
        on_their_way = nodes.coming(looked[NODE_CLAIMS])
        failed = [n for n in looked[NODES] if nodes.has_failed(n, nodes.names(on_their_way))]
        lost = {n["metadata"]["name"] for n in failed}
        pods = [p for p in looked[PODS] if not p["metadata"].get("deletionTimestamp")]
        mine = [p for p in pods if p["spec"].get("nodeName") in lost and not _daemon(p)]
        launches = [s for c in on_their_way if (s := _not_launched(c))]
        return Fleet(
            ready=sum(nodes.is_ready(n) for n in looked[NODES]),
            failed=tuple(nodes.silence(n) for n in failed),
            left=len(mine),
            coming=tuple(nodes.stands(c, target.at) for c in on_their_way),
            refused=(*launches, *(s for e in looked[EVENTS] if (s := _no_capacity(e, target.at)))),
            full=tuple(s for p in looked[POOLS] if (s := _at_limit(p))),
            waiting=sum(_unplaced(p) for p in pods),
            taken=tuple(f"{n['metadata']['name']} is {why}" for n in looked[NODES] if (why := nodes.on_purpose(n))),
        )

    def next(self, target: Target, policy: Policy, facts: Fleet | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy).name
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        purpose = f"; taken away on purpose, which is no fault: {'; '.join(facts.taken)}" if facts.taken else ""
        short = f"{facts.waiting} pods wait for room in cluster {cluster!r}"
        if facts.waiting and facts.refused:
            return Stuck(because=f"{short} and no node comes for them: {facts.refused[0]}{purpose}")
        if facts.waiting and facts.full and not facts.coming:
            return Stuck(because=f"{short} and Karpenter may make no node: {'; '.join(facts.full)}{purpose}")
        counted: dict[str, str | float] = {"ready": float(facts.ready), "failed": float(len(facts.failed))}
        if facts.left or facts.waiting or facts.coming:
            said = [*facts.failed]
            said += [f"it still holds {facts.left} pods, which go 5 minutes after it fell silent"] if facts.left else []
            said += [short] if facts.waiting else []
            said += facts.coming
            because = f"{'; '.join(said)}{purpose}; looking again in {AGAIN.seconds} s"
            return Wait(because=because, again_in=AGAIN, facts=counted)
        rest = f"; {'; '.join(facts.failed)}, nothing of ours runs there any more" if facts.failed else ""
        because = f"{facts.ready} nodes of cluster {cluster!r} are Ready and no pod waits for room{rest}{purpose}"
        return Done(because=because, facts=counted)


def _not_launched(claim: Mapping[str, Any]) -> str:
    said = nodes.condition(claim, "Launched")
    if said.get("status") == "True" or said.get("reason") in (None, "AwaitingReconciliation"):
        return ""
    return f"NodeClaim {claim['metadata']['name']!r} is not launched: {said.get('reason')}: {said.get('message')}"


def _no_capacity(event: Mapping[str, Any], now: datetime) -> str:
    last = event.get("lastTimestamp") or event.get("eventTime")
    if event.get("reason") != "InsufficientCapacityError" or not last or now - datetime.fromisoformat(last) > RECENT:
        return ""
    return f"{event['reason']}: {event.get('message')}"


def _at_limit(pool: Mapping[str, Any]) -> str:
    limits, used = (pool.get("spec") or {}).get("limits") or {}, (pool.get("status") or {}).get("resources") or {}
    for name, limit in limits.items():
        if name in used and amount(used[name]) >= amount(limit):
            return f"NodePool {pool['metadata']['name']!r} uses {used[name]} of at most {limit} {name}"
    return ""


def _unplaced(pod: Mapping[str, Any]) -> bool:
    found = nodes.condition(pod, "PodScheduled")
    return bool(found.get("status") == "False" and found.get("reason") == "Unschedulable")


def _daemon(pod: Mapping[str, Any]) -> bool:
    """A DaemonSet's pod stays on its node, whatever becomes of that."""
    return any(o.get("kind") == "DaemonSet" for o in pod["metadata"].get("ownerReferences") or ())
