"""The patch formats of kubernetes.io/docs/reference/using-api/api-concepts#patch-and-apply.

Merge patch is RFC 7386, JSON patch RFC 6902. Strategic merge is known for the lists the responder's patches can reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonpatch
import jsonpointer

from drctl.neighbours.kubernetes.status import RefusedError, bad_request
from drctl.neighbours.kubernetes.trees import copied

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_MERGE_KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "conditions": "type",
    "ports": "containerPort",
}


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, Mapping):
        return copied(patch)
    out = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge(out.get(name), value)
    return out


def strategic(target: Any, patch: Any, name: str = "") -> Any:
    """Like `merge`, but lists of named things merge by their key (`patchMergeKey` in the API's reference)."""
    if isinstance(patch, list) and isinstance(target, list):
        return _strategic_list(target, patch, name)
    if not isinstance(patch, Mapping):
        return copied(patch)
    out = dict(target) if isinstance(target, Mapping) else {}
    for field, value in patch.items():
        if value is None:
            out.pop(field, None)
        else:
            out[field] = strategic(out.get(field), value, field)
    return out


def _strategic_list(target: list[Any], patch: list[Any], name: str) -> list[Any]:
    key = "port" if name == "ports" and any("port" in p for p in patch) else _MERGE_KEYS.get(name)
    if key is None or not all(isinstance(p, Mapping) and key in p for p in patch):
        return copied(patch)
    out = list(target)
    for item in patch:
        at = next((i for i, old in enumerate(out) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            out = [old for old in out if old.get(key) != item[key]]
        elif at is None:
            out.append(copied(item))
        else:
            out[at] = strategic(out[at], item)
    return out


def operations(target: Any, patch: Any) -> Any:
    """RFC 6902. Raises 422 when an operation, a test included, cannot be done; the server does not say which."""
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return jsonpatch.apply_patch(target, patch)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        text = "the server rejected our request due to an error in our request"
        raise RefusedError(422, text, "Invalid", {}) from error


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of everything that is not an object: what a field manager owns. Metadata's identity is nobody's."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            if not path and name in ("apiVersion", "kind"):
                continue
            if path == ("metadata",) and name in ("name", "namespace", "generateName", "uid", "resourceVersion"):
                continue
            yield from leaves(inner, (*path, name))
    elif path and path != ("metadata",):
        yield path


def at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
