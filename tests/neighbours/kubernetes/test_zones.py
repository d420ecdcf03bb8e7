"""What a taint of one's own ends, and what a zonal shift does in a cluster and leaves alone.

Sources: kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration (NoExecute without toleration: evicted at
once), docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-shift.resource-types.eks.html (nodes are cordoned, none is
ended, no pod is evicted), aws.amazon.com/blogs/containers/arc-zonal-shift-support-for-eks-auto-mode-and-karpenter.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.neighbours.kubernetes.test_nodes import Stand
from tests.neighbours.kubernetes.world import MERGE, call

LEFT = {"key": "example/zone-left", "value": "a", "effect": "NoExecute"}


@pytest.fixture
def stand() -> Stand:
    return Stand()


def taint(stand: Stand, name: str, given: dict[str, str]) -> None:
    node = stand.node(name)
    assert node is not None
    body: dict[str, Any] = {"spec": {"taints": [*(node["spec"].get("taints") or ()), given]}}
    assert call(stand.api, "PATCH", f"/api/v1/nodes/{name}", body, kind=MERGE)[0] == 200


def test_a_silent_node_keeps_its_pods_for_five_minutes_unless_it_is_tainted(stand: Stand) -> None:
    name = stand.node_of("web")
    stand.api.trouble.lose_node(name)
    stand.clock.move(120)
    assert not [p for p in stand.api.objects("pods", "shop") if "deletionTimestamp" in p["metadata"]]
    taint(stand, name, LEFT)
    stand.clock.move(30)
    going = [p for p in stand.api.objects("pods", "shop") if "deletionTimestamp" in p["metadata"]]
    assert {p["spec"]["nodeName"] for p in going} == {name}
    assert stand.api.ready_deployment("shop", "web")


def test_a_taint_that_schedules_nothing_ends_nothing(stand: Stand) -> None:
    name = stand.node_of("web")
    taint(stand, name, {**LEFT, "effect": "NoSchedule"})
    stand.clock.move(30)
    assert stand.node_of("web") == name


def test_the_pods_of_a_running_node_are_ended_at_once_and_run_elsewhere(stand: Stand) -> None:
    name = stand.node_of("web")
    taint(stand, name, LEFT)
    stand.clock.move(30)
    assert not [p for p in stand.api.objects("pods", "shop") if p["spec"].get("nodeName") == name]
    assert stand.api.ready_deployment("shop", "web")


def test_a_shift_cordons_the_zone_s_nodes_ends_no_pod_and_is_undone(stand: Stand) -> None:
    before = {p["metadata"]["name"]: p["spec"]["nodeName"] for p in stand.api.objects("pods", "shop")}
    stand.api.trouble.shift_zones(frozenset({"a"}))
    stand.clock.move(60)
    assert {p["metadata"]["name"]: p["spec"]["nodeName"] for p in stand.api.objects("pods", "shop")} == before
    assert all(n["spec"].get("unschedulable") for n in stand.api.objects("nodes"))
    stand.api.trouble.shift_zones(frozenset())
    assert not any(n["spec"].get("unschedulable") for n in stand.api.objects("nodes"))


def test_nothing_is_launched_in_a_zone_that_is_shifted_away_from(stand: Stand) -> None:
    stand.api.trouble.shift_zones(frozenset({"a"}))
    stand.api.trouble.kill_pods("shop", "web")
    stand.clock.move(120)
    assert not stand.api.ready_deployment("shop", "web")
    assert len(stand.api.objects("nodes")) == 3
    stand.api.trouble.shift_zones(frozenset())
    stand.clock.move(60)
    assert stand.api.ready_deployment("shop", "web")
