"""Two incidents at once that need the same thing, told as stories on the real desk with the real actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from chalicelib.core.incident import Incident, StepState
from chalicelib.policy import Policy
from chalicelib.policy.load import read_raw
from drctl.world.breaks import Breaks
from tests.crash.deployments import LATE
from tests.crash.failures import primary, says
from tests.crash.outside import Stop
from tests.crash.platform_in_process import FOLDER, POLICY, SPEED, START, Platform
from tests.crash.story import DARK_AT, Story
from tests.crash.switchovers import SCENARIO, SwitchoverStory, nothing

MISCONFIGURED_AT: Final = DARK_AT + timedelta(seconds=20) / SPEED
BREACHED_AT: Final = START + timedelta(seconds=6)


def opened(platform: Platform) -> Mapping[str, Incident]:
    """The incidents in the book, by scenario."""
    book = platform.book()
    return {i.scenario: i for i in book.incidents.values()} if book else {}


class Watched(Story):
    """Somebody looks at the book every second, and does what the case wants."""

    def watch(self) -> None:
        """What they do."""

    def evidence(self) -> None:
        self.platform.clock.at(START + timedelta(seconds=4), self._watched)

    def _watched(self) -> None:
        self.watch()
        self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self._watched)


class ApplicationsStory(Watched):
    """A bad configuration asks to go back; a bad deployment comes on top of it, and is just going back by itself when a
    person says yes to the other one: both move the cluster's applications.
    """

    def __init__(self, *stops: Stop) -> None:
        self._made: Breaks | None = None
        super().__init__(*stops, breaks=self._misconfigure, answers=False)

    def _misconfigure(self, platform: Platform) -> None:
        self._made = Breaks(platform.policy, primary(platform), platform.ec2, platform.rds)
        self._made.add(1, {"kind": "configuration"})

    def evidence(self) -> None:
        super().evidence()
        self.alarm(MISCONFIGURED_AT, says("ConfigurationHealth", MISCONFIGURED_AT))

    def watch(self) -> None:
        now, there = self.platform.clock.now(), opened(self.platform)
        configuration, deployment = there.get("configuration-error"), there.get("bad-deployment")
        asks = configuration and configuration.step("revision").state is StepState.ASKING
        if asks and self._made and "deployed" not in self._sent:
            self._sent.add("deployed")
            self._made.add(2, {"kind": "deployment", "service": "redis", "canary": False})
            self.alarm(now + LATE, says("DeploymentHealth", now + LATE))
        # However long a crash has held the deployment up: it has gone back, or is going.
        closed = any("bad-deployment" in name for name in self.platform.store.docs.get("closed", {}))
        if configuration and (closed or (deployment and deployment.step("rollback").calls)):
            for step in ("revision", "secrets"):
                if configuration.step(step).state is StepState.ASKING:
                    yes = {"command": "approve", "incident": configuration.id, "step": step}
                    asked = f"yes-{step}-{configuration.step(step).asked_at}"
                    self.say(asked, {**yes, "plan": configuration.plan})

    def _over(self) -> bool:
        return super()._over() and len(self.platform.store.docs["closed"]) > 1


class RaisedStory(SwitchoverStory):
    """A planned switchover is on its way, its database just being promoted, when the region really fails and a person
    says so.
    """

    def evidence(self) -> None:
        super().evidence()
        self.platform.clock.at(START + timedelta(seconds=4), self._raise)

    def _raise(self) -> None:
        move = opened(self.platform).get(SCENARIO)
        if move and move.step("promote").calls and "worse" not in self._sent:
            self.platform.darken()
            self.say("worse", {"command": "raise", "incident": move.id, "scenario": "region-failure"})
        self.platform.clock.at(self.platform.clock.now() + timedelta(milliseconds=500), self._raise)

    def _over(self) -> bool:
        return super()._over() and len(self.platform.store.docs["closed"]) > 1


def _contained() -> Policy:
    """The shipped policy, in which a breach is contained by the responder: it fences the database, and makes the
    backups read-only; a person says when it is over.
    """
    raw = read_raw(FOLDER)
    rows: list[dict[str, Any]] = [
        {"id": "contain", "title": "Stop every write", "action": "fence-primary"},
        {
            "id": "protect",
            "title": "Lock backups",
            "action": "velero-location-read-only",
            "with": {"cluster": "standby"},
        },
    ]
    common = {"automatic": True, "reversible": True, "expected": "30s", "deadline": "5m"}
    over = {
        "id": "over",
        "title": "Look into it",
        "action": "person",
        "with": {"ask": "say when the evidence is kept"},
        "needs": ["contain", "protect"],
        "asks_because": "only people can say that",
    }
    for runbook in raw["runbooks"]["runbooks"]:
        if runbook["scenario"] == "security-breach":
            runbook["steps"] = [*({**common, **row} for row in rows), {**common, **over, "automatic": False}]
    for row in raw["scenarios"]["scenarios"]:
        if row["name"] == "security-breach":
            row |= {"automatic": "partial", "by": "the responder"}
    return Policy.model_validate({**raw, "digest": "contained", "speed": SPEED}, context={"speed": SPEED})


CONTAINED: Final = _contained()


class BreachStory(Watched):
    """The database is fenced for a breach when its region fails: the failover goes as far as it can, waits for the
    breach to let go of the database, and goes on when a person has closed that.
    """

    def __init__(self, *stops: Stop) -> None:
        super().__init__(*stops, policy=CONTAINED, breaks=nothing, answers=False)

    def evidence(self) -> None:
        super().evidence()
        declared = {"command": "declare", "scenario": "security-breach", "scope": POLICY.platform.name}
        self.platform.clock.at(BREACHED_AT, lambda: self.say("breach", declared))

    def watch(self) -> None:
        there = opened(self.platform)
        breach, region = there.get("security-breach"), there.get("region-failure")
        if breach and breach.step("contain").state is StepState.DONE and "dark" not in self._sent:
            self._sent.add("dark")
            self.platform.darken()
            declared = {"command": "declare", "scenario": "region-failure", "scope": POLICY.platform.regions.primary}
            self.say("region", declared)
        promote = region.step("promote") if region else None
        if breach and promote and promote.waits_for == breach.id:
            self._yes(breach, "over")
        book = self.platform.book()
        if book and book.blocks and region:
            self.say("unblock", {"command": "acknowledge"})
        if region and promote and promote.state is StepState.ASKING:
            self._yes(region, "promote")

    def _yes(self, incident: Incident, step: str) -> None:
        yes = {"command": "approve", "incident": incident.id, "step": step, "plan": incident.plan}
        asked = incident.step(step).asked_at
        self.say(f"yes-{step}-{asked}"[:100], yes)

    def _over(self) -> bool:
        return super()._over() and len(self.platform.store.docs["closed"]) > 1
