"""What the linter says: findings, and the flaws that rules yield before their lines are known."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from chalicelib.actions.contract import Action, Op
from chalicelib.core.plan import Plan, PlanError, plan
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.services import Service
from chalicelib.policy.where import Path

Severity = Literal["error", "warning", "note"]
"""error: must be mended before it is deployed; warning: a person should know; note: worth reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the linter says. `file` is the name inside the policy folder, `line` counts from 1."""

    rule: str
    severity: Severity
    file: str
    line: int
    field: str
    allowed: str
    found: str
    because: str

    def __str__(self) -> str:
        """`services.yaml:27: error: services[1].depends_on[0]: … (allowed …; found …) [dependency-is-known]`."""
        where = f"{self.file}:{self.line}: {self.severity}: " + (f"{self.field}: " if self.field else "")
        return f"{where}{self.because} (allowed: {self.allowed}; found: {self.found}) [{self.rule}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A finding without rule and line. `path` starts with the file: `('services', 'services', 3, 'tier')`."""

    severity: Severity
    path: Path
    allowed: str
    found: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFacts:
    """What the linter knows of an action: its name, and the operations that it declared."""

    name: str
    reads: tuple[Op, ...] = ()
    calls: tuple[Op, ...] = ()

    @classmethod
    def of(cls, action: Action) -> ActionFacts:
        """The facts of a registered action."""
        return cls(name=action.name, reads=tuple(action.reads), calls=tuple(action.calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Everything a rule may look at: all policy files together, at real speed, the actions there are, and the names of
    the judges of readiness.
    """

    policy: Policy
    actions: Mapping[str, ActionFacts]
    judges: tuple[str, ...] = ()

    def plan(self, scenario: str) -> Plan | None:
        """The plan of a scenario; None where policy gives none (rules about runbooks and tiers say why)."""
        try:
            return plan(scenario, policy=self.policy)
        except (PlanError, KeyError):
            return None

    def rto(self, service: Service) -> timedelta | None:
        """The RTO that a service is held to, inherited or its own; None where a tier is unknown."""
        try:
            return self.policy.services.rto(service)
        except KeyError:
            return None


Rule = Callable[[Whole], Iterator[Flaw]]
"""A rule looks at everything and yields what is wrong; its name is the function's, with hyphens."""


def name_of(rule: Rule) -> str:
    """`quorum_can_be_met` as `quorum-can-be-met`."""
    return getattr(rule, "__name__", repr(rule)).replace("_", "-")


def error(*path: str | int, allowed: str, found: object, because: str) -> Flaw:
    """What must be mended."""
    return Flaw(severity="error", path=path, allowed=allowed, found=show(found), because=because)


def warning(*path: str | int, allowed: str, found: object, because: str) -> Flaw:
    """What a person should know."""
    return Flaw(severity="warning", path=path, allowed=allowed, found=show(found), because=because)


def note(*path: str | int, allowed: str, found: object, because: str) -> Flaw:
    """What is worth reading."""
    return Flaw(severity="note", path=path, allowed=allowed, found=show(found), because=because)


def show(value: object) -> str:
    """A value as a person would write it in YAML: text that is a sentence already stays as it is."""
    match value:
        case timedelta():
            return show_duration(value)
        case bool():
            return str(value).lower()
        case None:
            return "nothing"
        case _:
            return str(value)


def show_field(path: Path) -> str:
    """`('services', 3, 'depends_on', 0)` as `services[3].depends_on[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def one_of(names: Iterable[str]) -> str:
    """`one of: a, b`, or that there is none."""
    listed = ", ".join(dict.fromkeys(names))
    return f"one of: {listed}" if listed else "nothing: there is none"


def meant(found: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?` where one of the names is close, else nothing."""
    close = difflib.get_close_matches(found, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def repeats(names: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    """Every name that stood before: its position, the position of the first, the name."""
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        if name in first:
            yield i, first[name], name
        first.setdefault(name, i)
