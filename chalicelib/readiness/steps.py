"""Every step of a runbook, observed at its likely target with its own action: the look that a recovery begins with.

A step whose look is refused or fails would be stuck on the day. Only the look counts: what it would do next belongs to
the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

from chalicelib.actions.contract import Action, CloudflareOp, Reader, Target
from chalicelib.core.judging import STEPS, Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.plan import Step
from chalicelib.readiness.contract import Around

NAME: Final = STEPS
MEND: Final = "drctl plan {scenario}, then look at what the step is aimed at"
INCIDENT: Final = "readiness"
NOT_BEFOREHAND: Final[Mapping[str, str]] = {
    "person": "a person does it, and says so",
    "verify-service": "it asks the service in its place, where it does not run before it is restored",
    "verify-write": "it asks the database for a write, which is taken only after the promotion",
}
"""Actions whose look means something only after the steps before them, and why."""
FROM_ELSEWHERE: Final = (
    "it stands outside AWS, and is asked from an operator's machine only (`drctl respond --offline`), which holds the "
    "credentials"
)
"""What the responder in AWS cannot see, well or ill: never a finding, and never a reason for one."""
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "Forbidden", "UnauthorizedOperation"})
_ABSENT: Final = frozenset({"NoSuchBucket", "DBInstanceNotFound", "DBInstanceNotFoundFault"})
"""What policy names and is not there."""


def observed(step: Step, action: Action, around: Around, reader: Reader) -> Verdict:
    """The verdict on one step; never raises."""
    target = Target(step=step.id, incident=INCIDENT, opened_at=around.now, at=around.now, params=step.params)
    try:
        facts = action.observe(target, around.policy, reader)
    except Exception as error:  # noqa: BLE001  # a look that fails now fails on the day: that is what is asked
        return Lacking(because=f"its look fails: {type(error).__name__}: {error}")
    return judged(facts)


def judged(facts: Any) -> Verdict:
    """A refusal is found also where it lies inside of the facts, when it is one of permission. One of what is absent
    only where a step looks at several things, each of which policy names: elsewhere it may be what the step makes.
    """
    match facts:
        case NoData() as silent:
            return silent
        case Refused(code=code, because=because):
            return Lacking(because=f"its look is refused: {because} ({code})")
    rows, found_wrong = (facts, _DENIED | _ABSENT) if isinstance(facts, tuple) else ((facts,), _DENIED)
    for found in (getattr(row, f.name) for row in rows if is_dataclass(row) for f in fields(row)):
        if isinstance(found, Refused) and found.code in found_wrong:
            return Lacking(because=f"its look is refused: {found.because} ({found.code})")
    return Ready(because="it can be looked at")


def likely(step: Step) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What makes two looks the same one: steps of several runbooks are looked at once."""
    return step.action, tuple(sorted(step.params.items()))


def unseen(step: Step, action: Action) -> str | None:
    """Why a step cannot be observed beforehand, or not from here; None when it can."""
    if why := NOT_BEFOREHAND.get(step.action):
        return why
    if step.params.get("cluster") == "tertiary" or any(isinstance(op, CloudflareOp) for op in action.reads):
        return FROM_ELSEWHERE
    if step.missing:
        return f"it looks where a person chooses on the day ({', '.join(step.missing)})"
    return None
