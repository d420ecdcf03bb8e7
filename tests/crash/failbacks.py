"""A move away and the way back, told as one story: the region fails (or is left by appointment), comes back, pays what
it owes, and people take the move back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from chalicelib.core.incident import StepState
from chalicelib.store.codec import read_incident
from drctl.neighbours.ec2 import Acl
from tests.crash.as_was import whole
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, START, Platform
from tests.crash.story import NotOverError, Story
from tests.crash.switchovers import DECLARED_AT, nothing

RETURN: Final = "failback"
SWITCHOVER: Final = "planned-switchover"
PATIENCE: Final = timedelta(hours=2)
SETTLES: Final = timedelta(seconds=30)
"""How long the platform stands as it is before anything happens to it, so that its agents have written."""


class FailbackStory(Story):
    """`planned`: the move away is one by appointment, and nothing fails. `rounds` of there and back are told; `before`
    is the platform as it was just before the first of them.
    """

    note = "it may be done"

    def __init__(
        self,
        *stops: Stop,
        planned: bool = False,
        rounds: int = 1,
        choices: dict[str, str] | None = None,
        declares: bool = True,
    ) -> None:
        self._planned = planned
        super().__init__(*stops, breaks=nothing if planned else Platform.darken)
        self.rounds = rounds
        self.choices = {"at": "now"} if choices is None else choices
        self._declares = declares
        self.before: dict[str, Any] = {}

    def begin(self) -> None:
        clock = self.platform.clock
        # Volumes that are made for the first pods are there then; what is to happen meanwhile happens after it.
        clock.sleep(SETTLES.total_seconds())
        super().begin()
        clock.at(START + timedelta(seconds=2), self._remember)
        clock.at(DECLARED_AT, self._go_on)

    def tell(self) -> Platform:
        self.begin()
        while self.platform.clock.now() < START + PATIENCE:
            if self.tick() and self._over():
                return self.platform
        raise NotOverError(f"not over at {self.platform.clock.now():%H:%M:%S}: {self.platform.book()}")

    def evidence(self) -> None:
        if self._planned:
            wanted = {"command": "declare", "scenario": SWITCHOVER, "scope": POLICY.platform.regions.primary}
            self.platform.clock.at(DECLARED_AT, lambda: self.say("away-0", wanted))
        else:
            super().evidence()

    def ended(self, scenario: str) -> int:
        """How many incidents of it have recovered."""
        closed = [read_incident(body) for body in self.platform.store.docs.get("closed", {}).values()]
        return sum(i.scenario == scenario and i.ending == "recovered" for i in closed)

    def begun(self) -> int:
        """How many ways back have ended, however."""
        closed = [read_incident(body) for body in self.platform.store.docs.get("closed", {}).values()]
        return sum(i.scenario == RETURN for i in closed)

    def _over(self) -> bool:
        book = self.platform.book()
        return super()._over() and book is not None and book.debts == () and self.ended(RETURN) == self.rounds

    def _remember(self) -> None:
        self.before = whole(self.platform)

    def _go_on(self) -> None:
        """What people do next, looked at every second: a crash may have delayed what they wait for."""
        book, regions = self.platform.book(), POLICY.platform.regions
        n = self.ended(RETURN)
        away = self.ended(SWITCHOVER) + self.ended("region-failure")
        if book and not book.incidents:
            if away > n and self.platform.dark:
                self.platform.lighten()
            if away > n and book.serving == regions.standby and not book.debts:
                if book.blocks:
                    self._say(f"unblock-{n}", {"command": "acknowledge"})
                elif self._declares:
                    wanted = {"command": "declare", "scenario": RETURN, "scope": regions.standby}
                    self._say(f"back-{self.begun()}", {**wanted, "choices": self.choices})
            if away == n and 0 < n < self.rounds:
                if book.blocks:
                    self._say(f"unblock-again-{n}", {"command": "acknowledge"})
                else:
                    wanted = {"command": "declare", "scenario": SWITCHOVER, "scope": regions.primary}
                    self._say(f"away-{n}", wanted)
        self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self._go_on)


class EndedStory(FailbackStory):
    """The first way back is ended by a person: the standby's writes are stopped, and the primary's database does not
    catch up. Once the standby takes writes again it is begun anew, and comes to its end.
    """

    def __init__(self, *stops: Stop) -> None:
        super().__init__(*stops, planned=True)
        self._mended = False

    def begin(self) -> None:
        super().begin()
        self.platform.clock.at(DECLARED_AT, self._decide)

    def standby_acls(self) -> list[Acl]:
        """Those of the standby's database."""
        region = POLICY.platform.database.replica.region
        return [a for a in self.platform.ec2.acls if a.region == region]

    def _decide(self) -> None:
        platform, book = self.platform, self.platform.book()
        first = self.begun() == 0
        for incident in book.incidents.values() if book else ():
            if incident.scenario != RETURN or not first:
                continue
            if incident.step("drain").state is StepState.ASKING:
                platform.engine.pause(self._home(), True)
            if incident.step("caught-up").state is StepState.RUNNING and incident.step("drain").state is StepState.DONE:
                self._say("enough", {"command": "abort", "incident": incident.id})
        if not first and not self._mended:
            self._mended = True
            platform.engine.pause(self._home(), False)
        platform.clock.at(platform.clock.now() + timedelta(seconds=1), self._decide)

    def _home(self) -> str:
        side = POLICY.platform.database.primary
        return self.platform.rds.instance(side.region, side.instance, POLICY.platform.account).resource_id
