"""CloudWatch's DescribeAlarms answer as signals: the states of an open incident's alarms, asked for now and then.

A state that was already told is the same change with the same time, and changes nothing. Times:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html (StateTransitionedTimestamp is
when the state value changed; StateUpdatedTimestamp also moves when only the evaluation state does).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.policy.signals import ROUTE53_METRICS


def from_described(answer: Mapping[str, Any]) -> list[Signal]:
    """One signal an alarm; `answer` is boto3's, times are aware datetimes. No time is required there: an alarm that
    has none cannot be told from a change that is known already, and says nothing.
    """
    found = [
        *(_signal(a, SignalKind.COMPOSITE_ALARM) for a in answer.get("CompositeAlarms") or []),
        *(
            _signal(
                a, SignalKind.HEALTH_CHECK_ALARM if a.get("Namespace") == ROUTE53_METRICS else SignalKind.METRIC_ALARM
            )
            for a in answer.get("MetricAlarms") or []
        ),
    ]
    return [signal for signal in found if signal]


def _signal(alarm: Mapping[str, Any], kind: SignalKind) -> Signal | None:
    arn = str(alarm["AlarmArn"])
    changed_at = alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")
    if changed_at is None:
        return None
    return Signal(
        source=arn,
        name=str(alarm["AlarmName"]),
        kind=kind,
        state=AlarmState(alarm["StateValue"]),
        changed_at=changed_at.astimezone(UTC),
        reason=str(alarm.get("StateReason", ""))[:1024],
        region=arn.split(":")[3],
        account=arn.split(":")[4],
    )
