"""A step that only people can do: it asks, and is done when somebody approves it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.core.outcome import Done, Next, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(minutes=5)


class Person:
    """Looks at nothing and calls nothing; the approval is the whole of it."""

    name: ClassVar[str] = "person"
    reads: ClassVar[tuple[Op, ...]] = ()
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> None:
        return None

    def next(self, target: Target, policy: Policy, facts: None, now: datetime) -> Next:
        if target.approved_by is None:
            return Wait(because=target.params["ask"], again_in=AGAIN)
        note = f": {target.approved_note}" if target.approved_note else ""
        return Done(because=f"{target.approved_by} says it is done{note}")
