"""What a running incident is forecast to come to: said while it runs, and warned of once before an RTO is missed.

Rules. It is the same forecast as before the day (foreseen.py), from how the steps stand now and from the same measured
times. Nothing is forecast of what is only suspected, of what is over, or while the mode is `observe`, since then nobody
carries the plan out. An RTO is forewarned of when fewer than half of the runs keep it, once, before its time is over;
what was said then stays in the book, so that a notice that is sent again says the same. Most of the time the quickest
and the slowest ends agree, and no run is needed to know. Never judge here what was missed: that is report.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from chalicelib.core.book import Book
from chalicelib.core.draws import drawn_for
from chalicelib.core.forecast import Chance, Goal, foretell, met, slowest
from chalicelib.core.foreseen import Basis, Foreseen, foresee, service_aims, under_way
from chalicelib.core.incident import Forewarning, Incident
from chalicelib.core.incidents import note, put
from chalicelib.core.plan import Plan, Rules
from chalicelib.core.report import ServiceClock, clocks
from chalicelib.core.states import IncidentState
from chalicelib.policy.base import show_duration
from chalicelib.policy.platform import Mode

RUNS: Final = 400
"""Enough to tell one in twenty from one in ten; some 20 ms."""
LIKELY: Final = 0.5
RUNS_TO_PROMISE: Final = 3
ROUNDED: Final = timedelta(minutes=5)


def foreseen(book: Book, incident: Incident, rules: Rules, now: datetime) -> Foreseen | None:
    """The forecast of an open incident; None while there is nothing to forecast."""
    rules = rules.of(incident.policy)
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    if incident.confirmed_at is None or incident.state is IncidentState.CLOSING or book.mode is Mode.OBSERVE:
        return None
    nodes = under_way(incident, rules, now, all_ask=book.mode is Mode.APPROVE)
    if not nodes:
        return None
    times, draw = rules.times(incident.scenario), drawn_for(incident.id)
    return foresee(nodes, plan, times, policy=rules.policy, runs=RUNS, draw=draw)


def sentences(book: Book, incident: Incident, rules: Rules, now: datetime) -> tuple[str, ...]:
    """The forecast in words: the end, what decides it, each RTO that is still open, and what it rests on."""
    found = foreseen(book, incident, rules, now)
    if found is None:
        return ()
    its = rules.of(incident.policy)
    speed, plan = its.policy.speed, its.plan_of(incident.plan, incident.scenario, incident.chosen)
    ends = f"{_at(incident, found.whole.median, speed):%H:%M:%S} UTC"
    if found.whole.runs > 1:
        ends += f", by {_at(incident, found.whole.late, speed):%H:%M:%S} UTC in nine of ten runs"
    lines = [f"Forecast: everything is done at {ends}{decided(found.whole, plan)}."]
    lines += _open_budgets(incident, found, its, now)
    if book.paused:
        lines.append("While it is paused nothing moves: that is counted from a resume now.")
    return (*lines, f"It rests on {basis(found.basis)}.")


def promised_by(book: Book, incident: Incident, rules: Rules, now: datetime) -> datetime | None:
    """What may be said to customers: when nine of ten runs are over, rounded up to five minutes. None unless everything
    ahead was measured, in some runs: a written time is no promise to make to anybody outside.
    """
    found = foreseen(book, incident, rules, now)
    if found is None or book.paused or found.basis.written or found.basis.answers is False:
        return None
    if found.basis.incidents + found.basis.drills < RUNS_TO_PROMISE:
        return None
    exact = _at(incident, found.whole.late, rules.of(incident.policy).policy.speed)
    return exact + (datetime.min.replace(tzinfo=exact.tzinfo) - exact) % ROUNDED


def _open_budgets(incident: Incident, found: Foreseen, rules: Rules, now: datetime) -> Iterator[str]:
    policy = rules.policy
    back = {c.service for c in clocks(incident, rules, now) if c.recovered_at}
    grouped: dict[float, list[str]] = {}
    for outlook in found.services:
        if outlook.service not in back:
            grouped.setdefault(outlook.rto, []).append(outlook.service)
    chances = {o.service: o.chance for o in found.services}
    for rto, names in sorted(grouped.items()):
        worst = max((chances[n] for n in names), key=lambda c: (-c.share, c.median))
        shown = policy.service(names[0]).display + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        until = _at(incident, rto, policy.speed)
        back_at = _at(incident, max(chances[n].median for n in names), policy.speed)
        said = f"{shown}: back at {back_at:%H:%M:%S} UTC, allowed until {until:%H:%M:%S} UTC; {kept(worst)}."
        yield said


def forewarned(book: Book, rules: Rules, now: datetime) -> Book:
    """The book after every RTO that is now forecast to be missed was written down, each once."""
    for incident_id in tuple(book.incidents):
        for budget, because in _misses(book, book.incidents[incident_id], rules, now):
            incident = book.incidents[incident_id]
            known = {**incident.forewarned, budget: Forewarning(at=now, because=because)}
            book = put(book, replace(incident, forewarned=known))
            book = note(book, incident_id, "forecast", because, now)
    return book


def _misses(book: Book, incident: Incident, rules: Rules, now: datetime) -> Iterator[tuple[str, str]]:
    if incident.confirmed_at is None or incident.state is IncidentState.CLOSING or book.mode is Mode.OBSERVE:
        return
    rules = rules.of(incident.policy)
    policy = rules.policy
    if not policy.scenario(incident.scenario).held_to_rto:
        return
    ahead = [
        c
        for c in clocks(incident, rules, now)
        if c.recovered_at is None and c.elapsed <= c.rto and policy.real(c.rto) not in incident.forewarned
    ]
    if not ahead:
        return
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    nodes = under_way(incident, rules, now, all_ask=book.mode is Mode.APPROVE)
    aims = service_aims(nodes, plan, policy)
    ends = slowest(nodes)
    for rto in sorted({c.rto for c in ahead}):
        late = [c for c in ahead if c.rto == rto]
        goal = Goal(policy.real(rto), tuple(aims[c.service] for c in late))
        if met(goal, ends):
            continue  # as slow as it can be, it is still in time
        (chance,) = foretell(nodes, (goal,), runs=RUNS, draw=drawn_for(incident.id))
        if chance.share < LIKELY:
            yield goal.name, _warning(incident, late, chance, plan, rules)


def _warning(incident: Incident, late: list[ServiceClock], chance: Chance, plan: Plan, rules: Rules) -> str:
    policy = rules.policy
    names = ", ".join(c.display for c in late)
    ends = _at(incident, chance.median, policy.speed)
    until = incident.failed_at + late[0].rto
    return (
        f"{names} {'is' if len(late) == 1 else 'are'} forecast back at {ends:%H:%M:%S} UTC, "
        f"{show_duration(timedelta(seconds=round(chance.median)))} after the failure; the RTO of "
        f"{policy.real(late[0].rto)} ends at {until:%H:%M:%S} UTC; {kept(chance)}{decided(chance, plan)}"
    )


def kept(chance: Chance) -> str:
    """`kept in 12% of 400 runs`; of times that have no spread, whether they keep it."""
    if chance.runs == 1:
        return "kept, if every time is as expected" if chance.met else "missed, even if every time is as expected"
    return f"kept in {percent(chance)} of {chance.runs:,} runs"


def percent(chance: Chance) -> str:
    """Rounded, but never to a certainty that it is not: `over 99%` is not `100%`."""
    if chance.met == chance.runs:
        return "100%"
    if chance.met == 0:
        return "0%"
    rounded = round(chance.share * 100)
    return "over 99%" if rounded == 100 else "under 1%" if rounded == 0 else f"{rounded}%"


def decided(chance: Chance, plan: Plan) -> str:
    """`; Promote the database replica decides it (2m)`; empty where nothing is left that takes time."""
    if not chance.decides:
        return ""
    first = chance.decides[0]
    took = show_duration(timedelta(seconds=round(first.seconds)))
    titles = {s.id: s.title for s in plan.steps}
    what = titles.get(first.id, first.id)
    rests = f"measured {first.rests_on} times" if first.rests_on > 1 else "measured once"
    rests = rests if first.rests_on else "as written, never measured"
    whose = f"a person's answer to '{what}'" if first.takes == "answer" else f"'{what}'"
    return f"; {whose} decides it ({took}, {rests})"


def basis(found: Basis) -> str:
    """What a forecast rests on, without its full stop."""
    if found.measured == 0:
        written = "the runbook's written times alone, since nothing of it was ever measured"
        return f"{written}: they have no spread, so it says what is planned and not what is likely"
    runs = [
        f"{count} {word}{'s' if count != 1 else ''}"
        for count, word in ((found.incidents, "incident"), (found.drills, "drill"))
        if count
    ]
    said = f"{' and '.join(runs) or 'what is done'}; {found.measured} of {found.steps} steps ahead were measured"
    if found.written:
        names = ", ".join(found.written[:4]) + (f" and {len(found.written) - 4} more" if len(found.written) > 4 else "")
        said += f", the written time stands for {names}"
    if found.answers is False:
        said += "; how long people take to answer was never measured"
    return said


def _at(incident: Incident, seconds: float, speed: float) -> datetime:
    return incident.failed_at + timedelta(seconds=seconds / speed)
