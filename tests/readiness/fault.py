"""What a fault is, of which the tables beside this file are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.readiness.day import REGION, Day

Change = Callable[[Day], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`done` breaks, `mended` mends; `judge` finds it under `subject` in `scenario`'s runbook, and says `said`."""

    kind: str
    done: Change
    mended: Change
    judge: str
    subject: str
    said: str
    lowers: bool = True
    scenario: str = REGION
