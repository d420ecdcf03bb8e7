"""What a move away from the primary has set, kept until it is taken back; and when a person may begin to take it back.

Rules. A failback is never automatic: only a person declares it, and only where the book says that a move away happened,
that nothing of it is owed any more, and that no other incident is open. What it takes back is what the journal says
that the move really did, step by step, with how it was before: what somebody had paused beforehand stays paused. Those
values are a part of the plan like what a person chooses, so that an approval binds to them. The older of two levels
counts: a second move finds what the first had set. Nothing is forgotten before a failback has come to its end. Never
take an observation of today for how it was before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from chalicelib.core.book import Book, Failover, Setting
from chalicelib.core.incident import Chosen, Incident, StepRecord
from chalicelib.core.incidents import PLATFORM, note, put
from chalicelib.core.plan import Plan, Rules, Step, plan
from chalicelib.core.states import IncidentState
from chalicelib.policy import Policy
from chalicelib.policy.runbooks import Choice, ChoiceKind

BEFORE: Final = "before"
"""The fact by which a step says how it was before it set anything: a text that its action's opposite is given."""
NONE: Final = "none"
"""What the journal says where the move has set nothing."""
RAISES_NODES: Final = "node-capacity"
LOWERS_NODES: Final = "node-capacity-lowered"
SCHEDULES: Final = "velero-schedules-paused"
"""Of which several are paused by one step: what two moves have paused is put together."""


@dataclass(frozen=True, slots=True)
class Opposite:
    """The action that takes another one back; `reads`: by how it was before, which the journal says."""

    action: str
    reads: bool = False


OPPOSITES: Final[Mapping[str, Opposite]] = {
    "velero-location-read-only": Opposite("velero-location-opened", reads=True),
    "velero-schedules-paused": Opposite("velero-schedules-resumed", reads=True),
    RAISES_NODES: Opposite(LOWERS_NODES, reads=True),
    "velero-rewrites": Opposite("workloads-gone"),
    "velero-restore": Opposite("workloads-gone"),
    "promote-replica": Opposite("replica-rebuilt"),
    "point-application": Opposite("point-home"),
    "fence-primary": Opposite("fence-lifted"),
    "switch-traffic": Opposite("switch-traffic"),
}
"""What a move away does → what takes it back. What is not in it sets nothing that stays (looks, proofs, a backup)."""


def leads_away(steps: Plan) -> bool:
    """Whether a plan sends people to the standby."""
    return any(s.action == "switch-traffic" and s.params.get("to") == "standby" for s in steps.steps)


def remembered(book: Book, case: Incident, rules: Rules, now: datetime) -> Book:
    """The book after an incident was archived, or a debt of one was paid: with what it has set where it was a move
    away, without all that where it has taken one back.
    """
    its = rules.of(case.policy)
    steps = its.plan_of(case.plan, case.scenario, case.chosen)
    if case.id in book.incidents and _returned(book, case, its.policy):
        text = f"{case.id} has taken back what {book.failover.incident if book.failover else 'a move away'} had set"
        return note(replace(book, failover=None, settings=()), PLATFORM, "returned", text, now)
    if not leads_away(steps):
        return book
    for found in _set_by(case, steps):
        book = replace(book, settings=_with(book.settings, found))
    went = next((r for r in case.steps.values() if r.facts.get("serves") == its.policy.platform.regions.standby), None)
    if book.failover is None and went and book.serving == its.policy.platform.regions.standby:
        moved = Failover(incident=case.id, scenario=case.scenario, at=went.first_done_at or now)
        book = replace(book, failover=moved)
    return book


def handed_over(book: Book, raised: Step, before: str, case: Incident) -> Book:
    """The nodes that a drill has raised are left to the way back: the standby serves, and needs them. How many there
    were before the drill counts, since a move that came after it found them raised.
    """
    if not before:
        return book
    cluster = raised.params.get("cluster", "")
    setting = Setting(incident=case.id, step=raised.id, action=raised.action, cluster=cluster, before=before)
    others = tuple(s for s in book.settings if (s.action, s.cluster) != (raised.action, cluster))
    return replace(book, settings=(*others, setting))


def _returned(book: Book, case: Incident, policy: Policy) -> bool:
    if not policy.has_scenario(case.scenario) or not policy.scenario(case.scenario).returns:
        return False
    return case.ending == "recovered" and book.serving == policy.platform.regions.primary


def _set_by(case: Incident, steps: Plan) -> Iterator[Setting]:
    for step in steps.steps:
        before = _before(case.steps.get(step.id))
        if before:
            yield Setting(
                incident=case.id.removesuffix(f"/{step.id}"),
                step=step.id,
                action=step.action,
                cluster=step.params.get("cluster", ""),
                before=before,
            )


def _before(record: StepRecord | None) -> str:
    return str(record.facts.get(BEFORE, "")) if record and record.calls else ""


def _with(settings: tuple[Setting, ...], found: Setting) -> tuple[Setting, ...]:
    same = next((s for s in settings if (s.action, s.cluster) == (found.action, found.cluster)), None)
    if same is None:
        return (*settings, found)
    if found.action != SCHEDULES:
        return settings
    names = sorted({*same.before.split(","), *found.before.split(",")})
    return tuple(replace(s, before=",".join(names)) if s is same else s for s in settings)


def objection(book: Book, scenario: str, rules: Rules) -> str:
    """Why a move, or its being taken back, may not be declared now; empty when it may."""
    policy = rules.policy
    if not policy.scenario(scenario).returns:
        standby = policy.platform.regions.standby
        if book.serving == standby and leads_away(plan(scenario, policy=policy)):
            back = ", ".join(s.name for s in policy.scenarios.scenarios if s.returns) or "nothing"
            return f"{scenario} leads to {standby}, which serves already; allowed: {back}"
        return ""
    if book.failover is None:
        where = f"{book.serving} serves, and the journal holds no move away from {policy.platform.regions.primary}"
        return f"there is nothing to take back: {where}; allowed: after a failover or a planned move has ended"
    if open_ := [i.id for i in book.incidents.values() if i.state is not IncidentState.CLOSING]:
        return f"incident {', '.join(open_)} is open; allowed: once it is closed"
    if owed := still_owed(book):
        listed = "; ".join(what for what, _ in owed)
        return f"{book.failover.incident} still owes what must be done first ({listed}); allowed: once that is paid"
    return ""


def still_owed(book: Book) -> tuple[tuple[str, str], ...]:
    """The steps that the move away left, and that are not done yet: what, and why not."""
    of = {s.incident for s in book.settings} | ({book.failover.incident} if book.failover else set())
    return tuple(
        (d.what, next(iter(d.case.steps.values())).because)
        for d in book.debts
        if d.kind == "step" and d.case and d.incident in of
    )


def read(choice: Choice, book: Book) -> str:
    """What the journal says for a choice that nobody makes."""
    if choice.of is None:
        return book.failover.incident if book.failover else NONE
    wanted = (choice.of, choice.cluster or "")
    return next((s.before for s in book.settings if (s.action, s.cluster) == wanted), NONE)


def filled_choices(book: Book, scenario: str, rules: Rules) -> dict[str, str]:
    """What a way back that began now would be given, by name."""
    runbook = rules.policy.runbook(scenario)
    return {c.name: read(c, book) for c in runbook.choices if c.kind is ChoiceKind.JOURNAL} if runbook else {}


def filled(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """The incident with what the journal says for its steps: its plan is the one for what was really done."""
    incident = book.incidents[incident_id]
    runbook = rules.policy.runbook(incident.scenario)
    said = [(c, read(c, book)) for c in runbook.choices if c.kind is ChoiceKind.JOURNAL] if runbook else []
    if not said:
        return book
    by = f"the journal of {book.failover.incident}" if book.failover else "the journal"
    choices = {**incident.choices, **{c.name: Chosen(value=v, by=by, at=now) for c, v in said}}
    changed = replace(incident, choices=choices)
    changed = replace(changed, plan=plan(incident.scenario, policy=rules.policy, choices=changed.chosen).hash)
    told = "; ".join(f"{c.asks}: {v}" for c, v in said)
    return note(put(book, changed), incident_id, "journal", f"as the journal has it: {told}", now)
