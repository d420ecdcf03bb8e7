"""How an open incident comes to follow another policy than the one it began with.

Rules. An incident follows the policy and the plan that were in force when it was opened, whatever is deployed since:
nobody's approval, and no step half done, may change its meaning by itself. Only a person moves it on to today's policy
(a wrong name that must be corrected in the middle of a disaster), and then nothing that was approved counts any more,
and every step is looked at again, those that were done too: what was done under one name may be missing under another.
What has been called is never forgotten. Never re-pin because a deploy happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.core.answering import IllegalCommandError, open_case, with_note
from chalicelib.core.book import Book, case_of
from chalicelib.core.choices import kept
from chalicelib.core.happened import Repin
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.incidents import note, put
from chalicelib.core.plan import Plan, PlanError, Rules, Step, plan

_KEPT = (StepState.PENDING, StepState.ACTING, StepState.LEFT)
"""The states that a step keeps: not begun, perhaps called, a debt of its own."""


def repin(book: Book, command: Repin, rules: Rules, now: datetime) -> tuple[Book, str]:
    """The incident, or the debt, follows today's policy and the plan that it gives."""
    said = command.said
    case = open_case(book, command.incident)
    owed = case.id not in book.incidents
    digest = rules.policy.digest
    if case.policy == digest:
        raise IllegalCommandError(
            f"{case.id!r} follows policy {digest!r}, which is what is deployed; deploy the corrected policy first"
        )
    held, unheld = kept(case, rules.policy, now)
    case_held = replace(case, choices=held)
    wanted = _plan_today(case_held, rules)
    offered = (*wanted.steps, *wanted.undos) if owed else wanted.steps
    if owed and (gone := [s for s in case.steps if s not in {w.id for w in offered}]):
        raise IllegalCommandError(f"plan {wanted.hash!r} has no step {gone[0]!r}, which is what {case.id!r} owes")
    fresh = _again(case_held, offered, now)
    book = put(book, replace(fresh, policy=digest, plan=wanted.hash))
    changed = f"policy {case.policy} → {digest}, plan {case.plan} → {wanted.hash}"
    if case.plan == wanted.hash:
        changed = f"policy {case.policy} → {digest}, the plan is the same ({case.plan})"
    lost = [s for s in case.steps if s not in fresh.steps]
    gone_text = f"; no longer in the plan: {', '.join(lost)}" if lost else ""
    gone_text += f"; no longer chosen: {'; '.join(unheld)}" if unheld else ""
    text = f"re-pinned by {said.who}{with_note(said.note)}: {changed}{gone_text}; every step is looked at again"
    return note(book, case.id, "repinned", text, now), f"{case.id} follows policy {digest}, plan {wanted.hash}"


def adrift(book: Book, name: str, why: str, digest: str, now: datetime) -> Book:
    """The kept policy of this incident, or debt, is lost: it goes on by today's, and what was approved counts no more.

    Its plan is kept. To stop would be worse: whoever set today's policy in force is a person too.
    """
    case = case_of(book, name)
    if case is None:
        raise KeyError(f"there is no open incident and no debt {name!r}")
    steps = {k: _unapproved(r, now) for k, r in case.steps.items()}
    book = put(book, replace(case, policy=digest, steps=steps))
    text = f"{why}; it follows policy {digest!r} from now on, by its own plan, and what was approved must be again"
    return note(book, name, "adrift", text, now)


def _plan_today(case: Incident, rules: Rules) -> Plan:
    try:
        return plan(case.scenario, policy=rules.policy, choices=case.chosen)
    except PlanError as error:
        raise IllegalCommandError(f"today's policy gives no plan: {error}; {case.id!r} follows its own") from error


def _again(case: Incident, offered: Sequence[Step], now: datetime) -> Incident:
    """What is known of the steps that the plan has, each to be looked at again."""
    steps = {s.id: _looked_at_again(_of_choice(case.steps[s.id], s), now) for s in offered if s.id in case.steps}
    return replace(case, steps=steps)


def _of_choice(record: StepRecord, step: Step) -> StepRecord:
    """What was found out by a choice that counts no more counts no more either."""
    return replace(record, facts={}) if step.missing else record


def _looked_at_again(record: StepRecord, now: datetime) -> StepRecord:
    record = _unapproved(record, now)
    if record.state in _KEPT:
        return record
    because = "looked at again, by another policy"
    return replace(record, state=StepState.RUNNING, because=because, look_at=now, stuck_at=None)


def _unapproved(record: StepRecord, now: datetime) -> StepRecord:
    """A call that was decided for the former policy is not made, and nobody's yes to it counts."""
    record = replace(record, approval=None, voices=())
    if record.call is None:
        return record
    return replace(record, call=None, look_at=now, asked_at=None)
