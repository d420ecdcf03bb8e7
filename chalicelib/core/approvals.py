"""How many people have approved a step, and when that is enough.

Rules. A yes counts for the plan it was given for, until it expires, and once a person: neither the same name twice nor
the same principal under two names makes two. A yes that nobody proved counts for nobody. What is enough becomes one
`Approval`, which names everybody and lasts as long as the shortest of theirs.

A step that takes hours is not left half done because its yes grew old: once a call was made by it, it stands for what
the step still calls. Not for what cannot be undone: that is asked for again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.core.incident import Approval, StepRecord
from chalicelib.core.outcome import Call
from chalicelib.core.plan import Step


def counted(record: StepRecord, plan: str, now: datetime) -> tuple[Approval, ...]:
    """The yeses given so far that count now."""
    return tuple(v for v in record.voices if v.arns and v.plan == plan and now < v.expires_at)


def is_another(voice: Approval, given: tuple[Approval, ...]) -> bool:
    """Whether this yes is of somebody who has not said it yet, by name and by principal."""
    return not any(voice.by == other.by or set(voice.arns) & set(other.arns) for other in given)


def together(voices: tuple[Approval, ...]) -> Approval:
    """The one approval that these yeses make."""
    last = voices[-1]
    return Approval(
        by=" and ".join(v.by for v in voices),
        at=last.at,
        plan=last.plan,
        expires_at=min(v.expires_at for v in voices),
        note="; ".join(v.note for v in voices if v.note),
        arns=tuple(arn for v in voices for arn in v.arns),
    )


def acted_on(given: Approval | None, now: datetime) -> Approval | None:
    """The approval of a step whose call was made by it, or may have been."""
    return given if given is None or given.begun_at is not None else replace(given, begun_at=now)


def stands(given: Approval, call: Call, now: datetime) -> bool:
    """Whether it still allows this call."""
    return now < given.expires_at or (given.begun_at is not None and call.reversible)


def so_far(step: Step, record: StepRecord, plan: str, now: datetime) -> str:
    """`1 of 2 people have approved it (ana); another person must`, '' where one person is enough or all have."""
    if step.people < 2 or record.approval is not None:
        return ""
    given = counted(record, plan, now)
    if not given:
        return f"0 of {step.people} people have approved it"
    names = ", ".join(v.by for v in given)
    return f"{len(given)} of {step.people} people have approved it ({names}); another person must"


def asked_for(step: Step, record: StepRecord, plan: str, now: datetime, because: str) -> str:
    """Why it asks, with how many people have answered."""
    return "; ".join(part for part in (so_far(step, record, plan, now), because) if part)
