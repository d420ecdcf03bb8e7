"""A Kubernetes API server with Velero behind it, as one object: `KubeApi`.

It answers as a recorded kube-apiserver 1.36.2 does, in this order: is the caller known (401), may they (403, before
it is known whether anything exists), does the path exist (404), is the request well formed, is it valid. It has no
thread and no timer: whatever controllers would have done since the last request is done at the next one, each thing
at its own time.
"""

from __future__ import annotations

import gzip
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from drctl.neighbours.kubernetes import kinds, native, reviews
from drctl.neighbours.kubernetes.argocd import ArgoCd
from drctl.neighbours.kubernetes.asking import Address, Asking, acceptable, address
from drctl.neighbours.kubernetes.deletes import Deletes
from drctl.neighbours.kubernetes.external_secrets import ExternalSecrets
from drctl.neighbours.kubernetes.jobs import Jobs
from drctl.neighbours.kubernetes.karpenter import Karpenter
from drctl.neighbours.kubernetes.namespaces import Namespaces
from drctl.neighbours.kubernetes.nodes import Nodes
from drctl.neighbours.kubernetes.objects import Cluster, Obj, stamp
from drctl.neighbours.kubernetes.rbac import (
    ANONYMOUS,
    Grant,
    User,
    forbidden,
    forbidden_path,
    may_visit,
    verdict,
)
from drctl.neighbours.kubernetes.reads import Reads
from drctl.neighbours.kubernetes.rollouts import Rollouts
from drctl.neighbours.kubernetes.status import Answer, RefusedError, no_such_path, not_acceptable, unauthorized
from drctl.neighbours.kubernetes.subresources import Subresources
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.trouble import Trouble
from drctl.neighbours.kubernetes.velero.backups import Backups
from drctl.neighbours.kubernetes.velero.collecting import Collecting
from drctl.neighbours.kubernetes.velero.locations import Locations, at_first
from drctl.neighbours.kubernetes.velero.requests import VALID, Deletions, Downloads, signature
from drctl.neighbours.kubernetes.velero.restores import Restores
from drctl.neighbours.kubernetes.velero.schedules import Schedules
from drctl.neighbours.kubernetes.velero.shared import Partial, Velero
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.kubernetes.volumes import Volumes
from drctl.neighbours.kubernetes.workloads import Workloads
from drctl.neighbours.kubernetes.writes import Writes

LEDGER: Final = 5000
"""Requests that `seen` remembers."""

Query = Mapping[str, Sequence[str]] | Sequence[tuple[str, str]]


@dataclass(slots=True)
class _Fault:
    left: int
    status: int
    after_effect: bool


class KubeApi:
    """One cluster.

    `clock` gives aware UTC; `speed` divides every delay. `location` is the object storage, shared with other clusters;
    the BackupStorageLocation `default` points at `prefix` in its first bucket, or in `bucket`. `authenticate` turns a
    bearer token into a user, None for a bad one. `grants` are RBAC rules besides the Role objects in the cluster.
    `home` is another BackupStorageLocation (its name and spec) in the place of `default`: another cloud's.
    `velero` is "1.18", or "1.16" as recorded. `reachable` is for whoever serves this over a wire: while it is False
    they close the connection without an answer. `url` is where `/_object/` is served: it begins the URL of downloads.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        *,
        name: str,
        location: BackupStore,
        authenticate: Callable[[str], User | None],
        grants: Iterable[Grant] = (),
        bucket: str = "",
        prefix: str = "velero",
        read_only: bool = False,
        velero: str = "1.18",
        pods_per_node: int = 8,
        nodes: int = 0,
        url: str = "",
        home: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.reachable = True
        self.grants = tuple(grants)
        self.authenticate = authenticate
        self.location = location
        self.cluster = Cluster(clock, speed, name)
        self.velero = Velero(self.cluster, location, velero)
        self.url = url
        self.workloads = Workloads(self.cluster, pods_per_node)
        self.nodes = Nodes(self.cluster)
        self.volumes = Volumes(self.cluster)
        self.karpenter = Karpenter(self.cluster)
        self.argocd = ArgoCd(self.cluster)
        self.external_secrets = ExternalSecrets(self.cluster)
        self.jobs = self.workloads.jobs = Jobs(self.cluster)
        self.workloads.mounted = self.volumes.mounted
        self.nodes.on_unknown = self.karpenter.gone
        self.trouble = Trouble(self.cluster, self.workloads, self.nodes, self.karpenter)
        self.backups = Backups(self.velero)
        self.restores = Restores(self.velero)
        self.schedules = Schedules(self.velero)
        self.cluster.controllers = [
            Namespaces(self.cluster),
            self.workloads,
            self.nodes,
            self.volumes,
            self.karpenter,
            self.jobs,
            Rollouts(self.cluster),
            self.argocd,
            self.external_secrets,
            Locations(self.velero),
            self.backups,
            self.restores,
            Downloads(self.velero),
            Deletions(self.velero),
            self.schedules,
            Collecting(self.velero),
        ]
        self.reads = Reads(self.cluster)
        self.writes = Writes(self.cluster, self.reads)
        self.deletes = Deletes(self.cluster, self.reads)
        self._subresources = Subresources(self.cluster, self.reads, self.writes, self.deletes)
        self.lacks: set[str] = set()
        """Kinds that are not installed here, by their keys: a custom resource's definition was never applied."""
        self._fault: _Fault | None = None
        self._ledger: deque[dict[str, Any]] = deque(maxlen=LEDGER)
        seed(self, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in _NAMESPACES])
        seed(self, [at_first(bucket or location.buckets[0], prefix, read_only=read_only, home=home)])
        self.set_nodes(nodes)

    # --- what the world does to it

    @property
    def url(self) -> str:
        return self.velero.url

    @url.setter
    def url(self, url: str) -> None:
        self.velero.url = url.rstrip("/")

    def set_nodes(self, count: int) -> None:
        """The node group has scaled: that many nodes are Ready."""
        self.cluster.advance()
        self.workloads.set_nodes(count)

    def ready_deployment(self, namespace: str, name: str) -> bool:
        """Whether the Deployment is Available and at least one of its pods serves."""
        self.cluster.advance()
        return self.workloads.ready(namespace, name)

    def restart_velero(self) -> None:
        """Velero's pod is replaced: backups and restores in progress are marked Failed."""
        self.cluster.advance()
        self.backups.restart()
        self.restores.restart()

    def partial_next(self, errors: int = 1, *, backup: str = "", hooks: int = 0) -> None:
        """The backup named, or the next one, ends PartiallyFailed with so many errors; `hooks` counts failed hooks."""
        self.velero.partial.append(Partial(backup, errors, hooks))

    def refuse_restored(self, what: str, why: str = "") -> None:
        """An admission policy refuses `configmaps/app-conf` to restores from now on; an empty `why` ends that."""
        self.velero.refused.pop(what, None)
        if why:
            self.velero.refused[what] = why

    def fail_next(self, n: int, status: int = 500, *, after_effect: bool = False) -> None:
        """Answers the next `n` requests with `status`; with `after_effect` they are done all the same."""
        self._fault = _Fault(n, status, after_effect) if n > 0 else None

    def seen(self) -> dict[str, Any]:
        """The last requests, oldest first: `{"requests": [{at, user, method, path, status}], "revision": int}`."""
        return {"requests": list(self._ledger), "revision": self.cluster.revision}

    def objects(self, key: str, namespace: str | None = None) -> list[Obj]:
        """Copies of all objects of a kind (`pods`, `backups.velero.io`), as they are now."""
        self.cluster.advance()
        return copied(self.cluster.every_object(key, namespace))

    # --- a request

    def request(self, method: str, path: str, query: Query, headers: Mapping[str, str], body: bytes) -> Answer:
        """One HTTP request. Never raises for what a client sends; a refusal is a `Status` in the answer."""
        self.cluster.advance()
        heads = {k.lower(): v for k, v in headers.items()}
        asked = {k: v[0] for k, v in query.items()} if isinstance(query, Mapping) else dict(reversed(list(query)))
        fault = self._take_fault()
        user: User | None = None
        try:
            if fault is not None and not fault.after_effect:
                answer = _broken(fault)
            elif path.startswith("/_object/"):
                answer = self._object(path, asked)
            else:
                user = self._user(heads)
                answer = self._answer(user, method, unquote(path), asked, heads, body)
                if fault is not None:
                    answer = _broken(fault)
        except RefusedError as refusal:
            answer = refusal.answer()
        self._ledger.append(
            {
                "at": stamp(self.cluster.now),
                "user": user.name if user else "",
                "method": method,
                "path": path,
                "status": answer.status,
            }
        )
        return answer

    def _take_fault(self) -> _Fault | None:
        fault = self._fault
        if fault is not None:
            fault.left -= 1
            if fault.left <= 0:
                self._fault = None
        return fault

    def _user(self, headers: Mapping[str, str]) -> User:
        """The caller. No token is the anonymous user, who is told 403 and not 401 (recorded)."""
        said = headers.get("authorization", "")
        if not said:
            return ANONYMOUS
        scheme, _, token = said.partition(" ")
        user = self.authenticate(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise unauthorized()
        return user

    def _answer(
        self,
        user: User,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        to = address(path)
        if to is None:
            if not may_visit(user, path):
                raise forbidden_path(user, method.lower(), path)
            return reviews.visit(path, self.lacks)
        asking = Asking(method, user, to, query, headers, body)
        if verdict(self.cluster, self.grants, user, asking.asked) is None:
            raise forbidden(user, asking.asked)
        said = reviews.review(self.cluster, self.grants, asking)
        if said is not None:
            return said
        resource = kinds.resources().get((to.group, to.version, to.resource))
        if resource is None or resource.key in self.lacks:
            raise no_such_path()
        if not acceptable(headers.get("accept", "*/*")):
            raise not_acceptable()
        if to.subresource:
            return self._subresources.answer(resource, asking)
        return self._object_verb(resource, asking)

    def _object_verb(self, resource: kinds.Resource, asking: Asking) -> Answer:
        match asking.verb:
            case "get":
                return self.reads.get(resource, asking)
            case "list":
                return self.reads.list(resource, asking)
            case "create":
                return self.writes.create(resource, asking)
            case "update":
                return self.writes.put(resource, asking)
            case "patch":
                return self.writes.patch(resource, asking)
            case "delete":
                return self.deletes.delete(resource, asking)
            case "deletecollection":
                return self.deletes.delete_all(resource, asking)
            case verb:
                text = f"{verb} is not served by this stand-in: list again instead"
                raise RefusedError(405, text, "MethodNotAllowed", {})

    def _object(self, path: str, query: Mapping[str, str]) -> Answer:
        """A file in the bucket by its signed URL: gzip, or S3's XML refusal (recorded, 09-download)."""
        date = query.get("X-Amz-Date", "")
        if query.get("X-Amz-Signature") != signature(path, date):
            return _xml(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=self.cluster.now.tzinfo)
        if self.cluster.now > signed_at + VALID:
            return _xml(403, "AccessDenied", "Request has expired")
        content = self.location.file(path.removeprefix("/_object/").partition("/")[2])
        if content is None or not self.location.reachable:
            return _xml(404, "NoSuchKey", "The specified key does not exist.", path.split("/", 3)[3])
        text = content if isinstance(content, str) else json.dumps(content)
        return Answer(200, {"Content-Type": "application/octet-stream"}, gzip.compress(text.encode(), mtime=0))


_NAMESPACES: Final = ("default", "kube-public", "kube-system", "velero")


def _broken(fault: _Fault) -> Answer:
    return RefusedError(fault.status, "fault set by fail_next", "InternalError", {}).answer()


def _xml(status: int, code: str, message: str, key: str = "") -> Answer:
    said = f"<Code>{code}</Code><Message>{message}</Message>" + (f"<Key>{key}</Key>" if key else "")
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<Error>{said}</Error>'
    return Answer(status, {"Content-Type": "application/xml"}, text.encode())


def seed(api: KubeApi, objects: Iterable[Mapping[str, Any]]) -> list[Obj]:
    """Puts objects into the cluster as a system:masters user would, with validation; a missing namespace is made first.

    Raises ValueError with the server's own words when one is refused.
    """
    made = []
    for given in objects:
        obj = copied(dict(given))
        resource = kinds.by_kind(obj["apiVersion"], obj["kind"])
        namespace = obj["metadata"].get("namespace", "default") if resource.namespaced else ""
        if namespace and api.cluster.get("namespaces", "", namespace) is None:
            space: Obj = {"metadata": {"name": namespace}}
            native.fill(kinds.by_key("namespaces"), space, number=0)
            api.cluster.create(kinds.by_key("namespaces"), space)
        to = Address(resource.group, resource.version, resource.plural, namespace)
        headers = {"content-type": "application/json"}
        asking = Asking("POST", User("seed"), to, {"fieldValidation": "Strict"}, headers, json.dumps(obj).encode())
        try:
            made.append(json.loads(api.writes.create(resource, asking).body))
        except RefusedError as refusal:
            raise ValueError(
                f"{obj['kind']} {obj['metadata'].get('name')!r} cannot be seeded: {refusal.message}"
            ) from refusal
    return made
