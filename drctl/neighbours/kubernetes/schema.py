"""Custom resources against their CRD: pruning, defaulting, validation.

Follows "Specifying a structural schema", "Field pruning", "Defaulting" of
kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions; the texts are recorded ones.
CEL rules (`x-kubernetes-validations`) are not evaluated: none of Velero's CRDs has one.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import jsonschema

from drctl.neighbours.kubernetes import kinds
from drctl.neighbours.kubernetes.status import Cause
from drctl.neighbours.kubernetes.trees import copied

_JSON_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_BLOCKING: Final = ("FieldValueTypeInvalid", "FieldValueRequired", "FieldValueNotSupported")
_UNCHECKED: Final = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def json_type(value: object) -> str:
    return "null" if value is None else _JSON_TYPES[type(value)]


def prune(resource: kinds.Resource, obj: dict[str, Any]) -> list[str]:
    """Takes fields the schema does not know out of `obj`, in place; their paths. Metadata is not the schema's
    business.
    """
    own = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
    gone = list(_prune(own, kinds.schema(resource), ""))
    for name in [k for k in obj if k not in ("apiVersion", "kind", "metadata") and k not in own]:
        del obj[name]
    return gone


def _prune(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _prune(item, schema.get("items", {}), f"{path}[{i}]")
        return
    if not isinstance(value, dict) or schema.get("x-kubernetes-embedded-resource"):
        return
    known = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    keep = schema.get("x-kubernetes-preserve-unknown-fields") or rest is True
    for name in sorted(value):
        below = f"{path}.{name}" if path else name
        if name in known:
            yield from _prune(value[name], known[name], below)
        elif isinstance(rest, Mapping):
            yield from _prune(value[name], rest, below)
        elif not keep:
            del value[name]
            yield below


def fill(resource: kinds.Resource, obj: dict[str, Any]) -> None:
    """Writes the schema's defaults into `obj`, in place."""
    _fill(obj, kinds.schema(resource))


def _fill(value: Any, schema: Mapping[str, Any]) -> None:
    if isinstance(value, list):
        for item in value:
            _fill(item, schema.get("items", {}))
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        for name, below in known.items():
            missing = name not in value or (value[name] is None and not below.get("nullable"))
            if missing and "default" in below:
                value[name] = copied(below["default"])
        rest = schema.get("additionalProperties")
        for name, inner in value.items():
            below = known.get(name, rest)
            if isinstance(below, Mapping):
                _fill(inner, below)


def validate(resource: kinds.Resource, obj: Mapping[str, Any]) -> list[Cause]:
    """What is wrong with `obj`; empty when nothing is. A null in an object counts as absent, a null in a list does
    not.
    """
    own = {
        k: _without_nulls(v) for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata") and v is not None
    }
    errors = list(_validator(resource).iter_errors(own))
    wrong_type = {tuple(e.absolute_path) for e in errors if e.validator == "type"}
    causes = [
        cause
        for error in errors
        if error.validator == "type" or tuple(error.absolute_path) not in wrong_type
        for cause in _causes(error)
    ]
    if _has_rules(resource) and any(c.reason in _BLOCKING for c in causes):
        causes.append(Cause("FieldValueInvalid", "<nil>", _UNCHECKED))
    return causes


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


@functools.cache
def _validator(resource: kinds.Resource) -> jsonschema.Draft4Validator:
    whole = _translate(kinds.schema(resource))
    whole["properties"].pop("metadata", None)
    whole["required"] = [n for n in whole.get("required", ()) if n not in ("apiVersion", "kind", "metadata")]
    if not whole["required"]:
        del whole["required"]
    return jsonschema.Draft4Validator(whole, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


@functools.cache
def _has_rules(resource: kinds.Resource) -> bool:
    return "x-kubernetes-validations" in json.dumps(kinds.schema(resource))


def _translate(schema: Any) -> Any:
    """OpenAPI v3's dialect as JSON Schema draft 4: `nullable`, int-or-string, no vendor extensions."""
    if isinstance(schema, list):
        return [_translate(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: v for k, v in schema.items() if not k.startswith("x-") and k not in ("default", "nullable")}
    for name in ("properties", "patternProperties"):
        if name in out:
            out[name] = {k: _translate(v) for k, v in out[name].items()}
    for name in ("items", "additionalProperties", "allOf", "anyOf", "oneOf", "not"):
        if name in out:
            out[name] = _translate(out[name])
    if schema.get("x-kubernetes-int-or-string"):
        out.pop("anyOf", None)
        out["type"] = ["integer", "string"]
    if schema.get("nullable") and isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    return out


def place(path: Iterable[str | int]) -> str:
    """`spec.hooks[0].name`."""
    said = ""
    for step in path:
        said += f"[{step}]" if isinstance(step, int) else f".{step}" if said else step
    return said


def _causes(error: jsonschema.ValidationError) -> Iterator[Cause]:
    found: Any = error.instance
    wants: Any = error.validator_value
    where = place(error.absolute_path)
    match error.validator:
        case "type":
            kind = wants if isinstance(wants, str) else wants[0]
            text = f'Invalid value: "{json_type(found)}": {where} in body must be of type {kind}: "{json_type(found)}"'
            yield Cause("FieldValueTypeInvalid", where, text)
        case "required":
            for name in wants:
                if name not in found and repr(name) in error.message:
                    yield Cause("FieldValueRequired", f"{where}.{name}" if where else name, "Required value")
        case "enum":
            values = ", ".join(json.dumps(v) for v in wants)
            text = f"Unsupported value: {json.dumps(found)}: supported values: {values}"
            yield Cause("FieldValueNotSupported", where, text)
        case "pattern":
            text = f"Invalid value: {json.dumps(found)}: {where} in body should match '{wants}'"
            yield Cause("FieldValueInvalid", where, text)
        case "minimum" | "maximum":
            side = "greater" if error.validator == "minimum" else "less"
            text = f"Invalid value: {json.dumps(found)}: {where} in body should be {side} than or equal to {wants}"
            yield Cause("FieldValueInvalid", where, text)
        case other:
            # The server's text for these was not recorded; the reason and the field are those it documents.
            text = f"Invalid value: {json.dumps(found)}: {where} in body breaks {other}: {json.dumps(wants)}"
            yield Cause("FieldValueInvalid", where, text)
