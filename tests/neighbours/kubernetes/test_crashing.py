"""A container that exits, beside a pod that is only rescheduled."""

from __future__ import annotations

from typing import Any

import pytest

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import Clock, call, cluster, deployment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> KubeApi:
    made = cluster(clock, BackupStore("bucket"))
    made.set_nodes(2)
    seed(made, [deployment("web", replicas=1)])
    clock.move(25)
    return made


def container(api: KubeApi) -> dict[str, Any]:
    (pod,) = api.objects("pods", "shop")
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]
    return found


def test_a_deployment_that_is_not_there_cannot_crash(api: KubeApi) -> None:
    with pytest.raises(KeyError, match="there is no deployment shop/absent"):
        api.trouble.crash("shop", "absent")


def test_a_rescheduled_pod_has_restarted_nothing_and_a_crashing_one_says_how_it_ended(
    api: KubeApi, clock: Clock
) -> None:
    (pod,) = api.objects("pods", "shop")
    assert call(api, "DELETE", f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}")[0] == 200
    clock.move(25)
    assert (container(api)["restartCount"], container(api)["lastState"]) == (0, {})
    assert api.ready_deployment("shop", "web")
    api.trouble.crash("shop", "web", exit_code=137, reason="OOMKilled")
    assert not api.ready_deployment("shop", "web")
    clock.move(5)
    said = container(api)
    assert said["lastState"]["terminated"]["exitCode"] == 137
    assert said["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert said["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert said["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=c pod=web-")


def test_the_back_off_doubles_from_ten_seconds_to_five_minutes(api: KubeApi, clock: Clock) -> None:
    api.trouble.crash("shop", "web")
    waits: dict[int, str] = {}
    for _ in range(1200):
        clock.move(1)
        said = container(api)
        if "waiting" in said["state"]:
            waits[said["restartCount"]] = said["state"]["waiting"]["message"].split()[1]
    assert list(waits.items()) == [
        (1, "10s"),
        (2, "20s"),
        (3, "40s"),
        (4, "1m20s"),
        (5, "2m40s"),
        (6, "5m0s"),
        (7, "5m0s"),
        (8, "5m0s"),
    ]


def test_once_mended_the_next_start_is_good_and_the_restarts_stay_counted(api: KubeApi, clock: Clock) -> None:
    api.trouble.crash("shop", "web", exit_code=1, message="no such table")
    clock.move(5)
    api.trouble.end_crash("shop", "web")
    assert not api.ready_deployment("shop", "web")
    clock.move(12)
    assert api.ready_deployment("shop", "web")
    said = container(api)
    assert said["restartCount"] == 2
    assert "running" in said["state"]
    assert said["lastState"]["terminated"]["message"] == "no such table"
