"""Disruption budgets: what the disruption controller counts, and whether an eviction may be.

Counts, conditions and the refusal's words are recorded (13-native/pdb-get). A pod that is being deleted is not healthy
(pkg/controller/disruption/disruption.go, countHealthyPods).
"""

from __future__ import annotations

import math
from typing import Final

from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.selectors import selects
from drctl.neighbours.kubernetes.status import RefusedError
from drctl.neighbours.kubernetes.trees import copied

BUDGETS: Final = "poddisruptionbudgets.policy"


def is_ready(pod: Obj) -> bool:
    """Whether a pod says that it is Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())


def is_going(pod: Obj) -> bool:
    """Whether a pod is being deleted; its ReplicaSet no longer counts it."""
    return "deletionTimestamp" in pod["metadata"]


def share(value: int | str, whole: int, *, up: bool) -> int:
    """An int-or-percent of `whole`."""
    if isinstance(value, int):
        return value
    exact = whole * int(value.rstrip("%")) / 100
    return math.ceil(exact) if up else math.floor(exact)


def report(cluster: Cluster, budget: Obj) -> None:
    """Writes the budget's status."""
    spec, meta = budget["spec"], budget["metadata"]
    pods = [
        p
        for p in cluster.every_object("pods", meta["namespace"])
        if selects(spec.get("selector"), p["metadata"].get("labels") or {})
    ]
    expected, healthy = len(pods), sum(is_ready(p) and not is_going(p) for p in pods)
    if spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str):
        expected = sum(d["spec"].get("replicas", 1) for d in _owners(cluster, pods))
    if spec.get("maxUnavailable") is not None:
        desired = max(0, expected - share(spec["maxUnavailable"], expected, up=True))
    else:
        desired = share(spec.get("minAvailable", 1), expected, up=True)
    allowed = max(0, healthy - desired) if expected else 0
    reason = "SufficientPods" if allowed else "InsufficientPods"
    before = {c["type"]: c for c in (budget.get("status") or {}).get("conditions") or ()}.get("DisruptionAllowed")
    same = before is not None and before["reason"] == reason
    condition = {
        "type": "DisruptionAllowed",
        "status": str(bool(allowed)),
        "observedGeneration": meta["generation"],
        "lastTransitionTime": before["lastTransitionTime"] if before and same else stamp(cluster.now),
        "reason": reason,
        "message": "",
    }
    new = copied(budget)
    new["status"] = {
        "observedGeneration": meta["generation"],
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": [condition],
    }
    cluster.write(by_key(BUDGETS), new)


def _owners(cluster: Cluster, pods: list[Obj]) -> list[Obj]:
    uids = {o["uid"] for p in pods for o in p["metadata"].get("ownerReferences") or ()}
    return [d for d in cluster.every_object("deployments.apps") if d["metadata"]["uid"] in uids]


def refusal(cluster: Cluster, pod: Obj) -> RefusedError | None:
    """The 429 that an eviction of the pod gets when a budget has nothing left; None when it may go."""
    labels, namespace = pod["metadata"].get("labels") or {}, pod["metadata"]["namespace"]
    for budget in cluster.every_object(BUDGETS, namespace):
        status = budget.get("status") or {}
        if selects(budget["spec"].get("selector"), labels) and not status.get("disruptionsAllowed"):
            text = (
                f"The disruption budget {budget['metadata']['name']} needs {status.get('desiredHealthy', 0)} "
                f"healthy pods and has {status.get('currentHealthy', 0)} currently"
            )
            return RefusedError(
                429,
                "Cannot evict pod as it would violate the pod's disruption budget.",
                "TooManyRequests",
                {"causes": [{"reason": "DisruptionBudget", "message": text}]},
            )
    return None
