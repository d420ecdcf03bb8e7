"""The stack of the primary region: the alarms of policy, the topic by which they reach the responder, and the heart.

Nothing in recovery waits for it: when the region is gone, the standby's own probe and Route 53's verdict as last told
are what is left, and that is the point of a quorum. An alarm whose metric exists in another region only, as Route 53's
do, has a stack of the same kind there.
"""

from __future__ import annotations

import re
from typing import Any, Final

from chalicelib import names, patterns
from chalicelib.account.alarms import CHECK, alarm_properties
from chalicelib.account.endpoint import endpoint_check
from chalicelib.core.synthetic import METRIC
from chalicelib.policy import Policy
from chalicelib.policy.signals import Alarm
from drctl.deployment import agents, trouble

SPEAKS: Final = {
    actions: [{"Ref": "AlarmTopic"}] for actions in ("AlarmActions", "OKActions", "InsufficientDataActions")
}
FORTNIGHT_S: Final = 14 * 24 * 3600


def primary(policy: Policy) -> dict[str, Any]:
    """The template."""
    return alarm_stack(policy, policy.platform.regions.primary)


def elsewhere(policy: Policy) -> dict[str, dict[str, Any]]:
    """Region → template, of the other regions that alarms stand in."""
    _, *others = names.alarm_regions(policy)
    return {region: alarm_stack(policy, region) for region in others}


def alarm_stack(policy: Policy, region: str) -> dict[str, Any]:
    """The topic of one region and the alarms that stand there; the endpoint's check stands with its alarm."""
    check = policy.signals.health_check
    found: dict[str, Any] = {
        "AlarmTopic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": names.alarm_topic(policy)}},
        "AlarmTopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "AlarmTopic"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "cloudwatch.amazonaws.com"},
                            "Action": "sns:Publish",
                            "Resource": {"Ref": "AlarmTopic"},
                            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
                        }
                    ],
                },
            },
        },
        # What the topic cannot deliver is kept beside it: a dead-letter queue stands in its subscription's region.
        "UndeliveredAlarms": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": f"{names.app(policy)}-undelivered-alarms",
                "MessageRetentionPeriod": FORTNIGHT_S,
                "SqsManagedSseEnabled": True,
            },
        },
        "UndeliveredAlarmsPolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "UndeliveredAlarms"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        _may_send("sns.amazonaws.com", {"Ref": "AlarmTopic"}),
                        *(_may_send("events.amazonaws.com", rule) for rule in _service_event_rules(policy, region)),
                    ],
                },
            },
        },
        "ToTheResponder": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "AlarmTopic"},
                "Protocol": "lambda",
                "Endpoint": names.function_arn(policy, "on_alarm_sns"),
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["UndeliveredAlarms", "Arn"]}},
            },
        },
    }
    if policy.signals.regions.get(check.alarm) == region:
        found[CHECK] = {
            "Type": "AWS::Route53::HealthCheck",
            "Properties": {
                "HealthCheckConfig": endpoint_check(policy),
                "HealthCheckTags": [{"Key": "Name", "Value": check.alarm}],
            },
        }
    for alarm in policy.signals.alarms:
        if alarm.region == region:
            found[_logical(alarm.name)] = _alarm(alarm, policy)
    for composite in policy.signals.composites:
        if composite.region == region:
            found[_logical(composite.name)] = {
                "Type": "AWS::CloudWatch::CompositeAlarm",
                "Properties": {"AlarmName": composite.name, "AlarmRule": composite.rule, **SPEAKS},
            }
    found |= _service_events(policy, region)
    if policy.readiness.synthetic:
        found["SyntheticAlarm"] = _synthetic(policy)
    found |= trouble.alarm_region(policy, {"Fn::GetAtt": ["AlarmTopic", "TopicName"]})
    beats = region == policy.platform.regions.primary
    found |= agents.heart(policy) if beats else {}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{policy.platform.display_name}: alarms that wake the disaster-recovery responder",
        **({"Parameters": agents.PARAMETERS | agents.NETWORK, "Conditions": agents.IN_A_NETWORK} if beats else {}),
        "Resources": found,
        "Outputs": {"AlarmTopicArn": {"Value": {"Ref": "AlarmTopic"}}},
    }


def _may_send(service: str, source: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["UndeliveredAlarms", "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }


def _service_event_rules(policy: Policy, region: str) -> tuple[str, ...]:
    """The ARN of the rule that hands events on, where there is one. The responder's region needs none."""
    if region not in policy.signals.event_regions or region == policy.platform.responder.region:
        return ()
    return (f"arn:aws:events:{region}:{policy.platform.account}:rule/{names.service_events_rule(policy)}",)


def _service_events(policy: Policy, region: str) -> dict[str, Any]:
    """What hands events of AWS services to the responder's bus, unchanged; to another region's bus a role is needed.

    Not by the topic: its policy would have to let EventBridge publish without a condition, for whichever account's
    rule. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html
    """
    rules = _service_event_rules(policy, region)
    if not rules:
        return {}
    bus = names.event_bus_arn(policy)
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    put = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    return {
        "ServiceEventsRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [
                    {"PolicyName": "hand-on", "PolicyDocument": {"Version": "2012-10-17", "Statement": [put]}}
                ],
            },
        },
        "ServiceEvents": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": names.service_events_rule(policy),
                "Description": "AWS Health events and GuardDuty findings that policy names, to the responder.",
                "EventPattern": patterns.service_events(policy, region),
                "Targets": [
                    {
                        "Id": "responder",
                        "Arn": bus,
                        "RoleArn": {"Fn::GetAtt": ["ServiceEventsRole", "Arn"]},
                        "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["UndeliveredAlarms", "Arn"]}},
                    }
                ],
            },
        },
    }


def _synthetic(policy: Policy) -> dict[str, Any]:
    """Speaks to the topic of the real ones for a minute, when the responder publishes its metric."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": names.synthetic_alarm(policy),
            "AlarmDescription": "Nothing is wrong: the responder sees every day that an alarm comes through",
            "Namespace": names.metrics_namespace(policy),
            "MetricName": METRIC,
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0,
            "TreatMissingData": "notBreaching",
            **SPEAKS,
        },
    }


def _alarm(alarm: Alarm, policy: Policy) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {**alarm_properties(alarm, policy, {"Ref": CHECK}), **SPEAKS},
    }


def _logical(name: str) -> str:
    """`acme-endpoint-health` → `AcmeEndpointHealthAlarm`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name)) + "Alarm"
