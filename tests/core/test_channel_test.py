"""The weekly test of every channel: once, on its day, by every channel that can be tried, and mistaken for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.core.answers import Telling, Told
from chalicelib.core.book import Book
from chalicelib.core.due import Tell, due
from chalicelib.core.findings import standing
from chalicelib.core.fold import fold
from chalicelib.core.happened import AlarmState, Signal, SignalKind, Tick
from chalicelib.core.incident import NoticeState
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.core.plan import Rules
from chalicelib.policy.load import load
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.scenarios import Severity
from chalicelib.store.codec import dump_book, read_book

POLICY = load(Path(__file__).parents[2] / "policies")
RULES = Rules(POLICY, {})
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
WEEK = timedelta(weeks=1)
ALL = {c.name for c in POLICY.notifications.channels}


def tick(it: Book, now: datetime, rules: Rules = RULES) -> Book:
    return fold(it, Tick(), rules=rules, now=now)


def book(since: datetime = MONDAY - timedelta(days=2)) -> Book:
    return tick(Book(mode=POLICY.platform.responder.initial_mode, serving="us-east-1"), since)


def owed(it: Book, now: datetime, rules: Rules = RULES) -> list[Tell]:
    return [w for w in due(it, rules=rules, now=now) if isinstance(w, Tell) and w.incident.startswith("channel-test-")]


def tell(it: Book, now: datetime, **outcomes: Outcome) -> Book:
    """Sends everything of the test that is owed, each with its channel's outcome."""
    for work in owed(it, now):
        it = fold(it, Telling(incident=work.incident, key=work.key, due_at=work.message.due_at), rules=RULES, now=now)
        outcome = outcomes.get(work.message.channel.replace("-", "_"), Made(because="taken"))
        it = fold(it, Told(incident=work.incident, key=work.key, outcome=outcome), rules=RULES, now=now)
    return it


def test_it_goes_by_every_channel_on_its_day_and_not_before() -> None:
    assert owed(tick(book(), MONDAY - timedelta(seconds=1)), MONDAY) == []
    it = tick(book(), MONDAY)
    assert {w.message.channel for w in owed(it, MONDAY)} == ALL
    assert it.tested
    assert it.tested.id == "channel-test-20261123"


def test_it_says_first_that_nothing_is_wrong_and_rings_as_little_as_it_can() -> None:
    for work in owed(tick(book(), MONDAY), MONDAY):
        assert work.message.headline.startswith("Test, nothing is wrong")
        assert work.message.event is NoticeEvent.CHANNEL_TEST
        assert work.message.severity is Severity.LOW
        assert work.message.audience == "internal"


def test_what_rings_is_resolved_under_the_same_key() -> None:
    it = tell(tick(book(), MONDAY), MONDAY)
    (over,) = owed(it, MONDAY)
    assert (over.message.channel, over.message.closes) == ("pagerduty", True)
    assert over.message.incident == "channel-test-20261123"
    assert owed(tell(it, MONDAY), MONDAY) == []


def test_what_could_not_ring_is_not_resolved() -> None:
    it = tell(tick(book(), MONDAY), MONDAY, pagerduty=Refused(code="400", because="Invalid routing key"))
    assert owed(it, MONDAY) == []


def test_it_is_made_once_a_week() -> None:
    it = tell(tell(tick(book(), MONDAY), MONDAY), MONDAY)
    assert owed(tick(it, MONDAY + WEEK - timedelta(seconds=1)), MONDAY + WEEK) == []
    again = tick(it, MONDAY + WEEK + timedelta(hours=3))
    assert again.tested
    assert again.tested.id == "channel-test-20261130"


def test_the_same_test_after_a_crash_is_the_same_messages() -> None:
    it = tick(book(), MONDAY)
    before = owed(it, MONDAY)
    for work in before:
        it = fold(
            it, Telling(incident=work.incident, key=work.key, due_at=work.message.due_at), rules=RULES, now=MONDAY
        )
    it = read_book(dump_book(it))[0]
    assert [w.message for w in owed(it, MONDAY + timedelta(minutes=2))] == [w.message for w in before]


def test_a_channel_that_fails_is_a_finding_and_no_fallback_speaks_for_it() -> None:
    it = tell(
        tick(book(), MONDAY), MONDAY, slack_incidents=Refused(code="invalid_auth", because="the token is revoked")
    )
    found = standing(it, "channel-slack-incidents")
    assert found
    assert "failed: the token is revoked" in found.because
    assert it.tested
    assert not [key for key in it.tested.notices if ">" in key]
    assert it.tested.notices["channel-test/email-on-call"].state is NoticeState.SENT


def test_a_doubt_is_tried_again_and_fails_at_its_end_alone() -> None:
    it, now = tick(book(), MONDAY), MONDAY
    for tries in range(5):
        assert standing(it, "channel-slack-incidents") is None, tries
        it = tell(it, now, slack_incidents=Doubtful(because="no answer"))
        now += timedelta(minutes=2)
    assert standing(it, "channel-slack-incidents")


def test_a_channel_that_works_again_settles_it() -> None:
    it = tell(tick(book(), MONDAY), MONDAY, slack_incidents=Refused(code="invalid_auth", because="revoked"))
    it = tell(tick(it, MONDAY + WEEK), MONDAY + WEEK)
    assert standing(it, "channel-slack-incidents") is None


def test_mail_without_an_audience_of_its_own_is_not_tried() -> None:
    told = POLICY.notifications.model_copy(update={"test_mail": ()})
    rules = Rules(POLICY.model_copy(update={"notifications": told}), {})
    found = {w.message.channel for w in owed(tick(book(), MONDAY, rules), MONDAY, rules)}
    assert found == {"pagerduty", "slack-incidents", "status-page"}


def test_nobody_is_tested_in_the_middle_of_an_incident() -> None:
    alarm = Signal(
        source="arn:aws:cloudwatch:us-east-1:111122223333:alarm:ClusterHealth",
        name="ClusterHealth",
        kind=SignalKind.METRIC_ALARM,
        state=AlarmState.ALARM,
        changed_at=MONDAY - timedelta(seconds=20),
        reason="Threshold Crossed",
        region="us-east-1",
        account="111122223333",
    )
    it = fold(book(), alarm, rules=RULES, now=MONDAY - timedelta(seconds=10))
    assert it.incidents
    assert tick(it, MONDAY).tested is None
    assert tick(replace(it, incidents={}), MONDAY + timedelta(hours=1)).tested


@pytest.mark.parametrize("without", ["synthetic", "channels_on"])
def test_policy_may_leave_it_out(without: str) -> None:
    row = POLICY.readiness.synthetic
    assert row
    changed = None if without == "synthetic" else row.model_copy(update={"channels_on": None})
    ready = POLICY.readiness.model_copy(update={"synthetic": changed})
    rules = Rules(POLICY.model_copy(update={"readiness": ready}), {})
    assert tick(book(), MONDAY, rules).tested is None
    assert tick(tick(book(), MONDAY), MONDAY, rules).tested is None
