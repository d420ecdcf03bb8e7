"""Nodes in the standby: the group can grow to what carries the platform, and something of it stands already.

Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_Nodegroup.html (status, scalingConfig, health.issues).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from chalicelib.actions.contract import Op, Target, Where
from chalicelib.actions.node_capacity import Capacity, NodeCapacity
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said


def _observed(around: Around, name: str) -> Capacity | Refused | NoData:
    now, params = around.now, {"cluster": "standby"}
    target = Target(step=name, incident=name, opened_at=now, at=now, params=params)
    return NodeCapacity().observe(target, around.policy, around.reader)


class CapacityJudge:
    """Whether the group is healthy and may grow as far as policy needs. The step raises a maximum that is lower than
    policy's, so what matters of it is that policy allows enough.
    """

    name: ClassVar[str] = "capacity"
    actions: ClassVar[frozenset[str]] = frozenset({"node-capacity"})
    place: ClassVar[Where | None] = "standby"
    reads: ClassVar[tuple[Op, ...]] = NodeCapacity.reads
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "aws eks describe-nodegroup, then mend what its health names"

    def look(self, around: Around) -> Capacity | Refused | NoData:
        return _observed(around, self.name)

    def judge(self, facts: Capacity | Refused | NoData, policy: Policy, now: datetime) -> Iterator[Said]:
        group = policy.platform.clusters.standby.node_group
        if group is None:
            yield "node group", Lacking(because="policy gives the standby cluster no node group")
            return
        named = f"node group {group.name!r}"
        match facts:
            case NoData() as silent:
                yield "node group", silent
            case Refused(because=because, code=code):
                yield "node group", Lacking(because=f"{named} cannot be described: {because} ({code})")
            case Capacity(status="ACTIVE" | "UPDATING", health=""):
                yield "node group", Ready(because=f"{named} is {facts.status}, and EKS names no trouble")
            case Capacity(status="ACTIVE" | "UPDATING", health=health):
                yield "node group", Lacking(because=f"{named} is ill: {health}")
            case Capacity(status=status):
                yield "node group", Lacking(because=f"{named} is {status}, expected ACTIVE")
        if isinstance(facts, Capacity):
            most = max(facts.maximum, group.max_size)
            said = f"{named} may have {most} nodes, {group.failover_size} are needed"
            yield "largest size", Ready(because=said) if most >= group.failover_size else Lacking(because=said)


class WarmJudge:
    """Whether tier 1 has its nodes before the day: what is not Ready by then, it waits for."""

    name: ClassVar[str] = "warm"
    actions: ClassVar[frozenset[str]] = frozenset({"node-capacity"})
    place: ClassVar[Where | None] = "standby"
    reads: ClassVar[tuple[Op, ...]] = NodeCapacity.reads
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = "aws eks update-nodegroup-config --scaling-config minSize=N,desiredSize=N, N as warm_size"

    def look(self, around: Around) -> Capacity | Refused | NoData:
        return _observed(around, self.name)

    def judge(self, facts: Capacity | Refused | NoData, policy: Policy, now: datetime) -> Iterator[Said]:
        if isinstance(facts, NoData | Refused):
            yield "warm nodes", NoData(because=facts.because)
            return
        ready, group = facts.nodes_ready, policy.platform.clusters.standby.node_group
        wanted = group.standing if group else 1
        kept = f" beside {group.reserved.count} that are reserved" if group and group.reserved else ""
        if not isinstance(ready, int):
            yield "warm nodes", NoData(because=ready.because)
        elif ready >= wanted:
            yield "warm nodes", Ready(because=f"nodes Ready in the standby: {ready}, needed for tier 1: {wanted}{kept}")
        else:
            said = f"{ready or 'no'} {'nodes are' if ready > 1 else 'node is'} Ready in the standby"
            why = f"{said}, and {wanted} carry tier 1{kept}: it waits for the others to start"
            yield "warm nodes", Lacking(because=why)
