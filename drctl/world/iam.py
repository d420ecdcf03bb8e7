"""IAM's verdict on one request, from the identity policies of a role, as far as ours go.

Deny wins over Allow, and what nothing allows is denied:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
Actions are compared without regard to case, resources with; `*` and `?` are wildcards in both, and in StringLike:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
A condition on a key that the request does not have is not met:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html

A part of a policy that is not understood here raises ValueError: read over, it could allow what AWS would not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final

ELEMENTS: Final = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})
FOR_ALL: Final = "ForAllValues:StringEquals"
OPERATORS: Final = ("StringEquals", "StringLike", FOR_ALL)


class Verdict(StrEnum):
    """What the policies say. The denials' words are those of IAM's messages (*troubleshoot*, `message`)."""

    ALLOWED = "allowed"
    EXPLICIT = "with an explicit deny in an identity-based policy"
    IMPLICIT = "because no identity-based policy allows the {action} action"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `action` as `rds:PromoteReadReplica`, `resource` an ARN or `*` where the API knows none,
    `context` the condition keys that it has, a tuple where a key has several values.
    """

    action: str
    resource: str = "*"
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """A role's session, and all policies that its role has."""

    arn: str
    documents: tuple[Mapping[str, Any], ...]

    def verdict(self, request: Request) -> Verdict:
        matching = [s["Effect"] for d in self.documents for s in _listed(d["Statement"]) if _matches(s, request)]
        if "Deny" in matching:
            return Verdict.EXPLICIT
        return Verdict.ALLOWED if "Allow" in matching else Verdict.IMPLICIT

    def denial(self, request: Request) -> str | None:
        """IAM's message, None when it is allowed.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
        """
        verdict = self.verdict(request)
        if verdict is Verdict.ALLOWED:
            return None
        why = verdict.value.format(action=request.action)
        return f"User: {self.arn} is not authorized to perform: {request.action} on resource: {request.resource} {why}"


def _matches(statement: Mapping[str, Any], request: Request) -> bool:
    if unknown := sorted(set(statement) - ELEMENTS):
        known = ", ".join(sorted(ELEMENTS))
        raise ValueError(f"policy statement has {', '.join(unknown)}; understood here are {known}")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise ValueError(f"policy statement's Effect is {statement['Effect']!r}; allowed are Allow, Deny")
    return (
        any(_like(pattern.lower(), request.action.lower()) for pattern in _listed(statement["Action"]))
        and any(_like(pattern, request.resource) for pattern in _listed(statement["Resource"]))
        and all(_met(operator, keys, request.context) for operator, keys in statement.get("Condition", {}).items())
    )


def _met(operator: str, keys: Mapping[str, Any], context: Mapping[str, str | tuple[str, ...]]) -> bool:
    """All keys of an operator must hold; of a key's values any. `ForAllValues` holds when each value that the request
    has is among them, and when it has none:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    if operator not in OPERATORS:
        known = ", ".join(OPERATORS)
        raise ValueError(f"policy condition has the operator {operator}; understood here are {known}")
    had = {key.lower(): value for key, value in context.items()}
    for key, wanted in keys.items():
        value = had.get(key.lower())
        if operator == FOR_ALL:
            if not set(_listed(value or ())) <= set(_listed(wanted)):
                return False
            continue
        if not isinstance(value, str):
            return False
        if operator == "StringEquals" and value not in _listed(wanted):
            return False
        if operator == "StringLike" and not any(_like(pattern, value) for pattern in _listed(wanted)):
            return False
    return True


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _like(pattern: str, value: str) -> bool:
    return _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL)
