"""Takes away what a move has restored into the standby cluster, once nobody is led there any more.

Only namespaces whose Deployments a Restore of the responder has made, as Velero's own label on them says: what runs
there for another reason stays. (Of a namespace itself Velero says so only where it was restored by name.) With a
namespace go its claims and the volumes that were made for them. Kubernetes grants `delete` by name only, so the right
is one to the namespaces of the service table and to no other. What was told to Velero of restored objects goes too: its
next restore there is told anew. Sources: https://velero.io/docs/v1.18/restore-reference/ (labels
`velero.io/restore-name`), https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.actions.rewriting import IMAGES, modifiers_name
from chalicelib.actions.velero_restore import INCIDENT_LABEL, RESTORES, RUNNING
from chalicelib.actions.workload_ready import DEPLOYMENTS
from chalicelib.core.bounds import namespaces
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster

AGAIN: Final = timedelta(seconds=5)
NAMESPACES: Final = "v1 namespaces"
CONFIGMAPS: Final = "v1 configmaps"
MADE_BY: Final = "velero.io/restore-name"
DRILLS: Final = "drill-"
"""How the incidents are called whose restores are a drill's, which are taken away by its own clean-up."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is there of a move: its Restores (name, phase, whether it is being deleted), the namespaces that they made
    and whether each is ending, and the ConfigMaps by which Velero rewrites.
    """

    restores: tuple[tuple[str, str, bool], ...]
    namespaces: tuple[tuple[str, bool], ...]
    rewrites: tuple[str, ...]


class WorkloadsGone:
    """One deletion at a time, in the order in which they leave nothing behind."""

    name: ClassVar[str] = "workloads-gone"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="velero.io", resource="restores"),
        KubeOp(verb="get", group="", resource="namespaces", only="services"),
        KubeOp(verb="get", group="apps", resource="deployments"),
        KubeOp(verb="get", group="", resource="configmaps", within="velero"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="delete", group="", resource="namespaces", only="services"),
        KubeOp(verb="delete", group="velero.io", resource="restores"),
        KubeOp(verb="delete", group="", resource="configmaps", within="velero", only="services"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Moved | Refused | NoData:
        cluster = cluster_of(target, policy)
        found = reader.kube(cluster.name, RESTORES, namespace=cluster.velero_namespace)
        if isinstance(found, Refused | NoData):
            return found
        if not isinstance(found, Sequence):
            return NoData(because=f"cluster {cluster.name!r} did not list restores")
        restores = tuple(_restore(r) for r in found if _of_a_move(r))
        ours = {name for name, _, _ in restores}
        spaces: list[tuple[str, bool]] = []
        for name in namespaces(policy):
            space = reader.kube(cluster.name, NAMESPACES, name=name)
            if isinstance(space, Refused | NoData):
                return space
            if not isinstance(space, Mapping):
                continue
            made = _made_by(space, name, cluster, policy, reader)
            if isinstance(made, Refused | NoData):
                return made
            if made and made <= ours:
                spaces.append((name, "deletionTimestamp" in space["metadata"]))
        held: list[str] = []
        for name in rewrites(policy):
            one = reader.kube(cluster.name, CONFIGMAPS, namespace=cluster.velero_namespace, name=name)
            if isinstance(one, Refused | NoData):
                return one
            held += [name] if isinstance(one, Mapping) else []
        return Moved(restores, tuple(spaces), tuple(held))

    def next(self, target: Target, policy: Policy, facts: Moved | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if running := next((n for n, phase, ending in facts.restores if phase in RUNNING and not ending), None):
            return Wait(because=f"restore {running!r} is at work, and Velero stops none", again_in=AGAIN)
        velero = cluster.velero_namespace
        if there := next((n for n, ending in facts.namespaces if not ending), None):
            because = f"namespace {there!r} is there, which the move has restored"
            return Act(because=because, call=_delete(cluster.name, cluster.region, NAMESPACES, there, None))
        if ending := [n for n, _ in facts.namespaces]:
            return Wait(because=f"namespace {', '.join(ending)} is ending", again_in=AGAIN)
        if left := next((n for n, _, ending in facts.restores if not ending), None):
            call = _delete(cluster.name, cluster.region, RESTORES, left, velero)
            return Act(because=f"restore {left!r} is there", call=call)
        if facts.restores:
            return Wait(because=f"restore {facts.restores[0][0]!r} is being deleted", again_in=AGAIN)
        if facts.rewrites:
            call = _delete(cluster.name, cluster.region, CONFIGMAPS, facts.rewrites[0], velero)
            return Act(because=f"ConfigMap {facts.rewrites[0]!r} is there", call=call)
        return Done(because=f"nothing that the move has restored is left in cluster {cluster.name!r}")


def _of_a_move(restore: Mapping[str, Any]) -> bool:
    incident = str((restore["metadata"].get("labels") or {}).get(INCIDENT_LABEL, ""))
    return bool(incident) and not incident.startswith(DRILLS)


def _made_by(
    space: Mapping[str, Any], name: str, cluster: Cluster, policy: Policy, reader: Reader
) -> set[str] | Refused | NoData:
    """The Restores that have made what stands in a namespace; '' among them for what nobody restored."""
    found = {label} if (label := _label(space)) else set()
    for service in policy.services.in_order():
        for deployment in service.deployments if service.namespace == name else ():
            one = reader.kube(cluster.name, DEPLOYMENTS, namespace=name, name=deployment)
            if isinstance(one, Refused | NoData):
                return one
            found |= {_label(one)} if isinstance(one, Mapping) else set()
    return found


def _label(one: Mapping[str, Any]) -> str:
    return str((one["metadata"].get("labels") or {}).get(MADE_BY, ""))


def rewrites(policy: Policy) -> tuple[str, ...]:
    """The ConfigMaps that the responder writes there for its restores."""
    return tuple(filter(None, (modifiers_name(policy), IMAGES)))


def _restore(found: Mapping[str, Any]) -> tuple[str, str, bool]:
    meta = found["metadata"]
    return str(meta["name"]), str((found.get("status") or {}).get("phase", "")), "deletionTimestamp" in meta


def _delete(cluster: str, region: str, resource: str, name: str, namespace: str | None) -> Call:
    return Call(
        system="kubernetes",
        service=cluster,
        region=region,
        operation=f"delete {resource}",
        params={"name": name, **({"namespace": namespace} if namespace else {})},
        until="it is not there",
        reversible=False,
    )
