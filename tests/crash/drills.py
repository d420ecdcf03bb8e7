"""A drill of a region failure, told as a story: nothing is broken, a person begins it, and nothing of it is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.core.book import Incident
from chalicelib.store.codec import read_incident
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, START, Platform
from tests.crash.story import Story

BEGUN_AT: Final = START + timedelta(seconds=6)
COPIES: Final = "drill-"


def nothing(_: Platform) -> None:
    """The primary is well."""


class DrillStory(Story):
    """It is over when the drill has left the book."""

    def __init__(self, *stops: Stop, runbook: str = "region-failure", kind: str = "", mode: str = "automatic") -> None:
        super().__init__(*stops, breaks=nothing, answers=False, mode=mode)
        self._wanted = {"command": "drill", "runbook": runbook, **({"kind": kind} if kind else {})}

    def evidence(self) -> None:
        self.platform.clock.at(BEGUN_AT, lambda: self.say("drill", self._wanted))

    def _over(self) -> bool:
        book, store = self.platform.book(), self.platform.store
        gone = book is not None and not book.drills and not book.incidents and not book.findings
        return bool(store.docs.get("drill")) and gone and not store.items


def kept(platform: Platform) -> Incident:
    """The one drill, as it is kept."""
    (body,) = platform.store.docs["drill"].values()
    return read_incident(body)


def left(platform: Platform) -> list[str]:
    """Everything of a drill that is still there, by name."""
    standby = POLICY.platform.clusters.standby
    cluster = platform.clusters[standby.name].cluster
    found = [o["metadata"]["name"] for _, o in cluster.everything() if _of_drill(o)]
    found += [i.identifier for i in platform.rds.instances() if COPIES in i.identifier]
    test = POLICY.drills.test_record
    if test and platform.cloudwatch.state(test.switch.region, test.switch.alarm) == "ALARM":
        found.append(test.record)
    return sorted(found)


def _of_drill(obj: dict[str, Any]) -> bool:
    meta, spec = obj["metadata"], obj.get("spec") or {}
    labels = str(meta.get("labels") or {})
    named = (meta["name"], meta.get("namespace", ""), (spec.get("claimRef") or {}).get("namespace", ""))
    return "drill-region" in labels or any(COPIES in name for name in named)


When = Callable[[Platform], bool]


class AlarmStory(DrillStory):
    """In the middle of it, the primary region is lost: who would recover it is not kept waiting."""

    def __init__(self, *stops: Stop, at: datetime = BEGUN_AT + timedelta(seconds=20)) -> None:
        super().__init__(*stops)
        self.fails_at = at
