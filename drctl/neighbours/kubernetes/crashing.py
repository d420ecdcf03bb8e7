"""Containers that run, and containers that exit and are started again: crash loops.

Sources, in github.com/kubernetes/kubernetes: pkg/kubelet/kuberuntime/kuberuntime_manager.go (doBackOff: the first
restart comes at once, then 10 s doubling; the words of CrashLoopBackOff), pkg/kubelet/kubelet.go (MaxCrashLoopBackOff
300 s, and a back-off that is forgotten after twice that without an exit),
staging/src/k8s.io/client-go/util/flowcontrol/backoff.go; kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle,
"Container states" (`lastState.terminated`, `restartCount`). What exits here is the first container of every pod of
one Deployment, RUNS seconds after it was started.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from drctl.neighbours.kubernetes.budgets import is_going, is_ready
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.trees import copied

RUNS: Final = 1.0
"""Seconds that a container which crashes runs."""
FIRST: Final = 10.0
LAST: Final = 300.0
"""Seconds between an exit and the next start: from the first to the last, doubling."""


@dataclass(frozen=True, slots=True)
class Crash:
    """How the containers of a Deployment end. `message` is what they wrote to their termination log."""

    exit_code: int
    reason: str
    message: str


class Crashing:
    """Which Deployments crash, and what that does to their pods."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._crashes: dict[tuple[str, str], Crash] = {}

    def begin(self, namespace: str, name: str, crash: Crash) -> list[Obj]:
        """The Deployment's containers exit from now on; the pods that ran, whose first exit that is. KeyError when
        there is no such Deployment.
        """
        if self.cluster.get("deployments.apps", namespace, name) is None:
            raise KeyError(f"there is no deployment {namespace}/{name}")
        self._crashes[namespace, name] = crash
        return [p for p in self.pods(namespace, name) if is_ready(p)]

    def end(self, namespace: str, name: str) -> None:
        """They no longer exit: the next start is a good one."""
        self._crashes.pop((namespace, name), None)

    def pods(self, namespace: str, name: str) -> list[Obj]:
        """The Deployment's pods that are not being deleted."""
        owner = (self.cluster.get("deployments.apps", namespace, name) or {"metadata": {}})["metadata"].get("uid")
        return [
            p
            for p in self.cluster.every_object("pods", namespace)
            if not is_going(p) and any(o["uid"] == owner for o in p["metadata"].get("ownerReferences") or ())
        ]

    def started(self, pod: Obj) -> float | None:
        """The containers are started. None: they run; else the seconds after which they are started again."""
        crash = self._of(pod)
        if crash is None:
            self.cluster.write(by_key("pods"), _running(pod, stamp(self.cluster.now)))
            return None
        before = _restarts(pod)
        # The first start of a pod restarts nothing.
        count = before + 1 if _has_run(pod) else 0
        pause = 0.0 if count == 0 else min(FIRST * 2 ** min(count - 1, 9), LAST)
        self.cluster.write(by_key("pods"), self._exited(pod, crash, count, pause))
        return RUNS + pause

    def _of(self, pod: Obj) -> Crash | None:
        owners = {o["uid"] for o in pod["metadata"].get("ownerReferences") or ()}
        for (namespace, name), crash in self._crashes.items():
            found = self.cluster.get("deployments.apps", namespace, name)
            if found is not None and found["metadata"]["uid"] in owners:
                return crash
        return None

    def _exited(self, pod: Obj, crash: Crash, count: int, pause: float) -> Obj:
        now, meta = self.cluster.now, pod["metadata"]
        container = pod["spec"]["containers"][0]
        ended = {
            "exitCode": crash.exit_code,
            "reason": crash.reason,
            "startedAt": stamp(now),
            "finishedAt": stamp(now + timedelta(seconds=RUNS / self.cluster.speed)),
            "containerID": f"containerd://{meta['uid'].replace('-', '')}{count:032x}",
        } | ({"message": crash.message} if crash.message else {})
        where = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        text = f"back-off {_go(pause)} restarting failed container={container['name']} pod={where}"
        waits = {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
        said = {
            "ready": False,
            "started": False,
            "restartCount": count,
            "state": waits if pause else {"terminated": ended},
            "lastState": {"terminated": ended} if pause else {},
        }
        return _stated(pod, said, stamp(now), ready=False)


def _running(pod: Obj, now: str) -> Obj:
    """The pod with all its containers running; what it says of earlier exits stays."""
    count = _restarts(pod) + 1 if _has_run(pod) and not is_ready(pod) else _restarts(pod)
    last: dict[str, Any] = {}
    for status in pod["status"].get("containerStatuses") or ():
        ended = status["state"].get("terminated") or (status.get("lastState") or {}).get("terminated")
        last = {"terminated": ended} if ended else last
    said = {
        "ready": True,
        "started": True,
        "restartCount": count,
        "state": {"running": {"startedAt": now}},
        "lastState": last,
    }
    return _stated(pod, said, now, ready=True)


def _stated(pod: Obj, said: dict[str, Any], now: str, *, ready: bool) -> Obj:
    """The pod with this said of its first container, and its conditions as they follow."""
    new = copied(pod)
    before = {c["type"]: c for c in new["status"].get("conditions") or ()}
    names = [c["name"] for c in pod["spec"]["containers"]]
    unready = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{names[0]}]"}
    conditions = [before["PodScheduled"]] if "PodScheduled" in before else []
    for kind in ("Initialized", "ContainersReady", "Ready"):
        status = str(ready or kind == "Initialized")
        old = before.get(kind)
        at = old["lastTransitionTime"] if old and old["status"] == status else now
        told = unready if status == "False" else {}
        conditions.append({"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": at} | told)
    runs = {
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
        "lastState": {},
    }
    statuses = [
        {"name": c["name"], "image": c.get("image", ""), "imageID": "", **(said if c["name"] == names[0] else runs)}
        for c in pod["spec"]["containers"]
    ]
    new["status"] |= {"phase": "Running", "conditions": conditions, "containerStatuses": statuses}
    new["status"].setdefault("startTime", now)
    return new


def _restarts(pod: Obj) -> int:
    return max((s["restartCount"] for s in pod["status"].get("containerStatuses") or ()), default=0)


def _has_run(pod: Obj) -> bool:
    """Whether its first container has been started before."""
    for status in (pod["status"].get("containerStatuses") or ())[:1]:
        state = status["state"]
        return "running" in state or "terminated" in state or "terminated" in (status.get("lastState") or {})
    return False


def _go(seconds: float) -> str:
    """As Go writes a duration: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
