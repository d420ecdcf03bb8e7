"""The nodes of the primary cluster: one of its node group, for Karpenter to run on, and Karpenter's own."""

from __future__ import annotations

from typing import Final

from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster
from drctl.neighbours.ec2 import Ec2
from drctl.neighbours.ec2_instances import RegionFleet
from drctl.neighbours.kubernetes.api import KubeApi

GROUP: Final = 1
"""Nodes of the node group. https://karpenter.sh/docs/getting-started/: Karpenter does not run on what it makes."""


def furnish(policy: Policy, row: Cluster, api: KubeApi, ec2: Ec2) -> None:
    """As many nodes as the node group has after a failover, all but one of them Karpenter's, which go on where the node
    group's end, zone by zone: a zone with a single node would be seen by nobody (sight.py).
    """
    api.set_nodes(GROUP)
    count = row.node_group.failover_size - GROUP if row.node_group else 0
    fleet = RegionFleet(ec2.instances, row.region, row.account or policy.platform.account)
    zones, room = api.workloads.zones, api.workloads.pods_per_node
    first = GROUP % len(zones) if zones else 0
    api.karpenter.begin(fleet, zones=zones[first:] + zones[:first], count=count, pods_per_node=room)
