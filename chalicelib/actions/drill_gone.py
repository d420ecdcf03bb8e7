"""Takes a drill's copies away, and looks until they are gone: nothing is called gone that was not seen to be.

A namespace is not deleted while a restore is at work on it, or Velero would make it again; Velero has no way to stop
one (https://velero.io/docs/v1.18/restore-reference/), and a drill has one at a time. With the namespace go its objects,
its claims, and the volumes that were made for them (reclaim policy Delete:
https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming). A Restore that is deleted takes its files
in the bucket along. An instance is deleted without a last snapshot, and its automated backups with it:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBInstance.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.copies import DESCRIBE_DRILLED, DRILL_ONES, drill_namespaces, throw_away
from chalicelib.actions.places import cluster_of
from chalicelib.actions.restored import TAG, Absent, instance, tags
from chalicelib.actions.rewriting import modifiers_name
from chalicelib.actions.velero_restore import INCIDENT_LABEL, RESTORES, RUNNING, incident_label
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
AGAIN_INSTANCE: Final = timedelta(seconds=15)
NAMESPACES: Final = "v1 namespaces"
VOLUMES: Final = "v1 persistentvolumes"
CONFIGMAPS: Final = "v1 configmaps"
NO_DELETION: Final = frozenset({"creating", "deleting"})


@dataclass(frozen=True, slots=True)
class Left:
    """What is still there of a drill's copies: its Restores (name, phase, whether it is being deleted), namespaces and
    whether each is ending, volumes of claims in them, and its modifiers' ConfigMap.
    """

    restores: tuple[tuple[str, str, bool], ...]
    namespaces: tuple[tuple[str, bool], ...]
    volumes: tuple[str, ...]
    rewrites: str


class DrillCopiesGone:
    """One deletion at a time, in the order in which they leave nothing behind."""

    name: ClassVar[str] = "drill-copies-gone"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="velero.io", resource="restores"),
        KubeOp(verb="get", group="", resource="namespaces", only="drills"),
        KubeOp(verb="list", group="", resource="persistentvolumes"),
        KubeOp(verb="get", group="", resource="configmaps", within="velero"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="delete", group="velero.io", resource="restores"),
        KubeOp(verb="delete", group="", resource="namespaces", only="drills"),
        KubeOp(verb="delete", group="", resource="configmaps", within="velero", only="drills"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Left | Refused | NoData:
        cluster = cluster_of(target, policy)
        label = f"{INCIDENT_LABEL}={incident_label(target)}"
        restores = reader.kube(cluster.name, RESTORES, namespace=cluster.velero_namespace, label=label)
        if not isinstance(restores, Sequence):
            return _silent(restores, "did not list restores")
        spaces: list[tuple[str, bool]] = []
        for name in drill_namespaces(policy):
            found = reader.kube(cluster.name, NAMESPACES, name=name)
            if isinstance(found, Refused | NoData):
                return found
            if isinstance(found, Mapping):
                spaces.append((name, "deletionTimestamp" in found["metadata"]))
        volumes = reader.kube(cluster.name, VOLUMES)
        if not isinstance(volumes, Sequence):
            return _silent(volumes, "did not list volumes")
        held = _rewrites(target, policy, reader)
        if isinstance(held, Refused | NoData):
            return held
        return Left(tuple(_restore(r) for r in restores), tuple(spaces), tuple(_of_drills(volumes, policy)), held)

    def next(self, target: Target, policy: Policy, facts: Left | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        cluster = cluster_of(target, policy)
        if running := next((n for n, phase, ending in facts.restores if phase in RUNNING and not ending), None):
            return Wait(because=f"restore {running!r} is at work, and Velero stops none", again_in=AGAIN)
        if there := next((n for n, ending in facts.namespaces if not ending), None):
            return _delete(cluster.name, cluster.region, NAMESPACES, there, None, f"namespace {there!r} is there")
        if ending := [n for n, _ in facts.namespaces]:
            return Wait(because=f"namespace {', '.join(ending)} is ending", again_in=AGAIN)
        if facts.volumes:
            names = ", ".join(facts.volumes)
            return Wait(because=f"volume {names} of a copy's claim is there", again_in=AGAIN)
        velero = cluster.velero_namespace
        if left := next((n for n, _, ending in facts.restores if not ending), None):
            return _delete(cluster.name, cluster.region, RESTORES, left, velero, f"restore {left!r} is there")
        if facts.restores:
            return Wait(because=f"restore {facts.restores[0][0]!r} is being deleted", again_in=AGAIN)
        if facts.rewrites:
            because = f"ConfigMap {facts.rewrites!r} is there"
            return _delete(cluster.name, cluster.region, CONFIGMAPS, facts.rewrites, velero, because)
        return Done(because="no namespace, volume, restore or ConfigMap of a drill is left in the standby cluster")


class DrillInstanceGone:
    """The throw-away instance, and no other: its name is the drill's, and so must its tag be."""

    name: ClassVar[str] = "drill-instance-gone"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE_DRILLED,)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="rds",
            operation="delete_db_instance",
            resources=(DRILL_ONES,),
            where="primary",
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Mapping[str, Any] | Absent | Refused | NoData:
        return instance(policy, reader, throw_away(policy, target))

    def next(
        self, target: Target, policy: Policy, facts: Mapping[str, Any] | Absent | Refused | NoData, now: datetime
    ) -> Next:
        name, again = throw_away(policy, target), AGAIN_INSTANCE
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {again.seconds} s", again_in=again)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Absent():
                return Done(because=f"there is no instance {name!r}")
        status, made = str(facts["DBInstanceStatus"]), tags(facts).get(TAG)
        if made != target.incident:
            return Stuck(because=f"instance {name!r} was made by {made or 'somebody else'}: it is left as it is")
        if status in NO_DELETION:
            return Wait(because=f"instance {name!r} is {status!r}", again_in=again)
        call = Call(
            system="aws",
            service="rds",
            region=policy.platform.database.primary.region,
            operation="delete_db_instance",
            params={"DBInstanceIdentifier": name, "SkipFinalSnapshot": True, "DeleteAutomatedBackups": True},
            until=f"there is no instance {name!r}",
            reversible=False,
        )
        return Act(because=f"instance {name!r} is {status!r}, and is to be gone", call=call)


def _delete(cluster: str, region: str, resource: str, name: str, namespace: str | None, because: str) -> Act:
    call = Call(
        system="kubernetes",
        service=cluster,
        region=region,
        operation=f"delete {resource}",
        params={"name": name, **({"namespace": namespace} if namespace else {})},
        until="it is not there",
        reversible=False,
    )
    return Act(because=because, call=call)


def _silent(found: object, what: str) -> Refused | NoData:
    return found if isinstance(found, Refused | NoData) else NoData(because=f"the cluster {what}")


def _rewrites(target: Target, policy: Policy, reader: Reader) -> str | Refused | NoData:
    """The name of the drill's ConfigMap, '' when it is not there."""
    cluster, name = cluster_of(target, policy), modifiers_name(policy, target.params["cluster"], drill=True)
    if name is None:
        return ""
    found = reader.kube(cluster.name, CONFIGMAPS, namespace=cluster.velero_namespace, name=name)
    if isinstance(found, Refused | NoData):
        return found
    return name if isinstance(found, Mapping) else ""


def _restore(found: Mapping[str, Any]) -> tuple[str, str, bool]:
    meta = found["metadata"]
    return str(meta["name"]), str((found.get("status") or {}).get("phase", "")), "deletionTimestamp" in meta


def _of_drills(volumes: Sequence[Mapping[str, Any]], policy: Policy) -> list[str]:
    ours = drill_namespaces(policy)
    claims = ((v["metadata"]["name"], (v["spec"].get("claimRef") or {}).get("namespace")) for v in volumes)
    return [str(name) for name, namespace in claims if namespace in ours]
