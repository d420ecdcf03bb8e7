"""DownloadRequest and DeleteBackupRequest: small objects by which Velero is asked for something once."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Obj, instant, stamp
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.backups import POISONED
from drctl.neighbours.kubernetes.velero.shared import BACKUPS, DELETIONS, DOWNLOADS, RESTORES, Velero, mine, phase

DOWNLOAD: Final = 0.15
DELETE: Final = 0.3
DELETING: Final = 1.0
VALID: Final = timedelta(minutes=10)
_FILES: Final = {
    "BackupLog": "backups/{0}/{0}-logs.gz",
    "BackupContents": "backups/{0}/{0}.tar.gz",
    "BackupResults": "backups/{0}/{0}-results.gz",
    "BackupResourceList": "backups/{0}/{0}-resource-list.json.gz",
    "RestoreLog": "restores/{0}/restore-{0}-logs.gz",
    "RestoreResults": "restores/{0}/restore-{0}-results.gz",
    "RestoreResourceList": "restores/{0}/restore-{0}-resource-list.json.gz",
}


class Downloads:
    """absent -> Processed with a URL that is good for ten minutes; never, when there is no such backup or restore
    (*recorded*, 09-download). A file that is not there still gets a URL, which answers 404.
    """

    name = "downloads"

    def __init__(self, velero: Velero) -> None:
        self.velero = velero

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if mine(resource, obj, DOWNLOADS) and not gone and phase(obj) in ("", "New"):
            self.velero.cluster.after(DOWNLOAD, self.name, "serve", obj["metadata"]["name"])

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        request = self.velero.get(DOWNLOADS, key[0])
        if request is None or not request.get("spec"):
            return
        if what == "expire":
            if instant(request["status"]["expiration"]) <= self.velero.cluster.now:
                self.velero.cluster.remove(by_key(DOWNLOADS), request)
            return
        target = request["spec"]["target"]
        name = backup_name = target["name"]
        if target["kind"].startswith("Restore"):
            restore = self.velero.get(RESTORES, name)
            backup_name = ((restore or {}).get("spec") or {}).get("backupName", "")
        backup = self.velero.get(BACKUPS, backup_name)
        location = self.velero.location(((backup or {}).get("spec") or {}).get("storageLocation", ""))
        if location is None or target["kind"] not in _FILES:
            self.velero.save(request, expiration=stamp(self.velero.cluster.now + VALID))
            return
        self._serve(request, location, _FILES[target["kind"]].format(name))

    def _serve(self, request: Obj, location: Obj, file: str) -> None:
        velero = self.velero
        now = velero.cluster.now
        bucket, prefix = location["spec"]["objectStorage"]["bucket"], velero.prefix(location)
        path = "/".join(p for p in ("/_object", bucket, prefix, file) if p)
        signed = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": now.strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-Expires": str(int(VALID.total_seconds())),
            "X-Amz-SignedHeaders": "host",
            "x-id": "GetObject",
        }
        query = "&".join(f"{k}={v}" for k, v in signed.items())
        seal = signature(path, signed["X-Amz-Date"])
        velero.save(
            request,
            phase="Processed",
            downloadURL=f"{velero.url}{path}?{query}&X-Amz-Signature={seal}",
            expiration=stamp(now + VALID),
        )
        velero.cluster.at(now + VALID, self.name, "expire", request["metadata"]["name"])


def signature(path: str, date: str) -> str:
    """What the stand-in's own URLs are signed with. It keeps nobody out; it only makes a made-up URL fail as it
    would.
    """
    return hashlib.sha256(f"{path} {date}".encode()).hexdigest()


class Deletions:
    """absent -> InProgress -> Processed, and then the request and the backup are gone; refused: Processed at once, with
    errors (*recorded*, 08-delete).
    """

    name = "deletions"

    def __init__(self, velero: Velero) -> None:
        self.velero = velero

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if mine(resource, obj, DELETIONS) and not gone and phase(obj) in ("", "New"):
            self.velero.cluster.after(DELETE, self.name, "look", obj["metadata"]["name"])

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        velero = self.velero
        request = velero.get(DELETIONS, key[0])
        if request is None or not request.get("spec"):
            return
        if velero.poisoned(BACKUPS):
            velero.cluster.after(POISONED, self.name, what, *key)
            return
        backup = velero.get(BACKUPS, request["spec"]["backupName"])
        if what == "look":
            self._look(request, backup)
        elif what == "forget":
            velero.cluster.remove(by_key(DELETIONS), request)
        elif backup is None:
            velero.save(request, phase="Processed", errors=["backup not found"])
        else:
            self._delete(request, backup)

    def _look(self, request: Obj, backup: Obj | None) -> None:
        velero, name = self.velero, request["metadata"]["name"]
        where = ((backup or {}).get("spec") or {}).get("storageLocation", "")
        location = velero.location(where)
        refused = ""
        if not request["spec"]["backupName"]:
            refused = "spec.backupName is required"
        elif backup is None:
            refused = "backup not found"
        elif phase(backup) in ("InProgress", "Finalizing"):
            refused = "backup is still in progress"
        elif location is None:
            refused = f"backup storage location {where} not found"
        elif velero.read_only(location):
            refused = f"cannot delete backup because backup storage location {where} is currently in read-only mode"
        elif velero.queues and phase(location) == "Unavailable":
            refused = f"cannot delete backup because backup storage location {where} is currently in Unavailable state"
        if refused or backup is None:
            velero.save(request, phase="Processed", errors=[refused])
            return
        new = copied(request)
        labels = new["metadata"].setdefault("labels", {})
        labels.update(
            {"velero.io/backup-name": backup["metadata"]["name"], "velero.io/backup-uid": backup["metadata"]["uid"]}
        )
        velero.save(new, phase="InProgress")
        velero.save(backup, phase="Deleting")
        velero.cluster.after(DELETING, self.name, "delete", name)

    def _delete(self, request: Obj, backup: Obj) -> None:
        """The backup's files, its restores, the object itself, then the request a moment after it was Processed."""
        velero, name = self.velero, backup["metadata"]["name"]
        location = velero.location(backup["spec"]["storageLocation"])
        if location is not None:
            velero.store.drop(velero.prefix(location), name)
            velero.store.drop_files(velero.prefix(location), f"backups/{name}/")
        for restore in velero.all(RESTORES):
            if (restore.get("spec") or {}).get("backupName") == name:
                velero.cluster.remove(by_key(RESTORES), restore)
        velero.cluster.remove(by_key(BACKUPS), backup)
        velero.save(request, phase="Processed")
        velero.cluster.after(DELETING, self.name, "forget", request["metadata"]["name"])
