"""A zone failure, told as a story: the zone dies, RDS does not notice, and the zone comes back after some minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from chalicelib.core.happened import AlarmState
from chalicelib.intake.probe import from_heartbeat, from_probe
from drctl.world.zones import ZoneFailures
from tests.crash.failures import primary, says
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, SPEED, START, Platform
from tests.crash.story import DARK_AT, Story

ZONE: Final = "us-east-1b"
SCOPE: Final = "us-east-1/us-east-1b"
TOLD_AT: Final = DARK_AT + timedelta(seconds=90) / SPEED
BACK_AT: Final = START + timedelta(minutes=10) / SPEED


def failures(platform: Platform) -> ZoneFailures:
    """What fails zones there."""
    return ZoneFailures(platform.policy, primary(platform), platform.ec2, platform.rds)


class ZoneStory(Story):
    """One zone, and a person who takes it back."""

    note = "the console shows no more trouble there"

    def __init__(self, *stops: Stop, mode: str = "automatic", stuck: bool = True, answers: bool = True) -> None:
        self._zones: ZoneFailures | None = None
        self._stuck = stuck
        super().__init__(*stops, breaks=self._fail, mode=mode, answers=answers)

    def _fail(self, platform: Platform) -> None:
        (writer,) = [i for i in platform.rds._instances if i.multi_az]
        writer.zone = ZONE
        self._zones = failures(platform)
        self._zones.fail(ZONE, database_stuck=self._stuck)

    def _mend(self) -> None:
        if self._zones:
            self._zones.mend(ZONE)

    def evidence(self) -> None:
        self.alarm(TOLD_AT, says("ZoneHealth-b", TOLD_AT))
        self.platform.clock.at(BACK_AT, self._mend)
        self.alarm(BACK_AT, says("ZoneHealth-b", BACK_AT, AlarmState.OK))


class WriterStory(ZoneStory):
    """The zone takes the database's writer along, and until it is elsewhere the region looks bad from everywhere."""

    def evidence(self) -> None:
        for name in ("ZoneHealth-a", "ZoneHealth-b", "ZoneHealth-c"):
            self.alarm(START, says(name, START - timedelta(hours=1), AlarmState.OK))
        super().evidence()
        at = DARK_AT + timedelta(seconds=50) / SPEED
        self._everywhere(at, healthy=False)
        self.platform.clock.at(at, self._look)

    def _look(self) -> None:
        (writer,) = [i for i in self.platform.rds._instances if i.multi_az]
        now = self.platform.clock.now()
        if writer.zone != ZONE:
            self._everywhere(now, healthy=True)
        else:
            self.platform.clock.at(now + timedelta(seconds=10) / SPEED, self._look)

    def _everywhere(self, at: datetime, *, healthy: bool) -> None:
        name = POLICY.signals.health_check.alarm
        self.alarm(at, says(name, at, AlarmState.OK if healthy else AlarmState.ALARM))
        self.alarm(at, from_probe("standby-probe", healthy=healthy, changed_at=at, reason="its database"))
        self.alarm(at, from_heartbeat("primary", healthy=healthy, changed_at=at, reason="its database"))


class TwoZones(ZoneStory):
    """A second zone fails at the same time."""

    def _fail(self, platform: Platform) -> None:
        super()._fail(platform)
        if self._zones:
            self._zones.fail("us-east-1c")

    def evidence(self) -> None:
        self.alarm(TOLD_AT, says("ZoneHealth-b", TOLD_AT))
        self.alarm(TOLD_AT, says("ZoneHealth-c", TOLD_AT))
