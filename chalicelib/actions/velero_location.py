"""Makes a Velero backup location read-only, so that nothing overwrites or expires backups while they are restored.

A location that is read-only stops Velero's garbage collection too: what has expired there is kept, and labelled
`velero.io/gc-failure`. What it was before is noted, for whoever takes the step back (velero_resumed.py).
Sources: https://velero.io/docs/v1.18/disaster-case/ (step 1); velero pkg/controller/gc_controller.go (BSLReadOnly).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.core.failback import BEFORE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster

LOCATIONS: Final = "velero.io/v1 backupstoragelocations"
AGAIN: Final = timedelta(seconds=10)
READS: Final = (
    KubeOp(verb="get", group="velero.io", resource="backupstoragelocations"),
    KubeOp(verb="get", group="velero.io", resource="backupstoragelocations", where="primary"),
)
CALLS: Final = (
    KubeOp(verb="patch", group="velero.io", resource="backupstoragelocations"),
    KubeOp(verb="patch", group="velero.io", resource="backupstoragelocations", where="primary"),
)


@dataclass(frozen=True, slots=True)
class Location:
    """A BackupStorageLocation as it is."""

    access_mode: str
    phase: str
    message: str


def location(cluster: Cluster, reader: Reader) -> Location | Refused | NoData | None:
    """The cluster's backup location; None when it is not there."""
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


class LocationReadOnly:
    """One merge patch; the location's `accessMode` says whether it was done."""

    name: ClassVar[str] = "velero-location-read-only"
    reads: ClassVar[tuple[Op, ...]] = READS
    calls: ClassVar[tuple[Op, ...]] = CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Location | Refused | NoData | None:
        return location(cluster_of(target, policy), reader)

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
                call = Call(
                    system="kubernetes",
                    service=cluster.name,
                    region=cluster.region,
                    operation=f"patch {LOCATIONS}",
                    params={
                        "namespace": cluster.velero_namespace,
                        "name": cluster.backup_location,
                        "body": {"spec": {"accessMode": "ReadOnly"}},
                    },
                    until="its accessMode is ReadOnly",
                    reversible=True,
                )
                return Act(
                    because=f"{named} is {mode}, expected ReadOnly", call=call, facts={**target.facts, BEFORE: mode}
                )
