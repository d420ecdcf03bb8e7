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
from drctl.deployment.permissions import AUDITS, document, iam_action, of_function, operations

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
    theirs = (op for name in agents.OPERATIONS for op in agents.operations(policy, name))
    everything = (*operations(policy), *of_function(policy, AUDITS), *theirs)
    named = {iam_action(op.service, op.operation): op.iam for op in everything if op.iam}
    seen: dict[str, set[str]] = {}
    for function, service, operation in used:
        action = f"{PREFIXES.get(service, service)}:{operation}"
        seen.setdefault(function, set()).update(named.get(action, (action,)))
    return tuple(
        Compared(
            name,
            actions(document_of(policy, name)),
            actions(granted[name]),
            frozenset(seen.get(names.logical(name), set()) - FREE),
        )
        for name in DEPLOYED
    )


def actions(document_: Mapping[str, Any]) -> frozenset[str]:
    """All that a document's statements name."""
    return frozenset(action for statement in document_["Statement"] for action in statement["Action"])
