"""Argo CD and Argo Rollouts: what they refuse, what they undo, and how a bad revision shows."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from drctl.neighbours.kubernetes import kinds, schema
from drctl.neighbours.kubernetes.api import seed
from drctl.neighbours.kubernetes.argocd import APPLICATIONS, FailedPreconditionError
from drctl.neighbours.kubernetes.rollouts import ROLLOUTS
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import MERGE, Clock, call, cluster, deployment

GROUP = "/apis/argoproj.io/v1alpha1/namespaces"
GOOD, BAD = "1111111", "2222222"


def application(**automated: bool) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "destination": {"namespace": "shop", "server": "https://kubernetes.default.svc"},
            "source": {"repoURL": "https://git.example/shop.git", "path": "web", "targetRevision": "main"},
            "syncPolicy": {"automated": automated or {"prune": True, "selfHeal": True}},
        },
    }


def rollout(name: str = "models", image: str = "models:1") -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": 2,
            "progressDeadlineSeconds": 60,
            "selector": {"matchLabels": labels},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    }


def web(image: str = "web:1") -> dict[str, Any]:
    made = deployment("web")
    made["spec"]["progressDeadlineSeconds"] = 60
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return made


class Stand:
    """`web` is deployed by Argo CD, `models` is a Rollout; images that end in `bad` are not to be had."""

    def __init__(self, **automated: bool) -> None:
        self.clock = Clock()
        self.api = cluster(self.clock, BackupStore("bucket"), nodes=3)
        self.api.workloads.pull = lambda image: "not found" if image.endswith("bad") else None
        seed(self.api, [web(), rollout()])
        hour = timedelta(hours=1)
        self.api.argocd.begin(
            application(**automated),
            [("0000000", self.clock.now - 3 * hour, [web("web:0")]), (GOOD, self.clock.now - hour, [web()])],
        )
        self.clock.move(30)

    def app(self) -> dict[str, Any]:
        return self.api.objects(APPLICATIONS)[0]

    def rollout(self) -> dict[str, Any]:
        return self.api.objects(ROLLOUTS)[0]

    def image(self) -> str:
        containers = self.api.objects("deployments.apps")[0]["spec"]["template"]["spec"]["containers"]
        return str(containers[0]["image"])

    def patch(self, path: str, body: dict[str, Any], **query: str) -> tuple[int, Any]:
        return call(self.api, "PATCH", f"{GROUP}{path}", body, kind=MERGE, **query)

    def canary(self, image: str) -> None:
        new = rollout(image=image)["spec"]
        assert self.patch("/shop/rollouts/models", {"spec": new})[0] == 200


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_the_api_server_refuses_to_roll_back_while_automated_sync_is_on(stand: Stand) -> None:
    with pytest.raises(FailedPreconditionError, match="rollback cannot be initiated when auto-sync is enabled"):
        stand.api.argocd.rollback("argocd", "web", 0, who="ana")


def test_the_api_server_refuses_an_id_that_the_history_has_not_and_a_second_operation() -> None:
    stand = Stand(enabled=False)
    with pytest.raises(FailedPreconditionError, match="application web does not have deployment with id 7"):
        stand.api.argocd.rollback("argocd", "web", 7, who="ana")
    stand.api.argocd.rollback("argocd", "web", 0, who="ana")
    with pytest.raises(FailedPreconditionError, match="another operation is already in progress"):
        stand.api.argocd.rollback("argocd", "web", 0, who="ana")


def test_an_application_has_no_status_subresource_and_an_unknown_field_of_its_operation_is_refused(
    stand: Stand,
) -> None:
    assert stand.patch("/argocd/applications/web/status", {"status": {"health": {}}})[0] == 404
    strict = stand.patch("/argocd/applications/web", {"operation": {"synk": {}}}, fieldValidation="Strict")
    assert strict[0] == 422
    assert 'unknown field "operation.synk"' in strict[1]["message"]


def test_a_rollout_s_abort_is_only_taken_by_the_status_subresource(stand: Stand) -> None:
    assert stand.patch("/shop/rollouts/models", {"status": {"abort": True}})[0] == 200
    assert "abort" not in stand.rollout()["status"]
    assert stand.patch("/shop/rollouts/models/status", {"status": {"abort": "yes"}})[0] == 422


def test_an_operation_while_automated_sync_is_on_is_undone_by_the_next_comparison(stand: Stand) -> None:
    """Nothing but Argo CD's own server refuses it, and it comes straight back: so automated sync goes first."""
    sync = {"revision": "0000000", "source": stand.app()["spec"]["source"]}
    assert stand.patch("/argocd/applications/web", {"operation": {"sync": sync}})[0] == 200
    stand.clock.move(4)
    assert stand.image() == "web:0"
    stand.clock.move(10)
    assert stand.image() == "web:1"
    assert [h["revision"] for h in stand.app()["status"]["history"]] == ["0000000", GOOD, "0000000", GOOD]


def test_on_a_good_day_everything_is_synced_and_healthy_and_its_objects_are_as_the_schemas_want(stand: Stand) -> None:
    status = stand.app()["status"]
    assert (status["sync"]["status"], status["sync"]["revision"], status["health"]["status"]) == (
        "Synced",
        GOOD,
        "Healthy",
    )
    assert stand.rollout()["status"]["phase"] == "Healthy"
    for key, found in ((APPLICATIONS, stand.app()), (ROLLOUTS, stand.rollout())):
        resource = kinds.by_key(key)
        assert schema.validate(resource, found) == []
        assert schema.prune(resource, copy.deepcopy(found)) == []


def test_a_bad_revision_is_synced_by_itself_and_is_degraded_when_its_deadline_has_passed(stand: Stand) -> None:
    stand.api.argocd.push("argocd", "web", BAD, [web("web:bad")])
    stand.clock.move(30)
    status = stand.app()["status"]
    assert status["operationState"]["phase"] == "Succeeded"
    assert status["operationState"]["operation"]["initiatedBy"] == {"automated": True}
    assert "operation" not in stand.app()
    assert (status["sync"]["status"], status["health"]["status"]) == ("Synced", "Progressing")
    stand.clock.move(60)
    assert stand.app()["status"]["health"]["status"] == "Degraded"
    assert [h["id"] for h in stand.app()["status"]["history"]] == [0, 1, 2]


def test_a_crash_after_a_good_deployment_is_no_bad_deployment(stand: Stand) -> None:
    stand.api.trouble.crash("shop", "web")
    stand.clock.move(400)
    assert stand.app()["status"]["health"]["status"] == "Progressing"


def test_going_back_with_automated_sync_off_stays_and_a_new_commit_is_seen_and_not_applied(stand: Stand) -> None:
    stand.api.argocd.push("argocd", "web", BAD, [web("web:bad")])
    stand.clock.move(100)
    sync = {"revision": GOOD, "source": stand.app()["spec"]["source"], "syncStrategy": {"apply": {}}}
    body = {"spec": {"syncPolicy": {"automated": None}}, "operation": {"sync": sync}}
    assert stand.patch("/argocd/applications/web", body, fieldValidation="Strict")[0] == 200
    stand.clock.move(60)
    status = stand.app()["status"]
    assert (status["health"]["status"], status["sync"]["status"], status["sync"]["revision"]) == (
        "Healthy",
        "OutOfSync",
        BAD,
    )
    stand.api.argocd.push("argocd", "web", "3333333", [web("web:3")])
    stand.clock.move(200)
    assert stand.image() == "web:1"
    assert stand.app()["status"]["sync"]["revision"] == "3333333"
    stand.patch("/argocd/applications/web", {"spec": {"syncPolicy": {"automated": {}}}})
    stand.clock.move(60)
    assert stand.image() == "web:3"


def test_what_git_no_longer_holds_is_deleted_by_a_sync_that_prunes_and_is_back_with_the_revision_of_before(
    stand: Stand,
) -> None:
    stand.api.argocd.push("argocd", "web", BAD, [])
    stand.clock.move(30)
    assert stand.api.objects("deployments.apps") == []
    assert stand.app()["status"]["sync"]["status"] == "Synced"
    sync = {"revision": GOOD, "source": stand.app()["spec"]["source"], "syncStrategy": {"apply": {}}}
    body = {"spec": {"syncPolicy": {"automated": None}}, "operation": {"sync": sync}}
    assert stand.patch("/argocd/applications/web", body, fieldValidation="Strict")[0] == 200
    stand.clock.move(30)
    assert stand.image() == "web:1"


def test_what_git_no_longer_holds_stays_out_of_sync_where_nothing_prunes() -> None:
    stand = Stand(selfHeal=True)
    stand.api.argocd.push("argocd", "web", BAD, [])
    stand.clock.move(60)
    assert stand.image() == "web:1"
    status = stand.app()["status"]
    assert status["sync"]["status"] == "OutOfSync"
    assert [(r["name"], r["requiresPruning"]) for r in status["resources"]] == [("web", True)]
    resource = kinds.by_key(APPLICATIONS)
    assert schema.validate(resource, stand.app()) == []
    assert schema.prune(resource, copy.deepcopy(stand.app())) == []


def test_a_revision_that_is_not_there_is_an_error_and_nothing_is_applied(stand: Stand) -> None:
    stand.api.argocd.forget("argocd", "web", "0000000")
    sync = {"revision": "0000000", "source": stand.app()["spec"]["source"]}
    body = {"spec": {"syncPolicy": {"automated": None}}, "operation": {"sync": sync}}
    assert stand.patch("/argocd/applications/web", body)[0] == 200
    before = json.dumps(stand.api.objects("deployments.apps"))
    stand.clock.move(10)
    state = stand.app()["status"]["operationState"]
    assert (state["phase"], state["syncResult"]["revision"]) == ("Error", "0000000")
    assert "failed to checkout revision 0000000" in state["message"]
    assert len(stand.app()["status"]["history"]) == 2
    assert json.dumps(stand.api.objects("deployments.apps")) == before


def test_drift_is_mended_where_self_heal_is_on(stand: Stand) -> None:
    drift = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "web:9"}]}}}}
    path = "/apis/apps/v1/namespaces/shop/deployments/web"
    call(stand.api, "PATCH", path, drift, kind=MERGE)
    assert stand.image() == "web:9"
    stand.clock.move(20)
    assert stand.image() == "web:1"


def test_a_canary_stops_at_its_pause_while_the_stable_pods_serve(stand: Stand) -> None:
    stand.canary("models:2")
    stand.clock.move(60)
    status = stand.rollout()["status"]
    assert (status["phase"], status["message"], status["currentStepIndex"]) == ("Paused", "CanaryPauseStep", 1)
    assert status["stableRS"] != status["currentPodHash"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (2, 1, 2)


def test_a_bad_canary_is_degraded_after_its_deadline_and_an_abort_leaves_only_stable_pods(stand: Stand) -> None:
    stand.canary("models:bad")
    stand.clock.move(50)
    assert stand.rollout()["status"]["phase"] == "Progressing"
    stand.clock.move(30)
    status = stand.rollout()["status"]
    assert (status["phase"], status["updatedReplicas"], status["availableReplicas"]) == ("Degraded", 1, 2)
    assert status["message"].startswith("ProgressDeadlineExceeded: ReplicaSet ")
    assert stand.patch("/shop/rollouts/models/status", {"status": {"abort": True}})[0] == 200
    stand.clock.move(1)
    status = stand.rollout()["status"]
    assert (status["phase"], status["message"]) == ("Degraded", "RolloutAborted: Rollout aborted update to revision 2")
    assert (status.get("updatedReplicas", 0), status["availableReplicas"]) == (0, 2)
    assert status["abortedAt"]


def test_the_template_of_before_ends_an_abort_without_any_step(stand: Stand) -> None:
    stand.canary("models:bad")
    stand.clock.move(10)
    stand.patch("/shop/rollouts/models/status", {"status": {"abort": True}})
    stand.canary("models:1")
    stand.clock.move(1)
    status = stand.rollout()["status"]
    assert (status["phase"], status["currentStepIndex"], status.get("abort")) == ("Healthy", 2, None)


def test_a_canary_without_fault_goes_through_when_its_pause_is_taken_away(stand: Stand) -> None:
    new = rollout(image="models:2")["spec"]
    new["strategy"]["canary"]["steps"] = [{"setWeight": 50}, {"pause": {"duration": "30s"}}]
    stand.patch("/shop/rollouts/models", {"spec": new})
    stand.clock.move(120)
    stand.clock.move(30)
    status = stand.rollout()["status"]
    assert (status["phase"], status["stableRS"] == status["currentPodHash"]) == ("Healthy", True)
