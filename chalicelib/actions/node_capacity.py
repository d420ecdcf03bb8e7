"""Brings an EKS managed node group to the size that carries the platform, and waits until its nodes are Ready.

Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupConfig.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of, node_group_of, token_of
from chalicelib.core.failback import BEFORE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
NODES: Final = "v1 nodes"
GROUP: Final = ("arn:aws:eks:{standby}:{account}:nodegroup/{cluster}/{node_group}/*",)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The node group as EKS sees it, and the nodes as Kubernetes does."""

    status: str
    desired: int
    minimum: int
    maximum: int
    health: str
    nodes_ready: int | NoData | Refused

    @property
    def sizes(self) -> str:
        """`1/1/12`: the least, the wanted and the most nodes, as they are kept and asked for again."""
        return f"{self.minimum}/{self.desired}/{self.maximum}"


class NodeCapacity:
    """One update of the group's scaling; the Ready nodes say whether it was done."""

    name: ClassVar[str] = "node-capacity"
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="eks", operation="describe_nodegroup", resources=GROUP),
        KubeOp(verb="list", group="", resource="nodes"),
    )
    calls: ClassVar[tuple[Op, ...]] = (AwsOp(service="eks", operation="update_nodegroup_config", resources=GROUP),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Capacity | Refused | NoData:
        return capacity(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Capacity | Refused | NoData, now: datetime) -> Next:
        cluster, group = cluster_of(target, policy), node_group_of(target, policy)
        named = f"node group {group.name!r} of cluster {cluster.name!r}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Capacity(status="UPDATING" | "CREATING"):
                return Wait(because=f"{named} is {facts.status}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Capacity(status=status) if status != "ACTIVE":
                return Stuck(because=f"{named} is {status}, expected ACTIVE: {facts.health or 'EKS gives no reason'}")
        if facts.desired < group.failover_size:
            call = Call(
                system="aws",
                service="eks",
                region=cluster.region,
                operation="update_nodegroup_config",
                params={
                    "clusterName": cluster.name,
                    "nodegroupName": group.name,
                    "scalingConfig": {
                        "minSize": facts.minimum,
                        "maxSize": max(facts.maximum, group.max_size),
                        "desiredSize": group.failover_size,
                    },
                    "clientRequestToken": token_of(target, str(group.failover_size))[:64],
                },
                until=f"{group.failover_size} nodes are Ready",
                reversible=True,
            )
            because = f"{named} wants {facts.desired} nodes, {group.failover_size} are needed"
            return Act(because=because, call=call, facts={BEFORE: facts.sizes, **target.facts})
        ready = facts.nodes_ready
        if not isinstance(ready, int):
            return Wait(because=f"{ready.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if ready < group.failover_size:
            trouble = f"; EKS says: {facts.health}" if facts.health else ""
            return Wait(because=f"{named} has {ready} of {group.failover_size} nodes Ready{trouble}", again_in=AGAIN)
        return Done(because=f"{named} has {ready} nodes Ready, {group.failover_size} are needed")


def capacity(target: Target, policy: Policy, reader: Reader) -> Capacity | Refused | NoData:
    """The node group of the step's cluster, and its nodes."""
    cluster, group = cluster_of(target, policy), node_group_of(target, policy)
    found = reader.aws("eks", cluster.region, "describe_nodegroup", clusterName=cluster.name, nodegroupName=group.name)
    if not isinstance(found, Mapping):
        return found
    described = found["nodegroup"]
    scaling = described["scalingConfig"]
    issues = described.get("health", {}).get("issues", [])
    return Capacity(
        status=described["status"],
        desired=int(scaling["desiredSize"]),
        minimum=int(scaling["minSize"]),
        maximum=int(scaling["maxSize"]),
        health="; ".join(f"{i.get('code')}: {i.get('message')}" for i in issues),
        nodes_ready=_ready(cluster.name, group.name, reader),
    )


def _ready(cluster: str, group: str, reader: Reader) -> int | NoData | Refused:
    nodes = reader.kube(cluster, NODES, label=f"eks.amazonaws.com/nodegroup={group}")
    if isinstance(nodes, NoData | Refused):
        return nodes
    if not isinstance(nodes, Sequence):
        return NoData(because=f"cluster {cluster!r} did not list its nodes")
    return sum(_is_ready(n) for n in nodes)


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
