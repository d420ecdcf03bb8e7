"""What people are shown of a way back before and while it is taken: what the move has set, what takes each of it back,
what is still owed, and what was written on the wrong side.

Rules. Pure, and only from the book, the archive of the move and policy: nothing here looks at the world, and what no
look has found yet is said to be not known. Whether a way back may begin is said by the same function that a declaration
is judged by, so that what is shown and what is allowed cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chalicelib.core.book import Book, Failover
from chalicelib.core.failback import OPPOSITES, RAISES_NODES, filled_choices, objection, still_owed
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.loss import PROMOTES
from chalicelib.core.plan import Plan, Rules, Step, plan
from chalicelib.core.report import data_loss
from chalicelib.core.states import IncidentState
from chalicelib.policy import Policy

WRONG_SIDE = "wrong-side-listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLine:
    """One thing that the move has set; `before` is '' where that needs no saying."""

    what: str
    before: str
    taken_back_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """A step, or a family of them that differ in their service alone (`count`). `asks` is how many people decide it."""

    id: str
    title: str
    asks: int
    expected: timedelta
    count: int = 1
    state: StepState | None = None
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """`why_not` is empty where a way back may begin now; `incident` is the one that is under way. While one of
    `blocks` stands, none of its calls is made.
    """

    scenario: str
    serving: str
    failover: Failover | None
    incident: Incident | None
    why_not: str
    set: tuple[SetLine, ...]
    owed: tuple[tuple[str, str], ...]
    blocks: tuple[str, ...]
    wrong_side: str
    rows: float | None
    seconds: float | None
    steps: tuple[StepLine, ...]


def way_back(book: Book, moves: tuple[Incident, ...], rules: Rules) -> WayBack:
    """`moves` are the archived incidents of which something is to be taken back. LookupError when no scenario of policy
    returns.
    """
    scenario = next(s.name for s in rules.policy.scenarios.scenarios if s.returns)
    going = next((i for i in book.incidents.values() if i.scenario == scenario), None)
    its = rules.of(going.policy) if going else rules
    steps = (
        its.plan_of(going.plan, scenario, going.chosen)
        if going
        else plan(scenario, policy=rules.policy, choices=filled_choices(book, scenario, rules))
    )
    sentence, rows, seconds = _wrong_side(going, moves, steps, rules)
    open_now = going is not None and going.state is not IncidentState.CLOSING
    return WayBack(
        scenario=scenario,
        serving=book.serving,
        failover=book.failover,
        incident=going,
        why_not="" if open_now else objection(book, scenario, rules),
        set=_set(book, moves, steps, rules),
        owed=still_owed(book),
        blocks=tuple(b.because for b in book.blocks),
        wrong_side=sentence,
        rows=rows,
        seconds=seconds,
        steps=_lines(steps, going, scenario, its.policy),
    )


def _set(book: Book, moves: tuple[Incident, ...], back: Plan, rules: Rules) -> tuple[SetLine, ...]:
    before = {(s.action, s.cluster): s.before for s in book.settings}
    found: dict[tuple[str, str], SetLine] = {}
    for move in moves:
        its = rules.of(move.policy)
        steps = its.plan_of(move.plan, move.scenario, move.chosen).steps
        for step in steps:
            opposite, cluster = OPPOSITES.get(step.action), step.params.get("cluster", "")
            # What was begun counts, whether or not anybody knows that it had its effect.
            if opposite is None or (step.action, cluster) in found or not _set_something(move.step(step.id)):
                continue
            found[step.action, cluster] = _line(
                step, before.get((step.action, cluster), ""), back, move.scenario, its.policy
            )
        # What was left, and paid as a debt, stands in no archive, but in the book.
        for setting in book.settings:
            paid = next((s for s in steps if s.id == setting.step and setting.incident == move.id), None)
            key = (setting.action, setting.cluster)
            if paid is not None and key not in found:
                found[key] = _line(paid, setting.before, back, move.scenario, its.policy)
    # The journal is what a way back goes by, whether or not the archive of what wrote it can be read.
    archived = {move.id for move in moves}
    for setting in book.settings:
        key = (setting.action, setting.cluster)
        if setting.incident not in archived and key not in found:
            what = f"{setting.step} of {setting.incident}, whose archive is not there"
            taken = _taken_back_by(setting.action, setting.cluster, back)
            found[key] = SetLine(what=what, before=_words(setting.action, setting.before), taken_back_by=taken)
    return tuple(found.values())


def _line(step: Step, before: str, back: Plan, scenario: str, policy: Policy) -> SetLine:
    taken = _taken_back_by(step.action, step.params.get("cluster", ""), back)
    return SetLine(what=_family(step, scenario, policy), before=_words(step.action, before), taken_back_by=taken)


def _taken_back_by(action: str, cluster: str, back: Plan) -> str:
    opposite = OPPOSITES[action]
    by = [s for s in back.steps if s.action == opposite.action and s.params.get("cluster", cluster) == cluster]
    return by[0].title if by else "nothing: put it right by hand"


def _words(action: str, before: str) -> str:
    """How it was, as a person reads it."""
    if action != RAISES_NODES or before.count("/") != 2:
        return before.replace(",", ", ")
    least, wanted, most = before.split("/")
    return f"{wanted} nodes ({least} to {most})"


def _set_something(record: StepRecord) -> bool:
    return record.calls > record.refused or record.state is StepState.ACTING


def _wrong_side(
    going: Incident | None, moves: tuple[Incident, ...], steps: Plan, rules: Rules
) -> tuple[str, float | None, float | None]:
    listing = next((s.id for s in steps.steps if s.action == WRONG_SIDE), None)
    record = going.step(listing) if going and listing else StepRecord()
    rows, seconds = record.facts.get("rows"), record.facts.get("seconds", 0.0)
    if isinstance(rows, float | int):
        return record.because, float(rows), float(seconds) if isinstance(seconds, float | int) else None
    for move in moves:
        its = rules.of(move.policy)
        promoted = any(s.action in PROMOTES for s in its.plan_of(move.plan, move.scenario, move.chosen).steps)
        if promoted and (lost := data_loss(move, its)):
            said = f"when the standby's database was promoted, the loss was {lost.because}"
            return f"{said}; it is listed as soon as the old one can be read", None, None
    return "not known: it is listed as soon as the old database can be read", None, None


def _lines(steps: Plan, going: Incident | None, scenario: str, policy: Policy) -> tuple[StepLine, ...]:
    found: dict[str, StepLine] = {}
    for step in steps.steps:
        name = step.id.replace(step.service, "…") if step.service else step.id
        record = going.step(step.id) if going else None
        asks = step.people if not step.automatic else 0
        if name in found and step.service:
            first = found[name]
            found[name] = StepLine(
                id=name,
                title=first.title,
                asks=first.asks,
                expected=max(first.expected, step.expected),
                count=first.count + 1,
                state=_together(first.state, record.state if record else None),
                because=first.because if record is None or record.state is StepState.DONE else record.because,
            )
            continue
        found[name] = StepLine(
            id=name,
            title=_family(step, scenario, policy),
            asks=asks,
            expected=step.expected,
            state=record.state if record else None,
            because=record.because if record else "",
        )
    return tuple(found.values())


def _together(one: StepState | None, other: StepState | None) -> StepState | None:
    """Of several services' steps the first that is not done."""
    return other if one is StepState.DONE else one


def _family(step: Step, scenario: str, policy: Policy) -> str:
    """`Restore each service from the newest good backup`: the title of a step that is done for each."""
    runbook, service = policy.runbook(scenario), step.service
    rows = runbook.steps if runbook and service else ()
    row = next((r for r in rows if r.for_each and r.id.replace("{service}", service or "") == step.id), None)
    return row.title.replace("{display}", "each service") if row else step.title
