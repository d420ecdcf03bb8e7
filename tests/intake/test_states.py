"""DescribeAlarms' answers as signals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chalicelib.core.happened import AlarmState, SignalKind
from chalicelib.intake.states import from_described

AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ALARM = {
    "AlarmName": "ClusterHealth",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:444455556666:alarm:ClusterHealth",
    "StateValue": "ALARM",
    "StateUpdatedTimestamp": AT,
    "Namespace": "AcmeDR",
}


def test_the_time_of_the_change_is_preferred_to_that_of_the_evaluation() -> None:
    (signal,) = from_described({"MetricAlarms": [ALARM | {"StateTransitionedTimestamp": AT - timedelta(minutes=5)}]})
    assert signal.changed_at == AT - timedelta(minutes=5)
    assert (signal.state, signal.region, signal.account) == (AlarmState.ALARM, "eu-west-1", "444455556666")


def test_an_alarm_without_a_time_says_nothing_and_silences_no_other() -> None:
    timeless = {k: v for k, v in ALARM.items() if k != "StateUpdatedTimestamp"} | {"AlarmName": "Timeless"}
    found = from_described({"MetricAlarms": [timeless, ALARM], "CompositeAlarms": [timeless]})
    assert [signal.name for signal in found] == ["ClusterHealth"]


def test_an_alarm_over_route53_s_metrics_is_a_health_check_s() -> None:
    kinds = [s.kind for s in from_described({"MetricAlarms": [ALARM | {"Namespace": "AWS/Route53"}, ALARM]})]
    assert kinds == [SignalKind.HEALTH_CHECK_ALARM, SignalKind.METRIC_ALARM]
