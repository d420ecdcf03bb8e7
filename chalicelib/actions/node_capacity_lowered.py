"""Brings an EKS managed node group back to the size that it had before a move or a drill raised it.

Never raises one: a group that wants fewer nodes already is left as it is. EKS drains each node that goes, and keeps to
PodDisruptionBudgets. Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupConfig.html.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.copies import is_copy
from chalicelib.actions.node_capacity import GROUP, Capacity, capacity
from chalicelib.actions.places import cluster_of, node_group_of, token_of
from chalicelib.core.failback import BEFORE, NONE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)


class NodeCapacityLowered:
    """One update of the group's scaling; the nodes that are left say whether it was done."""

    name: ClassVar[str] = "node-capacity-lowered"
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
        before = _before(target)
        if before == NONE:
            return Done(because=f"{named} was not raised, and wants {facts.desired} nodes")
        least, wanted, most = (int(part) for part in before.split("/"))
        if facts.desired > wanted or (facts.minimum, facts.maximum) != (least, most):
            size = min(wanted, facts.desired)
            call = Call(
                system="aws",
                service="eks",
                region=cluster.region,
                operation="update_nodegroup_config",
                params={
                    "clusterName": cluster.name,
                    "nodegroupName": group.name,
                    "scalingConfig": {"minSize": min(least, size), "maxSize": most, "desiredSize": size},
                    "clientRequestToken": token_of(target, before, facts.sizes)[:64],
                },
                until=f"{size} nodes are left",
                reversible=True,
            )
            return Act(because=f"{named} wants {facts.desired} nodes, it was {wanted} before", call=call)
        left = facts.nodes_ready
        if not isinstance(left, int):
            return Wait(because=f"{left.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if left > facts.desired:
            return Wait(because=f"{named} still has {left} nodes Ready, {facts.desired} are wanted", again_in=AGAIN)
        return Done(because=f"{named} wants {facts.desired} nodes again, as before")


def _before(target: Target) -> str:
    """The sizes to go back to: the journal's, or those that a drill's own step found."""
    found = target.facts.get(BEFORE, NONE) if is_copy(target) else target.params["to"]
    return str(found)
