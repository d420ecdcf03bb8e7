"""A bad deployment, a bad canary and a bad configuration, each told as a story: the commit, and the alarm after it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chalicelib.core.happened import AlarmState
from drctl.neighbours.kubernetes.objects import Obj
from drctl.world.breaks import Breaks
from tests.crash import terraform
from tests.crash.failures import primary, says
from tests.crash.outside import Stop
from tests.crash.platform_in_process import SPEED, START, Platform
from tests.crash.story import DARK_AT, Story

LATE: Final = timedelta(seconds=140) / SPEED
"""From a push until Argo CD calls its application Degraded."""
DEGRADED_AT: Final = DARK_AT + LATE
CONFIGURATION: Final = "us-east-1/cluster/configuration"
DECLARED_AT: Final = START + timedelta(seconds=8)
MENDED_AT: Final = START + timedelta(minutes=2)
REVERTED_AT: Final = DEGRADED_AT + timedelta(minutes=12) / SPEED


class DeploymentStory(Story):
    """A bad commit, and a person who reverts it when the platform has long been well again."""

    service = "redis"
    canary = False

    def __init__(self, *stops: Stop, mode: str = "automatic", reverts: bool = True) -> None:
        self._made: list[Breaks] = []
        self._reverts = reverts
        # It ends before a person has read the page: whether they answer in time is no part of it.
        super().__init__(*stops, breaks=self._push, mode=mode, answers=False)

    def _push(self, platform: Platform) -> None:
        breaks = Breaks(platform.policy, primary(platform), platform.ec2, platform.rds)
        breaks.add(1, {"kind": "deployment", "service": self.service, "canary": self.canary})
        self._made.append(breaks)

    def evidence(self) -> None:
        self.alarm(DEGRADED_AT, says("DeploymentHealth", DEGRADED_AT))
        if self._reverts:
            self.platform.clock.at(REVERTED_AT, self._revert)

    def _revert(self) -> None:
        for breaks in self._made:
            breaks.clear()

    def _over(self) -> bool:
        book = self.platform.book()
        return super()._over() and book is not None and not book.debts


class CanaryStory(DeploymentStory):
    """The same of a canary."""

    service = "ml-service"
    canary = True


class BothStory(DeploymentStory):
    """The pods' alarm comes first, since the service has only one pod: then the deployment's takes it over."""

    def evidence(self) -> None:
        early = DARK_AT + timedelta(seconds=40) / SPEED
        self.alarm(early, says("PodAvailability", early))
        super().evidence()
        well = DEGRADED_AT + timedelta(minutes=5) / SPEED
        self.alarm(well, says("PodAvailability", well, AlarmState.OK))


def application(platform: Platform, name: str) -> Obj:
    """One of Argo CD's."""
    every = primary(platform).objects("applications.argoproj.io")
    return next(a for a in every if a["metadata"]["name"] == name)


class ConfigurationStory(Story):
    """A bad commit to the configuration; a person says yes to going back, and to fetching the secrets again."""

    note = "the commit renamed a key"

    def __init__(self, *stops: Stop, mode: str = "automatic") -> None:
        super().__init__(*stops, breaks=_misconfigure, mode=mode)

    def evidence(self) -> None:
        at = DARK_AT + timedelta(seconds=20) / SPEED
        self.alarm(at, says("ConfigurationHealth", at))


def _misconfigure(platform: Platform) -> None:
    Breaks(platform.policy, primary(platform), platform.ec2, platform.rds).add(1, {"kind": "configuration"})


class SecretStory(Story):
    """The secrets' store has lost a secret, and Git is right: a person declares that nothing goes back, lets the
    secrets be fetched again, and somebody mends the store.
    """

    note = "the store lost it"

    def __init__(self, *stops: Stop) -> None:
        self._made: list[Breaks] = []
        super().__init__(*stops, breaks=self._lose)

    def _lose(self, platform: Platform) -> None:
        breaks = Breaks(platform.policy, primary(platform), platform.ec2, platform.rds)
        breaks.add(1, {"kind": "configuration", "secret": True})
        self._made.append(breaks)

    def evidence(self) -> None:
        wanted = {"command": "declare", "scenario": "configuration-error", "scope": CONFIGURATION}
        self._deliver(DECLARED_AT, "command", wanted | {"choices": {"revision": "none"}}, "declare")
        self.platform.clock.at(MENDED_AT, self._mend)

    def _mend(self) -> None:
        for breaks in self._made:
            breaks.clear()


class StateStory(Story):
    """An apply from the wrong folder has emptied Terraform's state; a person declares it and says yes to putting it
    back.
    """

    note = "nobody applies, and that version is the right one"

    def __init__(self, *stops: Stop) -> None:
        super().__init__(*stops, breaks=_overwrite)

    def evidence(self) -> None:
        wanted = {"command": "declare", "scenario": "configuration-error", "scope": CONFIGURATION}
        self._deliver(DECLARED_AT, "command", wanted, "declare")

    def _over(self) -> bool:
        book = self.platform.book()
        return super()._over() and book is not None and not book.debts


def _overwrite(platform: Platform) -> None:
    clients = terraform.clients(platform.aws)
    breaks = Breaks(platform.policy, primary(platform), platform.ec2, platform.rds, clients=clients)
    breaks.add(1, {"kind": "configuration", "state": True})
