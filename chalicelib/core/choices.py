"""What a person chooses for an incident's steps, and what that does to the plan.

Rules. Only what the runbook names can be chosen, as it says and within its bounds (bounds.py), and only until the first
call of a step that takes it: what was begun with one choice is not ended with another. A choice is a target of the
plan, so another choice makes another plan, and every yes that was given for the former counts no more. A wrong choice
among several changes nothing at all. Never choose here what nobody said: a proposal is accepted by a person, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.core.answering import IllegalCommandError, open_incident, with_note
from chalicelib.core.book import Book
from chalicelib.core.bounds import WrongChoiceError, read, to_come
from chalicelib.core.happened import Choose, Said
from chalicelib.core.incident import Chosen, Incident, StepRecord, StepState
from chalicelib.core.incidents import note, put
from chalicelib.core.plan import Plan, Rules, plan
from chalicelib.policy import Policy
from chalicelib.policy.runbooks import Choice, ChoiceKind


def choose(book: Book, command: Choose, rules: Rules, now: datetime) -> tuple[Book, str]:
    """The incident's steps are given what was chosen."""
    return chosen(book, command.incident, command.choices, command.said, rules, now)


def chosen(
    book: Book, incident_id: str, given: Mapping[str, str], said: Said, rules: Rules, now: datetime
) -> tuple[Book, str]:
    """The book with these choices, by name; IllegalCommandError when one of them may not be made."""
    incident = open_incident(book, incident_id)
    rules = rules.of(incident.policy)
    if not given:
        raise IllegalCommandError(f"nothing is chosen; {_may_choose(incident, rules.policy)}")
    former = rules.plan_of(incident.plan, incident.scenario, incident.chosen)
    values: dict[str, str] = {}
    for name, value in given.items():
        choice = _declared(name, incident, rules.policy)
        if late := _begun(choice, incident, former):
            raise IllegalCommandError(late)
        try:
            values[name] = read(choice, value, incident, rules.policy, now)
            if incident.chosen.get(name) != values[name]:
                to_come(choice, values[name], rules.policy, said.at)
        except WrongChoiceError as error:
            raise IllegalCommandError(f"{incident.id}: {error}") from error
    new = {n: v for n, v in values.items() if incident.chosen.get(n) != v}
    told = ", ".join(f"{n}={v}" for n, v in values.items())
    if not new:
        return book, f"{told} was chosen already"
    choices = {**incident.choices, **{n: Chosen(value=v, by=said.by, at=now) for n, v in new.items()}}
    changed = replace(incident, choices=choices)
    wanted = plan(incident.scenario, policy=rules.policy, choices=changed.chosen)
    void = [s.id for s in wanted.steps if _approved(incident.step(s.id))]
    after = _after(set(new), wanted)
    steps = {
        s.id: _anew(incident.steps[s.id], now, takes=bool(set(new) & set(s.takes)), leans=s.id in after)
        for s in wanted.steps
        if s.id in incident.steps
    }
    book = put(book, replace(changed, plan=wanted.hash, steps=steps))
    lost = f"; what was approved must be again: {', '.join(void)}" if void else ""
    text = f"{said.who} chose {told}{with_note(said.note)}: plan {incident.plan} → {wanted.hash}{lost}"
    return note(book, incident.id, "chosen", text, now), f"{incident.id}: {told}; it follows plan {wanted.hash}{lost}"


def kept(case: Incident, policy: Policy, now: datetime) -> tuple[dict[str, Chosen], list[str]]:
    """Of what was chosen, what another policy allows too; and a sentence for each that it does not."""
    runbook = policy.runbook(case.scenario)
    held: dict[str, Chosen] = {}
    lost = []
    for name, made in case.choices.items():
        choice = runbook.choice(name) if runbook else None
        if choice is None:
            lost.append(f"{name}={made.value} is no choice of it")
            continue
        try:
            held[name] = replace(made, value=read(choice, made.value, case, policy, now))
        except WrongChoiceError as error:
            lost.append(str(error))
    return held, lost


def _declared(name: str, incident: Incident, policy: Policy) -> Choice:
    runbook = policy.runbook(incident.scenario)
    choice = runbook.choice(name) if runbook else None
    if choice is None:
        raise IllegalCommandError(
            f"{incident.scenario} has no choice {name!r} in runbooks.yaml; {_may_choose(incident, policy)}"
        )
    if choice.kind is ChoiceKind.JOURNAL:
        raise IllegalCommandError(
            f"{name!r} is what the journal says, and nobody chooses it; {_may_choose(incident, policy)}"
        )
    return choice


def _may_choose(incident: Incident, policy: Policy) -> str:
    runbook = policy.runbook(incident.scenario)
    listed = [c for c in runbook.choices if c.kind is not ChoiceKind.JOURNAL] if runbook else []
    names = [f"{c.name} ({c.kind})" for c in listed]
    return f"allowed for {incident.id!r}: {', '.join(names) or 'nothing'}"


def _begun(choice: Choice, incident: Incident, former: Plan) -> str:
    """Why it is too late for this choice, '' while no step that takes it was begun."""
    stands = incident.chosen.get(choice.name) or choice.default or ""
    for step in former.steps:
        record = incident.step(step.id)
        acted = record.state in (StepState.ACTING, StepState.LEFT) or record.calls > record.refused
        if choice.name in step.takes and acted:
            return (
                f"{choice.name}={stands} was acted on: {step.id} is {record.state} ({record.because}); "
                f"allowed: before its first call. Abort {incident.id} and declare anew to choose again"
            )
    return ""


def _approved(record: StepRecord) -> bool:
    return record.state is not StepState.DONE and (record.approval is not None or bool(record.voices))


def _after(names: set[str], wanted: Plan) -> set[str]:
    """The steps that take one of these choices, or that lean on one that does, however far."""
    found: set[str] = set()
    for step in wanted.steps:
        if names & set(step.takes) or found & set(step.needs):
            found.add(step.id)
    return found


def _anew(record: StepRecord, now: datetime, *, takes: bool, leans: bool) -> StepRecord:
    """A step that is not done, or that leans on what is chosen, is looked at again by the new plan: no yes, no no, and
    no call of the former one; and nothing that was found out by the former choice.
    """
    done = record.state is StepState.DONE
    if record.state in (StepState.PENDING, StepState.ACTING, StepState.LEFT) or (done and not leans):
        return record
    return replace(
        record,
        state=StepState.RUNNING,
        because="looked at again, by what was chosen",
        done_at=None,
        approval=None,
        voices=(),
        rejected_by=None,
        call=None,
        asked_at=None,
        stuck_at=None,
        look_at=now,
        facts={} if takes else record.facts,
    )
