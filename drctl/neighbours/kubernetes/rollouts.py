"""Argo Rollouts: canaries that go forward step by step, pause, are aborted, or take too long.

Sources, in github.com/argoproj/argo-rollouts: rollout/canary.go (syncRolloutStatusCanary: a new template begins at the
first step and takes an abort back, going back to the stable one skips the steps, an aborted rollout stands at step 0),
rollout/sync.go (calculateRolloutConditions: the reasons and words of the condition Progressing),
utils/rollout/rolloututil.go (CalculateRolloutPhase: phase and message), utils/conditions/conditions.go (their names),
utils/replicaset/canary.go (how many pods a weight is, without traffic routing). `kubectl argo rollouts abort` sends
pkg/kubectl-argo-rollouts/cmd/abort/abort.go: a merge of `{"status":{"abort":true}}` into the subresource status.
Simplified: no ReplicaSet objects, no traffic routing, no analysis, maxSurge 25 % and maxUnavailable 0.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, Final

from drctl.neighbours.kubernetes.budgets import is_going, is_ready
from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, instant, stamp
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.workloads import template_hash

ROLLOUTS: Final = "rollouts.argoproj.io"
HASH: Final = "rollouts-pod-template-hash"
PODS: Final = "pods"
ABORTED: Final = "RolloutAborted"
TIMED_OUT: Final = "ProgressDeadlineExceeded"
PAUSED: Final = "CanaryPauseStep"


class Rollouts:
    """One controller for all of them; it looks at each again whenever one of them or a pod changes."""

    name = "rollouts"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._revisions: dict[str, list[str]] = {}
        self._templates: dict[tuple[str, str], Obj] = {}

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        del obj, gone
        if resource.key in (ROLLOUTS, PODS):
            self.cluster.unsettled.add(self.name)

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        del what, key
        for rollout in self.cluster.every_object(ROLLOUTS):
            self._reconcile(rollout)

    def _reconcile(self, rollout: Obj) -> None:
        own = self._pods(rollout)
        new = self._began(rollout, template_hash(rollout))
        new = self._stepped(new, own)
        for pod in self._surplus(new, own):
            self.cluster.remove(by_key(PODS), pod)
        own = self._pods(rollout)
        for mark, count in self._wanted(new, own).items():
            have = sum(p["metadata"]["labels"][HASH] == mark for p in own)
            for _ in range(count - have):
                self.cluster.create(by_key(PODS), _pod(new, mark, self._templates[new["metadata"]["uid"], mark]))
        self.cluster.write(by_key(ROLLOUTS), self._told(new, self._pods(rollout)))

    def _pods(self, rollout: Obj) -> list[Obj]:
        uid = rollout["metadata"]["uid"]
        every = self.cluster.every_object(PODS, rollout["metadata"]["namespace"])
        return [
            p
            for p in every
            if not is_going(p) and any(o["uid"] == uid for o in p["metadata"].get("ownerReferences") or ())
        ]

    # --- how far it is

    def _began(self, rollout: Obj, mark: str) -> Obj:
        """With the hash of today's template; another one than before begins anew, an abort is then no longer one."""
        new = copied(rollout)
        status: dict[str, Any] = new.setdefault("status", {})
        status["observedGeneration"] = str(rollout["metadata"]["generation"])
        known = self._revisions.setdefault(rollout["metadata"]["uid"], [])
        if status.get("currentPodHash") == mark:
            return new
        if mark in known:
            known.remove(mark)
        known.append(mark)
        self._templates[rollout["metadata"]["uid"], mark] = copied(rollout["spec"]["template"])
        new["metadata"].setdefault("annotations", {})["rollout.argoproj.io/revision"] = str(len(known))
        for gone in ("abort", "abortedAt", "pauseConditions"):
            status.pop(gone, None)
        status["currentPodHash"] = mark
        back = status.get("stableRS") == mark
        status["currentStepIndex"] = len(_steps(new)) if back or "stableRS" not in status else 0
        self._said(status, "True", "ReplicaSetUpdated", f'ReplicaSet "{_set(new)}" is progressing.')
        return new

    def _stepped(self, rollout: Obj, own: list[Obj]) -> Obj:
        """A step further for each that is done."""
        status, steps = rollout["status"], _steps(rollout)
        if status.get("abort"):
            status.setdefault("abortedAt", stamp(self.cluster.now))
            status["currentStepIndex"] = 0 if status.get("stableRS") != status["currentPodHash"] else len(steps)
            status.pop("pauseConditions", None)
            return rollout
        while status["currentStepIndex"] < len(steps) and self._is_done(
            rollout, steps[status["currentStepIndex"]], own
        ):
            status.pop("pauseConditions", None)
            status["currentStepIndex"] += 1
        ready = sum(is_ready(p) for p in own if p["metadata"]["labels"][HASH] == status["currentPodHash"])
        if status["currentStepIndex"] >= len(steps) and ready >= rollout["spec"].get("replicas", 1):
            status["stableRS"] = status["currentPodHash"]
        return rollout

    def _is_done(self, rollout: Obj, step: dict[str, Any], own: list[Obj]) -> bool:
        status = rollout["status"]
        if "setWeight" in step:
            ready = sum(is_ready(p) for p in own if p["metadata"]["labels"][HASH] == status["currentPodHash"])
            return ready >= _canary(rollout, step["setWeight"])
        if not status.get("pauseConditions"):
            status["pauseConditions"] = [{"reason": PAUSED, "startTime": stamp(self.cluster.now)}]
        lasts = step["pause"].get("duration")
        if lasts is None:
            return False
        until = instant(status["pauseConditions"][0]["startTime"]) + timedelta(
            seconds=_seconds(lasts) / self.cluster.speed
        )
        if self.cluster.now < until:
            self.cluster.at(until, self.name, "pause")
            return False
        return True

    # --- pods

    def _wanted(self, rollout: Obj, own: list[Obj]) -> dict[str, int]:
        """Hash → how many pods. The stable ones only go as the canary's become ready."""
        status, replicas = rollout["status"], rollout["spec"].get("replicas", 1)
        current, stable = status["currentPodHash"], status.get("stableRS")
        if stable in (None, current):
            return {current: replicas}
        if status.get("abort"):
            return {stable: replicas}
        steps, weight = _steps(rollout), 0
        for step in steps[: status["currentStepIndex"] + 1]:
            weight = step.get("setWeight", weight)
        weight = 100 if status["currentStepIndex"] >= len(steps) else weight
        ready = sum(is_ready(p) for p in own if p["metadata"]["labels"][HASH] == current)
        canary = min(_canary(rollout, weight), ready + math.ceil(replicas / 4))
        return {current: canary, stable: replicas - min(canary, ready)}

    def _surplus(self, rollout: Obj, own: list[Obj]) -> list[Obj]:
        found, wanted = [], self._wanted(rollout, own)
        for mark in {p["metadata"]["labels"][HASH] for p in own}:
            mine = sorted((p for p in own if p["metadata"]["labels"][HASH] == mark), key=is_ready)
            found += mine[: max(0, len(mine) - wanted.get(mark, 0))]
        return found

    # --- telling

    def _told(self, rollout: Obj, own: list[Obj]) -> Obj:
        status, replicas = rollout["status"], rollout["spec"].get("replicas", 1)
        updated = [p for p in own if p["metadata"]["labels"][HASH] == status["currentPodHash"]]
        ready = sum(map(is_ready, own))
        counts = {"replicas": len(own), "updatedReplicas": len(updated), "readyReplicas": ready}
        status |= {**counts, "availableReplicas": ready}
        complete = status.get("stableRS") == status["currentPodHash"] and len(own) == len(updated) == ready == replicas
        name = f'ReplicaSet "{_set(rollout)}"'
        if status.get("abort"):
            revision = rollout["metadata"]["annotations"]["rollout.argoproj.io/revision"]
            self._said(status, "False", ABORTED, f"Rollout aborted update to revision {revision}")
        elif status.get("pauseConditions"):
            self._said(status, "Unknown", "RolloutPaused", "Rollout is paused")
        elif complete:
            self._said(status, "True", "NewReplicaSetAvailable", f"{name} has successfully progressed.")
        elif self._late(rollout):
            self._said(status, "False", TIMED_OUT, f"{name} has timed out progressing.")
        else:
            self._said(status, "True", "ReplicaSetUpdated", f"{name} is progressing.")
        status["phase"], status["message"] = _phase(rollout)
        return rollout

    def _said(self, status: dict[str, Any], value: str, reason: str, message: str) -> None:
        before = next(iter(status.get("conditions") or ()), None)
        now = stamp(self.cluster.now)
        same = before is not None and (before["reason"], before["message"]) == (reason, message)
        at = before["lastTransitionTime"] if before and before["status"] == value else now
        condition = {"type": "Progressing", "status": value, "reason": reason, "message": message}
        updated = before["lastUpdateTime"] if before and same else now
        status["conditions"] = [{**condition, "lastUpdateTime": updated, "lastTransitionTime": at}]

    def _late(self, rollout: Obj) -> bool:
        """Whether nothing has come forward for progressDeadlineSeconds (600 by default)."""
        condition = rollout["status"]["conditions"][0]
        if condition["reason"] == TIMED_OUT:
            return True
        seconds = rollout["spec"].get("progressDeadlineSeconds", 600) / self.cluster.speed
        until = instant(condition["lastUpdateTime"]) + timedelta(seconds=seconds)
        if self.cluster.now >= until:
            return True
        self.cluster.at(until + timedelta(seconds=1), self.name, "deadline")
        return False


def _phase(rollout: Obj) -> tuple[str, str]:
    """CalculateRolloutPhase, of a canary without traffic routing."""
    status, replicas = rollout["status"], rollout["spec"].get("replicas", 1)
    condition = status["conditions"][0]
    if condition["reason"] in (ABORTED, TIMED_OUT):
        return "Degraded", f"{condition['reason']}: {condition['message']}"
    for pause in status.get("pauseConditions") or ():
        return "Paused", pause["reason"]
    if status["updatedReplicas"] < replicas:
        return "Progressing", "more replicas need to be updated"
    if status["availableReplicas"] < status["updatedReplicas"]:
        return "Progressing", "updated replicas are still becoming available"
    if status["replicas"] > status["updatedReplicas"]:
        return "Progressing", "old replicas are pending termination"
    if status.get("stableRS") != status["currentPodHash"]:
        return "Progressing", "waiting for all steps to complete"
    return "Healthy", ""


def _steps(rollout: Obj) -> list[dict[str, Any]]:
    return list(((rollout["spec"].get("strategy") or {}).get("canary") or {}).get("steps") or ())


def _canary(rollout: Obj, weight: int) -> int:
    replicas: int = rollout["spec"].get("replicas", 1)
    return math.ceil(replicas * weight / 100)


def _seconds(duration: int | str) -> float:
    """`30`, `30s`, `5m`, `1h`: types.go, RolloutPause."""
    text = str(duration)
    return float(text) if text.isdigit() else float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def _set(rollout: Obj) -> str:
    return f"{rollout['metadata']['name']}-{rollout['status']['currentPodHash']}"


def _pod(rollout: Obj, mark: str, template: Obj) -> Obj:
    meta, spec = rollout["metadata"], copied(template)
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{meta['name']}-{mark}",
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "metadata": {
            "generateName": f"{meta['name']}-{mark}-",
            "namespace": meta["namespace"],
            "labels": {**((spec.get("metadata") or {}).get("labels") or {}), HASH: mark},
            "ownerReferences": [owner],
        },
        "spec": spec["spec"],
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }
