"""Faults of the nodes that a failover needs in the standby."""

from __future__ import annotations

from typing import Any

from drctl.neighbours.quotas import STANDARD
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import CLUSTERS, REGIONS, Day
from tests.readiness.fault import Change, Fault
from tests.readiness.faults_of_capacity import with_node_group

PLATFORM = POLICY.platform


def node_group(day: Day) -> Any:
    group = CLUSTERS.standby.node_group
    assert group is not None
    return day.platform.eks.nodegroup(CLUSTERS.standby.name, group.name)


def out_of_quota(day: Day) -> None:
    issue = {"code": "AsgInstanceLaunchFailures", "message": "You've reached your quota", "resourceIds": ["asg-1"]}
    node_group(day).issues.append(issue)


def quota_is_raised(day: Day) -> None:
    node_group(day).issues.clear()


def too_small(day: Day) -> None:
    """Policy itself gives the standby fewer nodes than a failover needs, and EKS has it no other way."""
    day.kept["sizes"] = dict(node_group(day).sizes)
    node_group(day).sizes["maxSize"] = 1
    group = CLUSTERS.standby.node_group
    assert group is not None
    day.policy = with_node_group(group.model_copy(update={"max_size": 1}))


def large_enough(day: Day) -> None:
    node_group(day).sizes.update(day.kept["sizes"])
    day.policy = POLICY


def vcpus(number: float) -> Change:
    def done(day: Day) -> None:
        day.platform.quotas.applied[REGIONS.standby, PLATFORM.account, STANDARD] = number

    return done


def no_warm_node(day: Day) -> None:
    day.standby.set_nodes(0)


def a_warm_node(day: Day) -> None:
    day.standby.set_nodes(1)


def tier_one_needs_two(day: Day) -> None:
    group = CLUSTERS.standby.node_group
    assert group is not None
    day.policy = with_node_group(group.model_copy(update={"warm_size": 2}))


def tier_one_needs_one(day: Day) -> None:
    day.policy = POLICY


NODES = (
    Fault(
        kind="EKS cannot start nodes",
        done=out_of_quota,
        mended=quota_is_raised,
        judge="capacity",
        subject="node group",
        said="is ill: AsgInstanceLaunchFailures: You've reached your quota",
    ),
    Fault(
        kind="the node group may not grow far enough",
        done=too_small,
        mended=large_enough,
        judge="capacity",
        subject="largest size",
        said="may have 1 nodes, 6 are needed",
    ),
    Fault(
        kind="the account's quota is smaller than a failover",
        done=vcpus(16),
        mended=vcpus(24),
        judge="quotas",
        subject=f"vCPU quota in {REGIONS.standby}",
        said="16 vCPUs may run, 6 nodes of 4 need 24",
    ),
    Fault(
        kind="nothing stands warm",
        done=no_warm_node,
        mended=a_warm_node,
        judge="warm",
        subject="warm nodes",
        said="no node is Ready in the standby",
        lowers=False,
    ),
    Fault(
        kind="less stands warm than carries tier 1",
        done=tier_one_needs_two,
        mended=tier_one_needs_one,
        judge="warm",
        subject="warm nodes",
        said="1 node is Ready in the standby, and 2 carry tier 1",
        lowers=False,
    ),
)
