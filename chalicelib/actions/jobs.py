"""A Kubernetes Job of an incident: how it is made, and how it stands.

What its container has to tell it writes to `/dev/termination-log`, and Kubernetes keeps that with the pod, at most
4,096 bytes. A Job may run its pod twice, so what it does must bear that.
Sources: https://kubernetes.io/docs/concepts/workloads/controllers/job/ ("Job termination and cleanup", "handling Pod
and container failures"), /docs/tasks/debug/debug-application/determine-reason-pod-failure/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of, token_of
from chalicelib.core.outcome import Call, NoData, Refused
from chalicelib.policy import Policy

JOBS: Final = "batch/v1 jobs"
PODS: Final = "v1 pods"
INCIDENT_LABEL: Final = "dr-responder/incident"
PART_LABEL: Final = "dr-responder/part"
READS: Final[tuple[Op, ...]] = (
    KubeOp(verb="get", group="batch", resource="jobs", where="tertiary"),
    KubeOp(verb="list", group="", resource="pods", where="tertiary"),
)
CALLS: Final[tuple[Op, ...]] = (KubeOp(verb="create", group="batch", resource="jobs", where="tertiary"),)


@dataclass(frozen=True, slots=True)
class Job:
    """How a Job stands. `said` is what its newest pod wrote when it ended, '' when it wrote nothing or has not; `waits`
    is why a container of it has not started.
    """

    name: str
    complete: bool
    failed: str
    said: str
    waits: str = ""


def name_of(target: Target, part: str) -> str:
    """The same for every worker and every step of the incident, so that making it twice is AlreadyExists."""
    whole = replace(target, step="")
    return f"dr-{part}-{token_of(whole, part)[:10]}"


def job(target: Target, policy: Policy, reader: Reader, namespace: str, part: str) -> Job | Refused | NoData | None:
    """The incident's Job of this part; None while it was not made."""
    cluster, name = cluster_of(target, policy).name, name_of(target, part)
    found = reader.kube(cluster, JOBS, namespace=namespace, name=name)
    if found is None or isinstance(found, Refused | NoData):
        return found
    if not isinstance(found, Mapping):
        return NoData(because=f"cluster {cluster!r} did not give Job {name!r}")
    # Set by the Job controller on every pod it makes.
    pods = reader.kube(cluster, PODS, namespace=namespace, label=f"batch.kubernetes.io/job-name={name}")
    if isinstance(pods, Refused | NoData):
        return pods
    conditions = {c["type"]: c for c in (found.get("status") or {}).get("conditions") or () if c["status"] == "True"}
    failed = conditions.get("Failed")
    why = f"{failed.get('reason', 'Failed')}: {failed.get('message', 'no message')}" if failed else ""
    listed = pods if isinstance(pods, Sequence) else ()
    return Job(name, "Complete" in conditions, why, _said(listed), _waits(listed))


def made(
    target: Target, policy: Policy, namespace: str, part: str, pod: Mapping[str, Any], *, limit_s: int, until: str
) -> Call:
    """The call that makes it: tried three times by Kubernetes, ended after `limit_s` seconds."""
    cluster, name = cluster_of(target, policy), name_of(target, part)
    labels = {INCIDENT_LABEL: target.incident[:63].rstrip("-."), PART_LABEL: part}
    return Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"create {JOBS}",
        params={
            "namespace": namespace,
            "name": name,
            "body": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "spec": {
                    "backoffLimit": 2,
                    "activeDeadlineSeconds": limit_s,
                    "template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", **pod}},
                },
            },
        },
        until=until,
        reversible=True,
    )


def _waits(pods: Sequence[Mapping[str, Any]]) -> str:
    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            waiting = (status.get("state") or {}).get("waiting") or {}
            if waiting.get("reason", "ContainerCreating") != "ContainerCreating":
                return f"{waiting['reason']}: {waiting.get('message', 'no message')}"
    return ""


def _said(pods: Sequence[Mapping[str, Any]]) -> str:
    ended = [
        (str(state.get("finishedAt", "")), str(state.get("message", "")))
        for pod in pods
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
        if (state := (status.get("state") or {}).get("terminated"))
    ]
    return max(ended, default=("", ""))[1].strip()
