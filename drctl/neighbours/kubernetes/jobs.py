"""Jobs: one pod after another until one ends well, or enough have failed, or the time is over.

Sources: kubernetes.io/docs/concepts/workloads/controllers/job/ ("Pod backoff failure policy": 10 s, 20 s … up to 6 min;
"Job termination and cleanup"; the labels of its pods), .../workloads/pods/pod-lifecycle (Succeeded, Failed), and in
github.com/kubernetes/kubernetes pkg/controller/job/job_controller.go (reasons and texts of the Failed condition),
pkg/kubelet (a termination message has at most 4,096 bytes). What a container does is its world's business (`program`);
a Job is one pod here, parallelism and completions above one are refused rather than played wrongly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.trees import copied

JOBS: Final = "jobs.batch"
PODS: Final = "pods"
FIRST, LAST = 10.0, 360.0
LONGEST: Final = 4096
NAME_LABEL: Final = "batch.kubernetes.io/job-name"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ends: after so many seconds, with this exit code and this termination message."""

    after_s: float
    exit_code: int = 0
    message: str = ""


class Jobs:
    """`program(pod)` says how the pod's container ends; it is asked when the container is started."""

    name = "jobs"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.program: Callable[[Obj], Ended] = lambda _pod: Ended(1.0)
        self._ends: dict[str, Ended] = {}

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if resource.key != JOBS:
            return
        place = (obj["metadata"]["namespace"], obj["metadata"]["name"], obj["metadata"]["uid"])
        if gone:
            for pod in self._pods(obj):
                self.cluster.remove(by_key(PODS), pod)
        elif not obj.get("status"):
            self.cluster.after(0.0, self.name, "begin", *place)
            limit = obj["spec"].get("activeDeadlineSeconds")
            if limit:
                self.cluster.after(float(limit), self.name, "late", *place)

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        if what == "ended":
            pod = self.cluster.get(PODS, key[0], key[1])
            if pod is not None and pod["metadata"]["uid"] == key[2]:
                self._end(pod)
            return
        job = self.cluster.get(JOBS, key[0], key[1])
        if job is None or job["metadata"]["uid"] != key[2] or _over(job):
            return
        if what == "late":
            for pod in self._pods(job):
                self.cluster.remove(by_key(PODS), pod)
            self._failed(job, "DeadlineExceeded", "Job was active longer than specified deadline")
        else:
            self._run(job)

    def began(self, pod: Obj) -> bool:
        """A pod's containers are started; False when the pod is no Job's."""
        if self._job(pod) is None:
            return False
        end, meta = self.program(pod), pod["metadata"]
        self._ends[meta["uid"]] = end
        now = stamp(self.cluster.now)
        self.cluster.write(by_key(PODS), _stated(pod, "Running", {"running": {"startedAt": now}}))
        self.cluster.after(end.after_s, self.name, "ended", meta["namespace"], meta["name"], meta["uid"])
        return True

    def owns(self, pod: Obj) -> bool:
        """Whether one of the Jobs there are made it."""
        return self._job(pod) is not None

    def _run(self, job: Obj) -> None:
        meta, template = job["metadata"], copied(job["spec"]["template"])
        labels = {
            **((template.get("metadata") or {}).get("labels") or {}),
            NAME_LABEL: meta["name"],
            "job-name": meta["name"],
            "batch.kubernetes.io/controller-uid": meta["uid"],
        }
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        place = {"generateName": f"{meta['name']}-", "namespace": meta["namespace"], "labels": labels}
        pod = {"metadata": {**place, "ownerReferences": [owner]}, "spec": template["spec"]}
        self.cluster.create(by_key(PODS), {**pod, "status": {"phase": "Pending", "qosClass": "BestEffort"}})
        status = job.get("status") or {}
        self._status(job, {**status, "active": 1, "startTime": status.get("startTime") or stamp(self.cluster.now)})

    def _end(self, pod: Obj) -> None:
        end, job = self._ends.pop(pod["metadata"]["uid"], Ended(0.0)), self._job(pod)
        started = (pod["status"]["containerStatuses"][0]["state"].get("running") or {}).get("startedAt")
        ended = {
            "exitCode": end.exit_code,
            "reason": "Error" if end.exit_code else "Completed",
            "startedAt": started,
            "finishedAt": stamp(self.cluster.now),
        } | ({"message": end.message.encode()[:LONGEST].decode("utf-8", "ignore")} if end.message else {})
        phase = "Failed" if end.exit_code else "Succeeded"
        self.cluster.write(by_key(PODS), _stated(pod, phase, {"terminated": ended}))
        if job is None or _over(job):
            return
        status = {k: v for k, v in (job.get("status") or {}).items() if k != "active"}
        if not end.exit_code:
            done = {**status, "succeeded": 1, "completionTime": stamp(self.cluster.now)}
            text = ("CompletionsReached", "Reached expected number of succeeded pods")
            self._status(
                job, done | {"conditions": [self._condition(c, *text) for c in ("SuccessCriteriaMet", "Complete")]}
            )
            return
        failed = status.get("failed", 0) + 1
        job = self._status(job, {**status, "failed": failed})
        if failed > job["spec"]["backoffLimit"]:
            self._failed(job, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
            return
        meta = job["metadata"]
        pause = min(FIRST * 2 ** (failed - 1), LAST)
        self.cluster.after(pause, self.name, "again", meta["namespace"], meta["name"], meta["uid"])

    def _failed(self, job: Obj, reason: str, text: str) -> None:
        status = {k: v for k, v in (job.get("status") or {}).items() if k != "active"}
        conditions = [self._condition(c, reason, text) for c in ("FailureTarget", "Failed")]
        self._status(job, {**status, "conditions": conditions})

    def _condition(self, kind: str, reason: str, text: str) -> dict[str, Any]:
        now = stamp(self.cluster.now)
        said = {"type": kind, "status": "True", "reason": reason, "message": text}
        return {**said, "lastProbeTime": now, "lastTransitionTime": now}

    def _status(self, job: Obj, status: dict[str, Any]) -> Obj:
        return self.cluster.write(by_key(JOBS), {**copied(job), "status": status})

    def _job(self, pod: Obj) -> Obj | None:
        for owner in pod["metadata"].get("ownerReferences") or ():
            if owner["kind"] == "Job":
                found = self.cluster.get(JOBS, pod["metadata"]["namespace"], owner["name"])
                return found if found and found["metadata"]["uid"] == owner["uid"] else None
        return None

    def _pods(self, job: Obj) -> list[Obj]:
        uid = job["metadata"]["uid"]
        mine = self.cluster.every_object(PODS, job["metadata"]["namespace"])
        return [p for p in mine if any(o["uid"] == uid for o in p["metadata"].get("ownerReferences") or ())]


def _over(job: Obj) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def _stated(pod: Obj, phase: str, state: dict[str, Any]) -> Obj:
    new = copied(pod)
    runs = phase == "Running"
    new["status"]["phase"] = phase
    new["status"]["containerStatuses"] = [
        {
            "name": c["name"],
            "image": c.get("image", ""),
            "imageID": "",
            "ready": runs,
            "restartCount": 0,
            "state": state,
        }
        for c in pod["spec"]["containers"]
    ]
    return new
