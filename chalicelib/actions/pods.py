"""Why pods do not run, from what they say of themselves, and from the events about their claims. Pure.

Sources: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodStatus (a container's
`state.waiting` has `reason` and `message`; condition `PodScheduled`), .../cluster-resources/event-v1/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

PODS: Final = "v1 pods"
EVENTS: Final = "v1 events"
STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
"""What every container says on its way."""
TOLD: Final = 3
"""So many different reasons are told; the rest is a number."""

Pods = Sequence[Mapping[str, Any]]


def claims(pods: Pods) -> frozenset[str]:
    """The claims of the pods that no node has taken."""
    return frozenset(
        volume["persistentVolumeClaim"]["claimName"]
        for pod in pods
        if _unscheduled(pod)
        for volume in pod["spec"].get("volumes") or ()
        if volume.get("persistentVolumeClaim")
    )


def reasons(pods: Pods, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """`2 pods: ImagePullBackOff: Back-off pulling image …`, each reason once, with the number of pods that say it."""
    counts: dict[str, int] = {}
    for pod in pods:
        for said in dict.fromkeys(_said(pod)):
            counts[said] = counts.get(said, 0) + 1
    told = [f"{n} pod{'s' if n > 1 else ''}: {said}" for said, n in counts.items()]
    told += _provisioning(claims(pods), events)
    more = (f"and {len(told) - TOLD} other reasons",) if len(told) > TOLD else ()
    return (*told[:TOLD], *more)


def _said(pod: Mapping[str, Any]) -> Iterator[str]:
    status = pod.get("status") or {}
    if unscheduled := _unscheduled(pod):
        yield unscheduled
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason and reason not in STARTING:
            yield f"{reason}: {waiting['message']}" if waiting.get("message") else reason


def _unscheduled(pod: Mapping[str, Any]) -> str:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')}"
    return ""


def _provisioning(names: frozenset[str], events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    seen = set()
    for event in events:
        about = event.get("involvedObject") or {}
        if about.get("kind") != "PersistentVolumeClaim" or about.get("name") not in names:
            continue
        said = f"claim {about['name']!r}: {event.get('reason')}: {event.get('message')}"
        if event.get("type") == "Warning" and said not in seen:
            seen.add(said)
            yield said
