"""The backup controller: one backup at a time, from no status to a final phase (*recorded*, 02-backup, 06-location)."""

from __future__ import annotations

from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.objects import Obj, stamp
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero import filters
from drctl.neighbours.kubernetes.velero.shared import BACKUPS, Velero, duration, mine, phase

PICK: Final = 0.3
WORK: Final = 18.0
FINALIZE: Final = 1.5
REFUSED: Final = 4.8
"""Seconds: until it is noticed, of copying, of finalizing, and until an unreachable bucket is given up (*recorded*)."""
POISONED: Final = 3.0

_MIXED: Final = (
    "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n"
    "include-cluster-scoped-resources, exclude-cluster-scoped-resources, include-namespace-scoped-resources and "
    "exclude-namespace-scoped-resources are new filter parameters.\nThey cannot be used together"
)
_OLD: Final = ("includedResources", "excludedResources", "includeClusterResources")
_NEW: Final = (
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
)
_DEFAULTS: Final = {
    "csiSnapshotTimeout": "10m0s",
    "defaultVolumesToFsBackup": False,
    "itemOperationTimeout": "4h0m0s",
    "snapshotMoveData": False,
    "ttl": "720h0m0s",
}
_ANNOTATIONS: Final = {
    "velero.io/resource-timeout": "10m0s",
    "velero.io/source-cluster-k8s-gitversion": "v1.36.2",
    "velero.io/source-cluster-k8s-major-version": "1",
    "velero.io/source-cluster-k8s-minor-version": "36",
}


class Backups:
    """1.18 goes absent -> Queued -> ReadyToStart -> InProgress (*source*, pkg/controller/backup_queue_controller.go);
    1.16 goes absent -> InProgress. Then Finalizing -> Completed, or their PartiallyFailed twins.
    """

    name = "backups"

    def __init__(self, velero: Velero) -> None:
        self.velero = velero
        self.waiting: list[str] = []
        self.running = ""

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if not mine(resource, obj, BACKUPS):
            return
        name = obj["metadata"]["name"]
        if gone:
            self.waiting = [n for n in self.waiting if n != name]
            if self.running == name:
                self._free()
        elif phase(obj) in ("", "New") and name not in self.waiting and name != self.running:
            self.waiting.append(name)
            self.velero.cluster.after(PICK, self.name, "pick")

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        if what == "pick":
            self._pick()
            return
        backup = self.velero.get(BACKUPS, key[0])
        if backup is None or backup["metadata"]["uid"] != key[1]:
            return
        match what, phase(backup):
            case "start", "" | "New" | "ReadyToStart":
                self._start(backup)
            case "capture", "InProgress":
                self._capture(backup)
            case "give up", "InProgress":
                self._give_up(backup)
            case "finish", "Finalizing" | "FinalizingPartiallyFailed":
                self._finish(backup)
            case _:
                pass

    def _free(self) -> None:
        self.running = ""
        self.velero.cluster.after(PICK, self.name, "pick")

    def _later(self, seconds: float, what: str, backup: Obj) -> None:
        self.velero.cluster.after(seconds, self.name, what, backup["metadata"]["name"], backup["metadata"]["uid"])

    def _pick(self) -> None:
        velero = self.velero
        if not self.waiting:
            return
        if velero.poisoned(BACKUPS):
            velero.cluster.after(POISONED, self.name, "pick")
            return
        if not self.running:
            self.running = self.waiting.pop(0)
        if velero.queues:
            for place, name in enumerate(self.waiting, start=1):
                waiting = velero.get(BACKUPS, name)
                if waiting is not None:
                    velero.save(waiting, phase="Queued", queuePosition=place)
        backup = velero.get(BACKUPS, self.running)
        if backup is None:
            self._free()
        elif phase(backup) in ("", "New", "Queued"):
            if velero.queues:
                backup = velero.save(backup, phase="ReadyToStart", queuePosition=None)
                self._later(PICK, "start", backup)
            else:
                self._start(backup)

    def _start(self, backup: Obj) -> None:
        """Defaults, labels and annotations are written whatever comes of the validation."""
        velero, now = self.velero, self.velero.cluster.now
        new = copied(backup)
        spec = new["spec"] = new.get("spec") or {}
        meta = new["metadata"]
        for field, default in _DEFAULTS.items():
            if spec.get(field) is None:
                spec[field] = default
        spec.setdefault("storageLocation", "default")
        meta.setdefault("annotations", {}).update(_ANNOTATIONS)
        meta.setdefault("labels", {})["velero.io/storage-location"] = spec["storageLocation"]
        told: dict[str, Any] = {
            "expiration": stamp(now + duration(spec["ttl"])),
            "formatVersion": "1.1.0",
            "version": 1,
        }
        errors = self._errors(spec)
        if errors:
            velero.save(new, phase="FailedValidation", validationErrors=errors, **told)
            self._last_status(new, good=False)
            self._free()
            return
        new = velero.save(new, phase="InProgress", startTimestamp=stamp(now), **told)
        if self._trouble(new):
            self._later(REFUSED, "give up", new)
        else:
            self._later(WORK, "capture", new)

    def _errors(self, spec: dict[str, Any]) -> list[str]:
        velero, name = self.velero, spec["storageLocation"]
        errors = []
        if any(spec.get(f) for f in _OLD) and any(spec.get(f) for f in _NEW):
            errors.append(_MIXED)
        for what, noun in (("Namespaces", "namespace"), ("Resources", "resource")):
            found = filters.overlap(spec.get(f"included{what}") or (), spec.get(f"excluded{what}") or ())
            errors += [f"Invalid included/excluded {noun} lists: {text}" for text in found]
        location = velero.location(name)
        if location is None:
            missing = f'BackupStorageLocation.velero.io "{name}" not found'
            errors.append(
                "a BackupStorageLocation CRD with the name specified in the backup spec needs to be created before "
                f"this backup can be executed. Error: {missing}"
            )
        elif velero.read_only(location):
            errors.append(
                f"backup can't be created because backup storage location {name} is currently in read-only mode"
            )
        elif velero.queues and phase(location) == "Unavailable":
            errors.append(f"backup can't be created because BackupStorageLocation {name} is in Unavailable status.")
        if spec.get("labelSelector") and spec.get("orLabelSelectors"):
            errors.append(
                "encountered labelSelector as well as orLabelSelectors in backup spec, only one can be specified"
            )
        return errors

    def _trouble(self, backup: Obj) -> str:
        location = self.velero.location(backup["spec"]["storageLocation"])
        if location is None:
            return f'BackupStorageLocation.velero.io "{backup["spec"]["storageLocation"]}" not found'
        path = f"/{self.velero.prefix(location)}/backups/{backup['metadata']['name']}/velero-backup.json"
        return self.velero.trouble(location, "HeadObject", "Head", path)

    def _give_up(self, backup: Obj) -> None:
        why = f"error checking if backup already exists in object storage: {self._trouble(backup)}"
        self.velero.save(backup, phase="Failed", failureReason=why, completionTimestamp=stamp(self.velero.cluster.now))
        self._last_status(backup, good=False)
        self._free()

    def _capture(self, backup: Obj) -> None:
        if self._trouble(backup):
            self._give_up(backup)
            return
        velero = self.velero
        objects, errors = filters.capture(velero.cluster, backup["spec"])
        errors = [*errors, *velero.item_errors, *self._unread_volumes(backup["spec"], objects)]
        name = backup["metadata"]["name"]
        fault = next((p for p in velero.partial if p.backup in ("", name)), None)
        if fault is not None:
            velero.partial.remove(fault)
        failed = len(errors) + (fault.errors if fault else 0)
        hook_status = {"hooksAttempted": fault.hooks, "hooksFailed": fault.hooks} if fault and fault.hooks else {}
        count = {"itemsBackedUp": len(objects), "totalItems": len(objects)} if objects else {}
        backup = velero.save(backup, progress={"totalItems": len(objects)} if objects else {})
        backup = velero.save(backup, progress=count, hookStatus={})
        backup = velero.save(
            backup,
            phase="FinalizingPartiallyFailed" if failed else "Finalizing",
            errors=failed or None,
            progress=count,
            hookStatus=hook_status,
        )
        said = {"velero": [*errors, *["error set by partial_next"] * (failed - len(errors))]} if failed else {}
        self._upload(backup, objects, {"errors": said, "warnings": {}})
        self._later(FINALIZE, "finish", backup)
        self._free()

    def _unread_volumes(self, spec: Obj, objects: list[Obj]) -> list[str]:
        """File-system backup reads a volume through the node-agent of the node that its pod runs on (*source*,
        pkg/nodeagent/node_agent.go, IsRunningInNode). Without one, the pod's item has an error and the backup goes on.
        """
        velero = self.velero
        if not velero.no_node_agent or not spec.get("defaultVolumesToFsBackup"):
            return []
        spaces = {o["metadata"]["namespace"] for o in objects if "namespace" in o["metadata"]}
        return [
            f"name: /{pod['metadata']['name']} message: /Error backing up item error: "
            f"/daemonset pod not found in running state in node {pod['spec']['nodeName']}"
            for pod in velero.cluster.every_object("pods")
            if pod["metadata"]["namespace"] in spaces
            and pod["spec"].get("nodeName")
            and any("persistentVolumeClaim" in v for v in pod["spec"].get("volumes") or ())
        ]

    def _upload(self, backup: Obj, objects: list[Obj], results: Obj) -> None:
        location = self.velero.location(backup["spec"]["storageLocation"])
        if location is not None:
            self.velero.store.keep(self.velero.prefix(location), backup, objects, results)

    def _finish(self, backup: Obj) -> None:
        last = "PartiallyFailed" if phase(backup).endswith("PartiallyFailed") else "Completed"
        backup = self.velero.save(backup, phase=last, completionTimestamp=stamp(self.velero.cluster.now))
        self._last_status(backup, good=last == "Completed")
        location = self.velero.location(backup["spec"]["storageLocation"])
        if location is None:
            return
        prefix, name = self.velero.prefix(location), backup["metadata"]["name"]
        kept = self.velero.store.backup(prefix, name)
        if kept is not None:
            kept.backup = copied(backup)
            write_files(self.velero, prefix, backup)

    def _last_status(self, backup: Obj, *, good: bool) -> None:
        schedule = (backup["metadata"].get("labels") or {}).get("velero.io/schedule-name", "")
        self.velero.last_status[schedule] = good

    def restart(self) -> None:
        """A start of the server: what was InProgress is Failed (*source*, pkg/cmd/server/server.go,
        markInProgressBackupsFailed).
        """
        for backup in self.velero.all(BACKUPS):
            if phase(backup) == "InProgress":
                why = 'found a backup with status "InProgress" during the server starting, mark it as "Failed"'
                self.velero.save(
                    backup, phase="Failed", failureReason=why, completionTimestamp=stamp(self.velero.cluster.now)
                )
        self.running = ""
        self.velero.cluster.after(PICK, self.name, "pick")


def write_files(velero: Velero, prefix: str, backup: Obj) -> None:
    """The files a DownloadRequest can be answered with."""
    name = backup["metadata"]["name"]
    kept = velero.store.backup(prefix, name)
    if kept is None:
        return
    listed: dict[str, list[str]] = {}
    for obj in kept.objects:
        meta = obj["metadata"]
        place = f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else meta["name"]
        listed.setdefault(f"{obj['apiVersion']}/{obj['kind']}", []).append(place)
    folder = f"backups/{name}"
    velero.store.put_file(prefix, f"{folder}/{name}-results.gz", kept.results)
    velero.store.put_file(prefix, f"{folder}/{name}-resource-list.json.gz", listed)
    velero.store.put_file(prefix, f"{folder}/{name}-logs.gz", f'level=info msg="backup {name} done"\n')
    velero.store.put_file(prefix, f"{folder}/{name}.tar.gz", "")
