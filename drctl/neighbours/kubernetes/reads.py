"""GET: one object, a list, a page of a list.

kubernetes.io/docs/reference/using-api/api-concepts, "Retrieving large results sets in chunks" and "Resource versions";
words and shapes are recorded (01-list, 10-watch). History is not kept: an exact old version answers today's objects.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from drctl.neighbours.kubernetes import selectors
from drctl.neighbours.kubernetes.asking import Address, Asking, answered
from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.objects import Cluster, Obj
from drctl.neighbours.kubernetes.status import Answer, RefusedError, bad_request, internal, not_found

_OLDEST: Final = 100  # revisions before this one are compacted
_PARTIAL: Final = "application/json;as=partialobjectmetadata"


class Reads:
    """What looks at objects and changes none."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def find(self, resource: Resource, to: Address) -> Obj:
        """The kept object. Raises 404."""
        found = self.cluster.get(resource.key, to.namespace if resource.namespaced else "", to.name)
        if found is None:
            raise not_found(resource.plural, resource.group, to.name)
        return found

    def get(self, resource: Resource, asking: Asking) -> Answer:
        found = self.find(resource, asking.address)
        if _partial(asking):
            return answered(200, _metadata_only(found))
        return answered(200, found)

    def selected(self, resource: Resource, asking: Asking) -> list[Obj]:
        """The objects of the namespace asked for, or of all, that both selectors choose."""
        labels = selectors.by_labels(asking.query.get("labelSelector", ""))
        fields = selectors.by_fields(resource, asking.query.get("fieldSelector", ""))
        namespace = asking.address.namespace or None
        every = self.cluster.every_object(resource.key, namespace if resource.namespaced else None)
        return [o for o in every if labels(o["metadata"].get("labels") or {}) and fields(o)]

    def list(self, resource: Resource, asking: Asking) -> Answer:
        version = self._version(asking)
        found = self.selected(resource, asking)
        limit = _limit(asking)
        start = _start(asking.query.get("continue", ""))
        alone = bool(asking.address.namespace) or not resource.namespaced
        left = [o for o in found if _key(o, alone=alone) >= start]
        page = left[:limit] if limit else left
        meta: dict[str, Any] = {}
        if len(page) < len(left):
            meta["continue"] = _token(version, _key(page[-1], alone=alone))
            if not asking.query.get("labelSelector") and not asking.query.get("fieldSelector"):
                meta["remainingItemCount"] = len(left) - len(page)
        if _partial(asking):
            whole = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            items = [_metadata_only(o) for o in page]
            return answered(200, {**whole, "metadata": {"resourceVersion": version, **meta}, "items": items})
        return answered(200, self.listed(resource, page, version, **meta))

    def listed(self, resource: Resource, found: Sequence[Obj], version: str = "", **meta: Any) -> Obj:
        """A list object. Custom resources' lists carry `continue` even when empty, and their items say what they are;
        native ones do neither (recorded).
        """
        version = version or str(self.cluster.revision)
        head: Obj = {"apiVersion": resource.api_version, "kind": f"{resource.kind}List"}
        if resource.custom:
            return {**head, "items": list(found), "metadata": {"continue": "", "resourceVersion": version, **meta}}
        items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in found]
        return {**head, "metadata": {"resourceVersion": version, **meta}, "items": items}

    def _version(self, asking: Asking) -> str:
        """The list's resourceVersion. Raises 410 for one compacted away and 504 for one not yet there."""
        wanted, now = asking.query.get("resourceVersion", ""), self.cluster.revision
        if not wanted or wanted == "0":
            return str(now)
        if not wanted.isdigit():
            raise internal(
                f'resourceVersion: Invalid value: "{wanted}": strconv.ParseUint: parsing "{wanted}": invalid syntax'
            )
        if int(wanted) > now:
            causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
            raise RefusedError(
                504,
                f"Timeout: Too large resource version: {wanted}, current: {now}",
                "Timeout",
                {"causes": causes, "retryAfterSeconds": 1},
                {"Retry-After": "1"},
            )
        if asking.query.get("resourceVersionMatch") != "Exact":
            return str(now)
        if int(wanted) < _OLDEST:
            raise RefusedError(410, "The resourceVersion for the provided list is too old.", "Expired")
        return wanted


def _key(obj: Obj, *, alone: bool) -> str:
    meta = obj["metadata"]
    return meta["name"] if alone else f"{meta.get('namespace', '')}/{meta['name']}"


def _token(version: str, last: str) -> str:
    said = {"v": "meta.k8s.io/v1", "rv": int(version), "start": f"/{last}\0"}
    return base64.urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).decode().rstrip("=")


def _start(token: str) -> str:
    if not token:
        return ""
    try:
        said = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return str(said["start"]).removeprefix("/")
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error


def _limit(asking: Asking) -> int:
    text = asking.query.get("limit", "") or "0"
    if not text.lstrip("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _partial(asking: Asking) -> bool:
    return asking.headers.get("accept", "").lower().startswith(_PARTIAL)


def _metadata_only(obj: Obj) -> Obj:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
