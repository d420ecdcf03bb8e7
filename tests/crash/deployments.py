"""A bad deployment, a bad canary and a bad configuration, each told as a story: the commit, and the alarm after it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from chalicelib.core.happened import AlarmState
from chalicelib.policy import Policy
from drctl.neighbours.kubernetes.objects import Obj
from drctl.world.breaks import Breaks
from tests.crash.failures import primary, says
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, SPEED, Platform
from tests.crash.story import DARK_AT, Story

LATE: Final = timedelta(seconds=140) / SPEED
"""From a push until Argo CD calls its application Degraded."""
DEGRADED_AT: Final = DARK_AT + LATE
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


def without_state(policy: Policy) -> Policy:
    """Terraform's bucket is no part of this platform; its step is stopped at each call in tests/actions."""
    rows = [
        r.model_copy(update={"steps": tuple(s for s in r.steps if s.id != "terraform-state")})
        if r.scenario == "configuration-error"
        else r
        for r in policy.runbooks.runbooks
    ]
    # Made anew: a copy would keep the runbooks that the policy has found before.
    kept = {name: getattr(policy, name) for name in Policy.model_fields}
    return Policy(**{**kept, "runbooks": policy.runbooks.model_copy(update={"runbooks": tuple(rows)})})


class ConfigurationStory(Story):
    """A bad commit to the configuration; a person says yes to going back, and to fetching the secrets again."""

    note = "the commit renamed a key"

    def __init__(self, *stops: Stop, mode: str = "automatic") -> None:
        super().__init__(*stops, policy=without_state(POLICY), breaks=_misconfigure, mode=mode)

    def evidence(self) -> None:
        at = DARK_AT + timedelta(seconds=20) / SPEED
        self.alarm(at, says("ConfigurationHealth", at))


def _misconfigure(platform: Platform) -> None:
    Breaks(platform.policy, primary(platform), platform.ec2, platform.rds).add(1, {"kind": "configuration"})
