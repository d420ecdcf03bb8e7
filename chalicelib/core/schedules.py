"""What a Velero Schedule must be by policy, and how one that stands in a cluster differs from it, field by field.

Rules. Only fields that policy decides are compared, so that what Velero or another person's tool adds is nobody's
drift. Two ways of writing the same are no drift: `ttl` by its length, namespaces `[]` and `["*"]`. Whether a schedule
is paused is not ours to write: an incident pauses it, a person lets it run again. A mend that wrote `paused: false`
could undo a fence; so a pause is told and never mended, and never let a mend contain it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from chalicelib.policy import Policy
from chalicelib.policy.backups import Schedule
from chalicelib.policy.go import parse_duration, show_duration

Place = Literal["primary", "standby"]
MISSING: Final = ""
"""The field of a drift that is the whole schedule: it does not stand."""
PAUSED: Final = "spec.paused"
_NARROWING: Final = (
    *("excludedNamespaces", "includedResources", "labelSelector", "orLabelSelectors"),
    *("includedClusterScopedResources", "excludedClusterScopedResources"),
    *("includedNamespaceScopedResources", "excludedNamespaceScopedResources"),
)
"""Fields of a template that leave something out, and that policy never sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One field that is not as policy says. `since` is when the API server last saw it written, None if it does not
    say. `mended`: policy lets it be put right.
    """

    schedule: str
    field: str
    policy: str
    stands: str
    since: datetime | None = None
    mended: bool = True

    def sentence(self) -> str:
        """`schedule 'hourly': spec.template.ttl is '12h0m0s' since 02:10:00 UTC, policy says '24h0m0s'`."""
        if self.field == MISSING:
            return f"schedule {self.schedule!r} does not stand, policy says {self.policy}"
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"schedule {self.schedule!r}: {self.field} is {self.stands}{since}, policy says {self.policy}"


def template(schedule: Schedule, policy: Policy, place: Place) -> dict[str, Any]:
    """The backup template that policy means: a BackupSpec of velero.io/v1."""
    scope, cluster = policy.backups.scope, policy.platform.cluster(place)
    left_out = [
        *([] if scope.configuration else ["configmaps"]),
        *(["secrets"] if scope.secrets == "left-out" else []),
    ]
    return {
        "includedNamespaces": ["*"] if scope.namespaces == "all" else list(scope.namespaces),
        **({"excludedResources": left_out} if left_out else {}),
        "storageLocation": cluster.backup_location,
        "ttl": show_duration(schedule.keep),
        # https://velero.io/docs/v1.18/file-system-backup/ (opt-out approach), /csi-snapshot-data-movement/
        "defaultVolumesToFsBackup": scope.volumes == "file-system",
        "snapshotVolumes": scope.volumes != "file-system",
        "snapshotMoveData": scope.volumes == "data-mover",
    }


def spec(schedule: Schedule, policy: Policy, place: Place) -> dict[str, Any]:
    """The Schedule's spec that policy means, but for `paused`."""
    return {"schedule": schedule.cron, "template": template(schedule, policy, place)}


def drifts(
    policy: Policy, place: Place, standing: Sequence[Mapping[str, Any]], *, pause_is_drift: bool = True
) -> tuple[Drift, ...]:
    """Every field of every schedule of that place that is not as policy says, in policy's order. `standing` are the
    cluster's Schedule objects; with `pause_is_drift` unset somebody rightly holds them paused.
    """
    there = {str(s["metadata"]["name"]): s for s in standing}
    found: list[Drift] = []
    for row in policy.backups.on(place):
        mended = row.drift == "mend"
        if row.name not in there:
            found.append(
                Drift(schedule=row.name, field=MISSING, policy=f"{row.cron!r}", stands="nothing", mended=mended)
            )
            continue
        found += _of_one(row, policy, place, there[row.name], mended=mended, pause_is_drift=pause_is_drift)
    return tuple(found)


def unknown(policy: Policy, place: Place, standing: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Schedules that stand in the cluster, and of which policy says nothing: somebody's own, told and left alone."""
    named = {s.name for s in policy.backups.on(place)}
    return tuple(sorted(str(s["metadata"]["name"]) for s in standing if s["metadata"]["name"] not in named))


def _of_one(
    row: Schedule, policy: Policy, place: Place, stands: Mapping[str, Any], *, mended: bool, pause_is_drift: bool
) -> Iterator[Drift]:
    is_spec: Mapping[str, Any] = stands.get("spec") or {}
    is_template: Mapping[str, Any] = is_spec.get("template") or {}

    def drift(path: tuple[str, ...], wanted: object, found: object, *, mend: bool = mended) -> Drift:
        field = ".".join(path)
        since = _written_at(stands, path)
        return Drift(
            schedule=row.name, field=field, policy=_shown(wanted), stands=_shown(found), since=since, mended=mend
        )

    if str(is_spec.get("schedule", "")).split() != row.cron.split():
        yield drift(("spec", "schedule"), row.cron, is_spec.get("schedule"))
    wanted = template(row, policy, place)
    for name, value in wanted.items():
        if not _same(name, value, is_template.get(name)):
            yield drift(("spec", "template", name), value, is_template.get(name))
    for name in (*_NARROWING, *(["excludedResources"] if "excludedResources" not in wanted else [])):
        if is_template.get(name):
            yield drift(("spec", "template", name), None, is_template[name])
    if is_template.get("includeClusterResources") is False:
        yield drift(("spec", "template", "includeClusterResources"), None, False)
    phase = (stands.get("status") or {}).get("phase")
    if phase == "FailedValidation":
        yield drift(("status", "phase"), "Enabled", phase)
    if is_spec.get("paused") and pause_is_drift:
        yield drift(("spec", "paused"), False, True, mend=False)


def mend(row: Schedule, policy: Policy, place: Place, stands: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that puts right what differs, and touches nothing else; never `paused`."""
    wanted, spec_patch, changed = template(row, policy, place), dict[str, Any](), dict[str, Any]()
    for found in _of_one(row, policy, place, stands, mended=True, pause_is_drift=False):
        path = found.field.split(".")
        if path == ["spec", "schedule"]:
            spec_patch["schedule"] = row.cron
        elif path[:2] == ["spec", "template"]:
            # What policy does not set is taken away: null removes a key in a merge patch (RFC 7396).
            changed[path[2]] = wanted.get(path[2])
    if changed:
        spec_patch["template"] = changed
    body: dict[str, Any] = {"spec": spec_patch} if spec_patch else {}
    if (stands.get("status") or {}).get("phase") == "FailedValidation":
        # Velero looks at such a schedule never again, whatever its line says now; and the CRD has no status
        # subresource.
        body["status"] = {"phase": "New", "validationErrors": None}
    return body


def _same(name: str, wanted: object, found: object) -> bool:
    if name == "includedNamespaces":
        return (found or ["*"]) == wanted
    if name == "ttl":
        try:
            return parse_duration(str(found)) == parse_duration(str(wanted))
        except ValueError:
            return False
    if name == "storageLocation" and not found:
        return wanted == "default"
    if wanted is False and name in ("snapshotMoveData", "defaultVolumesToFsBackup"):
        return not found
    if isinstance(wanted, list) and isinstance(found, list):
        return sorted(map(str, wanted)) == sorted(map(str, found))
    return wanted == found


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)


def _written_at(obj: Mapping[str, Any], path: tuple[str, ...]) -> datetime | None:
    """When a field was last written, from `metadata.managedFields`, where the API server keeps who set what and when
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
    """
    found = []
    for entry in obj["metadata"].get("managedFields") or ():
        owned: Any = entry.get("fieldsV1") or {}
        for part in path:
            owned = owned.get(f"f:{part}") if isinstance(owned, Mapping) else None
        if owned is not None and entry.get("time"):
            found.append(datetime.fromisoformat(str(entry["time"])).astimezone(UTC))
    return max(found, default=None)
