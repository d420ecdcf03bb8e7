"""Backups in the standby: a good one of every service younger than the RPO, and no name that stands for two.

Both clusters' backups lie in one bucket by name. Velero's sync makes no Backup of a name that is there already, so a
name that was made twice restores something else than the primary meant.
https://github.com/vmware-tanzu/velero/blob/release-1.16/pkg/controller/backup_sync_controller.go
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from chalicelib.actions.contract import KubeOp, Op, Target, Where
from chalicelib.actions.velero_location import Location, LocationReadOnly
from chalicelib.actions.velero_restore import BACKUPS, Restoring, VeleroRestore
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster
from chalicelib.policy.services import Service
from chalicelib.readiness.contract import Around, Said

Starts = Mapping[str, str]
"""When each backup was begun, by its name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where backups lie, of each service what could be restored, and both clusters' backups by name."""

    location: Location | Refused | NoData | None
    services: Mapping[str, Restoring | Refused | NoData]
    standby: Starts | NoData
    primary: Starts | NoData


class BackupsJudge:
    """A verdict a service, one on where backups lie, and one on the names."""

    name: ClassVar[str] = "backups"
    actions: ClassVar[frozenset[str]] = frozenset({"velero-restore"})
    place: ClassVar[Where | None] = "standby"
    reads: ClassVar[tuple[Op, ...]] = (
        *VeleroRestore.reads,
        KubeOp(verb="get", group="velero.io", resource="backupstoragelocations"),
        KubeOp(verb="list", group="velero.io", resource="backups", where="primary"),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "velero backup get; velero backup create --from-schedule hourly --wait"

    def look(self, around: Around) -> Kept:
        policy, clusters = around.policy, around.policy.platform.clusters
        location = LocationReadOnly().observe(self._target(around), policy, around.reader)
        services: dict[str, Restoring | Refused | NoData] = {}
        for service in _workloads(policy):
            target = self._target(around, service=service.name)
            services[service.name] = VeleroRestore().observe(target, policy, around.reader)
        begun = []
        for cluster in (clusters.standby, clusters.primary):
            found = around.reader.kube(cluster.name, BACKUPS, namespace=cluster.velero_namespace)
            begun.append(_starts(found, cluster.name))
        return Kept(location, services, *begun)

    def _target(self, around: Around, **params: str) -> Target:
        where = {"cluster": "standby", **params}
        return Target(step=self.name, incident=self.name, opened_at=around.now, at=around.now, params=where)

    def judge(self, facts: Kept, policy: Policy, now: datetime) -> Iterator[Said]:
        rpo = policy.backups.rpo
        yield "backup location", lies(facts.location, policy.platform.clusters.standby)
        for service in _workloads(policy):
            subject = f"backup of {service.display}"
            match facts.services[service.name]:
                case NoData() as silent:
                    yield subject, silent
                case Refused(because=because, code=code):
                    yield subject, Lacking(because=f"backups cannot be listed: {because} ({code})")
                case Restoring(good=(), passed_over=over):
                    why = "; ".join(over[:3]) or "there is none at all"
                    yield subject, Lacking(because=f"there is no good and complete one ({why})")
                case Restoring(good=(newest, *_)):
                    age = now - newest.completed_at
                    said = f"backup {newest.name!r} is {policy.real(age)} old, allowed are {policy.real(rpo)}"
                    yield subject, Ready(because=said) if age <= rpo else Lacking(because=said)
        yield "names of backups", _names(facts.standby, facts.primary)


def lies(location: Location | Refused | NoData | None, cluster: Cluster) -> Ready | Lacking | NoData:
    """Whether a cluster's backup location is one from which can be restored."""
    named = f"backup location {cluster.backup_location!r} of cluster {cluster.name!r}"
    match location:
        case NoData():
            return location
        case Refused(because=because, code=code):
            return Lacking(because=f"{named} cannot be looked at: {because} ({code})")
        case None:
            return Lacking(because=f"{named} does not exist")
        case Location(phase="Available"):
            return Ready(because=f"{named} is Available")
        case Location(phase="", message=message):
            return NoData(because=f"Velero has not looked at {named} yet{message and f': {message}'}")
        case Location(phase=phase, message=message):
            return Lacking(because=f"{named} is {phase}: {message or 'Velero gives no reason'}")


def _workloads(policy: Policy) -> list[Service]:
    return [s for s in policy.services.in_order() if s.kind == "workload" and s.namespace is not None]


def _starts(found: Any, cluster: str) -> Starts | NoData:
    if isinstance(found, NoData | Refused):
        return NoData(because=found.because)
    if not isinstance(found, Sequence):
        return NoData(because=f"cluster {cluster!r} did not list its backups")
    return {b["metadata"]["name"]: str((b.get("status") or {}).get("startTimestamp") or "") for b in found}


def _names(standby: Starts | NoData, primary: Starts | NoData) -> Ready | Lacking | NoData:
    for side in (standby, primary):
        if isinstance(side, NoData):
            return side
    assert not isinstance(standby, NoData)  # noqa: S101  # both were looked at above
    assert not isinstance(primary, NoData)  # noqa: S101
    both = sorted(set(standby) & set(primary))
    twice = [name for name in both if standby[name] and primary[name] and standby[name] != primary[name]]
    if twice:
        first = twice[0]
        said = f"{first!r} was begun at {standby[first]} in the standby and at {primary[first]} in the primary"
        return Lacking(because=f"{len(twice)} names stand for two backups: {said}; the standby would restore its own")
    return Ready(because=f"{len(both)} backups are in both clusters, and no name stands for two")
