"""When two answers count as the same: all but what differs between two runs of the same real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
OF_A_SCHEDULE = re.compile(r"^daily-\d{14}$")
ITS_OWN_KIND = "openshift-service-ca.crt"
"""A ConfigMap that only the recorded API server, and not upstream Kubernetes, puts into every namespace."""

IGNORED = ("managedFields", "lastSyncedTime", "kubectl.kubernetes.io/last-applied-configuration")
SERVER_CHOSEN = {
    "resourceVersion": "R",
    "remainingItemCount": "N",
    "itemsBackedUp": "N",
    "itemsRestored": "N",
    "totalItems": "N",
    "warnings": "N",
    "serverAddress": "ADDR",
    "ca.crt": "CA",
}
"""Identities and counts: the recorded backups also hold pods, ReplicaSets, endpoints and events, so counts differ."""
BUSY_KINDS = ("Schedule", "BackupStorageLocation")
"""Velero writes to these by itself all the time, so their generation is a matter of when one looks."""


def plain(value: Any, field: str = "") -> Any:
    """`value` with identities, times and counts made alike."""
    if isinstance(value, dict):
        return _plain_object(value)
    if isinstance(value, list):
        return [plain(v) for v in value if not (isinstance(v, dict) and _name(v) == ITS_OWN_KIND)]
    if field in SERVER_CHOSEN:
        return SERVER_CHOSEN[field]
    if not isinstance(value, str):
        return value
    if field == "continue":
        return "C" if value else ""
    if field == "downloadURL":
        return value.partition("?")[0].removeprefix("/_object")
    text = OF_A_SCHEDULE.sub("daily-N", UID.sub("UID", TIME.sub("T", value)))
    if field in ("message", "failureReason"):
        text = re.sub(r"RequestID: \w+, HostID: \S+,", "RequestID: , HostID: ,", text).replace(" ADDR", "")
        text = re.sub(r'(in record \(|current: |ReplicaSet "web-)\w+', r"\1X", text)
        text = re.sub(r"(continue key is not valid:).*", r"\1", text)
        # The patched object is quoted whole, with the managedFields the stand-in does not write.
        text = re.sub(r'Invalid value: "\{.*\}": strict', "Invalid value: {}: strict", text)
    return text


def _name(obj: dict[str, Any]) -> str:
    meta = obj.get("metadata")
    return str(meta.get("name", "")) if isinstance(meta, dict) else ""


def _plain_object(value: dict[str, Any]) -> dict[str, Any]:
    out = {k: plain(v, k) for k, v in value.items() if k not in IGNORED}
    meta = out.get("metadata")
    if isinstance(meta, dict):
        if value.get("kind") in BUSY_KINDS:
            meta.pop("generation", None)
        if not meta.get("annotations", True):
            del meta["annotations"]
        if "generateName" in meta:
            meta["name"] = meta["generateName"] + "N"
    return out


def alike(ours: Any, theirs: Any) -> bool:
    return bool(plain(ours) == plain(theirs))


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """One line for every place where two plain values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            yield from differences(ours.get(name, "absent"), theirs.get(name, "absent"), f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, other, f"{path}[{i}]")
    elif ours != theirs:
        yield f"{path}: recorded {json.dumps(theirs)[:300]}, stand-in {json.dumps(ours)[:300]}"
