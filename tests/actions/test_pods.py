"""What a step says of a workload that does not run: against a standby that fits or does not, and as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.actions.pods import reasons
from chalicelib.core.outcome import Done, Wait
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.world.workloads import TAG
from tests.actions.test_life import PLATFORM, Stage, stage

__all__ = ["stage"]

SERVICES = {
    "redis": "redis has a claim and a node selector",
    "prometheus": "prometheus has a claim and an affinity",
    "grafana": "grafana has a database's host in its specification",
    "api-gateway": "the gateway has a certificate",
    "ml-service": "the service has a role",
}


def bring_back(stage: Stage, service: str, *, rewritten: bool) -> None:
    """Nodes, and a restore of one service, obeying policy's rewrites or not."""
    stage.live("node-capacity", "capacity", cluster="standby")
    stage.live("velero-rewrites", "rewrites", cluster="standby")
    if not rewritten:
        for obj in stage.cluster.objects("configmaps", "velero"):
            found = stage.cluster.cluster.get("configmaps", "velero", obj["metadata"]["name"])
            assert found is not None
            if "image" in obj["metadata"]["name"]:
                stage.cluster.cluster.remove(by_key("configmaps"), found)
            else:
                nothing = "version: v1\nresourceModifierRules: [{conditions: {groupResource: none}}]"
                stage.cluster.cluster.write(by_key("configmaps"), {**found, "data": {"modifiers.yaml": nothing}})
    stage.live("velero-restore", f"restore-{service}", cluster="standby", service=service)


def readiness(stage: Stage, service: str) -> Done | Wait:
    found = stage.look("workload-ready", f"ready-{service}", cluster="standby", service=service)
    assert isinstance(found, Done | Wait)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_was_rewritten_runs_in_the_standby(stage: Stage, service: str) -> None:
    bring_back(stage, service, rewritten=True)
    done, _ = stage.live("workload-ready", f"ready-{service}", cluster="standby", service=service)
    assert "is ready" in done.because
    found = {
        kind: [o for o in stage.cluster.objects(kind) if o["metadata"].get("namespace") not in ("velero", None)]
        for kind in ("deployments.apps", "serviceaccounts", "persistentvolumeclaims", "ingresses.networking.k8s.io")
    }
    assert found["deployments.apps"]
    assert PLATFORM.regions.primary not in str({k: [_own(o) for o in v] for k, v in found.items()})


def _own(obj: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in obj.items() if k != "status"}


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("grafana", "2 pods: ImagePullBackOff: Back-off pulling image"),
        ("redis", "unbound immediate PersistentVolumeClaims"),
        ("redis", 'ProvisioningFailed: storageclass.storage.k8s.io "gp3-us-east-1" not found'),
        ("api-gateway", "i/o timeout"),
    ],
)
def test_a_service_that_was_not_rewritten_says_what_keeps_it_from_running(
    stage: Stage, service: str, said: str
) -> None:
    bring_back(stage, service, rewritten=False)
    for _ in range(60):
        stage.now += stage.look_again
        found = readiness(stage, service)
        assert isinstance(found, Wait)
    assert said in found.because


def no_secret(stage: Stage) -> None:
    found = stage.cluster.cluster.get("secrets", "cache", "redis-credentials")
    assert found is not None
    stage.cluster.cluster.remove(by_key("secrets"), found)


def no_account(stage: Stage) -> None:
    found = stage.cluster.cluster.get("serviceaccounts", "cache", "redis")
    assert found is not None
    stage.cluster.cluster.remove(by_key("serviceaccounts"), found)


def no_image(stage: Stage) -> None:
    stage.ecr.drop(PLATFORM.regions.standby, PLATFORM.account, f"{PLATFORM.name}/redis", TAG)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (no_secret, 'CreateContainerConfigError: secret "redis-credentials" not found'),
        (no_account, 'serviceaccount "redis" not found'),
        (no_image, f"/redis:{TAG}: not found"),
    ],
)
def test_what_is_missing_in_the_standby_is_named_and_waited_for(
    stage: Stage, trouble: Callable[[Stage], None], said: str
) -> None:
    bring_back(stage, "redis", rewritten=True)
    trouble(stage)
    for pod in stage.cluster.objects("pods", "cache"):
        kept = stage.cluster.cluster.get("pods", "cache", pod["metadata"]["name"])
        assert kept is not None
        stage.cluster.cluster.remove(by_key("pods"), kept)
    for _ in range(12):
        stage.now += stage.look_again
        found = readiness(stage, "redis")
    assert isinstance(found, Wait)
    assert said in found.because


def test_reasons_are_told_once_each_and_not_without_end() -> None:
    def waiting(reason: str, message: str = "") -> dict[str, Any]:
        return {
            "spec": {},
            "status": {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]},
        }

    assert reasons([waiting("ContainerCreating"), {"spec": {}, "status": {}}], ()) == ()
    assert reasons([waiting("CrashLoopBackOff")] * 2, ()) == ("2 pods: CrashLoopBackOff",)
    many = [waiting("A", str(n)) for n in range(5)]
    assert reasons(many, ()) == ("1 pod: A: 0", "1 pod: A: 1", "1 pod: A: 2", "and 2 other reasons")
