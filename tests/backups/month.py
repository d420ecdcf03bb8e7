"""A cluster whose Velero keeps the shipped schedules, its bucket and the bucket's copy, with a clock that is moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from chalicelib.actions.contract import Op, Reader
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.schedules import spec
from chalicelib.policy.load import load
from drctl.backups.audit import Page, audit
from drctl.backups.look import look
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.velero.store import BackupStore

POLICY = load(Path(__file__).parents[2] / "policies", speed=1.0)
ROW = POLICY.backups.replication[0]
CLUSTER = POLICY.platform.clusters.primary
VELERO = "/apis/velero.io/v1/namespaces/velero"


class Month:
    """One cluster on the source bucket. `lag` keys are not replicated while they are in it."""

    def __init__(self, begins: datetime = datetime(2026, 10, 1, 0, 10, tzinfo=UTC)) -> None:
        self.now = begins
        self.source: dict[str, int] = {}
        self.copy: dict[str, int] = {}
        self.replicates = True
        self.silent: set[str] = set()
        self.store = BackupStore(ROW.source, ROW.destination)
        self.store.upload, self.store.remove = self._upload, self._remove
        self.api = KubeApi(
            lambda: self.now,
            name=CLUSTER.name,
            location=self.store,
            authenticate={"admin": User("admin", ("system:masters",))}.get,
        )
        configured = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}}
        seed(self.api, [configured])
        for row in POLICY.backups.on("primary"):
            self.make(row.name, spec(row, POLICY, "primary"))

    def _upload(self, key: str, body: bytes) -> None:
        self.source[key] = len(body)
        if self.replicates:
            self.copy[key] = len(body)

    def _remove(self, folder: str) -> None:
        for key in [k for k in self.source if k.startswith(folder)]:
            del self.source[key]

    def make(self, name: str, wanted: Mapping[str, Any]) -> None:
        meta = {"name": name, "namespace": "velero"}
        seed(self.api, [{"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": meta, "spec": dict(wanted)}])

    def call(self, method: str, path: str, body: object = None) -> Any:
        import json

        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": "Bearer admin", "Content-Type": kind}
        raw = b"" if body is None else json.dumps(body).encode()
        answer = self.api.request(method, VELERO + path, [], headers, raw)
        return json.loads(answer.body)

    def pass_hours(self, hours: float) -> None:
        """An hour at a time, as somebody would look."""
        while hours > 0:
            self.now += timedelta(hours=min(1.0, hours))
            hours -= 1.0
            self.call("GET", "/schedules")

    def backups(self, schedule: str) -> list[str]:
        """The names of a schedule's backups, oldest first."""
        found = self.call("GET", "/backups")["items"]
        label = "velero.io/schedule-name"
        return sorted(b["metadata"]["name"] for b in found if b["metadata"]["labels"].get(label) == schedule)

    def page(self) -> Page:
        """The audit as it is now."""
        reading = cast("Callable[[tuple[Op, ...]], Reader]", lambda _: _Looks(self))
        return audit(POLICY, "primary", look(POLICY, "primary", reading), self.now)


class _Looks:
    """The reader: the cluster's API, and the buckets in pages of a hundred."""

    def __init__(self, month: Month) -> None:
        self._month = month

    def kube(self, cluster: str, resource: str, *, namespace: str, name: str | None = None, **_: Any) -> Any:
        if "cluster" in self._month.silent:
            return NoData(because=f"cluster {cluster!r} did not answer within 4 s")
        assert namespace == "velero"
        plural = resource.split()[1]
        found = self._month.call("GET", f"/{plural}" + (f"/{name}" if name else ""))
        return found if name else found["items"]

    def aws(self, service: str, region: str, operation: str, **params: Any) -> Any:
        assert (service, operation) == ("s3", "list_objects_v2")
        bucket = params["Bucket"]
        if bucket in self._month.silent:
            return Refused(code="AccessDenied", because=f"listing {bucket!r} was refused")
        held = {
            (ROW.source, ROW.source_region): self._month.source,
            (ROW.destination, ROW.destination_region): self._month.copy,
        }[bucket, region]
        keys = sorted(k for k in held if k.startswith(params["Prefix"]) and k > params.get("ContinuationToken", ""))
        more = len(keys) > 100
        contents = [{"Key": k, "Size": held[k]} for k in keys[:100]]
        return {"Contents": contents, "IsTruncated": more} | ({"NextContinuationToken": keys[99]} if more else {})
