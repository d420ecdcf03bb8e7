"""Waits until a service's Deployments run as many ready pods as they should. Reads only.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.copies import namespace_in
from chalicelib.actions.places import cluster_of, service_of
from chalicelib.actions.pods import EVENTS, PODS, claims, reasons
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
DEPLOYMENTS: Final = "apps/v1 deployments"
READS: Final[tuple[Op, ...]] = (
    KubeOp(verb="get", group="apps", resource="deployments"),
    KubeOp(verb="list", group="", resource="pods"),
    KubeOp(verb="list", group="", resource="events"),
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """`lacking` says what is not ready yet, one sentence a Deployment, and what its pods say of it; `refused` when
    nobody may look.
    """

    lacking: tuple[str, ...]
    refused: Refused | None = None


def readiness(target: Target, policy: Policy, reader: Reader) -> Readiness:
    """Looks at every Deployment of the step's service."""
    cluster, service = cluster_of(target, policy), service_of(target, policy)
    lacking = []
    for name in service.deployments:
        found = reader.kube(cluster.name, DEPLOYMENTS, namespace=namespace_in(target, service), name=name)
        if isinstance(found, Refused):
            return Readiness((), found)
        if isinstance(found, NoData):
            lacking.append(found.because)
        elif not isinstance(found, Mapping):
            lacking.append(f"deployment {name!r} is not there")
        elif why := lacks(found):
            lacking.append(f"deployment {name!r} {why}")
    return Readiness((*lacking, *_why(target, policy, reader))) if lacking else Readiness(())


def _why(target: Target, policy: Policy, reader: Reader) -> tuple[str, ...]:
    """What the pods and the volumes say. It only explains: a look that brings nothing changes no verdict."""
    cluster, service = cluster_of(target, policy), service_of(target, policy)
    pods = reader.kube(cluster.name, PODS, namespace=namespace_in(target, service), label=service.label)
    if not isinstance(pods, Sequence):
        return ()
    found: object = ()
    if claims(pods):
        found = reader.kube(cluster.name, EVENTS, namespace=namespace_in(target, service))
    return reasons(pods, found if isinstance(found, Sequence) else ())


def lacks(deployment: Mapping[str, Any]) -> str | None:
    """Why a Deployment is not ready; None when it is."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    # Without a number Kubernetes runs one.
    wanted = int(spec.get("replicas", 1))
    if int(status.get("observedGeneration", 0)) < int(deployment["metadata"].get("generation", 0)):
        return "was changed and its controller has not seen that yet"
    ready, updated = int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0))
    if wanted == 0:
        return "is scaled to zero, so it runs nothing"
    if ready >= wanted and updated >= wanted:
        return None
    told = [
        f"{c['type']}: {c['message']}"
        for c in status.get("conditions") or []
        if c.get("status") != ("False" if c.get("type") == "ReplicaFailure" else "True") and c.get("message")
    ]
    return f"has {ready} of {wanted} pods ready" + (f" ({'; '.join(told)})" if told else "")


class WorkloadReady:
    """Ready means every Deployment of the service, in its newest generation."""

    name: ClassVar[str] = "workload-ready"
    reads: ClassVar[tuple[Op, ...]] = READS
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Readiness:
        return readiness(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Readiness, now: datetime) -> Next:
        service = service_of(target, policy)
        if facts.refused:
            return Stuck(because=f"{facts.refused.because} ({facts.refused.code})")
        if facts.lacking:
            return Wait(because=f"{service.display}: {'; '.join(facts.lacking)}", again_in=AGAIN)
        return Done(because=f"{service.display}: every pod of {', '.join(service.deployments)} is ready")
