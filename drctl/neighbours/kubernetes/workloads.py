"""Nodes, the pods of Deployments, and disruption budgets: what kube-scheduler, kubelet and the controllers would do.

Conditions, counts and their texts are recorded (13-native/deployment-get, -get-available, pdb-get). Simplified: a
Deployment has no ReplicaSet objects.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from drctl.neighbours.kubernetes import budgets, crashing, kubelet, nodes
from drctl.neighbours.kubernetes.budgets import BUDGETS, is_going, is_ready, share
from drctl.neighbours.kubernetes.jobs import Jobs
from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, instant, stamp
from drctl.neighbours.kubernetes.trees import copied

READY: Final = 20.0
"""Seconds from a pod's node until it serves: image pull, start, probes."""
NODES: Final = "nodes"
MOUNT_AGAIN: Final = 2.0
"""Seconds between two looks of a kubelet at whether its pod's volumes are attached."""
PODS: Final = "pods"
DEPLOYMENTS: Final = "deployments.apps"
OWNERS: Final = (DEPLOYMENTS, "rollouts.argoproj.io")
"""What pods go with."""
_HASH: Final = "pod-template-hash"


class Workloads:
    """One controller for all of it; it settles the whole cluster whenever something it cares for changes."""

    name = "workloads"

    def __init__(self, cluster: Cluster, pods_per_node: int) -> None:
        """`node_labels` are put on every node made from then on, `zones` in turn; `pull` says what nodes cannot get,
        `mounted` whether a pod's volumes are attached to its node.
        """
        self.cluster = cluster
        self.pods_per_node = pods_per_node
        self.node_labels: dict[str, str] = {}
        self.zones: tuple[str, ...] = ()
        self.pull: kubelet.Pull = lambda _image: None
        self.crashing = crashing.Crashing(cluster)
        self.mounted: Callable[[Obj], bool] = lambda _pod: True
        self.jobs: Jobs | None = None
        self._templates: dict[str, list[str]] = {}
        self._tries: dict[str, int] = {}

    def set_nodes(self, count: int) -> None:
        """Makes the cluster have `count` nodes, Ready at once; pods on a node that goes are made anew elsewhere."""
        prefix = f"{self.cluster.name}-node-"
        have = [n for n in self.cluster.every_object(NODES) if n["metadata"]["name"].startswith(prefix)]
        for number in range(len(have) + 1, count + 1):
            self.cluster.create(by_key(NODES), self._node(number))
        numbered = sorted(have, key=lambda n: int(n["metadata"]["name"].rpartition("-")[2]))
        for node in numbered[count:]:
            for pod in self.cluster.every_object(PODS):
                if pod["spec"].get("nodeName") == node["metadata"]["name"]:
                    self.cluster.remove(by_key(PODS), pod)
            self.cluster.remove(by_key(NODES), node)

    def _node(self, number: int) -> Obj:
        name = f"{self.cluster.name}-node-{number}"
        zone = self.zones[(number - 1) % len(self.zones)] if self.zones else ""
        return nodes.made(self.cluster, name, self.pods_per_node, {**nodes.labels(name, zone), **self.node_labels})

    def ready(self, namespace: str, name: str) -> bool:
        """Whether the Deployment is Available and has a pod that serves."""
        found = self.cluster.get(DEPLOYMENTS, namespace, name)
        status = (found or {}).get("status") or {}
        available = any(c["type"] == "Available" and c["status"] == "True" for c in status.get("conditions") or ())
        return available and status.get("readyReplicas", 0) > 0

    # --- reacting

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:  # noqa: ARG002
        if resource.key in (NODES, PODS, DEPLOYMENTS, BUDGETS, kubelet.CLAIMS, kubelet.CLASSES, kubelet.ACCOUNTS):
            self.cluster.unsettled.add(self.name)

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        if what == "ready":
            pod = self.cluster.get(PODS, key[0], key[1])
            if pod is not None and pod["metadata"]["uid"] == key[2]:
                self.start(pod)
        else:
            self._settle()

    def start(self, pod: Obj) -> None:
        """Starts the pod, or says what it waits for and tries again later."""
        meta, now = pod["metadata"], stamp(self.cluster.now)
        if pod["spec"]["nodeName"] in self.cluster.silent or is_going(pod):
            return  # no kubelet starts it; `nodes.py` tries again when there is one
        if not self.mounted(pod):
            self.cluster.write(by_key(PODS), kubelet.creating(pod, now))
            self.cluster.after(MOUNT_AGAIN, self.name, "ready", meta["namespace"], meta["name"], meta["uid"])
            return
        found = kubelet.waiting(self.cluster, pod, self.pull)
        if found is None:
            self._tries.pop(meta["uid"], None)
            if self.jobs and self.jobs.began(pod):
                return
            pause = self.crashing.started(pod)
            if pause is not None:
                self.cluster.after(pause, self.name, "ready", meta["namespace"], meta["name"], meta["uid"])
            return
        self.cluster.write(by_key(PODS), kubelet.not_started(pod, found, now))
        tries = self._tries[meta["uid"]] = self._tries.get(meta["uid"], -1) + 1
        first, last = kubelet.IMAGE_WAITS
        pause = min(first * 2 ** min(tries, 9), last) if found.reason == "ImagePullBackOff" else kubelet.CONFIG_WAITS
        self.cluster.after(pause, self.name, "ready", meta["namespace"], meta["name"], meta["uid"])

    def _settle(self) -> None:
        """One round over everything. What it writes makes one more round due, until nothing changes."""
        for claim in self.cluster.every_object(kubelet.CLAIMS):
            kubelet.bind(self.cluster, claim)
        owned = self._by_owner()
        for deployment in self.cluster.every_object(DEPLOYMENTS):
            self._scale(deployment, owned.get(deployment["metadata"]["uid"], []))
        self._drop_orphans()
        self._schedule()
        owned = self._by_owner()
        for deployment in self.cluster.every_object(DEPLOYMENTS):
            self._report(deployment, owned.get(deployment["metadata"]["uid"], []))
        for budget in self.cluster.every_object(BUDGETS):
            budgets.report(self.cluster, budget)

    def _by_owner(self) -> dict[str, list[Obj]]:
        found: dict[str, list[Obj]] = {}
        for pod in self.cluster.every_object(PODS):
            for owner in () if is_going(pod) else pod["metadata"].get("ownerReferences") or ():
                found.setdefault(owner["uid"], []).append(pod)
        return found

    def _scale(self, deployment: Obj, own: list[Obj]) -> None:
        if "deletionTimestamp" in deployment["metadata"]:
            return
        wanted, mark = deployment["spec"].get("replicas", 1), template_hash(deployment)
        current = [p for p in own if p["metadata"]["labels"].get(_HASH) == mark]
        old = [p for p in own if p not in current]
        surplus = sorted(current, key=is_ready)[: max(0, len(current) - wanted)]
        for pod in surplus:
            self.cluster.remove(by_key(PODS), pod)
        if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
            doomed, room = old, wanted if not old else 0
        else:
            doomed = self._outdated(deployment, wanted, current, old)
            room = wanted + _surge(deployment, wanted) - len(old)
        for pod in doomed:
            self.cluster.remove(by_key(PODS), pod)
        if kubelet.forbidden(self.cluster, deployment, _replicas(deployment, mark)):
            return
        for _ in range(min(wanted, room) - len(current)):
            self.cluster.create(by_key(PODS), self._pod(deployment, mark))

    @staticmethod
    def _outdated(deployment: Obj, wanted: int, current: list[Obj], old: list[Obj]) -> list[Obj]:
        """The pods of older templates that may go now, unready ones first, so that enough stay available."""
        least = wanted - _most_unavailable(deployment, wanted)
        unready = sum(not is_ready(p) for p in current)
        spare = max(0, len(current) + len(old) - least - unready)
        return sorted(old, key=is_ready)[:spare]

    def _pod(self, deployment: Obj, mark: str) -> Obj:
        meta, template = deployment["metadata"], copied(deployment["spec"]["template"])
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": _replicas(deployment, mark),
            "uid": meta["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        labels = {**((template.get("metadata") or {}).get("labels") or {}), _HASH: mark}
        return {
            "metadata": {
                "generateName": f"{meta['name']}-{mark}-",
                "namespace": meta["namespace"],
                "labels": labels,
                "ownerReferences": [owner],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending", "qosClass": "BestEffort"},
        }

    def _drop_orphans(self) -> None:
        """Background garbage collection: pods go with their Deployment or Rollout."""
        kept = {o["metadata"]["uid"] for key in OWNERS for o in self.cluster.every_object(key)}
        for pod in self.cluster.every_object(PODS):
            owners = pod["metadata"].get("ownerReferences") or ()
            if owners and not any(o["uid"] in kept for o in owners) and not (self.jobs and self.jobs.owns(pod)):
                self.cluster.remove(by_key(PODS), pod)

    def _schedule(self) -> None:
        pods = self.cluster.every_object(PODS)
        taken = [p["spec"]["nodeName"] for p in pods if p["spec"].get("nodeName")]
        ours = [n for n in self.cluster.every_object(NODES) if not n["spec"].get("unschedulable")]
        room = {n["metadata"]["name"]: self.pods_per_node - taken.count(n["metadata"]["name"]) for n in ours}
        tainted = Counter(kubelet.untolerated(n) for n in ours if kubelet.untolerated(n))
        waiting = [p for p in pods if not p["spec"].get("nodeName")]
        for pod in sorted(waiting, key=lambda p: int(p["metadata"]["resourceVersion"])):
            allowed = [n["metadata"]["name"] for n in ours if not kubelet.untolerated(n) and kubelet.fits(n, pod)]
            node = max(allowed, key=lambda name: room[name], default="")
            new = copied(pod)
            unbound = kubelet.unbound(self.cluster, pod)
            if node and room[node] > 0 and not unbound:
                room[node] -= 1
                new["spec"]["nodeName"] = node
                new["status"]["conditions"] = [_condition("PodScheduled", "True", stamp(self.cluster.now))]
                meta = new["metadata"]
                self.cluster.after(READY, self.name, "ready", meta["namespace"], meta["name"], meta["uid"])
            else:
                text = kubelet.unscheduled(len(room), len(allowed), unbound, tainted)
                before = next(iter(new["status"].get("conditions") or ()), None)
                if before is None or before.get("message") != text:
                    at = before["lastTransitionTime"] if before else stamp(self.cluster.now)
                    unscheduled = _condition("PodScheduled", "False", at)
                    new["status"]["conditions"] = [{**unscheduled, "reason": "Unschedulable", "message": text}]
            self.cluster.write(by_key(PODS), new)

    # --- telling

    def _report(self, deployment: Obj, own: list[Obj]) -> None:
        mark, now = template_hash(deployment), stamp(self.cluster.now)
        wanted = deployment["spec"].get("replicas", 1)
        ready = sum(is_ready(p) for p in own)
        updated = sum(p["metadata"]["labels"].get(_HASH) == mark for p in own)
        status: dict[str, Any] = {"observedGeneration": deployment["metadata"]["generation"]}
        counts = {
            "replicas": len(own),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": len(own) - ready,
        }
        status.update({k: v for k, v in counts.items() if v})
        status["terminatingReplicas"] = 0
        before = {c["type"]: c for c in (deployment.get("status") or {}).get("conditions") or ()}
        enough = ready >= wanted - _most_unavailable(deployment, wanted)
        text = "Deployment has minimum availability." if enough else "Deployment does not have minimum availability."
        reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
        name = f'ReplicaSet "{_replicas(deployment, mark)}"'
        # One that has been completed stays so whatever its pods do later, until there is another template
        # (pkg/controller/deployment/progress.go, syncRolloutStatus: isCompleteDeployment).
        progressing = before.get("Progressing")
        completed = (
            progressing is not None
            and progressing["reason"] == "NewReplicaSetAvailable"
            and name in progressing["message"]
            and updated == len(own)
        )
        done = completed or updated == len(own) == ready == wanted
        late = not done and self._late(deployment, progressing, mark)
        progress = (
            ("True", "NewReplicaSetAvailable", f"{name} has successfully progressed.")
            if done
            else ("False", "ProgressDeadlineExceeded", f"{name} has timed out progressing.")
            if late
            else ("True", "ReplicaSetUpdated", f"{name} is progressing.")
        )
        status["conditions"] = [
            _kept(before.get("Available"), "Available", str(enough), reason, text, now),
            _kept(before.get("Progressing"), "Progressing", *progress, now),
        ]
        why = kubelet.forbidden(self.cluster, deployment, _replicas(deployment, mark)) if len(own) < wanted else None
        if why:
            status["conditions"].append(
                _kept(before.get("ReplicaFailure"), "ReplicaFailure", "True", "FailedCreate", why, now)
            )
        new = copied(deployment)
        new["status"] = status
        new["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = self._revision(
            deployment, mark
        )
        self.cluster.write(by_key(DEPLOYMENTS), new)

    def _revision(self, deployment: Obj, mark: str) -> str:
        """How many templates this Deployment has had."""
        marks = self._templates.setdefault(deployment["metadata"]["uid"], [])
        if marks[-1:] != [mark]:
            marks.append(mark)
        return str(len(marks))

    def _late(self, deployment: Obj, before: Mapping[str, Any] | None, mark: str) -> bool:
        """Whether the rollout has made no progress for progressDeadlineSeconds; sets the alarm for the moment it has
        not.
        """
        if before is None or mark not in before["message"] or before["reason"] == "NewReplicaSetAvailable":
            start = self.cluster.now
        elif before["reason"] == "ProgressDeadlineExceeded":
            return True
        else:
            start = instant(before["lastUpdateTime"])
        seconds = deployment["spec"].get("progressDeadlineSeconds", 600) / self.cluster.speed
        until = start + timedelta(seconds=seconds)
        if self.cluster.now >= until:
            return True
        if before is None or mark not in before["message"] or before["reason"] == "NewReplicaSetAvailable":
            self.cluster.at(until + timedelta(seconds=1), self.name, "deadline")
        return False


def template_hash(deployment: Obj) -> str:
    text = json.dumps(deployment["spec"].get("template"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _replicas(deployment: Obj, mark: str) -> str:
    return f"{deployment['metadata']['name']}-{mark}"


def _condition(kind: str, status: str, now: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": now}


def _kept(
    before: Mapping[str, Any] | None, kind: str, status: str, reason: str, message: str, now: str
) -> dict[str, Any]:
    """A condition; its times change with its status, or with its reason."""
    said = {"reason": reason, "message": message}
    if before is not None and before["status"] == status:
        same = before["reason"] == reason and before["message"] == message
        times = {
            "lastUpdateTime": before["lastUpdateTime"] if same else now,
            "lastTransitionTime": before["lastTransitionTime"],
        }
        return {"type": kind, "status": status, **times, **said}
    return {"type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": now, **said}


def _surge(deployment: Obj, wanted: int) -> int:
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    return share(rolling.get("maxSurge", 1), wanted, up=True)


def _most_unavailable(deployment: Obj, wanted: int) -> int:
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    return share(rolling.get("maxUnavailable", 0), wanted, up=False)
