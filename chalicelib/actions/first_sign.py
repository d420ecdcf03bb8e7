"""The moment that is proposed where nothing but a bad sign is known: a margin before it, and on what that rests.

An alarm rings at the end of the periods that it measured, its metric comes late, and a finding is made of what was done
already: the first harm lies before every sign of it, and a moment right before the sign may lie inside the harm. How
long before, the step says (`margin`); the linter holds it against the alarms of its scenario. Source:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudwatch-monitoring.html (request metrics come with a delay).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.actions.contract import Target
from chalicelib.core.bounds import spelled
from chalicelib.policy import Policy
from chalicelib.policy.base import parse_duration

MARGIN: Final = "15m"
"""Of a step that says none."""


@dataclass(frozen=True, slots=True)
class Sign:
    """When something was first seen to be wrong, and what it was: `the first bad sign of 2026-11-26T03:00:00Z`."""

    at: datetime
    told: str


def first_sign(target: Target) -> Sign:
    """The incident's own: its earliest evidence, or the word of who declared it."""
    at = target.failed_at or target.opened_at
    if target.declared:
        return Sign(at, f"the declaration of {spelled(at)}, for lack of any sign of when it began")
    return Sign(at, f"the first bad sign of {spelled(at)}")


def before(sign: Sign, target: Target, policy: Policy) -> tuple[datetime, str]:
    """The moment that is proposed by a sign, and how it came about."""
    margin = parse_duration(target.params.get("margin", MARGIN)) / policy.speed
    return sign.at - margin, f"{policy.real(margin)} before {sign.told}"
