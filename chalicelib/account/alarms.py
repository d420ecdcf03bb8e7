"""The alarms of policy, as CloudWatch must have them, and whether the account's are so.

Field names: botocore's model of CloudWatch. PutMetricAlarm puts the whole alarm, so the command that mends one says all
of it (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from chalicelib import names
from chalicelib.account.endpoint import endpoint_check, find
from chalicelib.account.verdicts import Asks, Claim, NotSeen, NotThere, Row, Subject, Verdict, at
from chalicelib.policy import Policy
from chalicelib.policy.signals import Alarm

CHECK: Final = "EndpointCheck"
"""The logical id of the endpoint's check in its stack's template."""
ACTIONS: Final = ("AlarmActions", "OKActions", "InsufficientDataActions")
COMPARED: Final = (
    *("Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator"),
    *("Threshold", "TreatMissingData", "AlarmRule"),
)
FLAGS: Final = {
    "AlarmName": "--alarm-name",
    "AlarmDescription": "--alarm-description",
    "Namespace": "--namespace",
    "MetricName": "--metric-name",
    "Statistic": "--statistic",
    "Period": "--period",
    "EvaluationPeriods": "--evaluation-periods",
    "ComparisonOperator": "--comparison-operator",
    "Threshold": "--threshold",
    "TreatMissingData": "--treat-missing-data",
}


def alarm_properties(alarm: Alarm, policy: Policy, check: object) -> dict[str, Any]:
    """As PutMetricAlarm and the templates take it, without whom it tells. `check` is the endpoint check's id."""
    is_check = alarm.name == policy.signals.health_check.alarm
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": f"Published by {alarm.publisher}.",
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": "HealthCheckId", "Value": check}]
        if is_check
        else [{"Name": name, "Value": value} for name, value in alarm.dimensions.items()],
        "Statistic": alarm.statistic,
        "Period": round((alarm.period * policy.speed).total_seconds()),
        "EvaluationPeriods": alarm.evaluation_periods,
        "ComparisonOperator": alarm.comparison,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.missing,
    }


def alarms(policy: Policy, account: Asks) -> Iterator[Row]:
    """Every metric alarm of policy: its metric, whose it is, its threshold, what silence means, and whom it tells."""
    check = _check(policy, account)
    for alarm in policy.signals.alarms:
        wanted = alarm_properties(alarm, policy, check)
        topic = names.alarm_topic_arn(policy, alarm.region)
        subject = Subject(f"alarm {alarm.name} in {alarm.region}", "signals.alarms")
        for row in of_alarm(subject, wanted, "MetricAlarms", account, alarm.region, topic):
            yield replace(row, mend=_put(wanted, alarm.region, topic)) if row.verdict is Verdict.DIFFERS else row
        if alarm.name == policy.signals.health_check.alarm and check is None:
            continue
        asked = account.ask(
            *("cloudwatch", alarm.region, "describe_alarms"), AlarmNames=[alarm.name], AlarmTypes=["MetricAlarm"]
        )
        if not isinstance(asked, NotSeen | NotThere) and asked.get("MetricAlarms"):
            claim = Claim("Dimensions", _dimensions(wanted), lambda a: _dimensions(a["MetricAlarms"][0]))
            for row in subject.claims(asked, (claim,)):
                yield replace(row, mend=_put(wanted, alarm.region, topic)) if row.verdict is Verdict.DIFFERS else row


def of_alarm(
    subject: Subject, properties: Mapping[str, Any], kind: str, account: Asks, region: str, topic: str | None
) -> Iterator[Row]:
    """One alarm against its properties; `kind` is `MetricAlarms` or `CompositeAlarms`."""
    asked = {"AlarmNames": [properties["AlarmName"]], "AlarmTypes": [kind.removesuffix("s")]}
    answer = account.ask("cloudwatch", region, "describe_alarms", **asked)
    if not isinstance(answer, NotSeen | NotThere) and not answer.get(kind):
        yield subject.missing()
        return
    yield from subject.claims(answer, tuple(_claims(properties, kind, topic)))


def _claims(properties: Mapping[str, Any], kind: str, topic: str | None) -> Iterator[Claim]:
    for key in COMPARED:
        if key in properties:
            yield Claim(key, properties[key], at(kind, 0, key))
    yield Claim("ActionsEnabled", True, at(kind, 0, "ActionsEnabled"))
    for key in ACTIONS if topic else ():
        yield Claim(f"{key} has the topic", True, _tells(kind, key, topic))


def _tells(kind: str, key: str, topic: str | None) -> Any:
    return lambda answer: topic in (answer[kind][0].get(key) or ())


def _check(policy: Policy, account: Asks) -> str | None:
    """The id of the endpoint's check; None when it is not there or was not seen."""
    answer = account.ask("route53", policy.platform.responder.region, "list_health_checks")
    there = None if isinstance(answer, NotSeen | NotThere) else find(answer["HealthChecks"], endpoint_check(policy))
    return str(there["Id"]) if there else None


def _dimensions(alarm: Mapping[str, Any]) -> str:
    return ", ".join(sorted(f"{d['Name']}={d['Value']}" for d in alarm.get("Dimensions", ()))) or "none"


def _put(wanted: Mapping[str, Any], region: str, topic: str) -> str:
    words = [f"{flag} {shlex.quote(str(wanted[key]))}" for key, flag in FLAGS.items()]
    if wanted["Dimensions"]:
        pairs = (f"Name={d['Name']},Value={d['Value'] or '<id of the check>'}" for d in wanted["Dimensions"])
        words.append(f"--dimensions {' '.join(shlex.quote(pair) for pair in pairs)}")
    tells = f"--actions-enabled --alarm-actions {topic} --ok-actions {topic} --insufficient-data-actions {topic}"
    return f"aws cloudwatch put-metric-alarm --region {region} {' '.join(words)} {tells}"
