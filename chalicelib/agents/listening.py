"""Whether anything is heard of the responder, from a third region: the standby itself may be what is gone.

Rules. What is published is whether a tick was heard of, and nothing else: "not heard" is no "down". The tick may stand
still, its region or its table may not answer, or the way there may be broken; from here that cannot be told apart, and
the alarm's words say so. Nobody recovers from it: it wakes people.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.agents.lookout import AT_LEAST, Clock
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat, Who
from chalicelib.store.contract import StoreUnavailableError
from chalicelib.vitals import HEARD, UNHEARD, Meter

log = logging.getLogger("responder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """One look at the tick's mark in the responder's table."""

    policy: Policy
    clock: Clock
    read: Callable[[Who], Beat]
    meter: Meter

    def listen(self) -> str:
        """Publishes 0 when a tick was heard of lately, 1 when none was; answers the sentence."""
        heard, because = self._heard()
        self.meter(UNHEARD, 0 if heard else 1)
        if not heard:
            log.warning("nothing was heard of the responder: %s", because)
        return because

    def _heard(self) -> tuple[bool, str]:
        try:
            at = self.read("tick").moment("at")
        except StoreUnavailableError as error:
            return False, str(error)
        if at is None:
            return False, "no tick has left a mark yet"
        age = self.clock.now() - at
        lately = max(HEARD.after / self.policy.speed, AT_LEAST)
        return age <= lately, f"the newest tick began {self.policy.real(age)} ago"
