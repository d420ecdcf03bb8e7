"""What `drctl health` says: well, wrong and not known are three things, and no pager's address is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.core.book import Book, ChannelTest, Ring
from chalicelib.core.incident import NoticeRecord, NoticeState
from chalicelib.policy.load import load
from drctl.health import Seen, alarms, listeners, rows

POLICY = load(Path(__file__).parents[2] / "policies")
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SOON, LATE = NOW - timedelta(seconds=40), NOW - timedelta(minutes=3)


def book(**changes: object) -> Book:
    made = Book(mode=POLICY.platform.responder.initial_mode, serving="us-east-1")
    return replace(made, **changes)  # type: ignore[arg-type] # whatever the test says


def seen(**changes: object) -> Seen:
    whole = Seen(now=NOW, tick_at=SOON, witness_at=SOON, waiting=0, waiting_since=None, dead=0, book=book())
    return replace(whole, **changes)  # type: ignore[arg-type] # whatever the test says


def said(what: str, **changes: object) -> tuple[str, str]:
    (row,) = [r for r in rows(seen(**changes), POLICY) if r.what == what]
    return row.state, row.because


@pytest.mark.parametrize(
    ("what", "changes", "state", "because"),
    [
        ("tick", {}, "well", "the newest began 40s ago"),
        ("tick", {"tick_at": LATE}, "wrong", "the newest began 3m ago"),
        ("tick", {"tick_at": None}, "unknown", "it has left no mark yet"),
        ("witness", {"witness_at": LATE}, "wrong", "last heard 3m ago"),
        ("inbox", {}, "well", "empty"),
        ("inbox", {"waiting": 2, "waiting_since": SOON}, "well", "2 items, the first has waited for 40s"),
        ("inbox", {"waiting": 1, "waiting_since": LATE}, "wrong", "1 item, the first has waited for 3m"),
        ("inbox", {"waiting": 1}, "unknown", "1 item, and since when is not said"),
        ("dead letters", {}, "well", "none"),
        ("dead letters", {"dead": 2}, "wrong", "2 that nobody has read; see `drctl dead list`"),
        ("synthetic alarm, channels", {"book": None}, "unknown", "nobody has been at the desk yet"),
    ],
)
def test_what_the_table_says(what: str, changes: dict[str, object], state: str, because: str) -> None:
    assert said(what, **changes) == (state, because)


@pytest.mark.parametrize(
    ("ring", "state", "because"),
    [
        (None, "unknown", "none was sent yet; the next is due at 09:00 UTC"),
        ({"state": "arrived", "took_s": 47.2}, "well", "arrived 47 s after it was sent"),
        ({"state": "sent"}, "wrong", "sent, and has not arrived"),
        ({"state": "sent", "at": NOW}, "unknown", "sent, and has not arrived"),
        ({"state": "sending", "because": "AccessDenied"}, "wrong", "not seen to be sent: AccessDenied"),
    ],
)
def test_the_synthetic_alarm(ring: dict[str, object] | None, state: str, because: str) -> None:
    at = NOW - timedelta(minutes=30)
    whole = Ring(day="2026-11-24", at=at, tried_at=at, state="sent", because="taken")
    rings = {"us-east-1": replace(whole, **ring)} if ring else {}  # type: ignore[arg-type] # whatever the test says
    found = said("synthetic alarm of us-east-1", book=book(rings=rings))
    assert found[0] == state
    assert because in found[1]


def test_each_channel_has_its_newest_notice() -> None:
    def record(state: NoticeState, because: str) -> NoticeRecord:
        return NoticeRecord(state=state, due_at=NOW, at=NOW, tries=1, message_at=NOW, because=because)

    notices = {
        "channel-test/pagerduty": record(NoticeState.SENT, "PagerDuty took it"),
        "channel-test/slack-incidents": record(NoticeState.FAILED, "token_revoked"),
        "channel-test/email-on-call": record(NoticeState.DOUBTFUL, "no answer"),
    }
    it = book(tested=ChannelTest(id="channel-test-20261123", at=NOW, notices=notices))
    assert said("channel pagerduty", book=it) == ("well", "2026-11-24 09:30:00 UTC: sent (the weekly test)")
    wrong = "2026-11-24 09:30:00 UTC: failed (the weekly test): token_revoked"
    assert said("channel slack-incidents", book=it) == ("wrong", wrong)
    assert said("channel email-on-call", book=it)[0] == "unknown"
    yet = "nothing was sent by it yet; each is tried on monday, from 09:00 UTC on"
    assert said("channel status-page", book=it) == ("unknown", yet)


def test_alarms_that_ring_are_named_and_none_at_all_is_wrong() -> None:
    ok, bad = {"AlarmName": "a", "StateValue": "OK"}, {"AlarmName": "b", "StateValue": "ALARM", "StateReason": "old"}
    assert [(r.what, r.state) for r in alarms("us-west-2", [ok])] == [("alarms in us-west-2", "well")]
    assert [(r.what, r.state, r.because) for r in alarms("us-west-2", [ok, bad])] == [("alarm b", "wrong", "old")]
    told = {**bad, "AlarmDescription": "ACME's responder: nothing is heard of it."}
    assert [r.because for r in alarms("us-west-2", [told])] == ["ACME's responder: nothing is heard of it."]
    assert [r.state for r in alarms("us-west-2", [])] == ["wrong"]
    assert [r.state for r in alarms("us-west-2", "they could not be seen: timeout")] == ["unknown"]


def test_a_listener_counts_when_it_has_confirmed_and_a_pager_s_key_is_not_shown() -> None:
    arn = "arn:aws:sns:us-west-2:111122223333:acme-dr-trouble:1"
    mail = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "ops@acme.example"}
    pager = {
        "SubscriptionArn": arn,
        "Protocol": "https",
        "Endpoint": "https://events.pagerduty.com/integration/0123456789/enqueue",
    }
    found = list(listeners("us-west-2", [mail, pager]))
    assert [(r.what, r.state) for r in found] == [
        ("listener ops@acme.example in us-west-2", "wrong"),
        ("listeners in us-west-2", "well"),
    ]
    assert found[1].because == "https://events.pagerduty.com"
    assert "0123456789" not in str(found)
    assert [r.state for r in listeners("us-west-2", [mail])] == ["wrong", "wrong"]
    assert [r.state for r in listeners("us-west-2", "denied")] == ["unknown"]
