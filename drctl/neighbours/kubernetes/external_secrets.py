"""External Secrets Operator: ExternalSecrets that fetch from a store, and the Secrets that they write.

Sources, in github.com/external-secrets/external-secrets: pkg/controllers/externalsecret/externalsecret_controller.go
(shouldRefresh: another generation, label or annotation than at the last sync, or refreshInterval has passed since
refreshTime; 0 never again; markAsFailed: Ready False, SecretSyncedError, refreshTime as it was, the Secret as it was),
util.go (syncedResourceVersion is the generation and a hash of labels and annotations); external-secrets.io, "FAQ" (any
changed annotation forces a refresh: `kubectl annotate es my-es force-sync=$(date +%s) --overwrite`).
Simplified: all stores are one, no SecretStore objects; `data` only, and no templates.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Final

from drctl.neighbours.kubernetes.kinds import Resource, by_key
from drctl.neighbours.kubernetes.objects import Cluster, Obj, instant, stamp
from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.shared import duration

SECRETS: Final = "externalsecrets.external-secrets.io"
FETCHES: Final = 1.0
RETRIES: Final = 60.0
"""Seconds: of one fetch, and between two tries of one that failed."""


class ExternalSecrets:
    """One controller for all of them."""

    name = "external-secrets"

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.held: dict[str, dict[str, str]] = {}
        """What the stores hold, by key."""

    def refresh(self, namespace: str, name: str) -> None:
        """Its interval has passed."""
        self.cluster.advance()
        found = self.cluster.get(SECRETS, namespace, name)
        if found is not None:
            self._sync(found)

    def changed(self, resource: Resource, obj: Obj, *, gone: bool) -> None:
        if resource.key == SECRETS and not gone and self._is_due(obj):
            self.cluster.after(FETCHES, self.name, "fetch", obj["metadata"]["namespace"], obj["metadata"]["name"])

    def wake(self, what: str, key: tuple[str, ...]) -> None:
        found = self.cluster.get(SECRETS, key[0], key[1]) if what == "fetch" else None
        if found is not None and self._is_due(found):
            self._sync(found)

    def _is_due(self, obj: Obj) -> bool:
        status = obj.get("status") or {}
        if status.get("syncedResourceVersion") != _version(obj) or not status.get("refreshTime"):
            return True
        every = _interval(obj) / self.cluster.speed
        return bool(every) and self.cluster.now >= instant(status["refreshTime"]) + every

    def _sync(self, obj: Obj) -> None:
        new, meta = copied(obj), obj["metadata"]
        status = new.setdefault("status", {})
        values, why = {}, ""
        for row in obj["spec"].get("data") or ():
            ref = row["remoteRef"]
            held = self.held.get(ref["key"])
            if held is None or (ref.get("property") and ref["property"] not in held):
                why = f"error processing spec.data[0] (key: {ref['key']}), err: Secret does not exist"
                break
            value = held[ref["property"]] if ref.get("property") else json.dumps(held)
            values[row["secretKey"]] = base64.b64encode(value.encode()).decode()
        place = (meta["namespace"], meta["name"])
        if why:
            self._said(status, "False", "SecretSyncedError", why)
            self.cluster.write(by_key(SECRETS), new)
            self.cluster.after(RETRIES, self.name, "fetch", *place)
            return
        self._said(status, "True", "SecretSynced", "secret synced")
        status |= {"refreshTime": stamp(self.cluster.now), "syncedResourceVersion": _version(obj)}
        target = (obj["spec"].get("target") or {}).get("name") or meta["name"]
        secret = self.cluster.get("secrets", meta["namespace"], target)
        if secret is None:
            where = {"name": target, "namespace": meta["namespace"]}
            self.cluster.create(by_key("secrets"), {"metadata": where, "type": "Opaque", "data": values})
        else:
            self.cluster.write(by_key("secrets"), secret | {"data": {**(secret.get("data") or {}), **values}})
        self.cluster.write(by_key(SECRETS), new)
        if _interval(obj):
            self.cluster.after(_interval(obj).total_seconds(), self.name, "fetch", *place)

    def _said(self, status: Obj, value: str, reason: str, message: str) -> None:
        before = next(iter(status.get("conditions") or ()), None)
        same = before is not None and before["status"] == value
        at = before["lastTransitionTime"] if before and same else stamp(self.cluster.now)
        condition = {"type": "Ready", "status": value, "reason": reason, "message": message}
        status["conditions"] = [{**condition, "lastTransitionTime": at}]


def _version(obj: Obj) -> str:
    meta = obj["metadata"]
    kept = {k: meta.get(k) or {} for k in ("labels", "annotations")}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    return f"{meta['generation']}-{digest[:56]}"


def _interval(obj: Obj) -> timedelta:
    return duration(obj["spec"].get("refreshInterval", "1h0m0s"))
