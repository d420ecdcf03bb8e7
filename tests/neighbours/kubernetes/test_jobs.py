"""Jobs: what the API server refuses, and how a Job ends well, badly, or too late."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.jobs import NAME_LABEL, Ended
from drctl.neighbours.kubernetes.velero.store import BackupStore
from tests.neighbours.kubernetes.world import Clock, cluster

PATH = "/apis/batch/v1/namespaces/dumps/jobs"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> KubeApi:
    made = cluster(clock, BackupStore("bucket"), nodes=1)
    seed(made, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dumps"}}])
    return made


def job(**spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "find", "namespace": "dumps"},
        "spec": {"backoffLimit": 1, "template": {"spec": pod}, **spec},
    }


def post(api: KubeApi, body: Any, token: str = "admin") -> tuple[int, Any]:  # of a stand-in
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    said = api.request("POST", PATH, {"fieldValidation": ["Strict"]}, headers, json.dumps(body).encode())
    return said.status, json.loads(said.body)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (job(template={"spec": {"containers": [{"name": "a", "image": "b:1"}]}}), 422, 'supported values: "OnFailure"'),
        (job(template={"spec": {"restartPolicy": "Never"}}), 422, "containers: Required value"),
        (job(backoffLimit=-1), 422, "must be greater than or equal to 0"),
        (job(parallelism=3), 422, "this stand-in plays one pod"),
        (job(backofLimit=1), 400, 'unknown field "spec.backofLimit"'),
    ],
)
def test_a_job_that_is_none_is_refused(api: KubeApi, body: Any, status: int, said: str) -> None:
    got, answer = post(api, body)
    assert got == status
    assert said in answer["message"]


def test_who_may_not_make_jobs_makes_none(api: KubeApi) -> None:
    assert post(api, job(), "responder")[0] == 403


def test_a_second_job_of_that_name_is_told_that_it_exists(api: KubeApi) -> None:
    assert post(api, job())[0] == 201
    assert post(api, job())[1]["reason"] == "AlreadyExists"


def test_what_the_container_wrote_stays_with_the_pod_and_the_job_is_complete(api: KubeApi, clock: Clock) -> None:
    api.jobs.program = lambda _: Ended(30.0, 0, "x" * 5000)
    post(api, job())
    clock.move(25)
    (pod,) = api.objects("pods", "dumps")
    assert (pod["status"]["phase"], pod["metadata"]["labels"][NAME_LABEL]) == ("Running", "find")
    clock.move(60)
    (pod,) = api.objects("pods", "dumps")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (pod["status"]["phase"], ended["exitCode"], len(ended["message"])) == ("Succeeded", 0, 4096)
    (made,) = api.objects("jobs.batch", "dumps")
    assert [c["type"] for c in made["status"]["conditions"]] == ["SuccessCriteriaMet", "Complete"]


def test_a_job_that_fails_is_tried_again_and_then_given_up(api: KubeApi, clock: Clock) -> None:
    api.jobs.program = lambda _: Ended(1.0, 3, "no dump")
    post(api, job())
    clock.move(300)
    assert [p["status"]["phase"] for p in api.objects("pods", "dumps")] == ["Failed", "Failed"]
    (made,) = api.objects("jobs.batch", "dumps")
    assert made["status"]["conditions"][-1]["reason"] == "BackoffLimitExceeded"
    assert made["status"]["failed"] == 2


def test_a_job_that_takes_too_long_is_ended(api: KubeApi, clock: Clock) -> None:
    api.jobs.program = lambda _: Ended(3600.0)
    post(api, job(activeDeadlineSeconds=60))
    clock.move(90)
    (made,) = api.objects("jobs.batch", "dumps")
    assert made["status"]["conditions"][-1]["reason"] == "DeadlineExceeded"
    assert api.objects("pods", "dumps") == []
