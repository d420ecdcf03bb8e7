"""JSON patches as resource modifiers hold them: every value is text, and Velero guesses what it means.

*source*: internal/resourcemodifiers/json_patch.go, and its library github.com/evanphx/json-patch/v5, whose words the
errors are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jsonpatch
import jsonpointer

from drctl.neighbours.kubernetes.objects import Obj

_MISSING: Final = "missing value"
_INVALID_INDEX: Final = "invalid index referenced"


class PatchError(Exception):
    """A rule that could not be applied; the text is Velero's."""


class UnmetError(PatchError):
    """A `test` failed, or (`missing`) a path is not there: a condition that is not met, or a patch that misses."""

    def __init__(self, text: str, *, missing: bool) -> None:
        super().__init__(text)
        self.missing = missing


def apply(patches: Sequence[Mapping[str, str]], obj: Obj) -> Obj:
    """The object after all operations. Raises PatchError, or UnmetError at the first one that does not fit it."""
    operations = [_operation(patch) for patch in patches]
    found: Any = obj
    for operation in operations:
        if operation["op"] not in ("add", "remove", "replace", "test", "move", "copy"):
            # The validator looks at the name in lower case, the library does not.
            raise PatchError(f"Unexpected kind: {operation['op']}")
        if operation["op"] == "test":
            _test(found, operation["path"], operation["value"])
            continue
        try:
            found = jsonpatch.apply_patch(found, [operation])
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
            raise UnmetError(_missed(found, operation), missing=True) from error
    result: Obj = found
    return result


def _operation(patch: Mapping[str, str]) -> dict[str, Any]:
    """ToString and DecodePatch: the text is put together without escaping, and then read as JSON."""
    value = patch.get("value", "")
    quoted = _quoted(value)
    inner = value[1:-1] if len(value) > 1 and value.startswith('"') and value.endswith('"') else value
    shown = f'"{inner}"' if quoted else value
    parts = (patch.get("operation", ""), patch.get("from", ""), patch.get("path", ""))
    text = '{{"op": "{}", "from": "{}", "path": "{}", "value": {}}}'.format(*parts, shown)
    try:
        read: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise PatchError("error in decoding json patch invalid state detected") from error
    return read


def _quoted(value: str) -> bool:
    """addQuotes: text, unless it looks like null, a boolean, a number, an object or an array."""
    if not value or (value.startswith('"') and value.endswith('"')):
        return True
    if value == "null" or value.lower() in ("true", "false") or value.startswith(("{", "[")):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _there(doc: Any, path: str) -> bool:
    try:
        jsonpointer.resolve_pointer(doc, path)
    except jsonpointer.JsonPointerException:
        return False
    return True


def _test(doc: Any, path: str, value: Any) -> None:
    """A name that an object lacks is null; an index that an array lacks is neither missing nor a failed test, so that a
    condition on it is an error and not a condition that is not met.
    """
    parent, _, key = path.rpartition("/")
    if not _there(doc, parent):
        raise UnmetError(f"test operation does not apply: is missing path: {path}: {_MISSING}", missing=True)
    holder = jsonpointer.resolve_pointer(doc, parent)
    if isinstance(holder, list):
        if not key.isdigit():
            raise PatchError(f"error in test for path: '{path}': strconv.Atoi: parsing \"{key}\": invalid syntax")
        if int(key) >= len(holder):
            why = f"Unable to access invalid index: {int(key)}: {_INVALID_INDEX}"
            raise PatchError(f"error in test for path: '{path}': {why}")
    if jsonpointer.resolve_pointer(doc, path, None) != value:
        raise UnmetError(f"testing value {path} failed: test failed", missing=False)


def _missed(doc: Any, operation: Mapping[str, Any]) -> str:
    op, path, start = operation["op"], operation["path"], operation["from"]
    parent, _, key = path.rpartition("/")
    match op:
        case "replace" if _there(doc, parent):
            return f"replace operation does not apply: doc is missing key: {path}: {_MISSING}"
        case "replace":
            return f"replace operation does not apply: doc is missing path: {path}: {_MISSING}"
        case "remove" if _there(doc, parent):
            return f"error in remove for path: '{path}': unable to remove nonexistent key: {key}: {_MISSING}"
        case "move" | "copy" if not _there(doc, start):
            return f"{op} operation does not apply: doc is missing from path: {start}: {_MISSING}"
        case "move" | "copy":
            return f"{op} operation does not apply: doc is missing destination path: {path}: {_MISSING}"
        case _:
            return f'{op} operation does not apply: doc is missing path: "{path}": {_MISSING}'
