"""Label and field selectors, as text in a query and as objects in a spec.

kubernetes.io/docs/concepts/overview/working-with-objects/labels and .../field-selectors; refusals are recorded ones
(11-select).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import Resource
from drctl.neighbours.kubernetes.status import bad_request

Labels = Mapping[str, str]
_TERM: Final = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<no>[\w./-]+)"
    r"|(?P<set>[\w./-]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)"
    r"|(?P<key>[\w./-]+)\s*(?P<eq>==|!=|=)\s*(?P<value>[\w.-]*)"
    r"|(?P<has>[\w./-]+))\s*(?:,|$)"
)
_FIELDS: Final = {
    "pods": ("spec.nodeName", "status.phase", "spec.restartPolicy", "spec.schedulerName", "status.podIP"),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "nodes": ("spec.unschedulable",),
}


def by_labels(text: str) -> Callable[[Labels], bool]:
    """`a=b,c in (d,e),!f`. Raises a 400 `RefusedError` when it cannot be read."""
    tests: list[Callable[[Labels], bool]] = []
    at = 0
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None:
            raise bad_request(f'unable to parse requirement: found "{text[at:]}", expected: a requirement')
        tests.append(_label_test(term))
        at = term.end()
    return lambda labels: all(test(labels) for test in tests)


def _label_test(term: re.Match[str]) -> Callable[[Labels], bool]:
    if term["no"]:
        return lambda labels, key=term["no"]: key not in labels  # type: ignore[misc]
    if term["set"]:
        values, inside = {v.strip() for v in term["values"].split(",")}, term["op"] == "in"
        return lambda labels, key=term["set"]: (labels.get(key) in values) == inside  # type: ignore[misc]
    if term["key"]:
        value, same = term["value"], term["eq"] != "!="
        return lambda labels, key=term["key"]: (labels.get(key) == value) == same  # type: ignore[misc]
    return lambda labels, key=term["has"]: key in labels  # type: ignore[misc]


def by_fields(resource: Resource, text: str) -> Callable[[Mapping[str, Any]], bool]:
    """`metadata.name=x`. Raises a 400 `RefusedError` on a field the kind has no selector for."""
    wanted: list[tuple[str, bool, str]] = []
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"(.*?)(==|!=|=)(.*)", term)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        name, sign, value = found.groups()
        known = ("metadata.name", *(("metadata.namespace",) if resource.namespaced else ()))
        if name not in (*known, *_FIELDS.get(resource.key, ())):
            if resource.custom:
                raise bad_request(f"field label not supported: {name}")
            raise bad_request(
                f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
                if resource.key not in _FIELDS
                else f"field label not supported: {name}"
            )
        wanted.append((name, sign != "!=", value))
    return lambda obj: all((_field(obj, name) == value) == same for name, same, value in wanted)


def _field(obj: Mapping[str, Any], path: str) -> str:
    found: Any = obj
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return "" if found is None else str(found)


def selects(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """A `LabelSelector` object against labels. None and an empty selector select everything."""
    selector = selector or {}
    if any(labels.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or ():
        has, value = rule["key"] in labels, labels.get(rule["key"])
        match rule["operator"]:
            case "In" if value not in rule["values"]:
                return False
            case "NotIn" if value in rule["values"]:
                return False
            case "Exists" if not has:
                return False
            case "DoesNotExist" if has:
                return False
            case _:
                pass
    return True
