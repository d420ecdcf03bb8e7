"""What people do with an incident of the deployed world, and what they would have to know where a test fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from chalicelib.core.incident import Incident, StepState
from tests.local.stage import Stage, eventually


@contextmanager
def explained(stage: Stage, scope: str, *services: str) -> Iterator[None]:
    """What fails inside says where every step of the scope's incident stands, why, and what was asked of these services
    of AWS.
    """
    try:
        yield
    except BaseException as error:
        for incident in (*stage.open(), *stage.closed(scope)):
            error.add_note(f"{incident.id} is {incident.state}, plan {incident.plan}: {incident.because}")
            for name, record in incident.steps.items():
                given = f", approved by {record.approval.by} for {record.approval.plan}" if record.approval else ""
                error.add_note(f"  {name} is {record.state}, {record.calls} calls{given}: {record.because}")
            for entry in stage.timeline(incident.id)[-40:]:
                error.add_note(f"    {entry}")
        for call in stage.ours():
            told = call.status >= 400 or not call.operation.startswith(("Describe", "Get", "Head", "List"))
            if told and call.service in services:
                error.add_note(f"  {call}")
        raise


def at(stage: Stage, scope: str) -> Incident | None:
    """The open incident there."""
    return next((i for i in stage.open() if i.scope == scope), None)


def by_hand(stage: Stage, scope: str, step: str) -> Incident | None:
    """It, while this step asks."""
    found = at(stage, scope)
    return found if found and found.step(step).state is StepState.ASKING else None


def asking(stage: Stage, scope: str, step: str) -> Incident | None:
    """It, while this step asks for a call of its own."""
    found = by_hand(stage, scope, step)
    return found if found and found.step(step).call else None


def approve(stage: Stage, scope: str, step: str, *by: str, within: float = 120) -> None:
    """Each of them, as soon as the step asks."""
    for n, who in enumerate(by):
        found = eventually(lambda: asking(stage, scope, step), within=within, what=f"{step} asking")
        said = stage.say("approve", by=who, incident=found.id, step=step, plan=found.plan, id=f"{scope}-{step}-{n}")
        assert said["ok"], said


def approve_all(stage: Stage, scope: str, *, but: Collection[str] = (), by: tuple[str, ...] = ("ana", "bob")) -> None:
    """One round: whatever asks now, these excepted, is approved by each of them who has not said so yet."""
    found = at(stage, scope)
    for name, record in found.steps.items() if found else ():
        if found and record.state is StepState.ASKING and name not in but:
            said = {voice.by for voice in record.voices}
            who = next((person for person in by if not any(v.startswith(person) for v in said)), by[0])
            number = f"{record.calls}-{len(said)}-{record.asked_at:%H%M%S}" if record.asked_at else "0"
            given = f"{scope}-{name}-{number}"
            stage.say("approve", by=who, incident=found.id, step=name, plan=found.plan, id=given)


def settle_debts(stage: Stage, by: str = "ana") -> bool:
    """One round: every debt that asks is approved; whether nothing is owed any more."""
    book = stage.book()
    for debt in book.debts if book else ():
        for step, record in debt.case.steps.items() if debt.case else ():
            if debt.case and record.state is StepState.ASKING:
                given = f"{debt.case.id}-{record.calls}"
                stage.say("approve", by=by, incident=debt.case.id, step=step, plan=debt.case.plan, id=given)
    return book is not None and not book.debts
