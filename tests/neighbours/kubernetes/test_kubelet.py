"""What keeps pods from running in the stand-in, and that they run once it is mended."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from drctl.neighbours.kubernetes import kubelet
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import Clock, cluster, config, deployment

ZONE = "topology.kubernetes.io/zone"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> KubeApi:
    made = cluster(clock, BackupStore("bucket"))
    made.workloads.zones = ("a", "b")
    made.set_nodes(2)
    return made


def workload(**pod: Any) -> dict[str, Any]:
    made = deployment("web", replicas=1)
    spec = made["spec"]["template"]["spec"]
    spec["containers"][0] |= pod.pop("container", {})
    spec |= pod
    return made


def pod_of(api: KubeApi) -> dict[str, Any]:
    (found,) = api.objects("pods", "shop")
    return found


def waiting(api: KubeApi) -> tuple[str, str]:
    state = pod_of(api)["status"]["containerStatuses"][0]["state"]["waiting"]
    return state["reason"], state["message"]


def test_an_image_is_tried_again_ever_more_seldom_and_runs_once_it_is_there(api: KubeApi, clock: Clock) -> None:
    tries: list[str] = []

    def missing(image: str) -> str | None:
        tries.append(image)
        return "not found"

    api.workloads.pull = missing
    seed(api, [workload()])
    clock.move(21)
    assert waiting(api) == ("ImagePullBackOff", 'Back-off pulling image "web:1": ErrImagePull: not found')
    assert not api.ready_deployment("shop", "web")
    conditions = {c["type"]: c["status"] for c in pod_of(api)["status"]["conditions"]}
    assert conditions == {"PodScheduled": "True", "Initialized": "True", "ContainersReady": "False", "Ready": "False"}
    clock.move(600)
    pod_of(api)
    assert len(tries) == 6  # at once, then after 10, 20, 40, 80 and 160 s; the next one after 300 s
    api.workloads.pull = lambda _image: None
    clock.move(301)
    assert "running" in pod_of(api)["status"]["containerStatuses"][0]["state"]
    assert api.ready_deployment("shop", "web")


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"envFrom": [{"secretRef": {"name": "db"}}]}, 'secret "db" not found'),
        ({"envFrom": [{"configMapRef": {"name": "db"}}]}, 'configmap "db" not found'),
        (
            {"env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}]},
            'secret "db" not found',
        ),
        (
            {"env": [{"name": "P", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "p"}}}]},
            "couldn't find key p in ConfigMap shop/conf",
        ),
    ],
)
def test_a_container_waits_for_what_it_refers_to(
    api: KubeApi, clock: Clock, container: dict[str, Any], said: str
) -> None:
    seed(api, [config("conf", a="1"), workload(container=container)])
    clock.move(21)
    assert waiting(api) == ("CreateContainerConfigError", said)
    optional = copy.deepcopy(container)
    for source in (*optional.get("envFrom", ()), *(e["valueFrom"] for e in optional.get("env", ()))):
        for ref in source.values():
            ref["optional"] = True
    assert (
        kubelet.waiting(api.cluster, {"metadata": {"namespace": "shop"}, "spec": _spec(optional)}, api.workloads.pull)
        is None
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "shop"},
        "data": {"p": "cA=="},
    }
    held = api.cluster.get("configmaps", "shop", "conf")
    assert held is not None
    seed(api, [secret, config("db", a="1")])
    api.cluster.write(by_key("configmaps"), {**held, "data": {"p": "1"}})
    clock.move(11)
    assert api.ready_deployment("shop", "web")


def _spec(container: dict[str, Any]) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "web:1", **container}]}


def test_without_its_service_account_a_pod_is_not_even_made(api: KubeApi, clock: Clock) -> None:
    seed(api, [workload(serviceAccountName="web")])
    clock.move(21)
    assert api.objects("pods", "shop") == []
    (found,) = api.objects("deployments.apps", "shop")
    failure = next(c for c in found["status"]["conditions"] if c["type"] == "ReplicaFailure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert failure["message"].endswith('error looking up service account shop/web: serviceaccount "web" not found')
    seed(api, [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "shop"}}])
    clock.move(21)
    assert api.ready_deployment("shop", "web")
    (found,) = api.objects("deployments.apps", "shop")
    assert [c["type"] for c in found["status"]["conditions"]] == ["Available", "Progressing"]


def test_a_claim_of_a_class_that_is_not_there_keeps_its_pod_waiting_and_says_so(api: KubeApi, clock: Clock) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"]},
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    seed(api, [workload(volumes=volumes)])
    clock.move(21)
    unscheduled = 'persistentvolumeclaim "data" not found'
    assert pod_of(api)["status"]["conditions"][0]["message"] == f"0/2 nodes are available: {unscheduled}."
    seed(api, [claim])
    clock.move(600)
    condition = pod_of(api)["status"]["conditions"][0]
    assert condition["message"] == "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    (event,) = api.objects("events", "shop")
    assert (event["reason"], event["message"], event["involvedObject"]["name"]) == (
        "ProvisioningFailed",
        'storageclass.storage.k8s.io "fast" not found',
        "data",
    )
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
    seed(api, [{**kind, "metadata": {"name": "fast"}, "provisioner": "ebs.csi.aws.com"}])
    clock.move(21)
    assert api.ready_deployment("shop", "web")
    assert api.objects("persistentvolumeclaims", "shop")[0]["status"]["phase"] == "Bound"


def affinity(operator: str, *values: str, key: str = ZONE) -> dict[str, Any]:
    expression = {"key": key, "operator": operator} | ({"values": list(values)} if values else {})
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


@pytest.mark.parametrize(
    ("pod", "fits"),
    [
        ({}, True),
        ({"nodeSelector": {ZONE: "a"}}, True),
        ({"nodeSelector": {ZONE: "c"}}, False),
        (affinity("In", "c", "b"), True),
        (affinity("In", "c"), False),
        (affinity("NotIn", "c"), True),
        (affinity("NotIn", "a", "b"), False),
        (affinity("Exists"), True),
        (affinity("DoesNotExist"), False),
        (affinity("Gt", "1", key="size"), False),
    ],
)
def test_a_pod_goes_only_where_its_selector_and_its_affinity_allow(
    api: KubeApi, clock: Clock, pod: dict[str, Any], *, fits: bool
) -> None:
    seed(api, [workload(**copy.deepcopy(pod))])
    clock.move(21)
    assert api.ready_deployment("shop", "web") == fits
    if not fits:
        said = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
        assert pod_of(api)["status"]["conditions"][0]["message"] == said
