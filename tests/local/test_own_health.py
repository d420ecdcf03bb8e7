"""The deployed responder in trouble: the pager that hears its alarms rings within five minutes of policy, by alarm,
topic and subscription alone. A minute of policy is six seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from chalicelib import names
from chalicelib.vitals import TOLD_WITHIN
from tests.local.stage import Stage, eventually, up, utc

pytestmark = pytest.mark.long
SPEED = 10.0
WITHIN = TOLD_WITHIN.total_seconds() / SPEED
A_MINUTE = 60 / SPEED
SLACK = 10.0
"""Real seconds that no speed makes shorter: a function's cold start, and its log that comes when it ends."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with up(tmp_path_factory.mktemp("health"), speed=SPEED) as stage:
        stage.healthy()
        yield stage


def ringing(stage: Stage) -> set[tuple[str, str]]:
    """(name, region) of the alarms that ring at the pager."""
    prefix = f"{names.app(stage.policy)}-"
    open_ = [t for t in stage.seen("pagerduty")["trouble"] if t["status"] == "open"]
    return {(t["alarm"].removeprefix(prefix), t["arn"].split(":")[3]) for t in open_}


def rings(stage: Stage, name: str, region: str | None = None) -> None:
    wanted = (name, region or stage.standby)
    eventually(lambda: wanted in ringing(stage), within=WITHIN + SLACK, what=f"{wanted} at the pager")


def ticks(stage: Stage, change: Callable[[Any, str], object]) -> None:
    """Does this to the rule that ticks."""
    arn = names.function_arn(stage.policy, "tick")
    with closing(stage.client("events", stage.standby)) as events:
        (rule,) = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
        change(events, rule)


def test_a_responder_that_is_well_rings_nobody(stage: Stage) -> None:
    """Whatever rang while it was being deployed is over."""
    states = {"tick-stands-still", "inbox-not-drained", "events-left", "responder-unheard"}
    eventually(lambda: not {name for name, _ in ringing(stage)} & states, within=2 * WITHIN + SLACK, what="quiet")


def test_a_dead_letter_rings(stage: Stage) -> None:
    stage.invoke("on_alarm_direct", {"alarmData": "nobody can read this"})
    rings(stage, "dead-letters-there")


def test_a_channel_that_fails_rings(stage: Stage) -> None:
    url = next(n.url for n in stage.world.world.neighbours if n.name == "pagerduty")
    httpx2.post(f"{url}/_fail?count=100&status=400", trust_env=False, timeout=10).raise_for_status()
    stage.raise_alarm("DatabaseConnectivity")
    rings(stage, "channel-pagerduty-fails")
    httpx2.post(f"{url}/_fail?count=0", trust_env=False, timeout=10).raise_for_status()
    stage.raise_alarm("DatabaseConnectivity", "OK")


def test_an_inbox_that_nobody_drains_rings(stage: Stage) -> None:
    """A worker holds the desk and does nothing."""
    until = utc() + timedelta(seconds=3 * WITHIN)
    eventually(
        lambda: type(stage.store.claim("hangs", now=utc(), until=until)).__name__ == "Claimed",
        within=60,
        what="the desk",
    )
    stage.raise_alarm("BackupSuccess", reason="it waits")
    rings(stage, "inbox-not-drained")
    stage.store.claim("hangs", now=utc(), until=utc())
    eventually(lambda: ("inbox-not-drained", stage.standby) not in ringing(stage), within=WITHIN, what="its end")


def test_a_tick_that_stands_still_rings_in_both_regions_and_is_said_to_be_over(stage: Stage) -> None:
    ticks(stage, lambda events, rule: events.disable_rule(Name=rule))
    rings(stage, "tick-stands-still")
    rings(stage, "responder-unheard", stage.policy.platform.regions.witness)
    ticks(stage, lambda events, rule: events.enable_rule(Name=rule))
    eventually(
        lambda: not {name for name, _ in ringing(stage)} & {"tick-stands-still", "responder-unheard"},
        within=2 * WITHIN,
        what="its end",
    )


def test_a_standby_that_is_gone_rings_from_the_third_region(stage: Stage) -> None:
    """Its own alarms are gone with it."""
    stage.break_region(stage.standby)
    rings(stage, "responder-unheard", stage.policy.platform.regions.witness)
