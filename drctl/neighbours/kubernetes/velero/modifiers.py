"""Resource modifiers: what a restore changes in the objects it brings back (*source*, internal/resourcemodifiers).

A ConfigMap with one key of data holds them as YAML, read strictly. Reading and `Validate` are of the restore's
validation; a regular expression or a patch is only looked at when it meets an object, and then it is an error of that
item, which is restored all the same without that rule (*source*, pkg/restore/restore.go: `errs.Add(namespace, err)`).
Conditions are judged on the object as it was before any rule, when there are several rules.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import yaml

from drctl.neighbours.kubernetes import native, patches
from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.kubernetes.selectors import selects
from drctl.neighbours.kubernetes.status import RefusedError
from drctl.neighbours.kubernetes.velero.json_patches import PatchError, UnmetError, apply

VERSION: Final = "v1"
OPERATIONS: Final = ("add", "remove", "replace", "test", "move", "copy")
_SHAPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "ResourceModifiers": {"version": str, "resourceModifierRules": ["ResourceModifierRule"]},
    "ResourceModifierRule": {
        "conditions": "Conditions",
        "patches": ["JSONPatch"],
        "mergePatches": ["JSONMergePatch"],
        "strategicPatches": ["StrategicMergePatch"],
    },
    "Conditions": {
        "namespaces": [str],
        "groupResource": str,
        "resourceNameRegex": str,
        "labelSelector": "LabelSelector",
        "matches": ["MatchRule"],
    },
    "LabelSelector": {"matchLabels": dict, "matchExpressions": ["LabelSelectorRequirement"]},
    "LabelSelectorRequirement": {"key": str, "operator": str, "values": [str]},
    "MatchRule": {"path": str, "value": str},
    "JSONPatch": {"operation": str, "from": str, "path": str, "value": str},
    "JSONMergePatch": {"patchData": str},
    "StrategicMergePatch": {"patchData": str},
}
"""The Go structs, by their JSON names."""
_GO: Final = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_PERL_ONLY: Final = re.compile(r"\(\?(?:[=!]|<[=!])")
"""RE2, which Go's regexp is, has no look-around: github.com/google/re2/wiki/Syntax."""

Rule = Mapping[str, Any]


class ModifiersError(Exception):
    """Modifiers that cannot be read, or are not valid; the text is Velero's."""


class UnfitError(Exception):
    """Something that is not of the Go struct; the text is encoding/json's, without its head."""


def read(namespace: str, name: str, data: Mapping[str, str]) -> tuple[str, list[Rule]]:
    """GetResourceModifiersFromConfig: the version and the rules of a ConfigMap."""
    if len(data) != 1:
        raise ModifiersError(f"illegal resource modifiers {namespace}/{name} configmap")
    head = "failed to decode yaml data into resource modifiers, err: "
    try:
        plain = yaml.load(next(iter(data.values())), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ModifiersError(f"{head}error converting YAML to JSON: yaml: {error}") from error
    try:
        found = _decoded("ResourceModifiers", plain, "ResourceModifiers", "")
    except UnfitError as error:
        raise ModifiersError(f"{head}error unmarshaling JSON: while decoding JSON: json: {error}") from error
    return found.get("version", ""), found.get("resourceModifierRules", [])


def validate(version: str, rules: list[Rule]) -> None:
    """*source*, resource_modifiers_validator.go: the first thing that is wrong."""
    if version.lower() != VERSION:
        raise ModifiersError(f"unsupported resource modifier version {version}")
    if not rules:
        raise ModifiersError("resource modifier rules cannot be empty")
    for rule in rules:
        if not rule.get("conditions", {}).get("groupResource"):
            raise ModifiersError("groupResource cannot be empty")
        if sum(bool(rule.get(kind)) for kind in ("patches", "mergePatches", "strategicPatches")) > 1:
            raise ModifiersError("only one of patches, mergePatches, strategicPatches can be specified")
        for patch in rule.get("patches", ()):
            _validate_patch(patch)


def _validate_patch(patch: Mapping[str, str]) -> None:
    operation = patch.get("operation", "")
    if not operation:
        raise ModifiersError("operation cannot be empty")
    if operation.lower() not in OPERATIONS:
        raise ModifiersError(f"unsupported operation {operation}")
    if not patch.get("path"):
        raise ModifiersError("path cannot be empty")


def modified(rules: list[Rule], resource: Resource, obj: Obj) -> tuple[Obj, list[str]]:
    """ApplyResourceModifierRules: the object as the rules leave it, and what went wrong, a sentence a rule."""
    origin, errors = obj, []
    for rule in rules:
        try:
            if _matches(rule["conditions"], resource, origin if len(rules) > 1 else obj):
                obj = _patched(rule, resource, obj)
        except PatchError as error:
            errors.append(str(error))
    return obj, errors


def _matches(conditions: Mapping[str, Any], resource: Resource, obj: Obj) -> bool:
    meta = obj["metadata"]
    spaces = conditions.get("namespaces") or ()
    if meta.get("namespace") and spaces and meta["namespace"] not in spaces and "*" not in spaces:
        return False
    if not _glob(conditions["groupResource"]).fullmatch(resource.key):
        return False
    wanted = conditions.get("resourceNameRegex")
    if wanted and not _regex(wanted).search(meta["name"]):
        return False
    if not selects(conditions.get("labelSelector"), meta.get("labels") or {}):
        return False
    tests = conditions.get("matches") or ()
    if any(not t.get("path") for t in tests):
        raise PatchError("path is required for match rule")
    try:
        apply([{"operation": "test", **t} for t in tests], obj)
    except UnmetError:
        return False
    return True


def _glob(text: str) -> re.Pattern[str]:
    """github.com/gobwas/glob with `.` as the separator: `*` ends at it, `**` does not."""
    parts = re.split(r"(\*\*|\*|\?|\{[^}]*\})", text)
    said = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}
    return re.compile("".join(said.get(p) or _one_of(p) for p in parts))


def _one_of(part: str) -> str:
    if part.startswith("{"):
        return "(?:" + "|".join(re.escape(p) for p in part[1:-1].split(",")) + ")"
    return re.escape(part)


def _regex(text: str) -> re.Pattern[str]:
    found = _PERL_ONLY.search(text)
    if found:
        why = f"invalid or unsupported Perl syntax: `{found[0][:3]}`"
        raise PatchError(f"error in matching regex error parsing regexp: {why}")
    try:
        return re.compile(text)
    except re.error as error:
        # The words after the colon are Python's; Go names the same place in its own.
        raise PatchError(f"error in matching regex error parsing regexp: {error.msg}: `{text}`") from error


def _patched(rule: Rule, resource: Resource, obj: Obj) -> Obj:
    if rule.get("patches"):
        try:
            return apply(rule["patches"], obj)
        except UnmetError as unmet:
            if unmet.missing:
                raise PatchError(f"error in applying patch error in applying JSON Patch {unmet}") from unmet
            return obj  # a failed `test` is logged, and the object stays as it is
        except PatchError as error:
            raise PatchError(f"error in applying patch error in applying JSON Patch {error}") from error
    if rule.get("mergePatches"):
        for patch in rule["mergePatches"]:
            obj = patches.merge(obj, _data(patch))
        return obj
    if not rule.get("strategicPatches"):
        raise PatchError("no patch data found")
    if resource.custom:
        kind = f'no kind "{resource.kind}" is registered for version "{resource.api_version}" in scheme'
        raise PatchError(f"error in applying patch {kind}")
    for patch in rule["strategicPatches"]:
        obj = patches.strategic(obj, _data(patch))
        try:
            unknown = native.unknown_fields(resource, obj)
        except RefusedError as error:
            raise PatchError(f"error in applying patch error in applying Strategic Patch {error.message}") from error
        if unknown:
            fields = ", ".join(f'unknown field "{path}"' for path in unknown)
            said = f' "" is invalid: patch: Invalid value: strict decoding error: {fields}'
            raise PatchError(f"error in applying patch error in applying Strategic Patch{said}")
    return obj


def _data(patch: Mapping[str, str]) -> Any:
    try:
        return yaml.load(patch.get("patchData", ""), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise PatchError(f"error in applying patch error in converting YAML to JSON yaml: {error}") from error


def _decoded(shape: Any, value: Any, struct: str, path: str) -> Any:
    """sigs.k8s.io/yaml's UnmarshalStrict: no unknown field, no wrong type; a scalar becomes text where text is wanted.

    Raises UnfitError in encoding/json's words, without its head.
    """
    if value is None:
        return {} if isinstance(shape, str) else [] if isinstance(shape, list) else shape()
    if shape is str:
        if isinstance(value, dict | list):
            raise UnfitError(_unfit(value, struct, path, "string"))
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise UnfitError(_unfit(value, struct, path, "[]"))
        return [_decoded(shape[0], item, struct, path) for item in value]
    if not isinstance(value, dict):
        raise UnfitError(_unfit(value, struct, path, "map[string]string" if shape is dict else shape))
    if shape is dict:
        return {k: _decoded(str, v, struct, path) for k, v in value.items()}
    fields = _SHAPES[shape]
    unknown = next((k for k in value if k not in fields), None)
    if unknown is not None:
        raise UnfitError(f'unknown field "{unknown}"')
    return {k: _decoded(fields[k], copy.copy(v), shape, f"{path}.{k}".lstrip(".")) for k, v in value.items()}


def _unfit(value: Any, struct: str, path: str, wanted: str) -> str:
    return f"cannot unmarshal {_GO[type(value)]} into Go struct field {struct}.{path} of type {wanted}"


if TYPE_CHECKING:
    _Safe = yaml.SafeLoader
else:
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """Refuses a key that stands twice, as UnmarshalStrict does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                text = f'unmarshal errors:\n  line {key.start_mark.line + 1}: key "{key.value}" already set in map'
                raise yaml.YAMLError(text)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
