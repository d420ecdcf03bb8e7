"""A planned switchover, told as a story: nothing is broken, a person declares it, and says when the writes stop."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chalicelib.core.incident import StepState
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, START, Platform
from tests.crash.story import Story

DECLARED_AT: Final = START + timedelta(seconds=6)
SCENARIO: Final = "planned-switchover"
_LEAN_ON_NOTHING: Final = [
    s.name
    for s in POLICY.services.in_order()
    if s.kind == "workload" and not POLICY.services.leans_on(s.name, POLICY.platform.database.service)
]
ASIDE: Final = (
    *(f"ready-{s.name}" for s in POLICY.services.in_order() if s.kind == "workload"),
    *(f"verify-{name}" for name in _LEAN_ON_NOTHING),
)
"""The steps that need no database."""


def nothing(_: Platform) -> None:
    """The primary is well."""


class SwitchoverStory(Story):
    """Without `answers`, nobody says when the writes may stop."""

    note = "the window has begun"

    def __init__(self, *stops: Stop, answers: bool = True, mode: str = "automatic") -> None:
        super().__init__(*stops, breaks=nothing, answers=answers, mode=mode)

    def evidence(self) -> None:
        declared = {"command": "declare", "scenario": SCENARIO, "scope": POLICY.platform.regions.primary}
        self.platform.clock.at(DECLARED_AT, lambda: self.say("declare", declared))


class ReturnStory(SwitchoverStory):
    """One that a person ends on the way: the writes have stopped, and the replica cannot be asked whether it has all of
    them. It is over when nothing is owed any more.
    """

    def __init__(self, *stops: Stop) -> None:
        super().__init__(*stops, answers=False)

    def evidence(self) -> None:
        super().evidence()
        platform = self.platform
        side = platform.policy.platform.database.replica
        replica = platform.rds.instance(side.region, side.instance, platform.policy.platform.account)
        replica.security_groups = ("sg-closed",)
        platform.rds.closed_groups = frozenset(replica.security_groups)
        platform.clock.at(DECLARED_AT, self._decide)

    def _decide(self) -> None:
        book = self.platform.book()
        for incident in book.incidents.values() if book else ():
            if incident.step("drain").state is StepState.ASKING:
                yes = {"command": "approve", "incident": incident.id, "step": "drain", "plan": incident.plan}
                self.say("now", yes)
            # Everything else that can be done is done by then, however long a crash has held it up.
            waits = incident.step("caught-up").state in (StepState.RUNNING, StepState.STUCK)
            if waits and all(incident.step(name).state is StepState.DONE for name in ASIDE):
                self.say("back", {"command": "abort", "incident": incident.id})
        self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self._decide)

    def _over(self) -> bool:
        book = self.platform.book()
        return super()._over() and book is not None and book.debts == ()
