"""The deployed responder in trouble: the pager that hears its alarms rings within five minutes of policy, by alarm,
topic and subscription alone. A minute of policy is six seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from chalicelib import names
from chalicelib.core.book import Book, ChannelTest
from chalicelib.core.incident import NoticeState
from chalicelib.policy.notifications import EmailChannel
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


def test_a_synthetic_alarm_goes_the_whole_way_and_opens_nothing(stage: Stage) -> None:
    before = {i.id for i in stage.open()}
    done = stage.drctl("ring", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["arrived"]
    assert 0 < said["seconds"] < WITHIN + SLACK
    assert {i.id for i in stage.open()} <= before
    assert any("a synthetic alarm of us-east-1 arrived" in str(e["text"]) for e in stage.timeline("platform"))


def test_the_responder_s_health_is_shown_and_says_who_hears(stage: Stage) -> None:
    done = stage.drctl("health", "--json")
    rows = {row["what"]: row for row in json.loads(done.stdout)}
    assert rows["tick"]["state"] == rows["witness"]["state"] == rows["inbox"]["state"] == "well", rows
    assert rows[f"listeners in {stage.standby}"]["state"] == "well", rows
    assert stage.drctl("health").stdout.count("✓") >= 5


def test_the_clock_itself_sends_both_and_every_channel_s_readers_get_it(stage: Stage) -> None:
    """Nobody asks for it. The desk's book is made eight days older, so that a nine o'clock and a Monday have gone by
    since it first heard of them, and the next tick of the deployed schedule finds both due.
    """
    eventually(lambda: not stage.open(), within=60, what="a day without an incident")
    mails = len(stage.mails())
    eventually(lambda: stage.change_book(_eight_days_older), within=60, what="the desk")

    def arrived() -> bool:
        book = stage.book()
        return bool(book and book.rings and {r.state for r in book.rings.values()} == {"arrived"})

    eventually(arrived, within=WITHIN + SLACK, what="the day's synthetic alarm")

    def tried() -> ChannelTest | None:
        book = stage.book()
        test = book.tested if book else None
        return test if test and not _outstanding(test, stage) else None

    test = eventually(tried, within=60, what="the test of every channel")
    assert {n.state for n in test.notices.values()} == {NoticeState.SENT}, test.notices
    words = "Test, nothing is wrong"
    (alert,) = [a for a in stage.seen("pagerduty")["alerts"] if words in a["payload"]["summary"]]
    assert (alert["status"], alert["payload"]["severity"]) == ("resolved", "info")
    assert any(words in json.dumps(m) for m in stage.seen("slack")["messages"])
    told = stage.policy.notifications
    mail = [c for c in told.channels if isinstance(c, EmailChannel)]
    sent = [m for m in stage.mails()[mails:] if words in json.dumps(m)]
    assert len(sent) == len(mail)
    readers = {r for c in mail for r in c.recipients}
    assert all(set(told.test_mail) == set(m["To"]) and not readers & set(m["To"]) for m in sent)
    shown = json.loads(stage.page()["api/v2/summary.json"])
    assert {c["status"] for c in shown["components"]} == {"operational"}, "customers saw something of it"
    rows = {row["what"]: row for row in json.loads(stage.drctl("health", "--json").stdout)}
    for name in (f"synthetic alarm of {stage.primary}", *(f"channel {c.name}" for c in told.channels)):
        assert rows[name]["state"] == "well", rows[name]
    assert not stage.open()


def _eight_days_older(book: Book) -> Book:
    return replace(book, rings_since=utc() - timedelta(days=8), tested=None, rings={})


def _outstanding(test: ChannelTest, stage: Stage) -> set[str]:
    """The channels that have no end of their notice yet."""
    ended = {
        key.rpartition("/")[2] for key, n in test.notices.items() if n.state in (NoticeState.SENT, NoticeState.FAILED)
    }
    rung = {key for key in test.notices if "/over/" in key and test.notices[key].state is NoticeState.SENT}
    pagers = {c.name for c in stage.policy.notifications.channels if c.kind == "pagerduty"}
    return ({c.name for c in stage.policy.notifications.channels} - ended) | (set() if rung else pagers)


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
