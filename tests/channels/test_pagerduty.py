"""The pager against the model of Events API v2."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from chalicelib.channels.pagerduty import PagerDutyChannel, dedup_key
from chalicelib.core.message import Message
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.scenarios import Severity
from drctl.neighbours.pagerduty import PagerDuty
from tests.channels.stories import ASK, INCIDENT, Clock, message, page

KEY = "R" + "0" * 31


class Wire:
    """Carries httpx2's requests to the model, and keeps what was sent and with which timeouts."""

    def __init__(self, model: PagerDuty) -> None:
        self.model = model
        self.sent: list[dict[str, Any]] = []
        self.timeouts: list[dict[str, float]] = []
        self.broken: Callable[[], Exception] | None = None

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(json.loads(request.content))
        self.timeouts.append(request.extensions["timeout"])
        if self.broken is not None:
            raise self.broken()
        answer = self.model.request(request.method, request.url.path, dict(request.headers), request.content)
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.body)


@pytest.fixture
def model() -> PagerDuty:
    return PagerDuty(Clock(), routing_keys=[KEY])


@pytest.fixture
def wire(model: PagerDuty) -> Wire:
    return Wire(model)


@pytest.fixture
def http(wire: Wire) -> Iterator[httpx2.Client]:
    with httpx2.Client(transport=httpx2.MockTransport(wire)) as client:
        yield client


@pytest.fixture
def send(http: httpx2.Client) -> Callable[[Message], Outcome]:
    channel = PagerDutyChannel(
        "pagerduty", http=http, routing_key=KEY, links=[("https://status.example.com", "Status page")]
    )
    return lambda told: channel.send(told, page())


def test_an_unknown_routing_key_is_refused_for_good_and_not_shown(http: httpx2.Client) -> None:
    outcome = PagerDutyChannel("pagerduty", http=http, routing_key="X" * 32).send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "400"
    assert "Invalid routing key" in outcome.because
    assert "XXXX" not in outcome.because


def test_an_event_that_is_not_valid_is_refused_with_pagerdutys_own_words(send: Callable[[Message], Outcome]) -> None:
    outcome = send(message(scope=""))
    assert isinstance(outcome, Refused)
    assert "payload.source" in outcome.because


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_answer_that_asks_to_come_back_is_doubtful_and_tried_once(
    send: Callable[[Message], Outcome], model: PagerDuty, wire: Wire, status: int
) -> None:
    model.fail_next(1, status)
    outcome = send(message())
    assert isinstance(outcome, Doubtful)
    assert str(status) in outcome.because
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout("slow"), httpx2.ConnectTimeout("slow"), httpx2.ConnectError("refused")]
)
def test_no_answer_is_doubtful_and_says_which_kind(
    send: Callable[[Message], Outcome], wire: Wire, error: Exception
) -> None:
    wire.broken = lambda: error
    outcome = send(message())
    assert isinstance(outcome, Doubtful)
    assert type(error).__name__ in outcome.because
    assert len(wire.sent) == 1


def test_a_retry_after_a_lost_answer_does_not_ring_twice(send: Callable[[Message], Outcome], model: PagerDuty) -> None:
    model.fail_next(1, 500, after_effect=True)
    asking = message(NoticeEvent.APPROVAL_NEEDED, "promote-120000", asks=(ASK,))
    assert isinstance(send(asking), Doubtful)
    assert isinstance(send(asking), Made)
    assert [(a.dedup_key, a.triggers) for a in model.alerts] == [(asking.id, 2)]


def test_a_page_says_what_where_how_bad_and_what_to_type(
    send: Callable[[Message], Outcome], model: PagerDuty, wire: Wire
) -> None:
    assert isinstance(send(message(asks=(ASK,))), Made)
    (alert,) = model.alerts
    assert alert.dedup_key == INCIDENT
    assert (alert.source, alert.severity) == ("us-east-1", "error")
    assert alert.summary.startswith("Region failure at us-east-1: detected · Three observers")
    assert alert.payload["timestamp"] == "2026-01-01T12:00:00+00:00"
    assert alert.links == [{"href": "https://status.example.com", "text": "Status page"}]
    (ask,) = alert.payload["custom_details"]["asks"]
    assert ask.startswith(f"drctl approve {INCIDENT} --step promote: aws rds promote_read_replica")
    assert all(0 < seconds <= 3 for seconds in wire.timeouts[0].values())


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        (Severity.LOW, "info"),
        (Severity.MEDIUM, "warning"),
        (Severity.HIGH, "error"),
        (Severity.CRITICAL, "critical"),
    ],
)
def test_severities_are_pagerdutys(
    send: Callable[[Message], Outcome], model: PagerDuty, severity: Severity, expected: str
) -> None:
    send(message(severity=severity))
    assert model.alerts[0].severity == expected


def test_the_longest_message_is_cut_and_taken(send: Callable[[Message], Outcome], model: PagerDuty) -> None:
    lines = tuple("\U0001f525" * 5000 for _ in range(200))
    asks = tuple((f"step-{n}", "what " * 2000, "why " * 2000) for n in range(200))
    assert isinstance(send(message(headline="word " * 1000, lines=lines, asks=asks)), Made)
    (alert,) = model.alerts
    assert len(alert.summary) <= 1024
    assert alert.summary.endswith("…")
    assert alert.payload["custom_details"]["lines"][-1] == "and 161 more"


def test_news_of_an_incident_is_appended_to_its_alert(send: Callable[[Message], Outcome], model: PagerDuty) -> None:
    send(message())
    send(message(NoticeEvent.STEP_LATE, "restore-redis"))
    assert [a.triggers for a in model.alerts] == [2]


@pytest.mark.parametrize("event", [NoticeEvent.APPROVAL_NEEDED, NoticeEvent.STEP_STUCK, NoticeEvent.ESCALATED])
def test_what_a_person_must_answer_rings_although_the_incident_was_acknowledged(
    send: Callable[[Message], Outcome], model: PagerDuty, event: NoticeEvent
) -> None:
    send(message())
    model.alerts[0].status = "acknowledged"
    send(message(event, "1-0"))
    send(message(event, "2-1"))
    assert [a.status for a in model.alerts] == ["acknowledged", "open", "open"]


def test_the_end_of_an_incident_resolves_all_of_its_alerts(
    send: Callable[[Message], Outcome], model: PagerDuty
) -> None:
    told = [message(), message(NoticeEvent.ESCALATED, "0-1"), message(NoticeEvent.STEP_STUCK, "fence-115959")]
    for each in told:
        send(each)
    outcome = send(message(NoticeEvent.RECOVERY_COMPLETE, closes=True, keys=tuple(m.id for m in told)))
    assert isinstance(outcome, Made)
    assert [a.status for a in model.alerts] == ["resolved"] * 3


def test_the_end_may_be_told_twice_and_opens_nothing(send: Callable[[Message], Outcome], model: PagerDuty) -> None:
    end = message(NoticeEvent.STOOD_DOWN, closes=True)
    assert isinstance(send(end), Made)
    assert isinstance(send(end), Made)
    assert model.alerts == []


def test_an_end_that_fails_half_way_is_doubtful_and_mended_by_the_next_try(
    send: Callable[[Message], Outcome], model: PagerDuty
) -> None:
    rung = message(NoticeEvent.ESCALATED, "0-1")
    send(message())
    send(rung)
    end = message(NoticeEvent.RECOVERY_COMPLETE, closes=True, keys=(rung.id,))
    model.fail_next(1, 503)
    assert isinstance(send(end), Doubtful)
    assert isinstance(send(end), Made)
    assert [a.status for a in model.alerts] == ["resolved"] * 2


def test_an_end_with_many_alerts_stops_when_its_time_is_up(http: httpx2.Client, wire: Wire) -> None:
    ticks = iter(range(0, 100, 2))
    channel = PagerDutyChannel("pagerduty", http=http, routing_key=KEY, monotonic=lambda: float(next(ticks)))
    rungs = tuple(message(NoticeEvent.ESCALATED, f"{n}-2").id for n in range(20))
    outcome = channel.send(message(NoticeEvent.RECOVERY_COMPLETE, closes=True, keys=rungs), page())
    assert isinstance(outcome, Doubtful)
    assert "of 21 alerts" in outcome.because
    assert 1 <= len(wire.sent) < 21


def test_a_key_that_is_too_long_is_cut_and_stays_apart_from_others() -> None:
    one, two = (dedup_key("i1", f"i1/escalated/{'x' * 400}{n}/pagerduty") for n in (1, 2))
    assert len(one) == len(two) == 255
    assert one != two
