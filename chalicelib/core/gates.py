"""What must be true before a call is made: one ordered tuple of small functions.

Rules. A gate sees one work, the book, the rules and the time, and answers Pass, Ask or Refuse with a sentence. The
first Refuse wins; an Ask is met by a valid approval and never lifts a Refuse. A new rule is a new function here,
never a branch inside an old one. A gate never looks at the world: what it judges by is in the book.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from chalicelib.core import claims, drilling, evidence, loss
from chalicelib.core.approvals import asked_for, stands
from chalicelib.core.book import Book
from chalicelib.core.failback import RAISES_NODES
from chalicelib.core.incident import Incident, StepRecord, StepState, covers
from chalicelib.core.loss import FENCES, PROMOTES
from chalicelib.core.outcome import Call
from chalicelib.core.plan import Rules, Step
from chalicelib.core.readiness import lowered
from chalicelib.core.states import IncidentState
from chalicelib.core.things import UnknownThingError, moved_by
from chalicelib.policy.platform import Mode
from chalicelib.policy.scenarios import ScopeKind


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing against it."""

    because: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must say yes."""

    because: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not now, whoever says so. `waits_for` is the incident that it waits for, where it does."""

    because: str
    waits_for: str = ""


Verdict = Pass | Ask | Refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The call of one step that wants to be made."""

    incident: Incident
    step: Step
    record: StepRecord
    call: Call
    debt: bool = False
    drill: bool = False


MAKES_BACKUPS: Final = frozenset({"velero-schedules-kept", "backup-now"})
STOPS_BACKUPS: Final = frozenset({"velero-schedules-paused", "velero-location-read-only"})

Gate = Callable[[Wanted, Book, Rules, datetime], Verdict]


def pause_switch(_: Wanted, book: Book, __: Rules, ___: datetime) -> Verdict:
    """Nothing is called while the platform is paused."""
    if book.paused:
        return Refuse(f"paused by {book.paused.by} at {book.paused.at:%H:%M:%S} UTC: {book.paused.because}")
    return Pass("not paused")


def nobody_else(_: Wanted, book: Book, __: Rules, ___: datetime) -> Verdict:
    """While nobody could say whether another engine acts from outside, a person must. What acts is a pause."""
    if book.yielded is not None and book.yielded.incident is None:
        return Ask(f"whether somebody else acts for the platform from outside is not known: {book.yielded.because}")
    return Pass("nobody else acts")


def mode(work: Wanted, book: Book, _: Rules, __: datetime) -> Verdict:
    """`observe` calls nothing, `approve` asks for everything."""
    if book.mode is Mode.OBSERVE:
        return Refuse(f"the mode is observe: would call {work.call.sentence()}")
    if book.mode is Mode.APPROVE:
        return Ask("the mode is approve: every step asks")
    return Pass("the mode is automatic")


def confirmed(work: Wanted, book: Book, rules: Rules, now: datetime) -> Verdict:
    """Only a confirmed incident moves anything; what cannot be undone also wants the evidence to stand still."""
    incident = work.incident
    if incident.confirmed_at is None:
        return Refuse("the incident is only suspected")
    rule = evidence.rule_of(incident.scenario, incident.scope, rules.policy)
    if work.step.reversible or incident.declared_by or rule is None:
        return Pass("the incident is confirmed")
    found = evidence.observations(book, rule, rules.policy, now)
    if len(evidence.steady(found)) < rule.quorum:
        return Ask(f"the evidence has become weaker: {evidence.sentence(found)}")
    return Pass(evidence.sentence(found))


def rejection(work: Wanted, _: Book, __: Rules, ___: datetime) -> Verdict:
    """A step that a person refused waits for a person's yes."""
    if work.record.rejected_by:
        return Ask(f"{work.record.rejected_by} rejected it")
    return Pass("nobody rejected it")


def zones_left(work: Wanted, book: Book, rules: Rules, __: datetime) -> Verdict:
    """What leaves a zone asks while another one fails too, if fewer would be left than carry the platform. What is away
    already stays away, or its traffic would go back to where nobody answers.
    """
    zones, policy = rules.policy.platform.zones, rules.policy
    if zones is None or policy.scenario(work.incident.scenario).scope is not ScopeKind.ZONE:
        return Pass("leaves no zone")
    if work.record.first_done_at or work.step.action in ("zone-returned", "nodes-readmitted"):
        return Pass("the zone is left already")
    ill = [
        f"{i.scope} ({i.state})"
        for i in book.incidents.values()
        if i.id != work.incident.id
        and i.state is not IncidentState.CLOSING
        and policy.scenario(i.scenario).scope is ScopeKind.ZONE
    ]
    left = len(zones.zones) - 1 - len(ill)
    if ill and left < zones.needed:
        return Ask(
            f"{', '.join(ill)} fails too: without {work.incident.scope} as well {left} of {len(zones.zones)} zones "
            f"would be left, and {zones.needed} carry the platform; if the region is failing, declare that instead"
        )
    return Pass(f"{left} of {len(zones.zones)} zones are left")


def block_window(work: Wanted, book: Book, _: Rules, now: datetime) -> Verdict:
    """After a failover nothing moves by itself until the window ends or a person acknowledges: wherever, when a region
    did; else only where something was moved, so that an application put back does not hold up a region's failover.
    """
    for block in book.blocks:
        if now < block.until and ("/" not in block.scope or covers(block.scope, work.incident.scope)):
            return Refuse(block.because)
    return Pass("no block window")


def fence_verdict(work: Wanted, _: Book, rules: Rules, __: datetime) -> Verdict:
    """A promotion asks unless the old primary is proven to take no writes."""
    if work.step.action not in PROMOTES:
        return Pass("moves no database")
    verdict = fenced(work.incident, rules)
    if verdict:
        return Pass(f"the old primary is {verdict}")
    database = rules.policy.platform.database
    side = database.primary if work.step.action == "promote-replica" else database.replica
    return Ask(f"the fence verdict is Unknown: {side.instance!r} in {side.region} may still take writes")


def fenced(incident: Incident, rules: Rules) -> Literal["Fenced", "SelfFenced"] | None:
    """The proof that the old primary takes no writes; None is Unknown, whatever the reason."""
    for step in rules.plan_of(incident.plan, incident.scenario, incident.chosen).steps:
        if step.action in FENCES and incident.step(step.id).state is StepState.DONE:
            match incident.step(step.id).facts.get("fenced"):
                case "Fenced":
                    return "Fenced"
                case "SelfFenced":
                    return "SelfFenced"
                case _:
                    continue
    return None


def data_loss_budget(work: Wanted, _: Book, rules: Rules, __: datetime) -> Verdict:
    """A promotion asks unless the possible loss is known to be within the RPO."""
    if work.step.action not in PROMOTES:
        return Pass("moves no database")
    policy, rpo = rules.policy, rules.policy.platform.database.rpo
    found = loss.read(work.record.facts)
    if isinstance(found, loss.Unknown):
        return Ask("how much would be lost is not known" + (f": {found.because}" if found.because else ""))
    lost = found.words(policy, fenced=fenced(work.incident, rules) is not None)
    if found.time > rpo:
        return Ask(f"{lost} would be lost, the RPO is {policy.real(rpo)}")
    return Pass(f"{lost} would be lost, within the RPO of {policy.real(rpo)}")


def waiting_costs(incident: Incident, rules: Rules) -> str:
    """`API Gateway must be back by 03:15:00 UTC`: the first objective that waiting would miss."""
    policy = rules.policy
    workloads = [s for s in policy.services.in_order() if s.kind == "workload"]
    first = min(workloads, key=policy.services.rto, default=None)
    if first is None:
        return "no service waits for it"
    by = incident.failed_at + policy.services.rto(first)
    return f"{first.display} and what leans on the database must be back by {by:%H:%M:%S} UTC"


def approval(work: Wanted, _: Book, rules: Rules, __: datetime) -> Verdict:
    """What policy says needs a person asks."""
    automation = rules.policy.scenario(work.incident.scenario).automatic
    if automation == "no":
        why = f": {work.step.asks_because}" if work.step.asks_because else ""
        return Ask(f"policy allows nothing automatic for {work.incident.scenario}{why}")
    if not work.step.automatic or work.step.people > 1:
        return Ask(work.step.asks_because or "policy says that a person decides this step")
    return Pass("policy allows it without a person")


def drill_freshness(work: Wanted, book: Book, rules: Rules, now: datetime) -> Verdict:
    """A runbook whose drill is overdue, failed, or was of another structure asks before every step."""
    incident, row = work.incident, rules.policy.drills.row(work.incident.scenario)
    if row is None or incident.drill is not None:
        return Pass("policy wants no drill of it" if row is None else "this is its drill")
    real = rules.made(incident.scenario).hash if incident.choices else incident.plan
    if why := drilling.stale(book, row, real, now):
        return Ask(f"{why}, so every step asks")
    return Pass("its drill is fresh")


def of_drill(work: Wanted, book: Book, rules: Rules, now: datetime) -> Verdict:
    """A drill asks nobody, since it moves copies only; it stops where everything does, and where nothing is touched."""
    if book.mode is Mode.OBSERVE:
        return mode(work, book, rules, now)
    if work.step.action == "node-capacity-lowered" and (why := _standby_carries(book, rules)):
        return Refuse(why)
    if book.yielded is not None:
        return Refuse(f"somebody else may act for the platform from outside: {book.yielded.because}")
    return pause_switch(work, book, rules, now)


def _standby_carries(book: Book, rules: Rules) -> str:
    """Why the nodes that a drill has raised stay: they are the real ones, and a real move may lean on them."""
    for other in book.incidents.values():
        its = rules.of(other.policy).plan_of(other.plan, other.scenario, other.chosen)
        if any(s.action == RAISES_NODES for s in its.steps):
            return f"incident {other.id} is open, and its plan needs the nodes that the drill has raised"
    if book.serving == rules.policy.platform.regions.standby:
        return f"{book.serving} serves, and needs the nodes that the drill has raised"
    return ""


def readiness(work: Wanted, book: Book, rules: Rules, _: datetime) -> Verdict:
    """A runbook that could not succeed when it was judged last asks before each step, until it is seen ready again."""
    asks, because = lowered(book, work.incident, rules)
    return Ask(because) if asks else Pass(because)


def claimed(work: Wanted, book: Book, rules: Rules, _: datetime) -> Verdict:
    """What takes a step back waits while another open incident does that very thing."""
    if work.step.undoes is None:
        return Pass("it takes nothing back")
    undone = rules.plan_of(work.incident.plan, work.incident.scenario, work.incident.chosen).step(work.step.undoes)
    for other in book.incidents.values():
        if other.state is IncidentState.CLOSING or other.confirmed_at is None:
            continue
        its = rules.of(other.policy).plan_of(other.plan, other.scenario, other.chosen)
        if any(s.action == undone.action for s in its.steps):
            return Refuse(f"incident {other.id} is open, and {undone.action} is a step of its plan")
    return Pass(f"no open incident wants {undone.action}")


def schedules_held(work: Wanted, book: Book, rules: Rules, _: datetime) -> Verdict:
    """What makes backups by itself waits while another incident stops them (a fence, a move, a breach), and where the
    platform does not serve: its schedules were paused when it moved away. Its own plan may do both, in its own order.
    """
    if work.step.action not in MAKES_BACKUPS:
        return Pass("it makes no backups")
    for other in book.incidents.values():
        if other.id == work.incident.id or other.state is IncidentState.CLOSING or other.confirmed_at is None:
            continue
        its = rules.of(other.policy).plan_of(other.plan, other.scenario)
        stops = next((s for s in its.steps if s.action in STOPS_BACKUPS), None)
        if stops is not None:
            return Refuse(f"incident {other.id} is open, and {stops.title!r} is a step of its plan")
    if work.step.action == "velero-schedules-kept" and work.call.region != book.serving:
        return Refuse(f"{work.call.region} does not serve, {book.serving} does: its schedules rest")
    return Pass("no open incident holds the backup schedules")


def held_elsewhere(work: Wanted, book: Book, rules: Rules, now: datetime) -> Verdict:
    """What another open incident moves, and goes first with, is left to it."""
    try:
        hold = held_for(book, work.incident, work.step, rules, now)
    except UnknownThingError as error:
        return Refuse(f"{error}; nothing is called until that is mended")
    if hold is None:
        return Pass("no other incident goes first with what it moves")
    return Refuse(claims.sentence(hold, work.incident, work.step, rules), waits_for=hold.incident.id)


def held_for(book: Book, incident: Incident, step: Step, rules: Rules, now: datetime) -> claims.Hold | None:
    """Whom the step waits for. Who only wants a thing holds it where nothing else stands against its call."""

    def able(other: Incident, its: Step, record: StepRecord) -> bool:
        debt = other.id not in book.incidents
        if record.call is None:
            return False
        wanted = Wanted(incident=other, step=its, record=record, call=record.call, debt=debt)
        return isinstance(_allowed(wanted, book, rules.of(other.policy), now), Pass)

    return claims.waits_for(book, incident, step, rules, now, able)


def overtaken(work: Wanted, _: Book, rules: Rules, __: datetime) -> Verdict:
    """What another incident took over in the middle of it may be where it should be by now: a person says."""
    by = work.incident.overtaken
    try:
        taken = [
            f"{by[str(t)]} took {t} over"
            for t in moved_by(work.step, work.incident.scope, rules.policy)
            if str(t) in by
        ]
    except UnknownThingError as error:
        return Refuse(f"{error}; nothing is called until that is mended")
    if taken:
        return Ask(f"{'; '.join(taken)} since this step began, so a person says whether it is still to be moved")
    return Pass("nobody has moved it since")


def order(work: Wanted, _: Book, rules: Rules, now: datetime) -> Verdict:
    """Everything it leans on is done, and as fresh as policy wants it."""
    for need in work.step.needs:
        record = work.incident.step(need)
        if record.state is not StepState.DONE or record.done_at is None:
            return Refuse(f"it needs {need}, which is {record.state}: {record.because}")
        fresh_for = rules.plan_of(work.incident.plan, work.incident.scenario, work.incident.chosen).step(need).fresh_for
        if fresh_for and now - record.done_at > fresh_for:
            age = rules.policy.real(now - record.done_at)
            return Refuse(f"{need} was verified {age} ago, allowed are {rules.policy.real(fresh_for)}; again first")
    return Pass("everything it needs is done")


GATES: Final[tuple[Gate, ...]] = (
    pause_switch,
    nobody_else,
    mode,
    confirmed,
    rejection,
    zones_left,
    drill_freshness,
    block_window,
    fence_verdict,
    data_loss_budget,
    schedules_held,
    readiness,
    approval,
    overtaken,
    order,
)
"""In the order in which a refusal is told."""


DEBT_GATES: Final[tuple[Gate, ...]] = (pause_switch, nobody_else, mode, claimed, schedules_held, approval)
"""For what is still owed after its incident: no block window stands against it, and its evidence was judged before."""


def judge(work: Wanted, book: Book, rules: Rules, now: datetime) -> Verdict:
    """All gates together: the first Refuse; else every Ask in one, unless a valid approval stands; else Pass. Only what
    may be called then waits for other incidents: a person's answer need not wait for them, and comes meanwhile.
    """
    if work.drill:
        return of_drill(work, book, rules, now)
    verdict = _allowed(work, book, rules, now)
    held = held_elsewhere(work, book, rules, now) if isinstance(verdict, Pass) else verdict
    return held if isinstance(held, Refuse) else verdict


def _allowed(work: Wanted, book: Book, rules: Rules, now: datetime) -> Verdict:
    verdicts = [gate(work, book, rules, now) for gate in (DEBT_GATES if work.debt else GATES)]
    for verdict in verdicts:
        if isinstance(verdict, Refuse):
            return verdict
    asks = [v.because for v in verdicts if isinstance(v, Ask)]
    if asks and work.step.action in PROMOTES:
        # Whoever is asked weighs what is lost against what waiting costs, also where neither would ask by itself.
        asks += [data_loss_budget(work, book, rules, now).because, waiting_costs(work.incident, rules)]
    if not asks:
        standing = Pass("it is still owed") if work.debt else confirmed(work, book, rules, now)
        return Pass(f"{approval(work, book, rules, now).because}; {standing.because}")
    given = work.record.approval
    if given is None:
        why = "; ".join(dict.fromkeys(asks))
        return Ask(asked_for(work.step, work.record, work.incident.plan, now, why))
    if given.plan != work.incident.plan:
        return Ask(f"the approval by {given.by} was for plan {given.plan}, this is {work.incident.plan}")
    if not stands(given, work.call, now):
        return Ask(f"the approval by {given.by} expired at {given.expires_at:%H:%M:%S} UTC; " + "; ".join(asks))
    yes = "the glass was broken" if given.glass else "approved"
    accepted = "; ".join(dict.fromkeys(asks))
    return Pass(f"{yes} by {given.by} at {given.at:%H:%M:%S} UTC, who accepted that {accepted}")
