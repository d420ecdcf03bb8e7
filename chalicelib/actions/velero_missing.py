"""Restores what is missing in chosen namespaces, from the newest good backup that was there at the chosen moment.

Exactly what is missing: `existingResourcePolicy: none` lets Velero leave whatever exists as it is, changed or not, and
count it as a warning; what was deleted comes back. So a backup from before a deletion can be restored into a cluster
that went on. A Restore is named after the incident, the step and the attempt (velero_restore.py, by whose rules a
backup is good). Sources: https://velero.io/docs/v1.18/restore-reference/ (existing resources, included namespaces),
https://velero.io/docs/v1.18/api-types/restore/; FACTS: `Completed` with warnings is what a partial deletion looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target, Where
from chalicelib.actions.copies import cleaned, is_clean
from chalicelib.actions.places import cluster_of, token_of
from chalicelib.actions.restored import as_of
from chalicelib.actions.rewriting import modifiers_name
from chalicelib.actions.velero_restore import (
    AGAIN,
    ATTEMPTS,
    BACKUPS,
    INCIDENT_LABEL,
    NOT_COPIED,
    RESTORES,
    RUNNING,
    Attempt,
    Backup,
    attempt,
    good_backups,
    incident_label,
)
from chalicelib.core.bounds import listed, spelled
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

PLACES: Final[tuple[Where, ...]] = ("primary", "standby")
STEP_LABEL: Final = "dr-responder/step"


@dataclass(frozen=True, slots=True)
class Missing:
    """Attempts oldest first, and the good backups of the moment newest first with why others were passed over."""

    attempts: tuple[Attempt, ...]
    good: tuple[Backup, ...]
    passed_over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unwanted:
    """No namespace was chosen."""


class VeleroMissing:
    """One Restore of all chosen namespaces at a time."""

    name: ClassVar[str] = "velero-missing"
    reads: ClassVar[tuple[Op, ...]] = tuple(
        KubeOp(verb="list", group="velero.io", resource=resource, where=where)
        for resource in ("backups", "restores")
        for where in PLACES
    )
    calls: ClassVar[tuple[Op, ...]] = tuple(
        KubeOp(verb="create", group="velero.io", resource="restores", where=where) for where in PLACES
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Missing | Unwanted | Refused | NoData:
        wanted = listed(target.params["namespaces"])
        if not wanted:
            return Unwanted()
        cluster, moment = cluster_of(target, policy), as_of(target)
        label = f"{INCIDENT_LABEL}={incident_label(target)},{STEP_LABEL}={target.step}"
        restores = reader.kube(cluster.name, RESTORES, namespace=cluster.velero_namespace, label=label)
        backups = reader.kube(cluster.name, BACKUPS, namespace=cluster.velero_namespace)
        for found in (restores, backups):
            if isinstance(found, Refused | NoData):
                return found
        if not isinstance(restores, Sequence) or not isinstance(backups, Sequence):
            return NoData(because=f"cluster {cluster.name!r} did not list backups and restores")
        good, passed_over = good_backups(backups, wanted, cluster.backup_location)
        late = tuple(f"{b.name}: was completed after {spelled(moment)}" for b in good if b.completed_at > moment)
        attempts = sorted((attempt(r) for r in restores), key=lambda a: a.name)
        then = tuple(b for b in good if b.completed_at <= moment)
        return Missing(tuple(attempts), then, (*late, *passed_over))

    def next(self, target: Target, policy: Policy, facts: Missing | Unwanted | Refused | NoData, now: datetime) -> Next:
        match facts:
            case Unwanted():
                return Done(because="no namespace was chosen, so nothing is restored in the cluster")
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        wanted = target.params["namespaces"]
        last = facts.attempts[-1] if facts.attempts else None
        if last is None:
            return _restore(target, policy, facts, f"what is missing in {wanted} is not restored yet")
        if last.phase in RUNNING:
            return Wait(because=f"restore {last.name!r} is {last.phase or 'new'}{last.items}", again_in=AGAIN)
        if last.phase == "Completed" and not last.errors:
            # Velero warns of what exists and is not as in the backup; that is what was to be left alone.
            left = f"; {last.warnings} that exist and differ were left as they are" if last.warnings else ""
            return Done(
                because=f"what was missing in {wanted} is back from backup {last.backup!r}{last.items}{left}",
                facts={"backup": last.backup, "warnings": float(last.warnings), "errors": float(last.errors)},
            )
        failed = f"restore {last.name!r} from {last.backup!r} is {last.phase} with {last.errors} errors{last.why}"
        if len(facts.attempts) >= ATTEMPTS:
            return Stuck(because=f"{failed}; that was attempt {len(facts.attempts)} of {ATTEMPTS}")
        return _restore(target, policy, facts, f"{failed}; trying an older backup")


def _restore(target: Target, policy: Policy, facts: Missing, because: str) -> Next:
    cluster, moment = cluster_of(target, policy), as_of(target)
    tried = {a.backup for a in facts.attempts}
    backup = next((b for b in facts.good if b.name not in tried), None)
    if backup is None:
        why = "; ".join(facts.passed_over[:5]) or "there is none at all"
        return Stuck(because=f"{because}, and there is no good backup from before {spelled(moment)} ({why})")
    name = f"dr-missing-{token_of(target)[:10]}-{len(facts.attempts) + 1}"
    spaces = list(listed(target.params["namespaces"]))
    body: Mapping[str, Any] = {
        "apiVersion": "velero.io/v1",
        "kind": "Restore",
        "metadata": {
            "name": name,
            "namespace": cluster.velero_namespace,
            "labels": {INCIDENT_LABEL: incident_label(target), STEP_LABEL: target.step},
        },
        "spec": {
            "backupName": backup.name,
            "includedNamespaces": spaces,
            "existingResourcePolicy": "none",
            **(_into_the_room(target, policy, spaces) if is_clean(target) else {}),
        },
    }
    call = Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"create {RESTORES}",
        params={
            "namespace": cluster.velero_namespace,
            "name": name,
            "backup": backup.name,
            # For whoever approves it; a body is not shown.
            "restores": f"what is missing in {', '.join(cleaned(s) if is_clean(target) else s for s in spaces)}",
            "body": body,
        },
        until="its phase is Completed without errors",
        reversible=True,
    )
    age = policy.real(moment - backup.completed_at)
    return Act(because=f"{because}; backup {backup.name!r} is of {age} before {spelled(moment)}", call=call)


def _into_the_room(target: Target, policy: Policy, spaces: Sequence[str]) -> Mapping[str, Any]:
    """Into namespaces of the clean room, without what acts on the outside by itself, and as that cluster needs it."""
    rewrites = modifiers_name(policy, target.params["cluster"])
    return {
        "namespaceMapping": {space: cleaned(space) for space in spaces},
        "excludedResources": list(NOT_COPIED),
        **({"resourceModifier": {"kind": "ConfigMap", "name": rewrites}} if rewrites else {}),
    }
