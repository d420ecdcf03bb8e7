"""A drill in the book: how it begins, when no further step of it starts, what it came to, and what it leaves.

Rules. A drill is an entry of its own kind, beside the incidents: nothing that counts, absorbs, tells or blocks those
ever sees one, and no drill holds anything against an incident. One runs at a time, and none while a real incident is
open. A real incident that opens wins: the drill is over in the same moment, and only its clean-up goes on. A drill is
over when each of its steps is done, has failed (its deadline went by), or leans on one that failed; then its clean-up
is owed, and it leaves the book only when every part of that was seen to be done. What it came to is kept for good.

Never let a drill move what people use: its plan is made by rehearsal.py, and only aims at copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from chalicelib.core.book import Book
from chalicelib.core.failback import BEFORE, LOWERS_NODES, handed_over
from chalicelib.core.findings import raised, settled
from chalicelib.core.incident import Answered, Drill, Drilled, DrillResult, Incident, StepRecord, StepState
from chalicelib.core.incidents import note, put
from chalicelib.core.plan import Plan, PlanError, Rules, Step, plan
from chalicelib.core.rehearsal import rehearsal
from chalicelib.core.states import IncidentState
from chalicelib.policy.drills import DrillRow
from chalicelib.policy.scenarios import Severity

_NOTHING: Final[tuple[tuple[str, str], ...]] = ()
UNANSWERED: Final = timedelta(seconds=30)
"""How long a call whose answer was lost may still come to have its effect: the clean-up looks after that."""
AT_MOST: Final = 3
_A_MOMENT: Final = timedelta(milliseconds=1)
UNCLEAN: Final = "drill-unclean"
FAILED: Final = "drill-failed"
TABLETOP: Final = "drill-tabletop"


class DrillError(Exception):
    """A drill that cannot begin; the text says why, and what is allowed."""


def begun(book: Book, scenario: str, kind: str, by: str, rules: Rules, now: datetime) -> tuple[Book, str]:
    """The book with a drill of that runbook, and its id. DrillError when none may begin now."""
    policy = rules.policy
    if policy.runbook(scenario) is None:
        known = ", ".join(r.scenario for r in policy.runbooks.runbooks)
        raise DrillError(f"there is no runbook {scenario!r} to rehearse; allowed: {known}")
    if book.incidents:
        named = ", ".join(book.incidents)
        raise DrillError(f"incident {named} is open, and a real one goes first; drill again when it is closed")
    if book.drills:
        raise DrillError(f"drill {', '.join(book.drills)} is not over; one runs at a time (drctl abort ends it)")
    real = plan(scenario, policy=policy)
    if kind == "people":
        steps, left_out = real, _NOTHING
    else:
        try:
            found = rehearsal(real, policy)
        except PlanError as error:
            raise DrillError(f"{error}: drctl drill {scenario} --tabletop") from error
        steps, left_out = found.plan, found.left_out
    drill = Drill(kind="people" if kind == "people" else "copies", of_plan=real.hash, by=by, not_rehearsed=left_out)
    name = f"drill-{scenario}-{now:%Y%m%dT%H%M%S}"
    case = Incident(
        id=name,
        scenario=scenario,
        scope=book.serving,
        severity=Severity.LOW,
        state=IncidentState.RESPONDING,
        because=f"a drill, begun by {by}",
        plan=steps.hash,
        policy=policy.digest,
        opened_at=now,
        failed_at=now,
        confirmed_at=now,
        declared_by=by,
        drill=drill,
    )
    book = replace(book, drills={**book.drills, name: case})
    book = note(book, name, "opened", f"{policy.scenario(scenario).display}: {case.because}", now)
    for title, why in left_out:
        book = note(book, name, "not-rehearsed", f"{title}: {why}", now)
    if drill.kind == "people":
        book = _asked(book, case, rules, now)
    return book, name


def heard_of(book: Book, rules: Rules, now: datetime) -> Book:
    """From the first moment that policy's drills are known here on, what was never drilled grows older."""
    unheard = book.drills_since is None and rules.policy.drills.rows
    return replace(book, drills_since=now) if unheard else book


def follows(book: Book, rules: Rules, now: datetime) -> Book:
    """What follows for every drill from the book as it is now."""
    for name in tuple(book.drills):
        case, drill = book.drills[name], of(book.drills[name])
        its = rules.of(case.policy)
        if drill.over_at is None:
            book = _while_on(book, case, its, now)
        if of(book.drills[name]).over_at is not None:
            book = _cleaning(book, name, its, now)
    return book


def of(case: Incident) -> Drill:
    """What makes it a drill; TypeError for an incident."""
    if case.drill is None:
        raise TypeError(f"{case.id!r} is no drill")
    return case.drill


def over(book: Book, name: str, result: DrillResult, because: str, now: datetime) -> Book:
    """No further step of it starts; what it came to stands from now on."""
    case = book.drills[name]
    drill = replace(of(case), over_at=now, result=result, because=because)
    ended: Literal["recovered", "aborted"] = "recovered" if result == "passed" else "aborted"
    changed = replace(case, state=IncidentState.CLOSING, ending=ended, ended_at=now, because=because, drill=drill)
    return note(put(book, changed), name, result, because, now)


def answered(book: Book, name: str, by: str, now: datetime) -> tuple[Book, str]:
    """Somebody answers a tabletop, once."""
    case, drill = book.drills[name], of(book.drills[name])
    if drill.kind != "people" or drill.over_at is not None:
        raise DrillError(f"{name!r} waits for no answer; allowed: abort")
    if any(a.by == by for a in drill.answers):
        return book, f"{by} has answered already"
    changed = replace(case, drill=replace(drill, answers=(*drill.answers, Answered(by=by, at=now))))
    return note(put(book, changed), name, "answered", f"{by} answered", now), f"{by} is noted as having answered"


def plan_of(case: Incident, its: Rules) -> Plan:
    """The plan that a drill follows; a tabletop's is the real one, of which nothing is done."""
    return its.plan_of(case.plan, case.scenario)


def ready_steps(case: Incident, its: Rules) -> Iterator[tuple[Step, StepRecord]]:
    """The steps of a rehearsal that go on now: what each leans on is done, and it has not failed."""
    if of(case).kind != "copies" or of(case).over_at is not None:
        return
    for step in plan_of(case, its).steps:
        record = case.step(step.id)
        if record.state is not StepState.DONE and record.late_at is None and _ready(case, step):
            yield step, record


def clean_steps(case: Incident, its: Rules, now: datetime) -> Iterator[tuple[Step, StepRecord]]:
    """The parts of the clean-up that are owed and not done, from when no call can still have its effect."""
    if of(case).over_at is None or now < clean_from(case, its):
        return
    for step in owed(case, its):
        if case.step(step.id).state is not StepState.DONE:
            yield step, case.step(step.id)


def owed(case: Incident, its: Rules) -> tuple[Step, ...]:
    """The parts of the clean-up of what was begun."""
    if of(case).kind != "copies":
        return ()
    return tuple(undo for undo in plan_of(case, its).undos if undo.undoes and _begun(case.step(undo.undoes)))


def clean_from(case: Incident, its: Rules) -> datetime:
    """When the clean-up begins: at once, or a while after a call of which nobody knows whether it was made."""
    over_at = of(case).over_at or case.opened_at
    unknown = [r.called_at for r in case.steps.values() if r.called_at and (r.doubtful or r.state is StepState.ACTING)]
    return max([over_at, *(at + UNANSWERED / its.policy.speed for at in unknown)])


def finished(case: Incident, its: Rules, now: datetime) -> bool:
    """Whether it is over, and everything of it was seen to be gone."""
    if of(case).over_at is None or now < clean_from(case, its):
        return False
    return all(case.step(s.id).state is StepState.DONE for s in owed(case, its))


def recorded(book: Book, case: Incident, now: datetime) -> Book:
    """The book after a drill was kept: what is known of its runbook's last one, and what people must know of it."""
    drills = {k: v for k, v in book.drills.items() if k != case.id}
    book = replace(book, drills=drills)
    book = settled(book, UNCLEAN, because=f"everything of drill {case.id} is gone", now=now)
    book = settled(book, TABLETOP, because=of(case).because, now=now)
    # One that was abandoned says nothing of its runbook.
    return book if of(case).result == "abandoned" else _kept(book, case, now)


def _kept(book: Book, case: Incident, now: datetime) -> Book:
    drill, before = of(case), book.drilled.get(case.scenario)
    good = case.opened_at if drill.result == "passed" else (before.good_at if before else None)
    kept = Drilled(
        id=case.id,
        at=case.opened_at,
        result=drill.result,
        because=drill.because,
        of_plan=drill.of_plan,
        kind=drill.kind,
        good_at=good,
    )
    book = replace(book, drilled={**book.drilled, case.scenario: kept})
    failed = {k: d for k, d in book.drilled.items() if d.result == "failed"}
    if not failed:
        return settled(book, FAILED, because="the last drill of every runbook passed", now=now)
    said = "; ".join(f"{k}, {d.id}: {d.because}" for k, d in failed.items())
    headline = "A drill failed: its runbook asks before every step"
    return raised(book, FAILED, headline=headline, because=said, severity=Severity.MEDIUM, scope=book.serving, now=now)


def recorded_live(book: Book, case: Incident, now: datetime) -> Book:
    """The book after a planned move that was a drill."""
    result: DrillResult = "passed" if case.ending == "recovered" else "failed"
    return _kept(book, replace(case, drill=replace(of(case), result=result, because=case.because)), now)


def next_due(book: Book, row: DrillRow) -> datetime | None:
    """When the runbook must have passed a drill again; None before policy's drills were heard of here."""
    last = book.drilled.get(row.runbook)
    since = last.good_at if last and last.good_at else book.drills_since
    return since + row.every if since else None


def stale(book: Book, row: DrillRow, real: str, now: datetime) -> str:
    """Why the runbook's last drill does not speak for a plan of structure `real`; '' where it does."""
    last, by = book.drilled.get(row.runbook), next_due(book, row)
    if last is not None and last.result == "failed":
        return f"the last drill of {row.runbook} failed at {last.at:%Y-%m-%d}: {last.because}"
    if last is not None and last.of_plan != real:
        return f"the last drill of {row.runbook} ({last.at:%Y-%m-%d}) was of plan {last.of_plan}, this is {real}"
    if by is not None and now > by:
        how = f"passed last at {last.good_at:%Y-%m-%d}" if last and last.good_at else "never passed"
        return f"the drill of {row.runbook} was due by {by:%Y-%m-%d} and {how}"
    return ""


def wake_times(book: Book, rules: Rules, now: datetime) -> Iterator[datetime]:
    """When something of a drill becomes due by the time alone."""
    for case in book.drills.values():
        its = rules.of(case.policy)
        drill = of(case)
        if drill.kind == "people" and drill.over_at is None:
            yield case.opened_at + its.policy.drills.answer_within
        for step, record in (*ready_steps(case, its), *clean_steps(case, its, now)):
            if record.look_at:
                yield record.look_at
            if drill.over_at is None and (by := _late_from(step, record)):
                yield by + _A_MOMENT
        if drill.over_at is not None:
            yield clean_from(case, its)


def _asked(book: Book, case: Incident, rules: Rules, now: datetime) -> Book:
    display = rules.policy.scenario(case.scenario).display
    within = rules.policy.real(rules.policy.drills.answer_within)
    because = f"nothing has failed; say where you would begin, and answer within {within}: drctl acknowledge {case.id}"
    return raised(
        book,
        TABLETOP,
        headline=f"DRILL, people only: {display}",
        because=because,
        severity=Severity.LOW,
        scope=case.scope,
        now=now,
    )


def _while_on(book: Book, case: Incident, its: Rules, now: datetime) -> Book:
    real = [i for i in book.incidents.values() if i.state is not IncidentState.CLOSING]
    if real:
        because = f"abandoned: incident {real[0].id} opened, and a real one goes first"
        return over(book, case.id, "abandoned", because, now)
    if of(case).kind == "people":
        return _tabletop(book, case, its, now)
    book = _late(book, case, its, now)
    case = book.drills[case.id]
    steps = plan_of(case, its).steps
    if any(True for _ in ready_steps(case, its)):
        return book
    failed = [s for s in steps if case.step(s.id).late_at]
    if failed:
        said = "; ".join(f"{s.title}: {case.step(s.id).because}" for s in failed)
        return over(book, case.id, "failed", f"{len(failed)} of {len(steps)} steps failed: {said}", now)
    return over(book, case.id, "passed", f"all {len(steps)} steps that can be rehearsed were done", now)


def _tabletop(book: Book, case: Incident, its: Rules, now: datetime) -> Book:
    drill, policy = of(case), its.policy
    within = policy.drills.answer_within
    if now < case.opened_at + within:
        return book
    if not drill.answers:
        return over(book, case.id, "failed", f"nobody answered within {policy.real(within)}", now)
    said = ", ".join(f"{a.by} after {policy.real(a.at - case.opened_at)}" for a in drill.answers)
    return over(book, case.id, "passed", f"answered by {said}", now)


def _late(book: Book, case: Incident, its: Rules, now: datetime) -> Book:
    """A step past its deadline has failed, and everything that leans on it with it; the others go on."""
    for step, record in tuple(ready_steps(case, its)):
        by = _late_from(step, record)
        if by is None or now <= by or (record.look_at and record.look_at <= now):
            continue
        because = f"not done in {its.policy.real(step.deadline)}: {record.because}"
        changed = replace(record, state=StepState.STUCK, late_at=now, because=because, call=None, look_at=None)
        held = {**book.drills[case.id].steps, step.id: changed}
        book = put(book, replace(book.drills[case.id], steps=held))
        book = note(book, case.id, "failed-step", f"{step.title}: {because}", now)
    return book


def _cleaning(book: Book, name: str, its: Rules, now: datetime) -> Book:
    book = _handed_over(book, name, its, now)
    case, drill = book.drills[name], of(book.drills[name])
    if finished(case, its, now):
        if drill.clean_at is None:
            book = put(book, replace(case, drill=replace(drill, clean_at=now)))
            gone = [s.title for s in owed(case, its)]
            text = f"clean: {', '.join(gone)}" if gone else "clean: nothing was made"
            book = note(book, name, "clean", text, now)
        return book
    if drill.over_at and now - drill.over_at > its.policy.drills.clean_within:
        left = "; ".join(f"{s.title}: {r.because}" for s, r in clean_steps(case, its, now))
        headline = f"The clean-up of drill {name} is late"
        return raised(book, UNCLEAN, headline=headline, because=left, severity=Severity.HIGH, scope=case.scope, now=now)
    return book


def _handed_over(book: Book, name: str, its: Rules, now: datetime) -> Book:
    """Where the standby serves since, what a drill has raised there is lowered by the way back and by nobody else."""
    case = book.drills[name]
    if book.serving != its.policy.platform.regions.standby:
        return book
    for step in owed(case, its):
        record = case.step(step.id)
        if step.action != LOWERS_NODES or record.state in (StepState.DONE, StepState.ACTING) or step.undoes is None:
            continue
        because = f"{book.serving} serves, and needs the nodes: they are lowered by the way back to the primary"
        raised_by = plan_of(case, its).step(step.undoes)
        book = handed_over(book, raised_by, str(case.step(raised_by.id).facts.get(BEFORE, "")), case)
        done = replace(record, state=StepState.DONE, because=because, done_at=now, first_done_at=now, look_at=None)
        book = put(book, replace(book.drills[name], steps={**book.drills[name].steps, step.id: done}))
        book = note(book, name, "handed-over", f"{step.title}: {because}", now)
    return book


def _late_from(step: Step, record: StepRecord) -> datetime | None:
    """After when a step has failed: its deadline after its newest call, of which there may be more than one when a
    worker was stopped; but no later than so many deadlines. One whose call nobody has looked at since is not judged.
    """
    if record.started_at is None or record.state is StepState.ACTING:
        return None
    newest = max(filter(None, (record.called_at, record.started_at)))
    return min(newest + step.deadline, record.started_at + AT_MOST * step.deadline)


def _ready(case: Incident, step: Step) -> bool:
    return all(case.step(need).state is StepState.DONE for need in step.needs)


def _begun(record: StepRecord) -> bool:
    return record.calls > 0 or record.state in (StepState.ACTING, StepState.DONE)


def hashes(rules: Rules) -> Mapping[str, str]:
    """Runbook → the structure of its plan by today's policy."""
    return {row.runbook: plan(row.runbook, policy=rules.policy).hash for row in rules.policy.drills.rows}
