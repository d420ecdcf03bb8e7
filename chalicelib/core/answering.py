"""What people answer to a step that asks: yes, no, or the broken glass.

Rules. A yes is for the plan that was seen. A step that two people must approve goes on asking until both have. A broken
glass stands in for whoever is missing, and is loud: everybody on the ladder is paged at once, and that it was broken
stays owed until another person has looked at it. Nothing here makes a call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.core.approvals import counted, is_another, so_far, together
from chalicelib.core.book import Book, Debt
from chalicelib.core.bounds import wanting
from chalicelib.core.happened import Approve, BreakGlass, Reject, Review, Said
from chalicelib.core.incident import Approval, Incident, StepRecord, StepState
from chalicelib.core.incidents import PLATFORM, alarmed, note, put_step
from chalicelib.core.plan import Plan, Rules
from chalicelib.core.states import IncidentState


class IllegalCommandError(Exception):
    """A command that cannot be carried out now; the text says why, and what is allowed."""


def with_note(text: str) -> str:
    """`: text`, or nothing."""
    return f": {text}" if text else ""


def open_incident(book: Book, incident_id: str) -> Incident:
    """The incident, when it is open and not on its way out."""
    incident = book.incidents.get(incident_id)
    if incident is None:
        known = ", ".join(book.incidents) or "none"
        raise IllegalCommandError(f"there is no open incident {incident_id!r}; open: {known}")
    if incident.state is IncidentState.CLOSING:
        raise IllegalCommandError(f"incident {incident.id!r} is closing already ({incident.ending})")
    return incident


def open_case(book: Book, name: str) -> Incident:
    """The open incident, or what is known of the debt, of that id."""
    owed = {d.case.id: d.case for d in book.debts if d.case}
    if name in owed and name not in book.incidents:
        return owed[name]
    try:
        return open_incident(book, name)
    except IllegalCommandError as error:
        raise IllegalCommandError(f"{error}{'; owed: ' + ', '.join(owed) if owed else ''}") from error


def approve(book: Book, command: Approve, rules: Rules, now: datetime) -> tuple[Book, str]:
    """A yes to one step, or to all that ask; where more people must, the answer says how many have."""
    incident = _seen(book, command.incident, command.plan)
    steps = _asking(incident, command.step)
    rules, said = rules.of(incident.policy), command.said
    plan = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    voice = _voice(said, incident, rules, now)
    steps = _choosable(incident, plan, steps, rules, named=command.step is not None)
    told: list[str] = []
    for step_id in steps:
        step, record = plan.step(step_id), incident.step(step_id)
        given = counted(record, incident.plan, now)
        if step.people > 1 and not is_another(voice, given):
            continue
        voices = (*given, voice)
        if len(voices) >= step.people:
            book = _allowed(book, incident, step_id, together(voices), now)
            told.append(step_id)
            text = f"{step_id}: approved by {said.who}{with_note(said.note)}"
        else:
            # What is asked now is another question: it is told anew, with who has answered.
            changed = replace(
                record,
                state=StepState.ASKING,
                approval=None,
                voices=voices,
                rejected_by=None,
                call=None,
                asked_at=now,
                look_at=now,
            )
            count = so_far(step, changed, incident.plan, now)
            book = put_step(book, incident.id, step_id, replace(changed, because=count))
            told.append(f"{step_id} ({count})")
            text = f"{step_id}: approved by {said.who}{with_note(said.note)}; {count}"
        book = note(book, incident.id, "approved", text, now)
    if not told:
        raise IllegalCommandError(
            f"{said.by} has approved {', '.join(steps)} already, and counts once; another person must, "
            "or one breaks the glass (break-glass)"
        )
    return book, f"approved: {', '.join(told)}"


def break_glass(book: Book, command: BreakGlass, rules: Rules, now: datetime) -> tuple[Book, str]:
    """One person's yes in place of two, or of a proven one."""
    said = command.said
    incident = _seen(book, command.incident, command.plan)
    if incident.id not in book.incidents:
        raise IllegalCommandError(f"{incident.id!r} is a debt, and recovery does not wait for it; allowed: approve")
    _asking(incident, command.step)
    if not said.note.strip():
        raise IllegalCommandError("break-glass needs a note that says why nobody else could be asked")
    rules = rules.of(incident.policy)
    step = rules.plan_of(incident.plan, incident.scenario, incident.chosen).step(command.step)
    _choosable(incident, rules.plan_of(incident.plan, incident.scenario, incident.chosen), [step.id], rules, named=True)
    if step.people < 2 and said.arn is not None:
        raise IllegalCommandError(f"step {step.id!r} asks one proven person, and {said.by} is one; allowed: approve")
    given = replace(_voice(said, incident, rules, now), glass=True)
    book = _allowed(book, incident, step.id, given, now)
    text = f"{step.id}: {said.who} broke the glass{with_note(said.note)}"
    book = note(book, incident.id, "break-glass", text, now)
    book = alarmed(book, incident.id, text, rules, now)
    debt = Debt(
        kind="review",
        what=f"{incident.id}/{step.id}/{now:%H%M%S}",
        incident=incident.id,
        since=now,
        because=f"{text}; somebody else must look at it (review)",
        by=said.by,
        arn=said.arn,
    )
    book = note(replace(book, debts=(*book.debts, debt)), incident.id, "debt", debt.because, now)
    return book, f"the glass is broken for {step.id}; everybody on the ladder is paged, and it will be reviewed"


def review(book: Book, command: Review, now: datetime) -> tuple[Book, str]:
    """What was done behind a broken glass has been looked at, by somebody else."""
    said = command.said
    owed = {d.what: d for d in book.debts if d.kind == "review"}
    debt = owed.get(command.debt)
    if debt is None:
        raise IllegalCommandError(f"no review {command.debt!r} is owed; owed: {', '.join(owed) or 'none'}")
    if said.by == debt.by or (debt.arn is not None and said.arn == debt.arn):
        raise IllegalCommandError(f"{said.by} broke that glass; somebody else must review it")
    text = f"{debt.what} was reviewed by {said.who}{with_note(said.note)}"
    book = replace(book, debts=tuple(d for d in book.debts if d is not debt))
    return note(book, PLATFORM, "reviewed", text, now), text


def reject(book: Book, command: Reject, now: datetime) -> tuple[Book, str]:
    """A no: the step stalls, and what was approved of it counts no more."""
    said, incident = command.said, open_case(book, command.incident)
    record = incident.steps.get(command.step)
    asking = [s for s, r in incident.steps.items() if r.state is StepState.ASKING]
    if record is None or command.step not in asking:
        raise IllegalCommandError(
            f"step {command.step!r} of {incident.id!r} asks for nothing; asking now: {', '.join(asking) or 'none'}"
        )
    because = f"rejected by {said.by}{with_note(said.note)}"
    changed = replace(
        record,
        state=StepState.STUCK,
        rejected_by=said.by,
        approval=None,
        voices=(),
        because=because,
        stuck_at=now,
        look_at=None,
    )
    book = put_step(book, incident.id, command.step, changed)
    text = f"{command.step}: rejected by {said.who}{with_note(said.note)}"
    return note(book, incident.id, "rejected", text, now), f"rejected: {command.step}"


def _seen(book: Book, incident_id: str, plan: str) -> Incident:
    incident = open_case(book, incident_id)
    if plan != incident.plan:
        raise IllegalCommandError(
            f"the approval is for plan {plan!r}, incident {incident.id!r} follows {incident.plan!r}; "
            "look at it again (drctl show) and approve what it is now"
        )
    return incident


def _asking(incident: Incident, step: str | None) -> list[str]:
    # A general yes is for what asks; what somebody rejected wants a yes of its own.
    general = step is None
    asking = [s for s, r in incident.steps.items() if r.state is StepState.ASKING or (r.rejected_by and not general)]
    steps = asking if step is None else [step]
    if not asking or any(s not in asking for s in steps):
        raise IllegalCommandError(
            f"step {step or 'any'!r} of {incident.id!r} asks for nothing; asking: {', '.join(asking) or 'none'}"
        )
    return steps


def _choosable(incident: Incident, plan: Plan, steps: list[str], rules: Rules, *, named: bool) -> list[str]:
    """Those of the steps for which everything is chosen: a yes to what nobody chose would be a yes to anything."""
    wanted = {s: why for s in steps if (why := wanting(incident, plan.step(s), rules))}
    ready = [s for s in steps if s not in wanted]
    if wanted and (named or not ready):
        step, why = next(iter(wanted.items()))
        raise IllegalCommandError(f"step {step!r} of {incident.id!r} cannot be approved yet: {why}")
    return ready


def _voice(said: Said, incident: Incident, rules: Rules, now: datetime) -> Approval:
    return Approval(
        by=said.by,
        at=now,
        plan=incident.plan,
        expires_at=now + rules.policy.platform.responder.approval_valid,
        note=said.note,
        arns=() if said.arn is None else (said.arn,),
    )


def _allowed(book: Book, incident: Incident, step: str, given: Approval, now: datetime) -> Book:
    record: StepRecord = incident.step(step)
    changed = replace(
        record,
        state=StepState.RUNNING,
        approval=given,
        voices=(),
        rejected_by=None,
        call=None,
        look_at=now,
        because=f"approved by {given.by}; looking again before acting",
    )
    return put_step(book, incident.id, step, changed)
