"""What Velero's controllers have in common: finding locations, Go's durations, the list nobody can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.store import BackupStore

NAMESPACE: Final = "velero"
BACKUPS: Final = "backups.velero.io"
RESTORES: Final = "restores.velero.io"
SCHEDULES: Final = "schedules.velero.io"
LOCATIONS: Final = "backupstoragelocations.velero.io"
DOWNLOADS: Final = "downloadrequests.velero.io"
DELETIONS: Final = "deletebackuprequests.velero.io"

_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_DURATION: Final = re.compile(rf"[-+]?(?:0|(?:{_PART.pattern})+)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATIONS: Final = {
    BACKUPS: ("spec.ttl", "spec.csiSnapshotTimeout", "spec.itemOperationTimeout"),
    RESTORES: ("spec.itemOperationTimeout",),
    SCHEDULES: tuple(f"spec.template.{name}" for name in ("ttl", "csiSnapshotTimeout", "itemOperationTimeout")),
    LOCATIONS: ("spec.backupSyncPeriod", "spec.validationFrequency"),
}


def duration(text: str) -> timedelta:
    """A Go duration (`2h0m0s`). Raises ValueError on anything else: pkg.go.dev/time#ParseDuration."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f'time: invalid duration "{text}"')
    seconds = sum(float(n) * _SECONDS[unit] for n, unit in _PART.findall(text))
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)


@dataclass(frozen=True, slots=True)
class Partial:
    """A fault to come: the backup `backup`, or whichever is next, ends with so many errors, some of failed hooks."""

    backup: str
    errors: int
    hooks: int


class Velero:
    """The server as one cluster runs it. `version` "1.18" queues backups and looks at a location's phase; "1.16" is
    the one recorded.
    """

    def __init__(self, cluster: Cluster, store: BackupStore, version: str) -> None:
        self.cluster = cluster
        self.store = store
        self.version = version
        self.url = ""
        self.partial: list[Partial] = []
        self.refused: dict[str, str] = {}
        self.item_errors: list[str] = []
        """What every backup meets until it is taken away: each is one item's error."""
        self.last_status: dict[str, bool] = {}
        """The metric `velero_backup_last_status` by schedule; one that ended none since the server came up counts as
        good (*source*, pkg/metrics/metrics.go, InitSchedule and RegisterBackupLastStatus).
        """
        self.no_node_agent = False
        """Whether no node-agent runs, without which no volume is read."""

    @property
    def queues(self) -> bool:
        return self.version != "1.16"

    def get(self, key: str, name: str) -> Obj | None:
        return self.cluster.get(key, NAMESPACE, name)

    def all(self, key: str) -> list[Obj]:
        return self.cluster.every_object(key, NAMESPACE)

    def save(self, obj: Obj, **status: Any) -> Obj:
        """Writes the object back with these fields set in its status; None takes a field away."""
        key = next(k for k in _KEYS if by_key(k).kind == obj["kind"])
        new = copied(obj)
        kept = {**new.get("status", {}), **status}
        new["status"] = {k: v for k, v in kept.items() if v is not None}
        if not new["status"]:
            del new["status"]
        return self.cluster.write(by_key(key), new)

    # --- locations

    def location(self, name: str) -> Obj | None:
        """The location, None when there is no such one or it points nowhere."""
        found = self.get(LOCATIONS, name)
        return found if found is not None and found.get("spec") else None

    @staticmethod
    def read_only(location: Mapping[str, Any]) -> bool:
        return bool(location["spec"].get("accessMode") == "ReadOnly")

    @staticmethod
    def prefix(location: Mapping[str, Any]) -> str:
        return str(location["spec"]["objectStorage"].get("prefix", ""))

    def trouble(self, location: Mapping[str, Any], operation: str, verb: str, path: str) -> str:
        """Why the bucket of a location cannot be read, in the AWS plugin's words (*recorded*, 06-location); "" if it
        can.
        """
        bucket, prefix = location["spec"]["objectStorage"]["bucket"], self.prefix(location)
        head = f"rpc error: code = Unknown desc = operation error S3: {operation},"
        cut_off = bucket in self.store.unreachable_buckets or prefix in self.store.unreachable_prefixes
        if not self.store.reachable or cut_off:
            return (
                f"{head} exceeded maximum number of attempts, 3, https response error StatusCode: 0, RequestID: , "
                f'HostID: , request send failed, {verb} "/{bucket}{path}": dial tcp: connect: connection refused'
            )
        if bucket not in self.store.buckets:
            return f"{head} https response error StatusCode: 404, RequestID: , HostID: , NoSuchBucket: "
        return ""

    # --- the list nobody can read

    def poisoned(self, *keys: str) -> bool:
        """Whether any object of these kinds holds a text where Velero's Go type has a duration. The CRDs say plain
        string, so the API takes it; Velero then cannot decode the list, and nothing of that kind moves until the object
        is gone (*recorded*, 07-poison).
        """
        return any(not _readable(obj, paths) for key in keys for paths in [_DURATIONS[key]] for obj in self.all(key))


_KEYS: Final = (BACKUPS, RESTORES, SCHEDULES, LOCATIONS, DOWNLOADS, DELETIONS)


def _readable(obj: Mapping[str, Any], paths: tuple[str, ...]) -> bool:
    return all(value is None or _DURATION.fullmatch(value) for value in _values(obj, paths))


def _values(obj: Mapping[str, Any], paths: tuple[str, ...]) -> Iterator[str | None]:
    for path in paths:
        found: Any = obj
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        yield found


def mine(resource: Resource, obj: Mapping[str, Any], key: str) -> bool:
    return resource.key == key and obj["metadata"].get("namespace") == NAMESPACE


def phase(obj: Mapping[str, Any] | None) -> str:
    return str(((obj or {}).get("status") or {}).get("phase", ""))
