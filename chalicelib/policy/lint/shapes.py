"""From pydantic's errors to findings: the field, its line, what is allowed there, and what was found.

What is allowed is read from the models' JSON Schema, so that it cannot drift from them. A path of pydantic's also
names the branch of a union that was tried (`switch.metric.region`); those are no fields and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chalicelib.policy.lint.finding import Finding, meant, one_of, show_field
from chalicelib.policy.models import Policy
from chalicelib.policy.where import Path, Places

_EXAMPLES: Final = (
    ("artifacts/", "a b/c", "the beginning of keys, without *, ? and $, which mean something to IAM"),
    ("my.bucket-1", "0bucket", "a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens"),
    ("arn:aws:kms:eu-west-1:555566667777:key/a-1", "arn:aws:kms:us-east-1:444455556666:key/mrk-1", "a KMS key's ARN"),
    ("api-gateway", "x9", "a name: lower case, digits and hyphens, starting with a letter"),
    ("15m", "1h30m", "a duration like '15m', '1h30m' or '30d'"),
    ("eu-central-1", "eu-west-1", "an AWS region like 'eu-west-1'"),
    ("123456789012", "444455556666", "an AWS account: twelve digits in quotes"),
    ("https://a.example", "http://b.example", "a URL that starts with http:// or https://"),
)
"""Two texts that a known pattern takes, and how to say it; the first row that fits speaks."""

_LONGEST: Final = 100


def told(wrong: ValidationError, places: Mapping[str, Places]) -> Iterator[Finding]:
    """One finding a field, in the order of pydantic's errors; branches of one union speak together."""
    fields: dict[tuple[Path, str], list[tuple[ErrorDetails, dict[str, Any]]]] = {}
    for detail in wrong.errors(include_url=False):
        path, schema = _walk(detail["loc"])
        if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            path = (*path, str(detail["ctx"]["discriminator"]).strip("'"))
        fields.setdefault((path, _rule(detail["type"])), []).append((detail, schema))
    for (path, rule), details in fields.items():
        file = str(path[0]) if path else "platform"
        if file not in places:  # a file that could not be read has its finding already
            continue
        detail, schema = details[0]
        allowed = " or ".join(dict.fromkeys(_allowed(d, s) for d, s in details))
        yield Finding(
            rule=rule,
            severity="error",
            file=f"{file}.yaml",
            line=places[file].line(path[1:]),
            field=show_field(path[1:]),
            allowed=allowed,
            found=_found(detail, rule, path),
            because=_because(detail, schema, path, rule, allowed),
        )


def _rule(kind: str) -> str:
    return {"extra_forbidden": "key-is-known", "missing": "field-is-there"}.get(kind, "value-fits")


def _found(detail: ErrorDetails, rule: str, path: Path) -> str:
    if rule == "field-is-there" or detail["type"] == "union_tag_not_found":
        return "nothing"
    if rule == "key-is-known":
        return repr(path[-1])
    if detail["type"] == "union_tag_invalid":
        return repr(detail["ctx"]["tag"])
    match detail["input"]:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case None:
            return "nothing"
        case bool() as value:
            return str(value).lower()
        case value:
            text = repr(value)
            return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _because(detail: ErrorDetails, schema: dict[str, Any], path: Path, rule: str, allowed: str) -> str:
    name = repr(path[-1]) if path else "the file"
    if rule == "key-is-known":
        return f"nobody reads {name}, so it would hold nothing{meant(str(path[-1]), _keys(schema))}"
    if rule == "field-is-there" or detail["type"] == "union_tag_not_found":
        return f"{name} is required here and has no default"
    tail = ""
    if isinstance(detail["input"], bool) and _choices(schema):
        tail = "; YAML reads a bare yes, no, on and off as true and false: put it in quotes"
    elif isinstance(detail["input"], str):
        tail = meant(detail["input"], _choices(schema))
    elif detail["type"] == "union_tag_invalid":
        tail = meant(str(detail["ctx"]["tag"]), _tags(schema))
    return f"{name} must be {allowed}{tail}"


def _allowed(detail: ErrorDetails, schema: dict[str, Any]) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return one_of(_keys(schema))
        case "union_tag_invalid" | "union_tag_not_found":
            return one_of(_tags(schema))
        case _:
            return describe(schema)


def describe(schema: dict[str, Any]) -> str:
    """A schema in a few words: `one of: a, b`, `a whole number, at least 1`, `a list of names`."""
    schema = _resolve(schema)
    if choices := _choices(schema):
        return one_of(choices)
    if tags := _tags(schema):
        return f"a mapping whose kind is {one_of(tags)}"
    if branches := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(describe(b) for b in branches))
    match schema.get("type"):
        case "string":
            return _text(schema.get("pattern"))
        case "integer" | "number" as kind:
            parts = ["a whole number" if kind == "integer" else "a number"]
            parts += [f"at least {schema['minimum']}"] if "minimum" in schema else []
            parts += [f"at most {schema['maximum']}"] if "maximum" in schema else []
            return ", ".join(parts)
        case "boolean":
            return "true or false"
        case "null":
            return "nothing"
        case "array":
            return f"a list, each {describe(schema.get('items', {}))}"
        case "object" if schema.get("properties"):
            return f"a mapping with {', '.join(schema['properties'])}"
        case "object":
            return "a mapping"
        case _:
            return "any value"


def _text(pattern: str | None) -> str:
    if pattern is None:
        return "text"
    for *examples, words in _EXAMPLES:
        if all(re.fullmatch(pattern, e) or (pattern.endswith("//") and re.match(pattern, e)) for e in examples):
            return words
    return f"text that matches {pattern}"


def _walk(loc: Path) -> tuple[Path, dict[str, Any]]:
    """The path without the names of union branches, and the schema there (for unknown keys, of the parent)."""
    schema = _resolve(_whole())
    path: list[str | int] = []
    for part in loc:
        schema = _bare(schema)
        if tags := _tags(schema):
            if part in tags:
                schema = _resolve({"$ref": schema["discriminator"]["mapping"][part]})
                continue
        elif branches := schema.get("anyOf"):
            schema = _resolve(branches[0] if str(part).startswith("literal[") else branches[-1])
            continue
        path.append(part)
        if isinstance(part, int):
            schema = _resolve(schema.get("items", {}))
        elif part in schema.get("properties", {}):
            schema = _resolve(schema["properties"][part])
    return tuple(path), _bare(schema)


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    """An optional field's schema without its null: pydantic's path does not name that branch."""
    branches = [b for b in schema.get("anyOf", ()) if b.get("type") != "null"]
    return _resolve(branches[0]) if len(branches) == 1 else schema


def _keys(schema: dict[str, Any]) -> list[str]:
    return list(schema.get("properties", {}))


def _tags(schema: dict[str, Any]) -> list[str]:
    return list(schema.get("discriminator", {}).get("mapping", {}))


def _choices(schema: dict[str, Any]) -> list[str]:
    found = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return [str(choice) for choice in found]


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = _whole()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


@cache
def _whole() -> dict[str, Any]:
    made: dict[str, Any] = Policy.model_json_schema(by_alias=True, mode="validation")
    return made
