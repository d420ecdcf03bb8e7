"""What each function's code declares, what its policy grants, and what it was seen to use: the responder's functions,
the heart and the witness.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib import names
from chalicelib.policy import Policy
from drctl.deployment import agents
from drctl.deployment.permissions import document, iam_action, of_function

DEPLOYED: Final = (*names.FUNCTIONS, names.HEART, names.WITNESS)
PREFIXES: Final = {"monitoring": "cloudwatch", "email": "ses"}
"""Signing name → IAM's prefix, where they differ."""
FREE: Final = frozenset({"sts:GetCallerIdentity"})
"""Needs no permission: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


@dataclass(frozen=True, slots=True)
class Compared:
    """IAM actions of one function."""

    function: str
    declared: frozenset[str]
    granted: frozenset[str]
    used: frozenset[str]

    @property
    def undeclared(self) -> list[str]:
        """Used, and no code says that it would be."""
        return sorted(self.used - self.declared)

    @property
    def missing(self) -> list[str]:
        """Declared, and the policy does not grant it."""
        return sorted(self.declared - self.granted)

    @property
    def excess(self) -> list[str]:
        """Granted, and no code declares it."""
        return sorted(self.granted - self.declared)

    @property
    def unused(self) -> list[str]:
        """Granted, and never seen in use. Not wrong: most of it waits for a disaster."""
        return sorted(self.granted - self.used)

    @property
    def ok(self) -> bool:
        """Whether code, policy and use agree."""
        return not (self.undeclared or self.missing or self.excess)


def region_of(policy: Policy, name: str) -> str:
    """Where a function is deployed."""
    return agents.region_of(policy, name) if name in agents.OPERATIONS else policy.platform.responder.region


def document_of(policy: Policy, name: str) -> Mapping[str, Any]:
    """What a function's role is to be granted, by what its code declares."""
    return agents.document(policy, name) if name in agents.OPERATIONS else document(policy, name)


def compare(
    policy: Policy, granted: Mapping[str, Mapping[str, Any]], used: Iterable[tuple[str, str, str]]
) -> tuple[Compared, ...]:
    """`granted` is function → its policy's document; `used` are (logical id, signing name, operation) of the ledger."""
    seen: dict[str, set[tuple[str, str]]] = {}
    for function, service, operation in used:
        seen.setdefault(function, set()).add((PREFIXES.get(service, service), operation))
    return tuple(
        Compared(
            name,
            actions(document_of(policy, name)),
            actions(granted[name]),
            _named(policy, name, seen.get(names.logical(name), set())) - FREE,
        )
        for name in DEPLOYED
    )


def _named(policy: Policy, name: str, called: Iterable[tuple[str, str]]) -> frozenset[str]:
    """What IAM calls a function's calls. The same operation is another permission to another function: one that reads a
    version of an object declares so, and another's read of the newest is not that.
    """
    ops = agents.operations(policy, name) if name in agents.OPERATIONS else of_function(policy, name)
    known: dict[str, set[str]] = {}
    for op in ops:
        action = iam_action(op.service, op.operation)
        known.setdefault(action, set()).update(op.iam or (action,))
    made = (f"{prefix}:{operation}" for prefix, operation in called)
    return frozenset(action for call in made for action in known.get(call, (call,)))


def actions(document_: Mapping[str, Any]) -> frozenset[str]:
    """All that a document's statements name."""
    return frozenset(action for statement in document_["Statement"] for action in statement["Action"])
