"""Small things the tests share: a clock that is moved by hand, two clusters on one bucket, and a caller."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.rbac import Grant, Rule, User
from drctl.neighbours.kubernetes.velero.store import BackupStore

VELERO = "/apis/velero.io/v1/namespaces/velero"
MERGE = "application/merge-patch+json"
TOKENS = {
    "admin": User("admin", ("system:masters",)),
    "responder": User("responder", ("responders",)),
    "nobody": User("nobody"),
}
GRANTS = (
    Grant(
        "group:responders",
        (
            Rule(("velero.io",), ("backups", "restores"), ("get", "list", "create"), ("velero",)),
            Rule(("apps",), ("deployments",), ("get", "list")),
            Rule(("",), ("secrets",), ("get",), ("shop",), ("db",)),
        ),
    ),
)


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def cluster(clock: Clock, store: BackupStore, name: str = "east", **more: Any) -> KubeApi:
    return KubeApi(clock, name=name, location=store, authenticate=TOKENS.get, grants=GRANTS, **more)


def deployment(name: str, namespace: str = "shop", replicas: int = 2, **labels: str) -> dict[str, Any]:
    own = {"app": name, **labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": own},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": f"{name}:1"}]},
            },
        },
    }


def config(name: str, namespace: str = "shop", **entries: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": entries}


def shop(api: KubeApi) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "shop"},
        "data": {"p": "cA=="},
    }
    seed(api, [deployment("web"), deployment("worker", tier="2"), config("conf", a="1"), secret])


def call(
    api: KubeApi,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = "admin",
    kind: str = "application/json",
    **query: str,
) -> tuple[int, Any]:
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = api.request(method, path, {k: [v] for k, v in query.items()}, headers, raw)
    text = answer.body.decode()
    return answer.status, json.loads(text) if text.startswith(("{", "[")) else text


def make(api: KubeApi, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """Creates a Velero object, strictly; the answer's object."""
    body = {"apiVersion": "velero.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    status, made = call(api, "POST", f"{VELERO}/{kind.lower()}s", body, fieldValidation="Strict")
    assert status == 201, made
    return dict(made)


def status_of(api: KubeApi, plural: str, name: str) -> dict[str, Any]:
    code, found = call(api, "GET", f"{VELERO}/{plural}/{name}")
    assert code == 200, found
    return dict(found.get("status") or {})
