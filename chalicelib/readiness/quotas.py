"""The account's quota in the standby region: whether so many vCPUs may run as the node group must grow to.

A quota that is too small shows only when nodes are asked for, on the day. What other instances of the account use of it
is not counted here, so that what is found lacking is lacking for certain. A node's vCPUs are those of the nodes that
stand: with none there nobody can say, and the judge of warm nodes says that none is there.
Sources: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html; the codes and the
families of instances: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html ("On-Demand
Instance quotas") and …/using-spot-limits.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Where
from chalicelib.actions.node_capacity import NODES, NodeCapacity
from chalicelib.actions.quantities import amount
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said

STANDARD: Final = frozenset("acdhimrtz")
"""The first letters of the instance families that share the quotas below."""
CODES: Final[Mapping[str, str]] = {"ON_DEMAND": "L-1216C47A", "SPOT": "L-34B43A08"}
"""By a node group's `capacityType`."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many vCPUs may run, and how many one node has."""

    value: float
    node: int


class QuotaJudge:
    """One verdict. Nodes that cannot start keep the runbook from its end, so it lowers."""

    name: ClassVar[str] = "quotas"
    actions: ClassVar[frozenset[str]] = frozenset({"node-capacity"})
    place: ClassVar[Where | None] = "standby"
    reads: ClassVar[tuple[Op, ...]] = (
        *NodeCapacity.reads,
        AwsOp(service="service-quotas", operation="get_service_quota", resources=("*",)),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "aws service-quotas request-service-quota-increase --service-code ec2 in the standby region"

    def look(self, around: Around) -> Quota | Refused | NoData:
        cluster, reader = around.policy.platform.clusters.standby, around.reader
        group = cluster.node_group
        if group is None:
            return NoData(because="policy gives the standby cluster no node group")
        found = reader.aws(
            "eks", cluster.region, "describe_nodegroup", clusterName=cluster.name, nodegroupName=group.name
        )
        if isinstance(found, Refused | NoData):
            return NoData(because=found.because)
        described = found["nodegroup"]
        types: Sequence[str] = described.get("instanceTypes") or ()
        code = CODES.get(described.get("capacityType", "ON_DEMAND"))
        if code is None or not types or any(t[0] not in STANDARD for t in types):
            said = f"{', '.join(types) or 'a launch template'}, {described.get('capacityType')}"
            return NoData(because=f"node group {group.name!r} is of {said}: which quota holds for it is not known here")
        nodes = reader.kube(cluster.name, NODES, label=f"eks.amazonaws.com/nodegroup={group.name}")
        if isinstance(nodes, Refused | NoData):
            return NoData(because=nodes.because)
        stand = nodes if isinstance(nodes, Sequence) else ()
        cpus = [int(amount((n.get("status") or {}).get("capacity", {}).get("cpu") or 0)) for n in stand]
        if not any(cpus):
            return NoData(because=f"no node of {group.name!r} stands that could say how many vCPUs one has")
        answer = reader.aws("service-quotas", cluster.region, "get_service_quota", ServiceCode="ec2", QuotaCode=code)
        if isinstance(answer, Refused | NoData):
            return answer
        return Quota(float(answer["Quota"]["Value"]), max(cpus))

    def judge(self, facts: Quota | Refused | NoData, policy: Policy, now: datetime) -> Iterator[Said]:
        cluster = policy.platform.clusters.standby
        subject = f"vCPU quota in {cluster.region}"
        match facts:
            case NoData():
                yield subject, facts
            case Refused(because=because, code=code):
                yield subject, NoData(because=f"it cannot be read: {because} ({code})")
            case Quota(value=value, node=node):
                size = cluster.node_group.failover_size if cluster.node_group else 0
                said = f"{value:g} vCPUs may run, {size} nodes of {node} need {size * node}"
                yield subject, Ready(because=said) if value >= size * node else Lacking(because=said)
