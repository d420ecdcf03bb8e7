"""The restore controller: restores run one after another, in the order they came (*recorded*, 03-restore to
06-location).
"""

from __future__ import annotations

from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Obj, stamp
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero import filters, modifiers
from drctl.neighbours.kubernetes.velero.backups import POISONED
from drctl.neighbours.kubernetes.velero.restoring import Outcome, bring_back, count
from drctl.neighbours.kubernetes.velero.shared import BACKUPS, NAMESPACE, RESTORES, Velero, mine, phase

PICK: Final = 0.3
ACCEPT: Final = 0.2
WORK: Final = 18.0
FINALIZE: Final = 1.5
CLEAN: Final = 0.5
"""Seconds: until noticed, of validating, of restoring, of finalizing, of removing a deleted restore's files."""

FINALIZER: Final = "restores.velero.io/external-resources-finalizer"
NON_RESTORABLE: Final = (
    "nodes",
    "events",
    "events.events.k8s.io",
    "backups.velero.io",
    "restores.velero.io",
    "resticrepositories.velero.io",
    "csinodes.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "backuprepositories.velero.io",
)


class Restores:
    """absent -> InProgress -> Finalizing -> Completed, or FinalizingPartiallyFailed -> PartiallyFailed; or
    FailedValidation at once. A waiting restore has no status.
    """

    name = "restores"

    def __init__(self, velero: Velero) -> None:
        self.velero = velero
        self.waiting: list[str] = []
        self.running = ""
        self.rules: dict[str, list[modifiers.Rule]] = {}

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if not mine(resource, obj, RESTORES):
            return
        name = obj["metadata"]["name"]
        if gone:
            self.waiting = [n for n in self.waiting if n != name]
            if self.running == name:
                self._free()
        elif "deletionTimestamp" in obj["metadata"]:
            self._later(CLEAN, "clean", obj)
        elif phase(obj) in ("", "New") and name not in self.waiting and name != self.running:
            self.waiting.append(name)
            self.velero.cluster.after(PICK, self.name, "pick")

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        if what == "pick":
            self._pick()
            return
        restore = self.velero.get(RESTORES, key[0])
        if restore is None or restore["metadata"]["uid"] != key[1]:
            return
        match what, phase(restore):
            case "clean", _:
                self._clean(restore)
            case "start", "" | "New":
                self._start(restore)
            case "restore", "InProgress":
                self._restore(restore)
            case "finish", "Finalizing" | "FinalizingPartiallyFailed":
                last = "PartiallyFailed" if phase(restore).endswith("PartiallyFailed") else "Completed"
                restore = self.velero.save(restore, hookStatus={})
                self.velero.save(restore, phase=last, completionTimestamp=stamp(self.velero.cluster.now))
            case _:
                pass

    def _later(self, seconds: float, what: str, restore: Obj) -> None:
        self.velero.cluster.after(seconds, self.name, what, restore["metadata"]["name"], restore["metadata"]["uid"])

    def _free(self) -> None:
        self.running = ""
        self.velero.cluster.after(PICK, self.name, "pick")

    def _pick(self) -> None:
        """Takes the next one in hand: the finalizer first, its validation a moment later."""
        velero = self.velero
        if self.running or not self.waiting:
            return
        if velero.poisoned(RESTORES, BACKUPS):
            velero.cluster.after(POISONED, self.name, "pick")
            return
        self.running = self.waiting.pop(0)
        restore = velero.get(RESTORES, self.running)
        if restore is None:
            self._free()
            return
        new = copied(restore)
        held = new["metadata"].setdefault("finalizers", [])
        if FINALIZER not in held:
            held.append(FINALIZER)
        self._later(ACCEPT, "start", velero.cluster.write(by_key(RESTORES), new))

    def _start(self, restore: Obj) -> None:
        velero = self.velero
        new = copied(restore)
        spec = new["spec"] = new.get("spec") or {}
        errors = [
            f"{name} are non-restorable resources"
            for name in spec.get("includedResources") or ()
            if name in NON_RESTORABLE
        ]
        excluded = spec.setdefault("excludedResources", [])
        excluded += [name for name in NON_RESTORABLE if name not in excluded]
        spec.setdefault("itemOperationTimeout", "4h0m0s")
        errors += self._errors(spec) or self._modifiers(restore["metadata"]["uid"], spec)
        if errors:
            velero.save(new, phase="FailedValidation", validationErrors=errors)
            self._free()
            return
        new = velero.save(new, phase="InProgress", startTimestamp=stamp(velero.cluster.now))
        self._later(WORK, "restore", new)

    def _errors(self, spec: dict[str, Any]) -> list[str]:
        """What goes into validationErrors; a schedule's newest Completed backup is written into `spec`."""
        errors = []
        for what, noun in (("Resources", "resource"), ("Namespaces", "namespace")):
            found = filters.overlap(spec.get(f"included{what}") or (), spec.get(f"excluded{what}") or ())
            errors += [f"Invalid included/excluded {noun} lists: {text}" for text in found]
        if spec.get("labelSelector") and spec.get("orLabelSelectors"):
            errors.append(
                "encountered labelSelector as well as orLabelSelectors in restore spec, only one can be specified"
            )
        policy = spec.get("existingResourcePolicy")
        if policy not in (None, "", "none", "update"):
            errors.append(f"Invalid ExistingResourcePolicy: {policy}")
        if bool(spec.get("backupName")) == bool(spec.get("scheduleName")):
            return [*errors, "Either a backup or schedule must be specified as a source for the restore, but not both"]
        if spec.get("scheduleName"):
            errors += self._from_schedule(spec)
        if spec.get("backupName"):
            name = spec["backupName"]
            backup = self.velero.get(BACKUPS, name)
            if backup is None:
                why = f'Backup.velero.io "{name}" not found'
                errors.append(f"Error retrieving backup: can't find backup velero/{name}: {why}")
            elif self.velero.location((backup.get("spec") or {}).get("storageLocation", "")) is None:
                where = (backup.get("spec") or {}).get("storageLocation", "")
                errors.append(f'Error retrieving backup: BackupStorageLocation.velero.io "{where}" not found')
        return errors

    def _modifiers(self, uid: str, spec: dict[str, Any]) -> list[str]:
        """*source*, pkg/controller/restore_controller.go, validateAndComplete: last, once the backup was found. They
        are read now, and a ConfigMap that is changed later changes nothing.
        """
        named = spec.get("resourceModifier") or {}
        self.rules[uid] = []
        if named.get("kind", "").lower() != "configmap":
            return []  # any other kind is passed over in silence
        name = named["name"]
        found = self.velero.cluster.get("configmaps", NAMESPACE, name)
        if found is None:
            return [f"failed to get resource modifiers configmap {NAMESPACE}/{name}"]
        said = "Error in parsing"
        try:
            version, rules = modifiers.read(NAMESPACE, name, found.get("data") or {})
            said = "Validation error in"
            modifiers.validate(version, rules)
        except modifiers.ModifiersError as error:
            return [f"{said} resource modifiers provided in configmap {NAMESPACE}/{name}: {error}"]
        self.rules[uid] = rules
        return []

    def _from_schedule(self, spec: dict[str, Any]) -> list[str]:
        """Only a Completed backup will do, never a PartiallyFailed one (*recorded*)."""
        found = [
            b
            for b in self.velero.all(BACKUPS)
            if (b["metadata"].get("labels") or {}).get("velero.io/schedule-name") == spec["scheduleName"]
        ]
        errors = [] if found else ["No backups found for schedule"]
        done = [b for b in found if phase(b) == "Completed"]
        if not done:
            return [*errors, "No completed backups found for schedule"]
        spec["backupName"] = max(done, key=lambda b: b["status"].get("startTimestamp", ""))["metadata"]["name"]
        return errors

    def _restore(self, restore: Obj) -> None:
        """Brings the objects back. That a backup without contents fails was not recorded: its words are ours."""
        velero = self.velero
        name, backup = restore["metadata"]["name"], velero.get(BACKUPS, restore["spec"]["backupName"])
        location = velero.location(((backup or {}).get("spec") or {}).get("storageLocation", ""))
        prefix = velero.prefix(location) if location else ""
        contents = f"/{prefix}/backups/{restore['spec']['backupName']}/{restore['spec']['backupName']}.tar.gz"
        why = velero.trouble(location, "GetObject", "Get", contents) if location else "its location is gone"
        kept = velero.store.backup(prefix, restore["spec"]["backupName"])
        if why or kept is None:
            text = f"error downloading backup: {why or 'NoSuchKey: The specified key does not exist.'}"
            velero.save(restore, phase="Failed", failureReason=text, completionTimestamp=stamp(velero.cluster.now))
            self._free()
            return
        outcome = bring_back(velero, restore, kept.objects, self.rules.pop(restore["metadata"]["uid"], []))
        warnings, errors = count(outcome.warnings), count(outcome.errors)
        restore = velero.save(restore, progress={"totalItems": outcome.total})
        velero.save(
            restore,
            phase="FinalizingPartiallyFailed" if errors else "Finalizing",
            progress={"itemsRestored": outcome.total, "totalItems": outcome.total} if outcome.total else {},
            warnings=warnings or None,
            errors=errors or None,
        )
        self._files(prefix, name, outcome)
        self._later(FINALIZE, "finish", restore)
        self._free()

    def _files(self, prefix: str, name: str, outcome: Outcome) -> None:
        folder, store = f"restores/{name}", self.velero.store
        store.put_file(
            prefix, f"{folder}/restore-{name}-results.gz", {"errors": outcome.errors, "warnings": outcome.warnings}
        )
        store.put_file(prefix, f"{folder}/restore-{name}-resource-list.json.gz", outcome.listed)
        store.put_file(prefix, f"{folder}/restore-{name}-logs.gz", f'level=info msg="restore {name} done"\n')

    def _clean(self, restore: Obj) -> None:
        """A deleted restore: its files go, then the finalizer, and with it the object (*recorded*, 08-delete)."""
        backup = self.velero.get(BACKUPS, (restore.get("spec") or {}).get("backupName", ""))
        location = self.velero.location(((backup or {}).get("spec") or {}).get("storageLocation", ""))
        if location is not None:
            self.velero.store.drop_files(self.velero.prefix(location), f"restores/{restore['metadata']['name']}/")
        new = copied(restore)
        new["metadata"]["finalizers"] = [f for f in new["metadata"].get("finalizers", ()) if f != FINALIZER]
        self.velero.cluster.write(by_key(RESTORES), new)

    def restart(self) -> None:
        """*source*, pkg/cmd/server/server.go, markInProgressRestoresFailed."""
        for restore in self.velero.all(RESTORES):
            if phase(restore) == "InProgress":
                why = 'found a restore with status "InProgress" during the server starting, mark it as "Failed"'
                self.velero.save(
                    restore, phase="Failed", failureReason=why, completionTimestamp=stamp(self.velero.cluster.now)
                )
        held = self.velero.get(RESTORES, self.running) if self.running else None
        if held is not None and phase(held) in ("", "New"):
            self.waiting.insert(0, self.running)
        self.running = ""
        self.velero.cluster.after(PICK, self.name, "pick")
