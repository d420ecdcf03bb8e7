"""From a runbook and the service table to ordered steps.

Rules. A plan is data, made from policy alone: the same policy gives the same plan, and `Plan.hash` is its structure
(steps, targets, order, who decides), so that an approval binds to what was seen and not to names or progress. What a
person chose is a target: another choice is another plan, and what was approved for the former counts no more.
Steps that are not connected by `needs` are independent. Never look at an incident's progress here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from chalicelib.core.times import NONE, Times
from chalicelib.policy import Policy
from chalicelib.policy.runbooks import RunbookStep
from chalicelib.policy.services import Service

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
CHOSEN: Final = re.compile(r"\{choice\.([a-z][a-z0-9_]*)\}")
"""Where a choice stands in a step's `with`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a plan. Durations are policy's, already divided by the speed. `takes` names the choices that its
    parameters hold, `missing` those of them that nobody has made: until then it cannot be looked at.
    """

    id: str
    title: str
    action: str
    params: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    service: str | None = None
    automatic: bool
    people: int = 1
    asks_because: str = ""
    reversible: bool
    expected: timedelta
    deadline: timedelta
    fresh_for: timedelta | None = None
    announces: str | None = None
    best_effort: bool = False
    takes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    undoes: str | None = None
    unless: str | None = None

    @property
    def may_ask(self) -> bool:
        """Whether a person may have to answer before it: policy says so, or says when it asks."""
        return not self.automatic or bool(self.asks_because)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps of one scenario at one scope, in an order in which no step stands before what it needs. `undos` are no
    part of the way: each takes one of the steps back when a person ends the incident (debts.py).
    """

    scenario: str
    title: str
    steps: tuple[Step, ...]
    hash: str
    undos: tuple[Step, ...] = ()

    def step(self, step_id: str) -> Step:
        """KeyError when the plan has no such step."""
        for step in (*self.steps, *self.undos):
            if step.id == step_id:
                return step
        raise KeyError(f"the plan of {self.scenario!r} has no step {step_id!r}")


class PlanError(Exception):
    """A runbook that gives no plan; the text says which step and what it leans on."""


def plan(scenario: str, *, policy: Policy, choices: Mapping[str, str] = NOTHING) -> Plan:
    """The plan of a scenario with what was chosen, by name; PlanError when its runbook is missing, names unknown steps
    or goes in a circle.
    """
    runbook = policy.runbook(scenario)
    if runbook is None:
        known = ", ".join(r.scenario for r in policy.runbooks.runbooks)
        raise PlanError(f"scenario {scenario!r} has no runbook in runbooks.yaml; there are: {known}")
    made = {c.name: c.default for c in runbook.choices if c.default} | dict(choices)
    steps = [step for row in runbook.steps for step in _expand(row, policy, made)]
    ordered = in_order(scenario, [s for s in steps if s.undoes is None])
    undos = _undos(scenario, ordered, [s for s in steps if s.undoes is not None])
    hashed = hash_of(scenario, ordered, undos, choices)
    return Plan(scenario=scenario, title=runbook.title, steps=ordered, hash=hashed, undos=undos)


def _expand(row: RunbookStep, policy: Policy, choices: Mapping[str, str]) -> list[Step]:
    if row.for_each is None:
        return [_step(row, None, policy, choices, previous=None)]
    services = [
        s for s in policy.services.in_order() if s.kind == "workload" and (row.for_each == "workloads" or s.tier == 1)
    ]
    # A dependency comes back with the tightest service that leans on it, before looser ones of an earlier row.
    services.sort(key=lambda s: (policy.services.rto(s), s.order))
    steps: list[Step] = []
    for service in services:
        steps.append(_step(row, service, policy, choices, previous=steps[-1].id if steps and row.previous else None))
    return steps


def _step(
    row: RunbookStep, service: Service | None, policy: Policy, choices: Mapping[str, str], *, previous: str | None
) -> Step:
    def fill(text: str) -> str:
        if service is None:
            return text
        return text.replace("{service}", service.name).replace("{display}", service.display)

    needs = [fill(n) for n in row.needs]
    if service and policy.services.leans_on(service.name, policy.platform.database.service):
        needs += [fill(n) for n in row.needs_if_database]
    if previous:
        needs.append(previous)
    written = {k: fill(str(v)) for k, v in row.with_.items()}
    takes = tuple(dict.fromkeys(name for text in written.values() for name in CHOSEN.findall(text)))
    return Step(
        id=fill(row.id),
        title=fill(row.title),
        action=row.action,
        params={k: CHOSEN.sub(lambda found: choices.get(found[1], found[0]), text) for k, text in written.items()},
        needs=tuple(needs),
        service=service.name if service else None,
        automatic=row.automatic,
        people=row.people,
        asks_because=row.asks_because,
        reversible=row.reversible,
        expected=row.expected,
        deadline=row.deadline,
        fresh_for=row.fresh_for,
        announces=row.announces,
        best_effort=row.best_effort,
        takes=takes,
        missing=tuple(name for name in takes if name not in choices),
        undoes=row.undoes,
        unless=row.unless,
    )


def in_order(scenario: str, steps: list[Step]) -> tuple[Step, ...]:
    """The steps so that none stands before what it needs; PlanError when they cannot."""
    ids = {s.id for s in steps}
    loose = {s.id for s in steps if s.best_effort}
    for step in steps:
        for need in step.needs:
            if need not in ids:
                raise PlanError(f"step {step.id!r} of {scenario!r} needs {need!r}; there are: {', '.join(sorted(ids))}")
            if need in loose:
                raise PlanError(f"step {step.id!r} of {scenario!r} needs {need!r}, which is done as best effort only")
    ordered: list[Step] = []
    placed: set[str] = set()
    left = list(steps)
    while left:
        ready = next((s for s in left if placed.issuperset(s.needs)), None)
        if ready is None:
            raise PlanError(f"the steps of {scenario!r} need each other in a circle: {', '.join(s.id for s in left)}")
        left.remove(ready)
        ordered.append(ready)
        placed.add(ready.id)
    return tuple(ordered)


def _undos(scenario: str, steps: tuple[Step, ...], undos: list[Step]) -> tuple[Step, ...]:
    ids = {s.id for s in steps}
    for undo in undos:
        for named in (undo.undoes, undo.unless):
            if named is not None and named not in ids:
                known = ", ".join(sorted(ids))
                raise PlanError(f"step {undo.id!r} of {scenario!r} takes back or spares {named!r}; there are: {known}")
        if undo.needs:
            raise PlanError(f"step {undo.id!r} of {scenario!r} undoes {undo.undoes!r}, so it can need no other step")
    return tuple(undos)


def hash_of(
    scenario: str, steps: tuple[Step, ...], undos: tuple[Step, ...], choices: Mapping[str, str] = NOTHING
) -> str:
    """16 hex digits of a plan's structure."""
    # A plan without choices and without undos keeps the hash that older books know it by.
    structure = [
        scenario,
        *([dict(choices)] if choices else []),
        *(
            [s.id, s.action, dict(s.params), list(s.needs), s.automatic, s.reversible, s.best_effort, s.people]
            for s in steps
        ),
        *([s.id, s.action, dict(s.params), s.automatic, s.reversible, s.undoes, s.unless] for s in undos),
    ]
    return hashlib.sha256(json.dumps(structure, sort_keys=True).encode()).hexdigest()[:16]


_Made = tuple[int, str, frozenset[tuple[str, str]]]
"""Which plan: the policy's identity, the scenario, what was chosen."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy, and the plans that open incidents follow, by hash.

    An incident keeps the plan and the policy it started with: a deploy in the middle of it changes what new incidents
    follow. `policies` are those that open incidents follow and that are not today's, by digest; `today` is what is
    deployed, where `policy` is one of those.
    """

    policy: Policy
    plans: Mapping[str, Plan] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    today: Policy | None = None
    measured: Mapping[str, Times] = field(default_factory=dict)
    _made: dict[_Made, tuple[Policy, Plan]] = field(default_factory=dict, compare=False, repr=False)
    """What `made` has made, each with its policy, which nothing else takes the place of while it is kept here."""

    def made(self, scenario: str, choices: Mapping[str, str] = NOTHING) -> Plan:
        """The policy's plan with what was chosen; with nothing chosen it is what a drill rehearses. PlanError as of
        `plan`. Every step of every round asks for it.
        """
        key = (id(self.policy), scenario, frozenset(choices.items()))
        if key not in self._made:
            self._made[key] = (self.policy, plan(scenario, policy=self.policy, choices=choices))
        return self._made[key][1]

    def times(self, scenario: str) -> Times:
        """What was measured of a scenario; nothing where it never was."""
        return self.measured.get(scenario, NONE)

    def of(self, digest: str) -> Rules:
        """The same rules for whoever follows the policy of that digest; today's where it was never kept, also when
        asked of rules that are themselves of an older one.
        """
        today = self.today or self.policy
        kept = self.policies.get(digest, today)
        return self if kept is self.policy else replace(self, policy=kept, today=today)

    def plan_of(self, plan_hash: str, scenario: str, choices: Mapping[str, str] = NOTHING) -> Plan:
        """The plan with that hash; KeyError when it was neither loaded nor is what policy gives today by `choices`."""
        if plan_hash in self.plans:
            return self.plans[plan_hash]
        today = self.made(scenario, choices)
        if today.hash != plan_hash and (drill := _rehearsed(today, self.policy)) and drill.hash == plan_hash:
            return drill
        if today.hash != plan_hash:
            raise KeyError(f"plan {plan_hash!r} of {scenario!r} is not loaded, and policy gives {today.hash!r} today")
        return today


def _rehearsed(today: Plan, policy: Policy) -> Plan | None:
    """The same plan as a drill has it; None where nothing of it can be rehearsed."""
    from chalicelib.core.rehearsal import rehearsal  # here: what a drill's plan is made of is a plan

    try:
        return rehearsal(today, policy).plan
    except PlanError:
        return None
