"""Restores one service from the newest good backup, by label, and reads warnings and errors, not only the phase.

A Restore is named after the incident, the service and the attempt, so that creating it twice is AlreadyExists. When
an attempt fails, the next one takes an older good backup; after the third a person must look. What Velero says of a
restore is checked against the backup's own phase too: a PartiallyFailed backup restores to `Completed`.
Sources: https://velero.io/docs/v1.18/restore-reference/, /api-types/restore/; recorded exchanges with a real server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.copies import copied, is_copy
from chalicelib.actions.places import cluster_of, namespace_of, service_of, token_of, until_of
from chalicelib.actions.rewriting import modifiers_name
from chalicelib.core.bounds import moment, spelled
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

BACKUPS: Final = "velero.io/v1 backups"
RESTORES: Final = "velero.io/v1 restores"
AGAIN: Final = timedelta(seconds=4)
ATTEMPTS: Final = 3
INCIDENT_LABEL: Final = "dr-responder/incident"
SERVICE_LABEL: Final = "dr-responder/service"
NOT_COPIED: Final = ("cronjobs.batch", "ingresses.networking.k8s.io", "jobs.batch", "rollouts.argoproj.io")
"""What a drill restores no copy of: it would run, or lead people somewhere, beside the real one."""
RUNNING: Final = frozenset(
    {"", "New", "InProgress", "WaitingForPluginOperations", "WaitingForPluginOperationsPartiallyFailed", "Finalizing"}
    | {"FinalizingPartiallyFailed"}
)


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that could be restored from."""

    name: str
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """A Restore of this incident and service, as Velero sees it."""

    name: str
    backup: str
    phase: str
    warnings: int
    errors: int
    items: str
    why: str


@dataclass(frozen=True, slots=True)
class Restoring:
    """Attempts oldest first, and good backups newest first with why others were passed over."""

    attempts: tuple[Attempt, ...]
    good: tuple[Backup, ...]
    passed_over: tuple[str, ...]


class VeleroRestore:
    """One Restore at a time a service."""

    name: ClassVar[str] = "velero-restore"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="velero.io", resource="backups"),
        KubeOp(verb="list", group="velero.io", resource="restores"),
    )
    calls: ClassVar[tuple[Op, ...]] = (KubeOp(verb="create", group="velero.io", resource="restores"),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Restoring | Refused | NoData:
        cluster, service = cluster_of(target, policy), service_of(target, policy)
        label = f"{INCIDENT_LABEL}={incident_label(target)},{SERVICE_LABEL}={service.name}"
        restores = reader.kube(cluster.name, RESTORES, namespace=cluster.velero_namespace, label=label)
        backups = reader.kube(cluster.name, BACKUPS, namespace=cluster.velero_namespace)
        for found in (restores, backups):
            if isinstance(found, Refused | NoData):
                return found
        if not isinstance(restores, Sequence) or not isinstance(backups, Sequence):
            return NoData(because=f"cluster {cluster.name!r} did not list backups and restores")
        until = moment(chosen) if (chosen := until_of(target)) else None
        good, passed_over = good_backups(backups, [namespace_of(service)], cluster.backup_location, until=until)
        attempts = sorted((attempt(r) for r in restores), key=lambda a: a.name)
        return Restoring(tuple(attempts), good, passed_over)

    def next(self, target: Target, policy: Policy, facts: Restoring | Refused | NoData, now: datetime) -> Next:
        service = service_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        last = facts.attempts[-1] if facts.attempts else None
        if last is None:
            return self._restore(target, policy, facts, now, because=f"{service.display} is not restored yet")
        if last.phase in RUNNING:
            return Wait(because=f"restore {last.name!r} is {last.phase or 'new'}{last.items}", again_in=AGAIN)
        if last.phase == "Completed" and not last.errors:
            counted = f" with {last.warnings} warnings" if last.warnings else ""
            return Done(
                because=f"{service.display} is restored from backup {last.backup!r}{counted}{last.items}",
                facts={"backup": last.backup, "warnings": float(last.warnings), "errors": float(last.errors)},
            )
        failed = f"restore {last.name!r} from {last.backup!r} is {last.phase} with {last.errors} errors{last.why}"
        if len(facts.attempts) >= ATTEMPTS:
            return Stuck(because=f"{failed}; that was attempt {len(facts.attempts)} of {ATTEMPTS}")
        return self._restore(target, policy, facts, now, because=f"{failed}; trying an older backup")

    @staticmethod
    def _restore(target: Target, policy: Policy, facts: Restoring, now: datetime, *, because: str) -> Next:
        cluster, service = cluster_of(target, policy), service_of(target, policy)
        tried = {a.backup for a in facts.attempts}
        backup = next((b for b in facts.good if b.name not in tried), None)
        if backup is None:
            why = "; ".join(facts.passed_over[:5]) or "there is none at all"
            return Stuck(because=f"{because}, and there is no good backup to take ({why})")
        age = now - backup.completed_at
        too_old = f", older than the RPO of {policy.real(policy.backups.rpo)}" if age > policy.backups.rpo else ""
        number = len(facts.attempts) + 1
        name = f"dr-{service.name[:40]}-{token_of(target)[:10]}-{number}"
        key, _, value = service.label.partition("=")
        rewrites = modifiers_name(policy, target.params["cluster"], drill=is_copy(target))
        namespace = namespace_of(service)
        call = Call(
            system="kubernetes",
            service=cluster.name,
            region=cluster.region,
            operation=f"create {RESTORES}",
            params={
                "namespace": cluster.velero_namespace,
                "name": name,
                "backup": backup.name,
                "body": {
                    "apiVersion": "velero.io/v1",
                    "kind": "Restore",
                    "metadata": {
                        "name": name,
                        "namespace": cluster.velero_namespace,
                        "labels": {INCIDENT_LABEL: incident_label(target), SERVICE_LABEL: service.name},
                    },
                    "spec": {
                        "backupName": backup.name,
                        "includedNamespaces": [namespace],
                        "labelSelector": {"matchLabels": {key: value}},
                        # Without it what already exists is left as it is, drifted or not, and only counted.
                        "existingResourcePolicy": "update",
                        **(_copy(namespace) if is_copy(target) else {}),
                        **({"resourceModifier": {"kind": "ConfigMap", "name": rewrites}} if rewrites else {}),
                    },
                },
            },
            until="its phase is Completed without errors",
            reversible=True,
        )
        return Act(
            because=f"{because}; backup {backup.name!r} is {policy.real(age)} old{too_old}",
            call=call,
        )


def _copy(namespace: str) -> Mapping[str, Any]:
    """Into a namespace of the drill's, which Velero makes; without what acts on the outside by itself."""
    return {"namespaceMapping": {namespace: copied(namespace)}, "excludedResources": list(NOT_COPIED)}


def incident_label(target: Target) -> str:
    """The incident as a label's value."""
    # A label's value has at most 63 characters: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
    return target.incident[:63].rstrip("-.")


def good_backups(
    backups: Sequence[Mapping[str, Any]],
    namespaces: Sequence[str],
    location: str,
    *,
    until: datetime | None = None,
) -> tuple[tuple[Backup, ...], tuple[str, ...]]:
    """Good is: Completed without errors and not after `until`, in this location, holding the namespaces, not restricted
    to some labels.
    """
    good, passed_over = [], []
    for backup in backups:
        name = backup["metadata"]["name"]
        if why := _unfit(backup, namespaces, location):
            passed_over.append(f"{name}: {why}")
        else:
            completed_at = datetime.fromisoformat(backup["status"]["completionTimestamp"]).astimezone(UTC)
            if until is not None and completed_at > until:
                passed_over.append(f"{name}: was completed after {spelled(until)}")
            else:
                good.append(Backup(name, completed_at))
    good.sort(key=lambda b: b.completed_at, reverse=True)
    return tuple(good), tuple(passed_over)


def _unfit(backup: Mapping[str, Any], namespaces: Sequence[str], location: str) -> str | None:
    spec, status = backup.get("spec") or {}, backup.get("status") or {}
    if status.get("phase") != "Completed":
        return f"is {status.get('phase', 'new')}"
    if status.get("errors", 0):
        return f"has {status['errors']} errors"
    if not status.get("completionTimestamp"):
        return "does not say when it was completed"
    if backup["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    if spec.get("storageLocation", "default") != location:
        return f"is in location {spec.get('storageLocation')!r}"
    included, excluded = spec.get("includedNamespaces") or ["*"], spec.get("excludedNamespaces") or []
    for namespace in namespaces:
        if ("*" not in included and namespace not in included) or namespace in excluded:
            return f"does not hold namespace {namespace!r}"
    if spec.get("labelSelector") or spec.get("orLabelSelectors"):
        return "holds only what has some labels"
    return None


def attempt(restore: Mapping[str, Any]) -> Attempt:
    """A Restore object, read."""
    spec, status = restore.get("spec") or {}, restore.get("status") or {}
    progress = status.get("progress") or {}
    done, total = progress.get("itemsRestored"), progress.get("totalItems")
    why = "; ".join([*status.get("validationErrors", []), *filter(None, [status.get("failureReason")])])
    return Attempt(
        name=restore["metadata"]["name"],
        backup=spec.get("backupName", ""),
        phase=status.get("phase", ""),
        warnings=int(status.get("warnings", 0)),
        errors=int(status.get("errors", 0)),
        items=f", {done} of {total} items" if done is not None and total is not None else "",
        why=f": {why}" if why else "",
    )
