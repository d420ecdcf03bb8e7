"""What CloudWatch sends when an alarm changes state: to SNS, to functions, and to EventBridge.

MiniStack sends to SNS only, and without the alarm's ARN. Here are the three true shapes, made from its alarm record:
- SNS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
- function: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
- EventBridge: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

# ruff: noqa: SLF001  # MiniStack has no public interface to mend it by; its version is pinned

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drctl.world.inside.darkness import Darkness
from drctl.world.inside.deliveries import Queue

log = logging.getLogger("drctl.pump")

REGION_NAMES = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
    "eu-central-1": "EU (Frankfurt)",
}
"""SNS messages name the region for people; one that is not listed here is given as it is."""
ACTION_LISTS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one alarm. `alarm` is MiniStack's record, already in its new state; `was` says since when the
    previous state held, and why, as far as that is known.
    """

    alarm: Mapping[str, Any]
    old: str
    new: str
    reason: str
    at: datetime
    was: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return str(self.alarm["AlarmArn"])

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def composite(self) -> bool:
        return "AlarmRule" in self.alarm


def stamp(at: datetime) -> str:
    """CloudWatch's spelling of a time: milliseconds and `+0000`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def _dimensions(alarm: Mapping[str, Any]) -> list[dict[str, str]]:
    return [dict(d) for d in alarm.get("Dimensions") or []]


def sns_message(change: Change) -> dict[str, Any]:
    """The JSON that stands in `Sns.Message`. A composite alarm has its rule and its children in place of a trigger."""
    alarm = change.alarm
    updated_at = datetime.fromtimestamp(alarm.get("AlarmConfigurationUpdatedTimestamp") or 0, UTC)
    message: dict[str, Any] = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": change.account,
        "AlarmConfigurationUpdatedTimestamp": stamp(updated_at),
        "NewStateValue": change.new,
        "NewStateReason": change.reason,
        "StateChangeTime": stamp(change.at),
        "Region": REGION_NAMES.get(change.region, change.region),
        "AlarmArn": change.arn,
        "OldStateValue": change.old,
        **{actions: list(alarm.get(actions) or []) for actions in ACTION_LISTS.values()},
    }
    if change.composite:
        children = json.loads(alarm.get("StateReasonData") or "{}").get("triggeringAlarms", [])
        return message | {"AlarmRule": alarm["AlarmRule"], "TriggeringChildren": [_child(c) for c in children]}
    percentile = alarm.get("ExtendedStatistic")
    statistic = (
        {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": percentile}
        if percentile
        else {"StatisticType": "Statistic", "Statistic": str(alarm.get("Statistic") or "Average").upper()}
    )
    return message | {
        "Trigger": {
            "MetricName": alarm.get("MetricName"),
            "Namespace": alarm.get("Namespace"),
            **statistic,
            "Unit": alarm.get("Unit"),
            # Here, and only here, CloudWatch spells the keys in lower case.
            "Dimensions": [{"value": d["Value"], "name": d["Name"]} for d in _dimensions(alarm)],
            "Period": alarm.get("Period", 60),
            "EvaluationPeriods": alarm.get("EvaluationPeriods", 1),
            "DatapointsToAlarm": alarm.get("DatapointsToAlarm") or alarm.get("EvaluationPeriods", 1),
            "ComparisonOperator": alarm.get("ComparisonOperator"),
            "Threshold": alarm.get("Threshold"),
            "TreatMissingData": alarm.get("TreatMissingData") or "missing",
            "EvaluateLowSampleCountPercentile": "",
        }
    }


def _child(child: Mapping[str, Any]) -> dict[str, Any]:
    state = child.get("state", {})
    return {"Arn": child.get("arn"), "State": {"Value": state.get("value"), "Timestamp": state.get("timestamp")}}


def detail(change: Change) -> dict[str, Any]:
    """What EventBridge's `detail` and the direct invocation's `alarmData` have in common."""
    alarm = change.alarm
    state: dict[str, Any] = {"value": change.new, "reason": change.reason, "timestamp": stamp(change.at)}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    configuration: dict[str, Any] = {}
    if alarm.get("AlarmDescription"):
        configuration["description"] = alarm["AlarmDescription"]
    if change.composite:
        configuration["alarmRule"] = alarm["AlarmRule"]
    else:
        metric = {
            "namespace": alarm.get("Namespace"),
            "name": alarm.get("MetricName"),
            "dimensions": {d["Name"]: d["Value"] for d in _dimensions(alarm)},
        }
        stat = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        configuration["metrics"] = [
            {
                "id": "m1",
                "metricStat": {"metric": metric, "period": alarm.get("Period", 60), "stat": stat},
                "returnData": True,
            }
        ]
    return {
        "alarmName": alarm["AlarmName"],
        "state": state,
        "previousState": {"value": change.old, **change.was},
        "configuration": configuration,
    }


def direct_event(change: Change) -> dict[str, Any]:
    """What a function gets whose ARN is an alarm's action."""
    return {
        "source": "aws.cloudwatch",
        "alarmArn": change.arn,
        "accountId": change.account,
        "time": stamp(change.at),
        "region": change.region,
        "alarmData": detail(change),
    }


@dataclass
class Pump:
    """Delivers a change everywhere it belongs. EventBridge hears of it even when the alarm's actions are
    switched off.
    """

    sns: Any
    eventbridge: Any
    queue: Queue
    darkness: Darkness
    new_id: Callable[[], str]

    def send(self, change: Change) -> None:
        if change.region in self.darkness:
            log.warning("alarm '%s' is now %s, and nobody hears: %s is dark", change.arn, change.new, change.region)
            return
        entry = {
            "Source": "aws.cloudwatch",
            "DetailType": "CloudWatch Alarm State Change",
            "Resources": [change.arn],
            "Detail": json.dumps(detail(change)),
        }
        # The flag is MiniStack's own for its built-in senders; PutEvents from outside may not speak as `aws.*`.
        self.eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        if not change.alarm.get("ActionsEnabled", True):
            return
        for action in change.alarm.get(ACTION_LISTS[change.new]) or []:
            match action.split(":")[2:4]:
                case ["sns", region] if region == change.region:
                    subject = f'{change.new}: "{change.alarm["AlarmName"]}" in {REGION_NAMES.get(region, region)}'
                    self.sns._fanout(action, self.new_id(), json.dumps(sns_message(change)), subject[:100])
                case ["lambda", _]:
                    sender = "lambda.alarms.cloudwatch.amazonaws.com"
                    self.queue.to_function(action, direct_event(change), service=sender, source_arn=change.arn)
                case _:
                    log.warning("alarm '%s' has the action %s, which nothing here carries out", change.arn, action)
