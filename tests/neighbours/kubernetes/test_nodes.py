"""Nodes that fall silent, the pods on them, Karpenter's replacements, and volumes that stay behind."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from drctl.neighbours.ec2_instances import Instances, RegionFleet
from drctl.neighbours.kubernetes import kinds, schema
from drctl.neighbours.kubernetes.api import seed
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import MERGE, Clock, call, cluster, deployment

ATTACHMENTS = "volumeattachments.storage.k8s.io"
CLAIMS = "nodeclaims.karpenter.sh"
OUT_OF_SERVICE = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}


class Stand:
    """A cluster of three Karpenter nodes; `web` has two pods, `db` one with a volume."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.instances = Instances(self.clock)
        self.api = cluster(self.clock, BackupStore("bucket"))
        kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
        seed(self.api, [{**kind, "metadata": {"name": "fast"}, "provisioner": "ebs.csi.aws.com"}])
        fleet = RegionFleet(self.instances, "us-east-1", "111122223333")
        self.api.karpenter.begin(fleet, zones=("a",), count=3, pods_per_node=8)
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "shop"},
            "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"]},
        }
        db = deployment("db", replicas=1)
        db["spec"]["template"]["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        budget = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        }
        seed(self.api, [claim, db, deployment("web"), budget])
        self.clock.move(30)
        assert self.api.ready_deployment("shop", "db")
        assert self.api.ready_deployment("shop", "web")

    def pod(self, name: str) -> dict[str, Any]:
        """The newest pod of a Deployment."""
        mine = [p for p in self.api.objects("pods", "shop") if p["metadata"]["labels"]["app"] == name]
        return max(mine, key=lambda p: str(p["metadata"]["creationTimestamp"]))

    def node_of(self, name: str) -> str:
        return str(self.pod(name)["spec"]["nodeName"])

    def node(self, name: str) -> dict[str, Any] | None:
        return next((n for n in self.api.objects("nodes") if n["metadata"]["name"] == name), None)

    def attachments(self) -> dict[str, bool]:
        return {a["spec"]["nodeName"]: a["status"]["attached"] for a in self.api.objects(ATTACHMENTS)}


@pytest.fixture
def stand() -> Stand:
    return Stand()


def ready(node: dict[str, Any] | None) -> tuple[str, str]:
    assert node is not None
    condition = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
    return condition["status"], condition["reason"]


def test_a_node_that_is_not_there_cannot_be_lost_nor_disrupted(stand: Stand) -> None:
    with pytest.raises(KeyError, match="there is no node 'absent'"):
        stand.api.trouble.lose_node("absent")
    with pytest.raises(KeyError, match="no NodeClaim has node 'absent'"):
        stand.api.trouble.disrupt("absent", "Drifted")


def test_a_silent_node_is_unknown_after_fifty_seconds_and_its_pods_go_after_three_hundred_more(stand: Stand) -> None:
    lost = stand.node_of("db")
    stand.api.trouble.lose_node(lost)
    stand.clock.move(49)
    assert ready(stand.node(lost)) == ("True", "KubeletReady")
    stand.clock.move(2)
    assert ready(stand.node(lost)) == ("Unknown", "NodeStatusUnknown")
    node = stand.node(lost)
    assert node is not None
    assert [(t["key"], t["effect"]) for t in node["spec"]["taints"]] == [
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
    ]
    assert not stand.api.ready_deployment("shop", "db")
    stand.clock.move(298)
    assert "deletionTimestamp" not in stand.pod("db")["metadata"]
    stand.clock.move(3)
    there = [p for p in stand.api.objects("pods", "shop") if p["metadata"]["labels"]["app"] == "db"]
    assert sorted("deletionTimestamp" in p["metadata"] for p in there) == [False, True]


def test_a_pod_on_a_silent_node_is_deleted_only_by_force(stand: Stand) -> None:
    name, lost = stand.pod("db")["metadata"]["name"], stand.node_of("db")
    stand.api.trouble.lose_node(lost)
    path = f"/api/v1/namespaces/shop/pods/{name}"
    assert call(stand.api, "DELETE", path)[0] == 200
    assert call(stand.api, "GET", path)[1]["metadata"]["deletionGracePeriodSeconds"] == 30
    assert call(stand.api, "DELETE", path, {"kind": "DeleteOptions", "gracePeriodSeconds": 0})[0] == 200
    assert call(stand.api, "GET", path)[0] == 404


def test_a_volume_stays_on_a_silent_node_however_long_its_pod_hangs_there(stand: Stand) -> None:
    """Six minutes do not help: the pod that is Terminating still wants it."""
    lost = stand.node_of("db")
    stand.api.trouble.lose_node(lost)
    stand.clock.move(51 + 301 + 900)
    assert stand.attachments() == {lost: True}
    assert not stand.api.ready_deployment("shop", "db")
    events = [e for e in stand.api.objects("events", "shop") if e["reason"] == "FailedAttachVolume"]
    assert events
    assert 'Multi-Attach error for volume "pvc-' in events[0]["message"]
    assert "is already used by pod(s) db-" in events[0]["message"]


def test_six_minutes_after_the_pod_was_forced_away_the_volume_is_detached_by_force(stand: Stand) -> None:
    name, lost = stand.pod("db")["metadata"]["name"], stand.node_of("db")
    stand.api.trouble.lose_node(lost)
    stand.clock.move(52)
    path = f"/api/v1/namespaces/shop/pods/{name}"
    call(stand.api, "DELETE", path, {"kind": "DeleteOptions", "gracePeriodSeconds": 0})
    stand.clock.move(359)
    assert lost in stand.attachments()
    text = [e["message"] for e in stand.api.objects("events", "shop") if e["reason"] == "FailedAttachVolume"][-1]
    assert text.endswith("Volume is already exclusively attached to one node and can't be attached to another")
    stand.clock.move(20)
    assert lost not in stand.attachments()
    assert stand.api.ready_deployment("shop", "db")


def test_a_node_out_of_service_gives_its_pods_and_its_volume_up(stand: Stand) -> None:
    lost = stand.node_of("db")
    stand.api.trouble.lose_node(lost)
    stand.clock.move(400)
    node = stand.node(lost)
    assert node is not None
    body = {"spec": {"taints": [*node["spec"]["taints"], OUT_OF_SERVICE]}}
    assert call(stand.api, "PATCH", f"/api/v1/nodes/{lost}", body, kind=MERGE)[0] == 200
    stand.clock.move(60)
    assert lost not in stand.attachments()
    assert stand.api.ready_deployment("shop", "db")


def test_a_node_that_comes_back_ends_what_was_to_end_and_keeps_the_rest(stand: Stand) -> None:
    lost = stand.node_of("db")
    stand.api.trouble.lose_node(lost)
    stand.clock.move(400)
    stand.api.trouble.find_node(lost)
    stand.clock.move(30)
    assert ready(stand.node(lost)) == ("True", "KubeletReady")
    assert not [p for p in stand.api.objects("pods", "shop") if "deletionTimestamp" in p["metadata"]]
    assert stand.api.ready_deployment("shop", "db")
    assert lost not in stand.attachments()


def test_when_its_instance_is_terminated_karpenter_replaces_the_node_and_the_volume_moves(stand: Stand) -> None:
    lost = stand.node_of("db")
    for claim in stand.api.objects(CLAIMS):
        if claim["status"]["nodeName"] != lost:
            call(
                stand.api,
                "PATCH",
                f"/api/v1/nodes/{claim['status']['nodeName']}",
                {"spec": {"unschedulable": True}},
                kind=MERGE,
            )
    stand.instances.turn(lost.partition(".")[0], "terminated")
    stand.api.trouble.lose_node(lost)
    stand.clock.move(60)
    assert stand.node(lost) is None
    assert lost not in [c["status"].get("nodeName") for c in stand.api.objects(CLAIMS)]
    stand.clock.move(70)
    coming = [c for c in stand.api.objects(CLAIMS) if not c["status"].get("nodeName")]
    assert {c["type"]: c["status"] for c in coming[0]["status"]["conditions"]} == {
        "Initialized": "Unknown",
        "Launched": "True",
        "Ready": "Unknown",
        "Registered": "Unknown",
    }
    stand.clock.move(80)
    assert stand.api.ready_deployment("shop", "db")
    assert stand.attachments() == {stand.node_of("db"): True}


def test_an_instance_that_is_only_stopped_keeps_its_node_and_its_claim(stand: Stand) -> None:
    lost = stand.node_of("db")
    stand.instances.turn(lost.partition(".")[0], "stopped")
    stand.api.trouble.lose_node(lost)
    stand.clock.move(600)
    assert stand.node(lost) is not None
    assert lost in [c["status"].get("nodeName") for c in stand.api.objects(CLAIMS)]


def test_without_capacity_the_claim_goes_again_and_an_event_says_why(stand: Stand) -> None:
    stand.instances.full.add("*")
    seed(stand.api, [deployment("more", replicas=30)])
    stand.clock.move(20)
    assert all(c["status"].get("nodeName") for c in stand.api.objects(CLAIMS))
    said = [e for e in stand.api.objects("events", "default") if e["involvedObject"]["kind"] == "NodeClaim"]
    assert said[0]["reason"] == "InsufficientCapacityError"
    assert "InsufficientInstanceCapacity: We currently do not have sufficient" in said[0]["message"]
    stand.instances.full.clear()
    stand.clock.move(120)
    assert stand.api.ready_deployment("shop", "more")


def test_a_node_pool_at_its_limits_launches_nothing(stand: Stand) -> None:
    limit = {"spec": {"limits": {"cpu": "12"}}}
    assert call(stand.api, "PATCH", "/apis/karpenter.sh/v1/nodepools/default", limit, kind=MERGE)[0] == 200
    seed(stand.api, [deployment("more", replicas=30)])
    stand.clock.move(60)
    assert len(stand.api.objects(CLAIMS)) == 3
    said = [e["message"] for e in stand.api.objects("events", "shop") if e["reason"] == "FailedScheduling"]
    assert said[0].endswith('all available instance types exceed limits for nodepool: "default"')
    (pool,) = stand.api.objects("nodepools.karpenter.sh")
    assert pool["status"] == {"nodes": 3, "resources": {"cpu": "12"}}


@pytest.mark.parametrize("reason", ["Underutilized", "Drifted", "SpotInterrupted"])
def test_what_karpenter_takes_away_itself_is_tainted_drained_within_budgets_and_never_not_ready(
    stand: Stand, reason: Any
) -> None:
    taken = stand.node_of("web")
    stand.api.trouble.disrupt(taken, reason)
    node = stand.node(taken)
    assert node is not None
    assert node["spec"]["taints"] == [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]
    claim = next(c for c in stand.api.objects(CLAIMS) if c["status"]["nodeName"] == taken)
    said = [c["reason"] for c in claim["status"]["conditions"] if c["type"] == "DisruptionReason"]
    assert said == ([] if reason == "SpotInterrupted" else [reason])
    least = 2
    for _ in range(120):
        stand.clock.move(1)
        found = stand.node(taken)
        assert found is None or ready(found)[0] == "True"
        web = next(d for d in stand.api.objects("deployments.apps", "shop") if d["metadata"]["name"] == "web")
        least = min(least, web["status"].get("readyReplicas", 0))
    assert stand.node(taken) is None
    assert least == 1
    assert stand.api.ready_deployment("shop", "web")


def test_what_is_written_of_claims_and_pools_is_what_their_schemas_allow(stand: Stand) -> None:
    seed(stand.api, [deployment("more", replicas=30)])
    stand.clock.move(10)
    for key in (CLAIMS, "nodepools.karpenter.sh"):
        resource = kinds.by_key(key)
        for obj in stand.api.objects(key):
            assert schema.prune(resource, copy.deepcopy(obj)) == []
            assert schema.validate(resource, obj) == []
