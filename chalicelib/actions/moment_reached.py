"""Waits for the moment that a person chose. It looks at nothing but the clock, and calls nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.core.bounds import NOW, moment, spelled
from chalicelib.core.outcome import Done, Next, Wait
from chalicelib.policy import Policy

AT_MOST: Final = timedelta(minutes=10)
AT_LEAST: Final = timedelta(seconds=1)


class MomentReached:
    """Done from then on."""

    name: ClassVar[str] = "moment-reached"
    reads: ClassVar[tuple[Op, ...]] = ()
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> None:
        return None

    def next(self, target: Target, policy: Policy, facts: None, now: datetime) -> Next:
        chosen = target.params["at"]
        if chosen == NOW:
            return Done(because="it was chosen to begin as soon as everything is ready")
        at = moment(chosen)
        if now >= at:
            return Done(because=f"it is {spelled(at)}, the moment that was chosen")
        # How soon to look again is real time, which the desk divides by the speed; a clock is not divided.
        left = (at - now) * policy.speed
        return Wait(because=f"it begins at {spelled(at)}", again_in=max(AT_LEAST, min(AT_MOST, left)))
