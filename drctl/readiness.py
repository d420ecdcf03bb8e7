"""What of the newest good backup would not run in the standby, and why, before anybody needs it.

The backup is the one that a restore would take, read from the standby's bucket; its objects are rewritten as Velero
would rewrite them, by the same rules; then everything they need is looked for in the standby. Nothing is changed.
Source of the file's layout: https://velero.io/docs/v1.18/output-file-format/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Reader, Target
from chalicelib.actions.rewriting import FILE, image_registries, modifiers
from chalicelib.actions.velero_location import LOCATIONS
from chalicelib.actions.velero_restore import Restoring, VeleroRestore
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.services import Service
from chalicelib.readiness.held import of, unpacked
from drctl import standby_fit
from drctl.neighbours.kubernetes.kinds import by_kind
from drctl.neighbours.kubernetes.velero import modifiers as velero
from drctl.neighbours.kubernetes.velero.images import changed_by
from drctl.standby_fit import Fits, Kind, Objects, Unfit, Verdict, Want

CONTENTS: Final[tuple[Op, ...]] = (
    KubeOp(verb="get", group="velero.io", resource="backupstoragelocations"),
    AwsOp(service="s3", operation="get_object", resources=("*",)),
    *VeleroRestore.reads,
)
TARGET: Final = "drctl-ready"
Readers = Callable[[tuple[Op, ...]], Reader]
"""A reader with the operations that were declared."""


@dataclass(frozen=True, slots=True)
class Row:
    """One service: `backup` is what it would be restored from; `found` is what does not fit or is not known."""

    service: str
    backup: str
    found: tuple[tuple[Want, Unfit | NoData], ...]

    @property
    def runs(self) -> bool | None:
        """None when something is not known, and nothing is known to be missing."""
        if any(isinstance(verdict, Unfit) for _, verdict in self.found):
            return False
        return None if self.found else True


def readiness(policy: Policy, readers: Readers, now: datetime) -> tuple[Row, ...]:
    """Every workload of the service table, in recovery order."""
    held: dict[str, Objects | NoData] = {}
    seen: dict[Want, Verdict] = {}
    rows = []
    for service in policy.services.in_order():
        if service.kind != "workload" or service.namespace is None:
            continue
        backup = _backup(service, policy, readers(CONTENTS), now)
        if not isinstance(backup, str):
            rows.append(_whole(service, "", backup))
            continue
        if backup not in held:
            held[backup] = _contents(backup, policy, readers(CONTENTS))
        objects = held[backup]
        if isinstance(objects, NoData):
            rows.append(_whole(service, backup, objects))
            continue
        rows.append(_row(service, backup, objects, policy, readers, seen))
    return tuple(rows)


def _row(
    service: Service, backup: str, objects: Objects, policy: Policy, readers: Readers, seen: dict[Want, Verdict]
) -> Row:
    found: list[tuple[Want, Unfit | NoData]] = []
    own = []
    for resource, obj in objects:
        if not of(service, obj):
            continue
        new, errors = rewritten(obj, policy)
        own.append((resource, new))
        by = f"{obj['kind']} {service.namespace}/{obj['metadata']['name']}"
        found += [(Want(by, Kind.PLACE, FILE), Unfit(f"Velero would refuse a rewrite: {text}")) for text in errors]
    lacking = [name for name in service.deployments if not any(_is(obj, "Deployment", name) for _, obj in own)]
    found += [
        (Want(f"Deployment {service.namespace}/{name}", Kind.KIND, name), Unfit(f"backup {backup!r} does not hold it"))
        for name in lacking
    ]
    wanted = standby_fit.wants(own, policy)
    reader = readers(standby_fit.reads(wanted))
    for want in wanted:
        # Who asks makes no difference to the answer, and many ask for the same.
        key = replace(want, by="") if want.kind is not Kind.PLACE else want
        if key not in seen:
            seen[key] = standby_fit.look(want, policy, reader)
        verdict = seen[key]
        if not isinstance(verdict, Fits):
            found.append((want, verdict))
    return Row(service.name, backup, tuple(found))


def rewritten(obj: Mapping[str, Any], policy: Policy) -> tuple[dict[str, Any], list[str]]:
    """The object as Velero would restore it under policy's rewrites, and the errors of the rules that do not fit it."""
    resource = by_kind(obj["apiVersion"], obj["kind"])
    bare = {k: v for k, v in obj.items() if k != "status"}
    new = changed_by(list(image_registries(policy).values()), resource, bare)
    text = modifiers(policy)
    if text is None:
        return new, []
    _, rules = velero.read("", "", {FILE: text})
    return velero.modified(rules, resource, new)


def _whole(service: Service, backup: str, why: Unfit | NoData) -> Row:
    return Row(service.name, backup, ((Want(service.display, Kind.PLACE, backup or "backup"), why),))


def _backup(service: Service, policy: Policy, reader: Reader, now: datetime) -> str | Unfit | NoData:
    params = {"cluster": "standby", "service": service.name}
    target = Target(step=TARGET, incident=TARGET, opened_at=now, at=now, params=params)
    found = VeleroRestore().observe(target, policy, reader)
    match found:
        case Restoring(good=()):
            return Unfit(f"there is no good backup ({'; '.join(found.passed_over[:3]) or 'there is none at all'})")
        case Restoring():
            return found.good[0].name
        case Refused() | NoData():
            return NoData(because=found.because)


def _contents(backup: str, policy: Policy, reader: Reader) -> Objects | NoData:
    cluster = policy.platform.clusters.standby
    location = reader.kube(cluster.name, LOCATIONS, namespace=cluster.velero_namespace, name=cluster.backup_location)
    if not isinstance(location, Mapping):
        why = location.because if isinstance(location, Refused | NoData) else "it does not exist"
        return NoData(because=f"backup location {cluster.backup_location!r}: {why}")
    storage = location["spec"]["objectStorage"]
    folder = f"{storage['prefix']}/backups" if storage.get("prefix") else "backups"
    key = f"{folder}/{backup}/{backup}.tar.gz"
    answer = reader.aws("s3", cluster.region, "get_object", Bucket=storage["bucket"], Key=key)
    if isinstance(answer, Refused | NoData):
        return NoData(because=f"s3://{storage['bucket']}/{key}: {answer.because}")
    return tuple(unpacked(answer["Body"]))


def _is(obj: Mapping[str, Any], kind: str, name: str) -> bool:
    return bool(obj["kind"] == kind and obj["metadata"]["name"] == name)


def worst(rows: Sequence[Row]) -> int:
    """The exit status: 1 when something would not run, 3 when that is not known of something, 0 when all would."""
    if any(row.runs is False for row in rows):
        return 1
    return 3 if any(row.runs is None for row in rows) else 0
