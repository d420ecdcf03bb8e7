"""The primary region's zones in the local world: what stands in them, how one fails, and what a shift does inside.

A zone that fails takes its nodes (their kubelets fall silent, their instances are stopped), the capacity that EC2 would
give there, and whoever writes to the database there. Sources:
docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-shift.resource-types.eks.html (a shift of the cluster cordons the
zone's nodes and ends nothing), aws.amazon.com/blogs/containers/arc-zonal-shift-support-for-eks-auto-mode-and-karpenter
(Karpenter launches nothing there meanwhile).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chalicelib.policy import Policy
from drctl.neighbours.ec2 import Ec2
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.rds.instance import Instance
from drctl.neighbours.rds.service import Rds
from drctl.neighbours.zonal_shift import ZonalShifts

ZONE = "topology.kubernetes.io/zone"


def furnish(policy: Policy, shifts: ZonalShifts, writer: Instance) -> None:
    """What policy shifts is opted in; the database's writer is in the last zone, and its standby in the first."""
    zones = policy.platform.zones
    if zones is None:
        return
    for row in zones.shifts:
        shifts.add(row.arn, tuple(z.id for z in zones.zones), account=row.arn.split(":")[4])
    if writer.multi_az and len(zones.zones) > 1:
        writer.zone, writer.secondary = zones.zones[-1].name, zones.zones[0].name


def inside(policy: Policy, clusters: Mapping[str, KubeApi]) -> Callable[[str, Mapping[str, float]], None]:
    """What a shift of a cluster does in it: `ZonalShifts.on_weights`."""

    def weighed(arn: str, weights: Mapping[str, float]) -> None:
        _, kind, name = arn.rpartition(":")[2].rpartition("cluster/")
        if kind != "cluster/" or name not in clusters or policy.platform.zones is None:
            return
        ids = {z.id: z.name for z in policy.platform.zones.zones}
        clusters[name].trouble.shift_zones(frozenset(ids[i] for i, weight in weights.items() if weight == 0))

    return weighed


class ZoneFailures:
    """The zones of the primary region that are down."""

    def __init__(self, policy: Policy, api: KubeApi, ec2: Ec2, rds: Rds) -> None:
        self._policy, self._api, self._ec2, self._rds = policy, api, ec2, rds
        self._down: dict[str, tuple[str, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Those that policy knows."""
        zones = self._policy.platform.zones
        return tuple(z.name for z in zones.zones) if zones else ()

    def fail(self, zone: str, *, database_stuck: bool = False) -> int:
        """It is down; how many nodes went with it."""
        lost = tuple(
            n["metadata"]["name"]
            for n in self._api.objects("nodes")
            if n["metadata"].get("labels", {}).get(ZONE) == zone and n["metadata"]["name"] not in self._lost()
        )
        self._down[zone] = lost
        self._ec2.instances.full.add(zone)
        for name in lost:
            self._turn(name, "stopped")
            self._api.trouble.lose_node(name)
        self._tell(stuck=database_stuck)
        return len(lost)

    def mend(self, zone: str) -> None:
        """It is back, and so are those of its nodes that nobody has replaced."""
        for name in self._down.pop(zone, ()):
            self._turn(name, "running")
            self._api.trouble.find_node(name)
        self._ec2.instances.full.discard(zone)
        self._tell(stuck=True)

    def _tell(self, *, stuck: bool) -> None:
        region = self._policy.platform.regions.primary
        self._rds.fail_zones(region, frozenset(self._down), stuck=stuck)

    def _lost(self) -> frozenset[str]:
        return frozenset(name for names in self._down.values() for name in names)

    def _turn(self, node: str, state: str) -> None:
        instance = self._ec2.instances.every.get(node.partition(".")[0])
        # The node group's own nodes are no instances here.
        if instance is not None and instance.state != "terminated":
            instance.state = "stopped" if state == "stopped" else "running"
