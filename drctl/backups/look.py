"""Looks at what the audit judges: a cluster's schedules and backups, the bucket, and its copy. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.schedules import Place
from chalicelib.policy import Policy
from drctl.backups.audit import Objects, Seen, Unseen

SCHEDULES: Final = "velero.io/v1 schedules"
BACKUPS: Final = "velero.io/v1 backups"
LOCATIONS: Final = "velero.io/v1 backupstoragelocations"
PAGES: Final = 400
"""Of a thousand objects each; a bucket with more is not one of backups alone."""
READS: Final[tuple[Op, ...]] = (
    KubeOp(verb="list", group="velero.io", resource="schedules"),
    KubeOp(verb="list", group="velero.io", resource="backups"),
    KubeOp(verb="get", group="velero.io", resource="backupstoragelocations"),
    AwsOp(service="s3", operation="list_objects_v2", resources=("*",)),
)


def look(policy: Policy, place: Place, reading: Callable[[tuple[Op, ...]], Reader]) -> Seen:
    """Everything; a part that did not answer says why, and the others are still seen."""
    reader, cluster = reading(READS), policy.platform.cluster(place)
    location = reader.kube(cluster.name, LOCATIONS, namespace=cluster.velero_namespace, name=cluster.backup_location)
    bucket, prefix = "", ""
    if isinstance(location, Mapping):
        held = location["spec"].get("objectStorage") or {}
        bucket, prefix = str(held.get("bucket", "")), str(held.get("prefix", "")).strip("/")
    folder = f"{prefix}/backups/" if prefix else "backups/"
    why = _why_unnamed(location, cluster.backup_location)
    row = next((r for r in policy.backups.replication if r.source == bucket), None)
    no_copy = NoData(because=why or f"policy has no replication of bucket {bucket!r}")
    return Seen(
        schedules=_listed(reader, cluster.name, SCHEDULES, cluster.velero_namespace),
        backups=_listed(reader, cluster.name, BACKUPS, cluster.velero_namespace),
        source=_objects(reader, bucket, cluster.region, folder) if bucket else NoData(because=why),
        copy=_objects(reader, row.destination, row.destination_region, folder) if row else no_copy,
        prefix=prefix,
    )


def _why_unnamed(location: object, name: str) -> str:
    match location:
        case NoData(because=because) | Refused(because=because):
            return because
        case None:
            return f"there is no backup location {name!r}, so no bucket is named"
        case _:
            return "" if location else f"backup location {name!r} names no bucket"


def _listed(reader: Reader, cluster: str, resource: str, namespace: str) -> Sequence[Mapping[str, Any]] | Unseen:
    found = reader.kube(cluster, resource, namespace=namespace)
    if isinstance(found, NoData | Refused):
        return found
    if found is None or isinstance(found, Mapping):
        return NoData(because=f"cluster {cluster!r} did not list {resource}")
    return found


def _objects(reader: Reader, bucket: str, region: str, folder: str) -> Objects | Unseen:
    found, more = dict[str, int](), dict[str, str]()
    for _ in range(PAGES):
        page = reader.aws("s3", region, "list_objects_v2", Bucket=bucket, Prefix=folder, **more)
        if isinstance(page, NoData | Refused):
            return page
        found |= {str(o["Key"]): int(o["Size"]) for o in page.get("Contents", ())}
        if not page.get("IsTruncated"):
            return found
        more = {"ContinuationToken": str(page["NextContinuationToken"])}
    return NoData(because=f"bucket {bucket!r} holds more than {PAGES * 1000} objects below {folder!r}")
