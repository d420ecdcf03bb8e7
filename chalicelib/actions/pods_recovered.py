"""Watches Kubernetes bring the pods back: every Deployment of the services and every disruption budget, in aggregate.

A pod that is rescheduled comes back by itself, and is waited for. A container that exits again and again, cannot get
its image or its configuration does not, wherever it runs: that is Stuck. Taking a node away on purpose is no fault.
Sources: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status,
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-restarts,
https://kubernetes.io/docs/tasks/run-application/configure-pdb/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.listing import lists
from chalicelib.actions.nodes import NODES, condition, on_purpose
from chalicelib.actions.places import cluster_of
from chalicelib.actions.pods import PODS
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
DEPLOYMENTS: Final = "apps/v1 deployments"
BUDGETS: Final = "policy/v1 poddisruptionbudgets"
SHOWN: Final = 4
LOOPS: Final = 2
"""Restarts from which an exit is a loop: one alone happens, and is mended by the restart."""
NOT_MENDED: Final = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""What a container waits for, and what no other node would give it."""


@dataclass(frozen=True, slots=True)
class Pods:
    """`lacking`: Deployments short of pods, a sentence each. `broken`: containers that no reschedule mends. `unplaced`:
    what the scheduler says of pods that no node takes. `violated`: budgets below what they want. `taken`: nodes that
    somebody takes away on purpose. `deployments` is how many were looked at.
    """

    deployments: int
    lacking: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    violated: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    ready: int = 0
    wanted: int = 0


class PodsRecovered:
    """Four looks, no call."""

    name: ClassVar[str] = "pods-recovered"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="apps", resource="deployments", where="primary"),
        KubeOp(verb="list", group="", resource="pods", where="primary"),
        KubeOp(verb="list", group="policy", resource="poddisruptionbudgets", where="primary"),
        KubeOp(verb="list", group="", resource="nodes", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Pods | Refused | NoData:
        looked = lists(reader, cluster_of(target, policy).name, DEPLOYMENTS, PODS, BUDGETS, NODES)
        if isinstance(looked, NoData | Refused):
            return looked
        wanted = {(s.namespace, name) for s in policy.services.services for name in s.deployments}
        ours = {(s.namespace, s.label) for s in policy.services.services if s.deployments}
        kept = [d for d in looked[DEPLOYMENTS] if _place(d) in wanted]
        pods = [p for p in looked[PODS] if any(_place(p)[0] == n and _has(p, label) for n, label in ours)]
        there = {_place(d) for d in kept}
        absent = tuple(f"deployment {n!r} in {space!r} is not there" for space, n in sorted(wanted - there, key=str))
        counts = [_counts(d) for d in kept]
        return Pods(
            deployments=len(wanted),
            lacking=(*(s for d in kept if (s := _lacks(d))), *absent),
            broken=tuple(dict.fromkeys(s for p in pods for s in _broken(p))),
            unplaced=tuple(dict.fromkeys(s for p in pods if (s := _unplaced(p)))),
            violated=tuple(s for b in looked[BUDGETS] if _place(b)[0] in {n for n, _ in ours} and (s := _violated(b))),
            taken=tuple(f"{n['metadata']['name']} is {why}" for n in looked[NODES] if (why := on_purpose(n))),
            ready=sum(ready for ready, _ in counts),
            wanted=sum(w for _, w in counts),
        )

    def next(self, target: Target, policy: Policy, facts: Pods | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy).name
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        purpose = f"; taken away on purpose, which is no fault: {_some(facts.taken)}" if facts.taken else ""
        if facts.broken:
            return Stuck(because=f"no reschedule mends this in cluster {cluster!r}: {_some(facts.broken)}{purpose}")
        counted: dict[str, str | float] = {"ready": float(facts.ready), "wanted": float(facts.wanted)}
        if facts.lacking or facts.violated:
            said = f"{facts.ready} of {facts.wanted} pods are ready: {_some((*facts.lacking, *facts.violated))}"
            if facts.unplaced:
                said += f"; no node has room, so they wait for capacity: {_some(facts.unplaced)}"
            because = (
                f"Kubernetes is at work in cluster {cluster!r}, {said}{purpose}; looking again in {AGAIN.seconds} s"
            )
            return Wait(because=because, again_in=AGAIN, facts=counted)
        because = f"all {facts.deployments} deployments in cluster {cluster!r} are available ({facts.ready} pods)"
        return Done(because=f"{because}, and no disruption budget is violated{purpose}", facts=counted)


def _place(obj: Mapping[str, Any]) -> tuple[str | None, str]:
    return obj["metadata"].get("namespace"), obj["metadata"]["name"]


def _has(obj: Mapping[str, Any], label: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return all(labels.get(part.partition("=")[0]) == part.partition("=")[2] for part in label.split(","))


def _counts(deployment: Mapping[str, Any]) -> tuple[int, int]:
    available = int((deployment.get("status") or {}).get("availableReplicas", 0))
    return available, int(deployment["spec"].get("replicas", 1))


def _lacks(deployment: Mapping[str, Any]) -> str:
    available, wanted = _counts(deployment)
    space, name = _place(deployment)
    return "" if available >= wanted else f"deployment {name!r} in {space!r} has {available} of {wanted} pods available"


def _violated(budget: Mapping[str, Any]) -> str:
    status = budget.get("status") or {}
    healthy, wanted = int(status.get("currentHealthy", 0)), int(status.get("desiredHealthy", 0))
    name = budget["metadata"]["name"]
    return "" if healthy >= wanted else f"disruption budget {name!r} wants {wanted} healthy pods and has {healthy}"


def _broken(pod: Mapping[str, Any]) -> Iterator[str]:
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    if pod["metadata"].get("deletionTimestamp"):
        return
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, count = waiting.get("reason", ""), int(container.get("restartCount", 0))
        where = f"container {container['name']!r} of pod {name!r}"
        if reason == "CrashLoopBackOff" and count >= LOOPS:
            ended = (container.get("lastState") or {}).get("terminated") or {}
            last = f": {ended['message'].strip()[:200]}" if ended.get("message") else ""
            how = f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode', 'unknown')}"
            yield f"{where} crashes in a loop ({how}, {count} restarts){last}"
        elif reason in NOT_MENDED:
            yield f"{where} does not start: {reason}: {str(waiting.get('message', 'no message'))[:200]}"


def _unplaced(pod: Mapping[str, Any]) -> str:
    found = condition(pod, "PodScheduled")
    return str(found.get("message", "Unschedulable")) if found.get("status") == "False" else ""


def _some(sentences: Sequence[str]) -> str:
    more = f"; and {len(sentences) - SHOWN} more" if len(sentences) > SHOWN else ""
    return "; ".join(sentences[:SHOWN]) + more
