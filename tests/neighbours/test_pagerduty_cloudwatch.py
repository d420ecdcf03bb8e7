"""PagerDuty's integration for CloudWatch refuses what it does not know, confirms by itself, and resolves on OK."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from drctl.neighbours.pagerduty_cloudwatch import CloudWatchIntegration

KEY = "fedcba9876543210fedcba9876543210"
PATH = f"/integration/{KEY}/enqueue"
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:us-west-2:111122223333:acme-dr-trouble"
NOTICE = {"x-amz-sns-message-type": "Notification", "Content-Type": "text/plain; charset=UTF-8"}


def made() -> CloudWatchIntegration:
    return CloudWatchIntegration(lambda: AT, keys=[KEY])


def alarm(state: str, **changes: Any) -> bytes:
    message = {
        "AlarmName": "acme-dr-tick-stands-still",
        "AlarmArn": "arn:aws:cloudwatch:us-west-2:111122223333:alarm:acme-dr-tick-stands-still",
        "AlarmDescription": "no tick",
        "NewStateValue": state,
        "NewStateReason": "Threshold Crossed",
        **changes,
    }
    return json.dumps({"Type": "Notification", "TopicArn": TOPIC, "Message": json.dumps(message)}).encode()


@pytest.mark.parametrize("path", ["/integration/0123/enqueue", f"/integration/{KEY[::-1]}/enqueue", "/integration/"])
def test_an_integration_of_nobody_is_refused(path: str) -> None:
    it = made()
    assert it.post(path, NOTICE, alarm("ALARM")).status == 404
    assert it.trouble == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"TopicArn": "t", "Message": "hello"}'])
def test_what_is_no_alarm_is_refused(body: bytes) -> None:
    it = made()
    assert it.post(PATH, NOTICE, body).status == 400
    assert it.trouble == []


def test_a_message_without_its_type_is_refused() -> None:
    assert made().post(PATH, {}, alarm("ALARM")).status == 400


def test_a_subscription_is_confirmed_by_a_visit() -> None:
    body = json.dumps({"TopicArn": TOPIC, "SubscribeURL": "http://127.0.0.1/?Token=1"}).encode()
    it = made()
    answer = it.post(PATH, {"X-Amz-Sns-Message-Type": "SubscriptionConfirmation"}, body)
    assert (answer.status, answer.visit) == (200, "http://127.0.0.1/?Token=1")
    assert it.topics == [TOPIC]


def test_an_alarm_opens_once_and_its_ok_resolves_it() -> None:
    it = made()
    for state in ("OK", "ALARM", "ALARM", "OK", "ALARM"):
        assert it.post(PATH, NOTICE, alarm(state)).status == 200
    assert [(t.status, t.times) for t in it.trouble] == [("resolved", 2), ("open", 1)]
    assert it.seen()[0]["resolved_at"] == AT.isoformat()


def test_alarms_of_one_name_in_two_regions_are_two() -> None:
    it = made()
    other = "arn:aws:cloudwatch:us-east-2:111122223333:alarm:acme-dr-tick-stands-still"
    it.post(PATH, NOTICE, alarm("ALARM"))
    it.post(PATH, NOTICE, alarm("ALARM", AlarmArn=other))
    it.post(PATH, NOTICE, alarm("OK", AlarmArn=other))
    assert [t.status for t in it.trouble] == ["open", "resolved"]
