"""Takes a taint off the nodes that are back, so that they take pods again: whoever put it there has to.

`with: {taint: zone}` is ours, which sends the pods of a dead zone's nodes elsewhere; `{taint: out-of-service}` is
Kubernetes' own, which lets the volumes of a dead node go and which nobody takes off by itself. A node that is not Ready
is waited for, one that is gone needs nothing. Sources: zone_nodes.py, and
https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown (the user removes
it when the pods have moved and the node was seen to have recovered).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions import nodes, zone_nodes
from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.nodes import NODES, OUT_OF_SERVICE
from chalicelib.actions.places import cluster_of, zone_of
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=30)
ZONE: Final = "zone"


class NodesReadmitted:
    """One patch a node."""

    name: ClassVar[str] = "nodes-readmitted"
    reads: ClassVar[tuple[Op, ...]] = (KubeOp(verb="list", group="", resource="nodes", where="primary"),)
    calls: ClassVar[tuple[Op, ...]] = (KubeOp(verb="patch", group="", resource="nodes", where="primary"),)

    def observe(
        self, target: Target, policy: Policy, reader: Reader
    ) -> tuple[Mapping[str, Any], ...] | Refused | NoData:
        found = reader.kube(cluster_of(target, policy).name, NODES)
        if isinstance(found, NoData | Refused):
            return found
        if not isinstance(found, Sequence):
            return NoData(because=f"cluster {cluster_of(target, policy).name!r} did not list its nodes")
        taint, zone = _key(target, policy), zone_of(target, policy) if _of_zone(target) else None
        every = [n for n in found if isinstance(n, Mapping) and zone_nodes.bears(n, taint)]
        return tuple(n for n in every if zone is None or zone_nodes.in_zone(n, zone.name))

    def next(
        self, target: Target, policy: Policy, facts: tuple[Mapping[str, Any], ...] | Refused | NoData, now: datetime
    ) -> Next:
        cluster, taint = cluster_of(target, policy), _key(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if back := next((n for n in facts if nodes.is_ready(n)), None):
            because = f"node {back['metadata']['name']!r} is Ready again, and takes no pod yet: it bears {taint}"
            return Act(because=because, call=zone_nodes.untaint(back, cluster, taint))
        if facts:
            said = f"{nodes.silence(facts[0])}, and bears {taint}"
            more = f"; and {len(facts) - 1} more" if len(facts) > 1 else ""
            return Wait(because=f"{said}{more}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        return Done(because=f"no node of cluster {cluster.name!r} bears {taint}")


def _of_zone(target: Target) -> bool:
    return target.params.get("taint", ZONE) == ZONE


def _key(target: Target, policy: Policy) -> str:
    return zone_nodes.key(policy) if _of_zone(target) else OUT_OF_SERVICE
