"""Failing backups and drifted schedules, each told as a story: what breaks, and who says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from chalicelib import ways_in
from chalicelib.actions.backup_now import MANY
from chalicelib.bootstrap import Responder
from drctl.neighbours.kubernetes.kinds import by_key
from tests.crash.failures import primary, says
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, SETTINGS, START, Platform
from tests.crash.story import DARK_AT, MINUTE, Story

FAILED_AT: Final = START + timedelta(seconds=5)
AUDITED_AT: Final = START + timedelta(seconds=5)
SCHEDULES: Final = "schedules.velero.io"


def schedules(platform: Platform) -> dict[str, dict[str, Any]]:
    """The primary cluster's schedules, by name."""
    return {str(s["metadata"]["name"]): s for s in primary(platform).objects(SCHEDULES)}


def ours(platform: Platform) -> list[dict[str, Any]]:
    """The backups that an incident has asked for."""
    found = primary(platform).objects("backups.velero.io")
    return [b for b in found if "dr-responder/incident" in (b["metadata"].get("labels") or {})]


def drift(platform: Platform) -> None:
    """Somebody has shortened what is kept hourly, and deleted the weekly one."""
    cluster, there = primary(platform).cluster, schedules(platform)
    cluster.remove(by_key(SCHEDULES), there["weekly"])
    changed = there["hourly"]
    changed["spec"]["template"]["ttl"] = "1h0m0s"
    cluster.write(by_key(SCHEDULES), changed)


def pause(platform: Platform) -> None:
    """Somebody has paused every schedule that stands."""
    for found in schedules(platform).values():
        found["spec"]["paused"] = True
        primary(platform).cluster.write(by_key(SCHEDULES), found)


def item_errors(platform: Platform) -> None:
    """Every backup meets an item that it cannot take."""
    primary(platform).velero.item_errors = ["error executing custom action: rpc error: code = Unknown"]


def no_location(platform: Platform) -> None:
    """Nobody reaches the bucket."""
    primary(platform).cluster.advance()
    primary(platform).location.reachable = False


def well(platform: Platform) -> None:
    """What has broken is mended."""
    primary(platform).velero.item_errors = []
    primary(platform).velero.no_node_agent = False
    primary(platform).cluster.advance()
    primary(platform).location.reachable = True


class BackupStory(Story):
    """The alarm says that backups fail; when so many have that people are told, somebody mends why."""

    def __init__(self, *stops: Stop, breaks: Callable[[Platform], None] = item_errors, mode: str = "automatic") -> None:
        super().__init__(*stops, breaks=breaks, mode=mode)

    def evidence(self) -> None:
        self.alarm(FAILED_AT, says("BackupSuccess", DARK_AT))
        self.platform.clock.at(FAILED_AT, self._mend)

    def _mend(self) -> None:
        # By what has happened and not by the hour: a crash holds attempts up, and must not spare any.
        if sum((b.get("status") or {}).get("phase") == "PartiallyFailed" for b in ours(self.platform)) >= MANY:
            well(self.platform)
        else:
            self.platform.clock.at(self.platform.clock.now() + timedelta(seconds=1), self._mend)


class DriftStory(Story):
    """The clock compares the schedules with policy."""

    def __init__(self, *stops: Stop, breaks: Callable[[Platform], None] = drift, mode: str = "automatic") -> None:
        super().__init__(*stops, breaks=breaks, mode=mode)

    def evidence(self) -> None:
        self.platform.clock.at(AUDITED_AT, self._audit)

    def _audit(self) -> None:
        def work(responder: Responder) -> None:
            ways_in.schedules(responder, until=responder.clock.now() + SETTINGS.shift)

        self._invoke("backups", work)
        clock = self.platform.clock
        clock.at(clock.now() + max(POLICY.backups.audit.every, MINUTE), self._audit)
