"""From a plan and what was measured to a forecast: which nodes there are, what each may take, and whom it concerns.

Rules. A step takes what it was measured to take; where it never was, the time that the runbook has written for it
stands in, and the forecast says so. So it is with the people who answer: first what they took for this step, then
what they took for any, then what policy expects of them. Steps of best effort are left out: nothing waits for them.
Of a recovery under way, what is done stands where it ended. What has begun takes one of those times that are longer
than it has taken by now; where it has taken longer than all of them, it is given as long again as it has by then (the
rule of Lindy: that is its median, if nothing else is known). Nothing that has not begun can begin before now.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Final

from chalicelib.core.forecast import Aim, Chance, Draw, Goal, Node, foretell
from chalicelib.core.incident import Incident, StepRecord
from chalicelib.core.measured import answer_of, could_begin
from chalicelib.core.plan import Plan, Rules, Step
from chalicelib.core.report import ends_of
from chalicelib.core.times import Times
from chalicelib.policy import Policy

DETECTION: Final = "detection"
"""The node before all others: the failure is there, and nobody acts on it yet."""
SHORTEST: Final = 1.0
"""Seconds that are left at least of what has begun and is not done."""
WHOLE: Final = "the whole plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One service's chance, by the RTO it is held to, in seconds of real time."""

    service: str
    display: str
    tier: int
    rto: float
    inherited: bool
    chance: Chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a forecast rests on. `measured` of `steps` that are still ahead were measured at least once, `written` are
    the others; `answers` says whether people's answers were, None where nobody is asked any more.
    """

    incidents: int
    drills: int
    steps: int
    measured: int
    written: tuple[str, ...]
    answers: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A forecast. `services` and `tiers` are empty where the plan brings no service back; `limit` is the recovery time
    that the scenario promises of its runbook, None where it promises none. Seconds since the failure.
    """

    services: tuple[Outlook, ...]
    tiers: tuple[tuple[int, Chance], ...]
    whole: Chance
    limit: float | None
    basis: Basis


def planned(
    plan: Plan, times: Times, *, policy: Policy, asking: Collection[str], detected: timedelta
) -> tuple[Node, ...]:
    """The nodes of a recovery that has not begun. `asking` are the steps that may ask; `detected` is how long a failure
    goes unseen by what policy says, in use where no detection was measured; 0 where a person declares it.
    """
    seen = times.detections()
    written = detected.total_seconds() * policy.speed
    nodes = [Node(id=DETECTION, works=seen or (written,), measured=len(seen))]
    places = {DETECTION: 0}
    for step in plan.steps:
        if step.best_effort:
            continue
        needs = tuple(places[n] for n in step.needs) or (0,)
        places[step.id] = len(nodes)
        nodes.append(_node(step, times, policy, needs=needs, asks=step.id in asking))
    return tuple(nodes)


def under_way(incident: Incident, rules: Rules, now: datetime, *, all_ask: bool = False) -> tuple[Node, ...]:
    """The nodes of a confirmed incident as it stands now. `all_ask`: the mode is that everything asks."""
    rules = rules.of(incident.policy)
    policy, times = rules.policy, rules.times(incident.scenario)
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    nodes: list[Node] = []
    places: dict[str, int] = {}
    nobody = all_ask or policy.scenario(incident.scenario).automatic == "no"
    for step in plan.steps:
        if step.best_effort:
            continue
        needs = tuple(places[n] for n in step.needs)
        places[step.id] = len(nodes)
        asks = step.may_ask or step.people > 1 or nobody
        nodes.append(_as_it_stands(step, incident, times, policy, needs=needs, asks=asks, now=now))
    return tuple(nodes)


def foresee(nodes: tuple[Node, ...], plan: Plan, times: Times, *, policy: Policy, runs: int, draw: Draw) -> Foreseen:
    """The forecast of these nodes: each service's, each tier's, and the whole plan's."""
    scenario = policy.scenario(plan.scenario)
    promised = scenario.recovery_time if scenario.recovered_by_runbook else None
    limit = promised.total_seconds() * policy.speed if promised else None
    aims = service_aims(nodes, plan, policy)
    tiers = sorted({policy.service(name).tier for name in aims})
    last = Goal(WHOLE, (Aim(tuple(range(len(nodes))), inf if limit is None else limit),))
    goals = [
        *(Goal(name, (aim,), explained=False) for name, aim in aims.items()),
        *(Goal(str(t), tuple(a for name, a in aims.items() if policy.service(name).tier == t)) for t in tiers),
        last,
    ]
    chances = foretell(nodes, goals, runs=runs, draw=draw)
    services = tuple(
        Outlook(
            service=name,
            display=policy.service(name).display,
            tier=policy.service(name).tier,
            rto=aim.limit,
            inherited=policy.services.rto(policy.service(name)) < policy.services.tier(policy.service(name).tier).rto,
            chance=chance,
        )
        for (name, aim), chance in zip(aims.items(), chances[: len(aims)], strict=True)
    )
    return Foreseen(
        services=services,
        tiers=tuple(zip(tiers, chances[len(aims) : -1], strict=True)),
        whole=chances[-1],
        limit=limit,
        basis=_basis(nodes, times),
    )


def service_aims(nodes: tuple[Node, ...], plan: Plan, policy: Policy) -> dict[str, Aim]:
    """What each service that the plan brings back waits for, and by when, in recovery order; none where no tier's RTO
    is promised in this scenario.
    """
    if not policy.scenario(plan.scenario).held_to_rto:
        return {}
    places = {n.id: i for i, n in enumerate(nodes)}
    found: dict[str, Aim] = {}
    for service in policy.services.in_order():
        if ends := ends_of(service.name, service.kind, plan):
            rto = policy.services.rto(service).total_seconds() * policy.speed
            found[service.name] = Aim(tuple(places[e] for e in ends), rto)
    return found


def _node(step: Step, times: Times, policy: Policy, *, needs: tuple[int, ...], asks: bool, floor: float = 0.0) -> Node:
    works = _works(step, times, policy)
    answers, answered = _answers(step, times, policy) if asks else ((), 0)
    return Node(
        id=step.id,
        needs=needs,
        floor=floor,
        answers=answers,
        works=works,
        measured=len(times.works(step.id)),
        answered=answered,
    )


def _works(step: Step, times: Times, policy: Policy) -> tuple[float, ...]:
    return times.works(step.id) or (step.expected.total_seconds() * policy.speed,)


def _answers(step: Step, times: Times, policy: Policy) -> tuple[tuple[float, ...], int]:
    """What people may take to answer, and how many measurements that rests on."""
    found = times.answers(step.id) or times.any_answers()
    written = policy.platform.responder.answer_time.total_seconds() * policy.speed
    return found or (written,), len(found)


def _as_it_stands(
    step: Step, incident: Incident, times: Times, policy: Policy, *, needs: tuple[int, ...], asks: bool, now: datetime
) -> Node:
    record, speed = incident.step(step.id), policy.speed
    passed = (now - incident.failed_at).total_seconds() * speed
    if record.first_done_at is not None:
        ended = (record.first_done_at - incident.failed_at).total_seconds() * speed
        return Node(id=step.id, floor=ended, works=(0.0,), measured=1, over=True)
    began = could_begin(step, incident)
    whole = _node(step, times, policy, needs=needs, asks=asks, floor=passed)
    if began is None or record.started_at is None:
        return whole
    return _begun(whole, step, record, incident, began, passed=passed, now=now, speed=speed)


def _begun(
    whole: Node,
    step: Step,
    record: StepRecord,
    incident: Incident,
    began: datetime,
    *,
    passed: float,
    now: datetime,
    speed: float,
) -> Node:
    """What is left of a step that is under way: of the answer while it asks, of its work after that."""
    spent = (now - began).total_seconds() * speed
    answered = answer_of(step, record, incident, began) * speed
    answers: tuple[float, ...] = ()
    if record.state == "asking":
        asked = (now - (record.asked_at or now)).total_seconds() * speed
        answers, spent = _left(whole.answers or (asked,), asked), max(0.0, spent - asked)
    elif record.approval is None and record.calls == 0:
        # What it has found missing may still have to be asked for.
        answers = whole.answers
    else:
        spent -= answered
    # A step that only waits for a person's word has done what it can: its work comes after that, and is left as it is.
    works = tuple(max(SHORTEST, w - spent) for w in whole.works) if answers else _left(whole.works, spent)
    return Node(
        id=whole.id,
        floor=passed,
        answers=answers,
        works=works,
        measured=whole.measured,
        answered=whole.answered,
    )


def _left(times: tuple[float, ...], spent: float) -> tuple[float, ...]:
    longer = tuple(max(SHORTEST, t - spent) for t in times if t > spent)
    return longer or (max(SHORTEST, spent),)


def _basis(nodes: tuple[Node, ...], times: Times) -> Basis:
    ahead = [n for n in nodes if not n.over and (n.id != DETECTION or n.works != (0.0,))]
    asked = [n for n in ahead if n.answers]
    return Basis(
        incidents=times.count("incident"),
        drills=times.count("drill"),
        steps=len(ahead),
        measured=sum(n.measured > 0 for n in ahead),
        written=tuple(n.id for n in ahead if not n.measured),
        answers=all(n.answered for n in asked) if asked else None,
    )
