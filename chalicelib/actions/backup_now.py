"""Takes a backup now from a schedule's template, as `velero backup create --from-schedule` does, and follows it to its
end.

What is made is what the schedule itself would have made: its template, its labels and annotations, the label
`velero.io/schedule-name`, and a name with a time of day (pkg/builder/backup_builder.go, FromSchedule;
pkg/apis/velero/v1/schedule_types.go, TimestampedName). The name is the incident's opening, so that making it twice is
AlreadyExists. Good is Completed without errors: a PartiallyFailed backup restores to half a platform. After a failure
it is tried again, since a schedule would do so only in an hour; from the third on a person is called, and it is tried
more seldom. How old the newest good backup is goes with every look (core/backup_age.py tells of it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, cast

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.actions.velero_location import LOCATIONS
from chalicelib.actions.velero_restore import BACKUPS, INCIDENT_LABEL
from chalicelib.actions.velero_schedules_kept import SCHEDULES
from chalicelib.core.backup_age import NEWEST
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.core.schedules import Place
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
AFTER_FAILURE: Final = timedelta(minutes=1)
AFTER_MANY: Final = timedelta(minutes=5)
MANY: Final = 3
SCHEDULE_LABEL: Final = "velero.io/schedule-name"
_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_RUNNING: Final = frozenset(
    {"", "New", "Queued", "ReadyToStart", "InProgress", "WaitingForPluginOperations", "Finalizing"}
    | {"WaitingForPluginOperationsPartiallyFailed", "FinalizingPartiallyFailed"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A Backup object, as Velero sees it. `why` is what Velero says of a failure."""

    name: str
    phase: str
    began_at: datetime
    ended_at: datetime | None = None
    errors: int = 0
    warnings: int = 0
    items: str = ""
    why: str = ""
    whole: bool = True
    ours: bool = False
    schedule: str = ""

    @property
    def good(self) -> bool:
        """Whether everything can be restored from it."""
        return self.phase == "Completed" and not self.errors and self.whole and self.ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingUp:
    """The schedule, None when it does not stand; the backups of the location, oldest first; the location's state."""

    schedule: Mapping[str, Any] | None
    backups: tuple[Taken, ...]
    access_mode: str = "ReadWrite"
    phase: str = "Available"
    message: str = ""


class BackupNow:
    """One Backup at a time."""

    name: ClassVar[str] = "backup-now"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="velero.io", resource="backups", where="primary"),
        KubeOp(verb="get", group="velero.io", resource="schedules", where="primary"),
        KubeOp(verb="get", group="velero.io", resource="backupstoragelocations", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (KubeOp(verb="create", group="velero.io", resource="backups", where="primary"),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> BackingUp | Refused | NoData:
        cluster, namespace = cluster_of(target, policy), cluster_of(target, policy).velero_namespace
        schedule = reader.kube(cluster.name, SCHEDULES, namespace=namespace, name=schedule_of(target, policy))
        backups = reader.kube(cluster.name, BACKUPS, namespace=namespace)
        location = reader.kube(cluster.name, LOCATIONS, namespace=namespace, name=cluster.backup_location)
        for found in (schedule, backups, location):
            if isinstance(found, Refused | NoData):
                return found
        if not isinstance(backups, Sequence):
            return NoData(because=f"cluster {cluster.name!r} did not list its backups")
        place = location if isinstance(location, Mapping) else {"spec": {}, "status": {"phase": "absent"}}
        status: Mapping[str, Any] = place.get("status") or {}
        here = [
            b for b in backups if (b.get("spec") or {}).get("storageLocation", "default") == cluster.backup_location
        ]
        return BackingUp(
            schedule=schedule if isinstance(schedule, Mapping) else None,
            backups=tuple(sorted((_taken(b, target, policy) for b in here), key=lambda t: t.began_at)),
            access_mode=str(place["spec"].get("accessMode", "ReadWrite")),
            phase=str(status.get("phase", "")),
            message=str(status.get("message", "")),
        )

    def next(self, target: Target, policy: Policy, facts: BackingUp | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        name, known = schedule_of(target, policy), _age(facts)
        aged = _aged(facts, policy, now)
        fresh = [b for b in facts.backups if b.good and (b.ours or (b.schedule and b.began_at >= target.opened_at))]
        if fresh:
            warned = f" with {fresh[-1].warnings} warnings" if fresh[-1].warnings else ""
            because = f"backup {fresh[-1].name!r} is Completed{warned}{fresh[-1].items}"
            return Done(because=because, facts={**known, "backup": fresh[-1].name})
        ours = [b for b in facts.backups if b.ours]
        last = ours[-1] if ours else None
        if last is not None and last.phase in _RUNNING:
            because = f"backup {last.name!r} is {last.phase or 'New'}{last.items}; {aged}"
            return Wait(because=because, again_in=AGAIN, facts=known)
        failed = f"backup {last.name!r} is {last.phase}{_errors(last)}{last.why}; " if last else ""
        if blocked := _blocked(target, policy, facts):
            return Stuck(because=f"{failed}{blocked}; {aged}", again_in=AGAIN, facts=known)
        if last is not None:
            many = len(ours) >= MANY
            since, rest = now - (last.ended_at or last.began_at), (AFTER_MANY if many else AFTER_FAILURE) / policy.speed
            if since < rest:
                again = f"{failed}attempt {len(ours) + 1} comes in {policy.real(rest - since)}; {aged}"
                return (
                    Stuck(because=f"{failed}that was attempt {len(ours)}, and it is tried again; {aged}", facts=known)
                    if many
                    else Wait(because=again, again_in=AGAIN, facts=known)
                )
        return _take(target, policy, facts, f"{failed}{aged}; a backup is taken from schedule {name!r}")


def schedule_of(target: Target, policy: Policy) -> str:
    """The schedule that the step names, or the last part of the incident's scope does (`us-east-1/backups/daily`); else
    the first that policy writes for the cluster.
    """
    rows = [s.name for s in policy.backups.on(cast("Place", target.params["cluster"]))]
    named = target.params.get("schedule") or target.scope.rpartition("/")[2]
    return named if named in rows or not rows else rows[0]


def _take(target: Target, policy: Policy, facts: BackingUp, because: str) -> Next:
    cluster, name = cluster_of(target, policy), schedule_of(target, policy)
    schedule: Mapping[str, Any] = facts.schedule or {}
    spec = schedule.get("spec") or {}
    template = {k: v for k, v in (spec.get("template") or {}).items() if k != "metadata"}
    meta = schedule.get("metadata") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or meta.get("labels") or {}
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != _APPLIED}
    taken, at = {b.name for b in facts.backups}, target.opened_at
    while (fresh := f"{name}-{at:%Y%m%d%H%M%S}") in taken:
        at += timedelta(seconds=1)
    call = Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"create {BACKUPS}",
        params={
            "namespace": cluster.velero_namespace,
            "name": fresh,
            "schedule": name,
            "body": {
                "apiVersion": "velero.io/v1",
                "kind": "Backup",
                "metadata": {
                    "name": fresh,
                    "namespace": cluster.velero_namespace,
                    "labels": {**labels, SCHEDULE_LABEL: name, INCIDENT_LABEL: _label(target)},
                    **({"annotations": annotations} if annotations else {}),
                },
                "spec": template,
            },
        },
        until="its phase is Completed without errors",
        reversible=True,
    )
    return Act(because=because, call=call, facts=_age(facts))


def _blocked(target: Target, policy: Policy, facts: BackingUp) -> str:
    """Why a backup that is asked for now would fail; empty when nothing speaks against it."""
    cluster, name = cluster_of(target, policy), schedule_of(target, policy)
    location = f"backup location {cluster.backup_location!r} of cluster {cluster.name!r}"
    if facts.schedule is None:
        return f"cluster {cluster.name!r} has no schedule {name!r} to take a backup from"
    if facts.access_mode == "ReadOnly":
        return f"{location} is read-only, and takes no backup until somebody sets it ReadWrite"
    if facts.phase != "Available":
        return f"{location} is {facts.phase or 'not validated yet'}: {facts.message or 'Velero gives no reason'}"
    return ""


def _newest(facts: BackingUp) -> datetime | None:
    return max((b.ended_at for b in facts.backups if b.good and b.ended_at), default=None)


def _age(facts: BackingUp) -> dict[str, str | float]:
    newest = _newest(facts)
    return {NEWEST: newest.timestamp()} if newest else {}


def _aged(facts: BackingUp, policy: Policy, now: datetime) -> str:
    newest, rpo = _newest(facts), policy.real(policy.backups.rpo)
    if newest is None:
        return f"there is no good backup at all, the RPO is {rpo}"
    return f"the newest good backup is {policy.real(now - newest)} old, the RPO is {rpo}"


def _errors(taken: Taken) -> str:
    if not taken.errors:
        return ""
    counted = "1 error" if taken.errors == 1 else f"{taken.errors} errors"
    return f" with {counted} (velero backup describe {taken.name} --details names them)"


def _label(target: Target) -> str:
    # A label's value has at most 63 characters and ends with a letter or a digit.
    return target.incident[:63].rstrip("-.")


def _taken(backup: Mapping[str, Any], target: Target, policy: Policy) -> Taken:
    spec, status, meta = backup.get("spec") or {}, backup.get("status") or {}, backup["metadata"]
    labels, progress = meta.get("labels") or {}, status.get("progress") or {}
    done, total = progress.get("itemsBackedUp"), progress.get("totalItems")
    why = "; ".join([*status.get("validationErrors", []), *filter(None, [status.get("failureReason")])])
    scope = ["*"] if policy.backups.scope.namespaces == "all" else sorted(policy.backups.scope.namespaces)
    narrowed = spec.get("labelSelector") or spec.get("orLabelSelectors") or spec.get("excludedNamespaces")
    ended = status.get("completionTimestamp")
    return Taken(
        name=str(meta["name"]),
        phase=str(status.get("phase", "")),
        began_at=_moment(status.get("startTimestamp") or meta["creationTimestamp"]),
        ended_at=_moment(ended) if ended else None,
        errors=int(status.get("errors", 0)),
        warnings=int(status.get("warnings", 0)),
        items=f", {done} of {total} items" if done is not None and total is not None else "",
        why=f": {why}" if why else "",
        whole=not narrowed and sorted(spec.get("includedNamespaces") or ["*"]) in (scope, ["*"]),
        ours=labels.get(INCIDENT_LABEL) == _label(target),
        schedule=str(labels.get(SCHEDULE_LABEL, "")),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
