"""Garbage collection: an expired backup gets a DeleteBackupRequest, within the hour (*source*,
pkg/controller/gc_controller.go: each backup is looked at every 60 minutes, `defaultGCFrequency`; *docs*, "Set a backup
to expire").

A location that is read-only, or that is gone, keeps what is expired, and the backup is labelled `velero.io/gc-failure`.
"""

from __future__ import annotations

from typing import Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Obj, instant
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.shared import BACKUPS, DELETIONS, NAMESPACE, Velero, phase

EVERY: Final = 3600.0
FAILURE: Final = "velero.io/gc-failure"
_PENDING: Final = ("", "New", "InProgress")


class Collecting:
    """Looks at all backups every hour; the first time an hour after the server came up."""

    name = "collecting"

    def __init__(self, velero: Velero) -> None:
        self.velero = velero
        velero.cluster.after(EVERY, self.name, "collect")

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        """It goes by the clock."""

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        del key
        self.velero.cluster.after(EVERY, self.name, what)
        if self.velero.poisoned(BACKUPS):
            return
        for backup in self.velero.all(BACKUPS):
            expires = (backup.get("status") or {}).get("expiration")
            if expires and instant(expires) <= self.velero.cluster.now:
                self._collect(backup)

    def _collect(self, backup: Obj) -> None:
        velero, meta = self.velero, backup["metadata"]
        location = velero.location((backup.get("spec") or {}).get("storageLocation", ""))
        failure = "BSLNotFound" if location is None else "BSLReadOnly" if velero.read_only(location) else ""
        labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != FAILURE}
        labels |= {FAILURE: failure} if failure else {}
        if labels != (meta.get("labels") or {}):
            new = copied(backup)
            new["metadata"]["labels"] = labels
            velero.cluster.write(by_key(BACKUPS), new)
        if failure or any(
            phase(r) in _PENDING and (r.get("spec") or {}).get("backupName") == meta["name"]
            for r in velero.all(DELETIONS)
        ):
            return
        request: Obj = {
            "metadata": {
                "name": f"{meta['name']}-{velero.cluster.suffix()}",
                "namespace": NAMESPACE,
                "labels": {"velero.io/backup-name": meta["name"], "velero.io/backup-uid": meta["uid"]},
            },
            "spec": {"backupName": meta["name"]},
        }
        velero.cluster.create(by_key(DELETIONS), request)
