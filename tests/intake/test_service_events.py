"""AWS Health's events and GuardDuty's findings as they come by EventBridge."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.core.happened import AlarmState, HealthEvent, SecurityFinding, Signal, SignalKind, Unreadable
from chalicelib.intake import codec
from chalicelib.intake.alarms import from_eventbridge, from_sns
from drctl.world.said import Finding, HealthIssue
from tests.intake.recorded import NOW, one_letter, one_signal, sample

HEALTH, FINDING = "eventbridge_health", "eventbridge_guardduty"
ACCOUNT, OTHER = "111122223333", "999900001111"


def health(**detail: Any) -> Signal:
    return one_signal(HEALTH, changed(HEALTH, **detail))


def changed(name: str, **detail: Any) -> dict[str, Any]:
    event: dict[str, Any] = sample(name)
    event["detail"] = {k: v for k, v in (event["detail"] | detail).items() if v is not None}
    return event


def test_a_health_event_is_a_signal_of_the_region_that_it_is_about() -> None:
    signal = one_signal(HEALTH)
    assert signal == Signal(
        source=sample(HEALTH)["detail"]["eventArn"],
        name="AWS_EC2_OPERATIONAL_ISSUE",
        kind=SignalKind.HEALTH_EVENT,
        state=AlarmState.ALARM,
        changed_at=datetime(2026, 3, 4, 5, 10, 7, tzinfo=UTC),
        reason="AWS Health calls it open: EC2 in us-east-1: Current severity level: Operating normally "
        "[09:10 PM PST] We are investigating increased API error rates.",
        region="us-east-1",
        account=ACCOUNT,
        event=HealthEvent(service="EC2", category="issue", communication="01b0993207d81a09dcd552ebd1e633e36cf1f09a"),
    )


@pytest.mark.parametrize(
    ("status", "state"),
    [("open", AlarmState.ALARM), ("closed", AlarmState.OK), ("upcoming", AlarmState.INSUFFICIENT_DATA)],
)
def test_each_status_of_a_health_event_is_one_state(status: str, state: AlarmState) -> None:
    assert health(statusCode=status).state is state


def test_a_public_event_that_comes_by_two_regions_is_one_signal() -> None:
    backup = sample(HEALTH) | {"region": "us-west-2", "id": "another", "time": "2026-03-04T05:10:14Z"}
    assert one_signal(HEALTH, backup) == one_signal(HEALTH)


def test_the_pages_of_a_long_event_are_one_signal() -> None:
    pages = [health(page=str(n), totalPages="3", communicationId=f"abc-{n}", affectedEntities=[n]) for n in (1, 2, 3)]
    assert pages[0] == pages[1] == pages[2]


def test_an_event_of_one_account_is_that_account_s() -> None:
    of = [health(eventScopeCode="ACCOUNT_SPECIFIC", affectedAccount=a) for a in (ACCOUNT, OTHER)]
    assert [s.account for s in of] == [ACCOUNT, OTHER]
    assert of[0].source != of[1].source


@pytest.mark.parametrize(
    ("status", "gone", "at"),
    [
        ("open", ("lastUpdatedTime",), datetime(2026, 3, 4, 4, 47, 7, tzinfo=UTC)),
        ("closed", ("lastUpdatedTime",), datetime(2026, 3, 4, 5, 30, 57, tzinfo=UTC)),
    ],
)
def test_a_health_event_that_was_never_updated_changed_when_it_began_or_ended(
    status: str, gone: tuple[str, ...], at: datetime
) -> None:
    signal = health(statusCode=status, endTime="Wed, 04 Mar 2026 05:30:57 GMT", **dict.fromkeys(gone))
    assert signal.changed_at == at


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ({"statusCode": "OPEN"}, "event.detail.statusCode is 'OPEN', allowed: open, closed, upcoming"),
        ({"statusCode": None}, "event.detail.statusCode is missing"),
        ({"eventArn": "arn:aws:ec2:us-east-1"}, "expected a Health event's ARN"),
        ({"eventRegion": "eu-west-1"}, "event.detail.eventRegion is 'eu-west-1', expected us-east-1"),
        ({"service": ""}, "event.detail.service is '', expected a non-empty text"),
        ({"lastUpdatedTime": "2026-03-04T05:10:07Z"}, "expected a time like Wed, 15 Feb 2023 22:07:07 GMT"),
        ({"lastUpdatedTime": "Wed, 31 Feb 2026 05:10:07 GMT"}, "which is no time"),
        ({"lastUpdatedTime": "Wed, 04 Mar 2037 05:10:07 GMT"}, "expected a time between"),
    ],
)
def test_a_health_event_that_cannot_be_read_is_a_dead_letter_with_its_reason(detail: dict[str, Any], said: str) -> None:
    letter = one_letter(HEALTH, changed(HEALTH, **detail))
    assert said in letter.reason
    assert json.loads(letter.raw) == changed(HEALTH, **detail)


def test_an_abuse_notice_is_no_health_event() -> None:
    letter = one_letter(HEALTH, sample(HEALTH) | {"detail-type": "AWS Health Abuse Event"})
    assert "event.detail-type is 'AWS Health Abuse Event', expected 'AWS Health Event'" in letter.reason


def test_a_finding_is_a_signal_and_occurs_again_as_the_same_source() -> None:
    first = one_signal(FINDING)
    assert (first.state, first.region, first.account) == (AlarmState.ALARM, "us-east-1", ACCOUNT)
    assert first.event == SecurityFinding(
        type="UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", severity=8.0, count=3
    )
    assert "found it (8 of 10, 3 times): Credentials for an instance role" in first.reason
    service = sample(FINDING)["detail"]["service"] | {"count": 4}
    again = one_signal(FINDING, changed(FINDING, service=service, updatedAt="2026-03-04T05:34:10.000Z"))
    assert again.source == first.source
    assert again.changed_at > first.changed_at


def test_an_archived_finding_is_no_data_and_never_good() -> None:
    service = sample(FINDING)["detail"]["service"] | {"archived": True}
    assert one_signal(FINDING, changed(FINDING, service=service)).state is AlarmState.INSUFFICIENT_DATA


@pytest.mark.parametrize("severity", [0, 10.1, "8", True, None])
def test_a_severity_that_guardduty_does_not_have_is_told(severity: object) -> None:
    assert "event.detail.severity is" in one_letter(FINDING, changed(FINDING, severity=severity)).reason


def test_both_accounts_of_an_event_must_be_believed() -> None:
    def read(event: dict[str, Any]) -> Signal | Unreadable:
        (result,) = from_eventbridge(event, received_at=NOW, accounts=frozenset({ACCOUNT}))
        return result

    assert isinstance(read(sample(FINDING)), Signal)
    theirs = read(changed(FINDING, accountId=OTHER))
    assert isinstance(theirs, Unreadable)
    assert f"is of account {OTHER}, allowed: {ACCOUNT}" in theirs.reason
    sent_elsewhere = read(sample(FINDING) | {"account": OTHER})
    assert isinstance(sent_elsewhere, Unreadable)
    assert f"event is of account {OTHER}" in sent_elsewhere.reason


def test_an_event_that_a_topic_hands_on_is_read_too() -> None:
    record = {"Sns": {"TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": json.dumps(sample(HEALTH))}}
    (signal,) = from_sns({"Records": [record]}, received_at=NOW)
    assert signal == one_signal(HEALTH)


@pytest.mark.parametrize("name", [HEALTH, FINDING])
def test_the_inbox_gives_back_what_was_put_into_it(name: str) -> None:
    signal = one_signal(name)
    assert codec.read(json.loads(json.dumps(codec.dump(signal)))) == signal


def test_what_the_local_world_says_is_read_as_what_it_means() -> None:
    at = NOW - timedelta(minutes=5)
    issue = HealthIssue(account=ACCOUNT, region="us-east-1", service="RDS", number=3, began_at=at)
    opened = [one_signal(HEALTH, dict(e)) for e in issue.said("open", at)]
    assert [e["region"] for e in issue.said("open", at)] == ["us-east-1", "us-west-2"]
    assert opened[0] == opened[1]
    closed = one_signal(HEALTH, dict(issue.said("closed", NOW)[0]))
    assert (closed.source, closed.state) == (opened[0].source, AlarmState.OK)
    found = Finding(account=ACCOUNT, region="us-east-1", type="Trojan:EC2/X", severity=9, number=1, began_at=at)
    (event,) = found.said(count=1, archived=False, at=at)
    assert one_signal(FINDING, dict(event)).event == SecurityFinding(type="Trojan:EC2/X", severity=9.0)
