"""Deployments, nodes and disruption budgets over time."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import MERGE, Clock, call, cluster, deployment

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> KubeApi:
    made = cluster(clock, BackupStore("bucket"), pods_per_node=2)
    seed(made, [deployment("web", replicas=3)])
    return made


def web(api: KubeApi) -> dict[str, Any]:
    return dict(call(api, "GET", WEB)[1]["status"])


def condition(status: dict[str, Any], kind: str) -> tuple[str, str]:
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found["reason"]


def test_without_a_node_everything_is_pending_and_says_why(api: KubeApi, clock: Clock) -> None:
    clock.move(300)
    assert {p["status"]["phase"] for p in api.objects("pods", "shop")} == {"Pending"}
    status = web(api)
    assert (status["unavailableReplicas"], "readyReplicas" in status) == (3, False)
    assert condition(status, "Available") == ("False", "MinimumReplicasUnavailable")
    assert not api.ready_deployment("shop", "web")
    assert not api.ready_deployment("shop", "absent")


def test_after_ten_minutes_without_progress_it_says_so(api: KubeApi, clock: Clock) -> None:
    clock.move(605)
    assert condition(web(api), "Progressing") == ("False", "ProgressDeadlineExceeded")
    api.set_nodes(2)
    clock.move(25)
    assert condition(web(api), "Progressing") == ("True", "NewReplicaSetAvailable")


def test_pods_are_ready_twenty_seconds_after_there_is_room(api: KubeApi, clock: Clock) -> None:
    api.set_nodes(1)
    clock.move(19)
    assert "readyReplicas" not in web(api)
    clock.move(2)
    assert web(api)["readyReplicas"] == 2
    assert not api.ready_deployment("shop", "web")
    api.set_nodes(2)
    clock.move(21)
    status = web(api)
    assert (status["readyReplicas"], status["observedGeneration"]) == (3, 1)
    assert condition(status, "Available") == ("True", "MinimumReplicasAvailable")
    assert api.ready_deployment("shop", "web")
    assert [n["status"]["conditions"][0]["status"] for n in api.objects("nodes")] == ["True", "True"]


def test_a_node_that_goes_takes_its_pods_and_they_start_again_elsewhere(api: KubeApi, clock: Clock) -> None:
    api.set_nodes(3)
    clock.move(25)
    assert web(api)["readyReplicas"] == 3
    api.set_nodes(2)
    assert web(api)["readyReplicas"] == 2
    clock.move(21)
    assert web(api)["readyReplicas"] == 3


def test_a_new_template_rolls_without_losing_a_ready_pod(api: KubeApi, clock: Clock) -> None:
    api.set_nodes(3)
    clock.move(25)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "web:2"}]}}}}
    assert call(api, "PATCH", WEB, patch, kind="application/strategic-merge-patch+json")[0] == 200
    least = 3
    for _ in range(80):
        least = min(least, web(api)["readyReplicas"])
        clock.move(1)
    assert least == 3
    assert {p["spec"]["containers"][0]["image"] for p in api.objects("pods", "shop")} == {"web:2"}
    assert call(api, "GET", WEB)[1]["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "2"}


def test_scaling_to_zero_leaves_nothing_that_serves(api: KubeApi, clock: Clock) -> None:
    api.set_nodes(2)
    clock.move(25)
    call(api, "PATCH", WEB + "/scale", {"spec": {"replicas": 0}}, kind=MERGE)
    assert api.objects("pods", "shop") == []
    assert not api.ready_deployment("shop", "web")


def test_deleting_a_deployment_takes_its_pods(api: KubeApi, clock: Clock) -> None:
    call(api, "DELETE", WEB)
    assert api.objects("pods", "shop") == []
    seed(api, [deployment("web")])
    call(api, "DELETE", WEB, propagationPolicy="Foreground")
    clock.move(2)
    assert call(api, "GET", WEB)[0] == 404
    assert api.objects("pods", "shop") == []


def test_a_budget_lets_one_pod_go_and_then_no_more(api: KubeApi, clock: Clock) -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    seed(api, [budget])
    api.set_nodes(2)
    clock.move(25)
    first, second = (p["metadata"]["name"] for p in api.objects("pods", "shop")[:2])
    pods = "/api/v1/namespaces/shop/pods"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first}}
    assert call(api, "POST", f"{pods}/{first}/eviction", eviction)[0] == 201
    assert call(api, "POST", f"{pods}/{second}/eviction", eviction)[0] == 429
    clock.move(25)
    assert call(api, "POST", f"{pods}/{second}/eviction", eviction)[0] == 201
