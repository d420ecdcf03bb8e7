"""Storage locations: validation every 10 s, and the sync that makes Backups out of what lies in the bucket every 20 s.

*recorded*, 06-location and 08-delete/backup-synced-back. Only backups are synced: a fresh cluster on the same bucket
gets neither schedules nor restores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Obj, stamp
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.backups import write_files
from drctl.neighbours.kubernetes.velero.shared import BACKUPS, LOCATIONS, NAMESPACE, Velero, mine, phase

FIRST: Final = 0.1
VALIDATE: Final = 10.0
SYNC: Final = 20.0
_UNFINISHED: Final = ("", "InProgress", "Finalizing", "FinalizingPartiallyFailed")


def at_first(bucket: str, prefix: str, *, read_only: bool, home: Mapping[str, Any] | None) -> Obj:
    """The BackupStorageLocation that a cluster begins with: `default` in AWS, or `home`'s name and spec."""
    spec: Obj = {"provider": "aws", "default": True, "objectStorage": {"bucket": bucket, "prefix": prefix}}
    if read_only:
        spec["accessMode"] = "ReadOnly"
    if home:
        spec = {"default": True, **home["spec"]}
    place = {"name": home["name"] if home else "default", "namespace": "velero"}
    return {"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": place, "spec": spec}


class Locations:
    """absent -> Available or Unavailable, looked at again and again."""

    name = "locations"

    def __init__(self, velero: Velero) -> None:
        self.velero = velero

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if mine(resource, obj, LOCATIONS) and not gone and not phase(obj):
            key = (obj["metadata"]["name"], obj["metadata"]["uid"])
            self.velero.cluster.after(FIRST, self.name, "validate", *key)
            self.velero.cluster.after(2 * FIRST, self.name, "sync", *key)

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        location = self.velero.location(key[0])
        if location is None or location["metadata"]["uid"] != key[1]:
            return
        if what == "validate":
            self._validate(location)
            self.velero.cluster.every(VALIDATE, self.name, what, *key)
        else:
            self._sync(location)
            self.velero.cluster.every(SYNC, self.name, what, *key)

    def _validate(self, location: Obj) -> None:
        velero, name = self.velero, location["metadata"]["name"]
        prefix = velero.prefix(location)
        listing = f"?delimiter=%2F&list-type=2&prefix={prefix}%2F"
        why = velero.trouble(location, "ListObjectsV2", "Get", listing)
        velero.save(
            location,
            phase="Unavailable" if why else "Available",
            message=f'BackupStorageLocation "{name}" is unavailable: {why}' if why else None,
            lastValidationTime=stamp(velero.cluster.now),
        )

    def _sync(self, location: Obj) -> None:
        """Makes the Backups that are only in the bucket, and drops finished ones that no longer are there (*source*,
        pkg/controller/backup_sync_controller.go).
        """
        velero, name = self.velero, location["metadata"]["name"]
        prefix = velero.prefix(location)
        if velero.trouble(location, "ListObjectsV2", "Get", "") or velero.poisoned(BACKUPS):
            return
        stored = velero.store.backups(prefix)
        for backup_name, kept in stored.items():
            if velero.get(BACKUPS, backup_name) is None and phase(kept.backup) not in _UNFINISHED:
                write_files(velero, prefix, kept.backup)
                velero.cluster.create(by_key(BACKUPS), _synced(kept.backup, name))
        for backup in velero.all(BACKUPS):
            here = (backup.get("spec") or {}).get("storageLocation") == name
            if here and phase(backup) in ("Completed", "PartiallyFailed") and backup["metadata"]["name"] not in stored:
                velero.cluster.remove(by_key(BACKUPS), backup)
        velero.save(location, lastSyncedTime=stamp(velero.cluster.now))


def _synced(backup: Obj, location: str) -> Obj:
    """A new object with the uploaded spec and status; `hooks` and `metadata` come back empty (*recorded*)."""
    meta = backup["metadata"]
    new: Obj = {"metadata": {"name": meta["name"], "namespace": NAMESPACE}}
    if meta.get("annotations"):
        new["metadata"]["annotations"] = dict(meta["annotations"])
    new["metadata"]["labels"] = {**(meta.get("labels") or {}), "velero.io/storage-location": location}
    new["spec"] = {"hooks": {}, "metadata": {}, **copied(backup.get("spec") or {}), "storageLocation": location}
    new["status"] = copied(backup.get("status") or {})
    return new
