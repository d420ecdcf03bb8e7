"""Each documented shape, each missing part, each refusal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.core.happened import AlarmState, Signal, SignalKind, Unreadable
from chalicelib.intake.alarms import READERS, from_direct, from_eventbridge, from_sns
from drctl.world.inside.pump import Change, detail, direct_event, sns_message
from tests.intake.recorded import NAMES, NOW, one_letter, one_signal, sample, taken_in, way

ACCOUNT = "111122223333"
ARN = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:"
SAME_CHANGES = ("metric", "composite", "route53", "expression", "ok", "insufficient_data", "missing_parts")
EXPECTED = {
    "metric": ("ClusterHealth", SignalKind.METRIC_ALARM, AlarmState.ALARM, "05:06:07.123"),
    "composite": ("PlatformDown", SignalKind.COMPOSITE_ALARM, AlarmState.ALARM, "05:07:00.456"),
    "route53": ("neurectomy-endpoint-health", SignalKind.HEALTH_CHECK_ALARM, AlarmState.ALARM, "05:05:59.001"),
    "expression": ("ErrorRate", SignalKind.METRIC_ALARM, AlarmState.ALARM, "05:08:30.000"),
    "ok": ("ClusterHealth", SignalKind.METRIC_ALARM, AlarmState.OK, "05:20:07.123"),
    "insufficient_data": ("ClusterHealth", SignalKind.METRIC_ALARM, AlarmState.INSUFFICIENT_DATA, "05:30:07.999"),
    "missing_parts": ("ClusterHealth", SignalKind.METRIC_ALARM, AlarmState.ALARM, "05:06:07.123"),
}


@pytest.mark.parametrize("shape", ["sns", "eventbridge", "direct"])
@pytest.mark.parametrize("change", SAME_CHANGES)
def test_a_documented_event_becomes_the_signal_it_tells_of(shape: str, change: str) -> None:
    signal = one_signal(f"{shape}_{change}")
    name, kind, state, at = EXPECTED[change]
    assert (signal.name, signal.kind, signal.state) == (name, kind, state)
    assert signal.source == ARN + name
    assert signal.changed_at == datetime.fromisoformat(f"2026-03-04T{at}+00:00")
    assert (signal.region, signal.account) == ("us-east-1", ACCOUNT)
    assert signal.reason


@pytest.mark.parametrize("change", SAME_CHANGES)
def test_the_same_change_by_all_three_ways_is_one_signal(change: str) -> None:
    assert len({one_signal(f"{shape}_{change}") for shape in ("sns", "eventbridge", "direct")}) == 1


@pytest.mark.parametrize("name", ["sqs_envelope", "sqs_raw", "sns_without_arn"])
def test_a_message_through_a_queue_raw_or_without_its_arn_is_the_same_signal(name: str) -> None:
    assert one_signal(name) == one_signal("sns_metric")


def test_the_bare_message_and_the_bare_record_are_read_too() -> None:
    record = sample("sns_metric")["Records"][0]
    bare = (record, record["Sns"], json.loads(record["Sns"]["Message"]))
    assert {one_signal("sns_metric", event).id for event in bare} == {one_signal("sns_metric").id}


def test_every_record_of_a_batch_is_read_in_order() -> None:
    names = [s.name for s in taken_in("sns_batch") if isinstance(s, Signal)]
    assert names == ["ClusterHealth", "neurectomy-endpoint-health", "PlatformDown"]


def test_a_broken_record_does_not_take_the_others_with_it() -> None:
    event = sample("sns_batch")
    event["Records"][1]["Sns"]["Message"] = '{"AlarmName": "neurectomy-end'
    first, broken, last = taken_in("sns_batch", event)
    assert isinstance(first, Signal)
    assert isinstance(last, Signal)
    assert isinstance(broken, Unreadable)
    assert "Records[1].Sns.Message" in broken.reason
    assert json.loads(broken.raw) == event["Records"][1]


@pytest.mark.parametrize("spelled", ["2026-03-04T05:06:07.123+0000", "2026-03-04T05:06:07.123Z"])
@pytest.mark.parametrize("shape", ["sns", "eventbridge", "direct"])
def test_a_time_is_the_same_however_it_is_spelled(shape: str, spelled: str) -> None:
    others = (spelled, "2026-03-04T05:06:07.123+00:00", "2026-03-04T06:06:07.123456+01:00")
    signals = [one_signal(f"{shape}_metric", with_time(shape, t)) for t in others]
    assert len(set(signals)) == 1


@pytest.mark.parametrize(
    ("spelled", "why"),
    [
        ("2026-03-04T05:06:07.123", "names no zone"),
        ("2026-03-04", "names no zone"),
        ("0001-01-01T00:00:00+0000", "between 2009-01-01"),
        ("0001-01-01T00:00:00+2300", "no time in UTC"),
        ("9999-12-31T23:59:59-2300", "no time in UTC"),
        ("9999-12-31T23:59:59Z", "between 2009-01-01"),
        ((NOW + timedelta(days=1, seconds=1)).isoformat(), "between 2009-01-01"),
        ("yesterday", "expected an ISO time with a zone"),
        ("", "expected a non-empty text"),
        (1772600767123, "is 1772600767123, expected a non-empty text"),
        (None, "is null, expected a non-empty text"),
    ],
)
@pytest.mark.parametrize("shape", ["sns", "eventbridge", "direct"])
def test_a_time_that_cannot_be_is_told_and_kept(shape: str, spelled: object, why: str) -> None:
    letter = one_letter(f"{shape}_metric", with_time(shape, spelled))
    assert why in letter.reason
    assert "StateChangeTime" in letter.reason or "state.timestamp" in letter.reason


@pytest.mark.parametrize("shape", ["sns", "eventbridge", "direct"])
def test_an_event_a_day_ahead_is_still_read(shape: str) -> None:
    at = (NOW + timedelta(days=1)).isoformat()
    assert one_signal(f"{shape}_metric", with_time(shape, at)).changed_at == NOW + timedelta(days=1)


@pytest.mark.parametrize("state", ["ALRM", "alarm", "", None, 1, ["ALARM"], {"value": "ALARM"}, True])
@pytest.mark.parametrize("shape", ["sns", "eventbridge", "direct"])
def test_a_state_cloudwatch_does_not_have_is_told_with_what_is_allowed(shape: str, state: object) -> None:
    reason = one_letter(f"{shape}_metric", with_state(shape, state)).reason
    assert "allowed: OK, ALARM, INSUFFICIENT_DATA" in reason
    assert "NewStateValue is" in reason or "state.value is" in reason


def test_a_reason_is_cut_to_what_is_kept_and_a_missing_one_is_said() -> None:
    assert len(one_signal("sns_metric", with_message(NewStateReason="x" * 5000)).reason) == 1024
    assert one_signal("sns_metric", with_message(NewStateReason=None)).reason == "no reason given"
    assert one_signal("sns_metric", with_message(NewStateReason="\ud800")).reason == "\\ud800"


def test_a_name_may_hold_what_cloudwatch_allows_and_nothing_that_breaks_a_key() -> None:
    for name in ("a:b/c #1", "Störung 👩\u200d🚒", "x" * 255):
        assert one_signal("sns_metric", with_message(AlarmName=name, AlarmArn=ARN + name)).name == name
    for name in ("a\nb", "a\x00", "\ud800", "x" * 256):
        letter = one_letter("sns_metric", with_message(AlarmName=name, AlarmArn=ARN + name))
        assert "AlarmName is " in letter.reason


def test_a_message_without_an_arn_takes_the_region_and_partition_of_its_topic() -> None:
    event = sample("sns_without_arn")
    event["Records"][0]["Sns"]["TopicArn"] = "arn:aws-us-gov:sns:us-gov-west-1:999900001111:alarms"
    signal = one_signal("sns_without_arn", event)
    assert signal.source == f"arn:aws-us-gov:cloudwatch:us-gov-west-1:{ACCOUNT}:alarm:ClusterHealth"
    assert (signal.region, signal.account) == ("us-gov-west-1", ACCOUNT)


@pytest.mark.parametrize("topic", [None, "US East (N. Virginia)", 5])
def test_without_an_arn_and_a_topic_nobody_guesses_the_region(topic: object) -> None:
    event = sample("sns_without_arn")
    event["Records"][0]["Sns"]["TopicArn"] = topic
    assert "TopicArn is" in one_letter("sns_without_arn", event).reason


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:cloudwatch:us-east-1:111122223333:alarm:Another",
        "arn:aws:cloudwatch:us-east-1:11112222333:alarm:ClusterHealth",
        "arn:aws:cloudwatch:us-east-1:١١١١٢٢٢٢٣٣٣٣:alarm:ClusterHealth",  # digits, but not an account's
        "arn:aws:sns:us-east-1:111122223333:alarm:ClusterHealth",
        "ClusterHealth",
        7,
    ],
)
@pytest.mark.parametrize("shape", ["sns", "eventbridge", "direct"])
def test_an_arn_that_is_not_the_alarms_is_refused(shape: str, arn: object) -> None:
    event = sample(f"{shape}_metric")
    match shape:
        case "sns":
            event = with_message(AlarmArn=arn)
        case "eventbridge":
            event["resources"] = [arn]
        case _:
            event["alarmArn"] = arn
    assert repr(arn) in one_letter(f"{shape}_metric", event).reason


def test_an_envelope_of_another_account_than_the_arn_is_refused() -> None:
    for name, key in (("eventbridge_metric", "account"), ("direct_metric", "accountId")):
        letter = one_letter(name, {**sample(name), key: "999900001111"})
        assert f"{key} is '999900001111', expected {ACCOUNT}" in letter.reason
    letter = one_letter("sns_metric", with_message(AWSAccountId="999900001111"))
    assert f"expected {ACCOUNT}" in letter.reason


@pytest.mark.parametrize("name", NAMES)
def test_only_listed_accounts_are_believed(name: str) -> None:
    read = READERS[way(name)]
    assert read(sample(name), received_at=NOW, accounts=frozenset({ACCOUNT})) == taken_in(name)
    refused = read(sample(name), received_at=NOW, accounts=frozenset({"999900001111"}))
    assert len(refused) == len(taken_in(name))
    for letter in refused:
        assert isinstance(letter, Unreadable)
        assert f"is of account {ACCOUNT}, allowed: 999900001111" in letter.reason


def test_another_event_of_cloudwatch_or_one_that_only_looks_like_it_is_refused() -> None:
    event = sample("eventbridge_metric")
    for key, wrong in (
        ("detail-type", "CloudWatch Alarm Configuration Change"),
        ("detail-type", "CloudWatch Alarm Contributor State Change"),
        ("source", "my.own"),
    ):
        letter = one_letter("eventbridge_metric", {**event, key: wrong})
        assert f"event.{key} is {wrong!r}, expected " in letter.reason


@pytest.mark.parametrize("shape", ["sns", "eventbridge", "direct"])
def test_the_state_of_one_series_is_not_taken_for_its_alarms(shape: str) -> None:
    event = sample(f"{shape}_metric")
    match shape:
        case "sns":
            event = with_message(AlarmContributorId="6d442278dba546f6")
        case "eventbridge":
            event["detail"]["alarmContributor"] = {"id": "6d442278dba546f6"}
        case _:
            event["alarmData"]["alarmContributor"] = {"id": "6d442278dba546f6"}
    assert "expected the alarm as a whole" in one_letter(f"{shape}_metric", event).reason


def test_an_expression_over_health_checks_alone_is_about_health_checks() -> None:
    stat = {"Metric": {"Namespace": "AWS/Route53", "MetricName": "HealthCheckStatus"}, "Period": 60, "Stat": "Minimum"}
    metrics = [
        {"Id": "e", "Expression": "MIN([a,b])"},
        {"Id": "a", "MetricStat": stat},
        {"Id": "b", "MetricStat": stat},
    ]
    assert one_signal("sns_metric", with_message(Trigger={"Metrics": metrics})).kind is SignalKind.HEALTH_CHECK_ALARM
    metrics.append({"Id": "c", "MetricStat": {"Metric": {"Namespace": "X", "MetricName": "Y"}}})
    assert one_signal("sns_metric", with_message(Trigger={"Metrics": metrics})).kind is SignalKind.METRIC_ALARM


@pytest.mark.parametrize("shape", ["eventbridge", "direct"])
def test_a_composite_without_its_configuration_is_known_by_its_children(shape: str) -> None:
    event = sample(f"{shape}_composite")
    del event["detail" if shape == "eventbridge" else "alarmData"]["configuration"]
    assert one_signal(f"{shape}_composite", event).kind is SignalKind.COMPOSITE_ALARM


def test_an_event_of_eventbridge_or_the_direct_shape_through_a_topic_is_read() -> None:
    for name in ("eventbridge_metric", "direct_metric"):
        event = sample("sns_metric")
        event["Records"][0]["Sns"]["Message"] = json.dumps(sample(name))
        assert one_signal("sns_metric", event) == one_signal("sns_metric")


@pytest.mark.parametrize("records", [[], None, {}, "x", 0])
def test_an_event_without_records_is_kept_too(records: object) -> None:
    (letter,) = from_sns({"Records": records}, received_at=NOW)
    assert isinstance(letter, Unreadable)
    assert "expected a list of at least one record" in letter.reason
    assert json.loads(letter.raw) == {"Records": records}


@pytest.mark.parametrize("message", ["Hello, ops", "[]", "null", "7", '{"Event": "autoscaling:TEST_NOTIFICATION"}'])
def test_a_message_that_is_no_alarm_is_kept_with_its_reason(message: str) -> None:
    event = sample("sns_metric")
    event["Records"][0]["Sns"]["Message"] = message
    letter = one_letter("sns_metric", event)
    assert letter.reason.startswith("Records[0].Sns.Message is ")
    assert json.loads(letter.raw)["Sns"]["Message"] == message


@pytest.mark.parametrize("name", NAMES)
def test_a_dead_letter_can_be_read_again_by_its_way(name: str) -> None:
    early = READERS[way(name)](sample(name), received_at=datetime(2020, 1, 1, tzinfo=UTC))
    again: list[Signal | Unreadable] = []
    for letter in early:
        assert isinstance(letter, Unreadable)
        assert letter.way == way(name)
        again += READERS[way(name)](json.loads(letter.raw), received_at=NOW)
    assert tuple(again) == taken_in(name)


@pytest.mark.parametrize("composite", [False, True])
def test_what_the_local_world_pumps_is_read_as_one_signal(composite: bool) -> None:
    alarm: dict[str, Any] = {"AlarmName": "a:b/ü", "AlarmArn": ARN + "a:b/ü", "Namespace": "X", "MetricName": "Y"}
    change = Change(
        alarm=alarm | ({"AlarmRule": "ALARM(x)"} if composite else {}),
        old="OK",
        new="ALARM",
        reason="because",
        at=NOW - timedelta(microseconds=1234),
    )
    event = {"detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch", "detail": detail(change)}
    found = {
        *from_sns(sns_message(change), received_at=NOW),
        *from_direct(direct_event(change), received_at=NOW),
        *from_eventbridge({**event, "resources": [change.arn]}, received_at=NOW),
    }
    (signal,) = found
    assert isinstance(signal, Signal)
    assert signal.kind is (SignalKind.COMPOSITE_ALARM if composite else SignalKind.METRIC_ALARM)


def with_message(**changed: object) -> Any:
    event = sample("sns_metric")
    sns = event["Records"][0]["Sns"]
    sns["Message"] = json.dumps(json.loads(sns["Message"]) | changed)
    return event


def with_time(shape: str, at: object) -> Any:
    return with_message(StateChangeTime=at) if shape == "sns" else with_part(shape, timestamp=at)


def with_state(shape: str, state: object) -> Any:
    return with_message(NewStateValue=state) if shape == "sns" else with_part(shape, value=state)


def with_part(shape: str, **changed: object) -> Any:
    event = sample(f"{shape}_metric")
    event["detail" if shape == "eventbridge" else "alarmData"]["state"].update(changed)
    return event


TOPIC = "arn:aws:sns:us-east-1:111122223333:neurectomy-alarms"
BY_TOPIC = tuple(n for n in NAMES if n.startswith("sns_") or n == "sqs_envelope")


@pytest.mark.parametrize("name", BY_TOPIC)
def test_only_listed_topics_are_believed(name: str) -> None:
    assert from_sns(sample(name), received_at=NOW, topics=frozenset({TOPIC})) == taken_in(name)
    other = frozenset({TOPIC + "-2"})
    refused = from_sns(sample(name), received_at=NOW, topics=other)
    assert len(refused) == len(sample(name)["Records"])
    for one in refused:
        assert isinstance(one, Unreadable)
        assert f"came by the topic '{TOPIC}', allowed: {TOPIC}-2" in one.reason
        assert TOPIC in one.raw


@pytest.mark.parametrize("topic", [None, "", 5, ["a"], {"a": 1}])
def test_a_message_that_does_not_say_its_topic_is_not_believed_where_topics_are_listed(topic: object) -> None:
    event = sample("sns_metric")
    event["Records"][0]["Sns"]["TopicArn"] = topic
    (one,) = from_sns(event, received_at=NOW, topics=frozenset({TOPIC}))
    assert isinstance(one, Unreadable)
    del event["Records"][0]["Sns"]["TopicArn"]
    (one,) = from_sns(event, received_at=NOW, topics=frozenset({TOPIC}))
    assert isinstance(one, Unreadable)
    assert "came by the topic missing" in one.reason


def test_a_message_cannot_name_its_topic_itself() -> None:
    event = sample("sns_metric")
    told = event["Records"][0]["Sns"]
    told["Message"] = json.dumps({"TopicArn": TOPIC, "Message": told["Message"]})
    told["TopicArn"] = TOPIC + "-of-a-stranger"
    (one,) = from_sns(event, received_at=NOW, topics=frozenset({TOPIC}))
    assert isinstance(one, Unreadable)
    assert "of-a-stranger" in one.reason


def test_a_raw_message_from_a_queue_says_no_topic() -> None:
    (one,) = from_sns(sample("sqs_raw"), received_at=NOW, topics=frozenset({TOPIC}))
    assert isinstance(one, Unreadable)
