"""Makes a Velero backup location read-only, so that nothing overwrites or expires backups while they are restored.

A location that is read-only stops Velero's garbage collection too: what has expired there is kept, and labelled
`velero.io/gc-failure`. What it was before is noted, and given back by the second action where a runbook names it.
Sources: https://velero.io/docs/v1.18/disaster-case/ (step 1); velero pkg/controller/gc_controller.go (BSLReadOnly).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

LOCATIONS: Final = "velero.io/v1 backupstoragelocations"
AGAIN: Final = timedelta(seconds=10)
READ_ONLY: Final = "ReadOnly"
WAS: Final = "access_mode"
"""The fact of what the location was before."""
_READS: Final = (
    KubeOp(verb="get", group="velero.io", resource="backupstoragelocations"),
    KubeOp(verb="get", group="velero.io", resource="backupstoragelocations", where="primary"),
)
_CALLS: Final = (
    KubeOp(verb="patch", group="velero.io", resource="backupstoragelocations"),
    KubeOp(verb="patch", group="velero.io", resource="backupstoragelocations", where="primary"),
)


@dataclass(frozen=True, slots=True)
class Location:
    """A BackupStorageLocation as it is."""

    access_mode: str
    phase: str
    message: str


class LocationReadOnly:
    """One merge patch; the location's `accessMode` says whether it was done."""

    name: ClassVar[str] = "velero-location-read-only"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Location | Refused | NoData | None:
        return _location(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Location | Refused | NoData | None, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        named = f"backup location {cluster.backup_location!r} of cluster {cluster.name!r}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case None:
                return Stuck(because=f"{named} does not exist; create it on the bucket that holds the backups")
            case Location(access_mode="ReadOnly", phase="Unavailable", message=message):
                return Stuck(because=f"{named} is read-only but Unavailable: {message or 'Velero gives no reason'}")
            case Location(access_mode="ReadOnly"):
                return Done(because=f"{named} is read-only")
            case Location(access_mode=mode):
                return Act(
                    because=f"{named} is {mode}, expected ReadOnly",
                    call=_made(target, policy, READ_ONLY),
                    facts={**target.facts, WAS: mode},
                )


class LocationGivenBack:
    """Makes it writable again where the other step made it read-only, and leaves one that was so before."""

    name: ClassVar[str] = "velero-location-given-back"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Location | Refused | NoData | None:
        return _location(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Location | Refused | NoData | None, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        named, was = f"backup location {cluster.backup_location!r} of cluster {cluster.name!r}", target.facts.get(WAS)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case None:
                return Done(because=f"{named} does not exist any more")
            case Location(access_mode="ReadOnly") if was:
                because = f"{named} is read-only, and was {was}"
                return Act(because=because, call=_made(target, policy, str(was)), facts=target.facts)
            case Location(access_mode=mode):
                why = "" if was else ", as it was before this incident"
                return Done(because=f"{named} is {mode}{why}")


def _location(target: Target, policy: Policy, reader: Reader) -> Location | Refused | NoData | None:
    cluster = cluster_of(target, policy)
    found = reader.kube(cluster.name, LOCATIONS, namespace=cluster.velero_namespace, name=cluster.backup_location)
    if not isinstance(found, Mapping):
        return found if isinstance(found, Refused | NoData) else None
    status: Mapping[str, Any] = found.get("status") or {}
    return Location(
        # Absent means ReadWrite: the CRD's own description of the field.
        access_mode=str(found["spec"].get("accessMode", "ReadWrite")),
        phase=str(status.get("phase", "")),
        message=str(status.get("message", "")),
    )


def _made(target: Target, policy: Policy, mode: str) -> Call:
    cluster = cluster_of(target, policy)
    return Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"patch {LOCATIONS}",
        params={
            "namespace": cluster.velero_namespace,
            "name": cluster.backup_location,
            "body": {"spec": {"accessMode": mode}},
        },
        until=f"its accessMode is {mode}",
        reversible=True,
    )
