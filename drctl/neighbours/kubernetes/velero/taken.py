"""Backups that a store has as if they had been taken, put there before anybody asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.objects import Obj, stamp
from drctl.neighbours.kubernetes.velero.backups import write_files
from drctl.neighbours.kubernetes.velero.filters import capture
from drctl.neighbours.kubernetes.velero.shared import duration
from drctl.neighbours.kubernetes.velero.store import StoredBackup


def take_backup(
    api: KubeApi,
    name: str,
    *,
    at: datetime,
    schedule: str = "",
    phase: str = "Completed",
    ttl: str = "720h0m0s",
    spec: Mapping[str, Any] | None = None,
) -> StoredBackup:
    """Puts a finished backup of the cluster as it is now into the store, as if it had been taken at `at`.

    `phase` is Completed, PartiallyFailed or Failed. The Backup object appears in every cluster on the store with its
    next sync, this one included.
    """
    whole: Obj = {
        "csiSnapshotTimeout": "10m0s",
        "defaultVolumesToFsBackup": False,
        "itemOperationTimeout": "4h0m0s",
        "snapshotMoveData": False,
        "ttl": ttl,
        "storageLocation": "default",
        **(spec or {}),
    }
    objects, _ = capture(api.cluster, whole)
    labels = {"velero.io/storage-location": "default"} | ({"velero.io/schedule-name": schedule} if schedule else {})
    errors = 0 if phase == "Completed" else 1
    status: Obj = {
        "phase": phase,
        "version": 1,
        "formatVersion": "1.1.0",
        "startTimestamp": stamp(at),
        "completionTimestamp": stamp(at),
        "expiration": stamp(at + duration(ttl)),
        "progress": {"itemsBackedUp": len(objects), "totalItems": len(objects)},
        **({"errors": errors} if errors else {}),
    }
    backup: Obj = {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": name, "namespace": "velero", "labels": labels},
        "spec": whole,
        "status": status,
    }
    location = api.velero.location("default")
    prefix = api.velero.prefix(location) if location else ""
    kept = api.location.keep(prefix, backup, objects)
    write_files(api.velero, prefix, backup)
    return kept
