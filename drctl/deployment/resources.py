"""The template that `chalice package --merge-template` merges into Chalice's own: what Chalice has no words for.

The table, the status page's bucket, queues for what failed, retry policies, permissions, the traffic switch, and the
alarms on the responder itself. In a merge lists are replaced, and a logical id that is misspelled adds a resource: the
check in generate.py compares the ids with those that Chalice makes.
"""

from __future__ import annotations

from typing import Any, Final

from chalicelib import names
from chalicelib.names import logical
from chalicelib.policy import Policy
from drctl.deployment import switch, trouble
from drctl.deployment.access import standby_entries
from drctl.deployment.network import endpoints, vpc_config

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
# Chalice's logical ids: the handler's name in CamelCase; its event has a name of its own, by kind.
EVENTS: Final = {
    "on_alarm_event": "OnAlarmEventEvent",
    "on_service_event": "OnServiceEventEvent",
    "tick": "TickEvent",
    "probe": "ProbeEvent",
    "backups": "BackupsEvent",
    "readiness": "ReadinessEvent",
    "airgap": "AirgapEvent",
    "drills": "DrillsEvent",
}


def resources(policy: Policy) -> dict[str, Any]:
    """The template."""
    found: dict[str, Any] = {}
    for build in (
        _functions,
        _table,
        _status_bucket,
        _operators_bucket,
        _queues,
        _switch,
        trouble.standby,
        standby_entries,
        endpoints,
    ):
        found |= build(policy)
    found |= _permissions(policy)
    return {"Resources": found, "Outputs": _outputs()}


def _kept_for(function: str) -> int:
    """How long an event waits to be delivered, in seconds: what was said is worth as much later, a tick is not."""
    return DAY_S if function.startswith("on_") else {names.READINESS: 600}.get(function, 60)


def _functions(policy: Policy) -> dict[str, Any]:
    failed = {"Fn::GetAtt": ["FailedEvents", "Arn"]}
    undelivered = {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}
    found: dict[str, Any] = {}
    for name in names.FUNCTIONS:
        properties: dict[str, Any] = {
            "FunctionName": names.function(policy, name),
            "EventInvokeConfig": {
                "MaximumRetryAttempts": 2,
                "MaximumEventAgeInSeconds": 6 * HOUR_S,
                "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": failed}},
            },
            **vpc_config(policy),
        }
        if name in EVENTS:
            properties["Events"] = {
                EVENTS[name]: {
                    "Properties": {
                        "DeadLetterConfig": {"Arn": undelivered},
                        # A minute's tick is worth nothing an hour later; an alarm is.
                        "RetryPolicy": {
                            "MaximumRetryAttempts": 185,
                            "MaximumEventAgeInSeconds": _kept_for(name),
                        },
                    }
                }
            }
        found[logical(name)] = {"Properties": properties}
    return found


def _table(policy: Policy) -> dict[str, Any]:
    return {
        "Desk": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "TableName": policy.platform.responder.table,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "SSESpecification": {"SSEEnabled": True},
            },
        }
    }


def _status_bucket(policy: Policy) -> dict[str, Any]:
    return {"StatusBucket": _private(policy.platform.responder.status_bucket)}


def _operators_bucket(policy: Policy) -> dict[str, Any]:
    """Pages with internal names: never the bucket that the public page is served from."""
    bucket = policy.platform.responder.operators_bucket
    return {"OperatorsBucket": _private(bucket)} if bucket else {}


def _private(bucket: str) -> dict[str, Any]:
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketName": bucket,
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        },
    }


def _queues(policy: Policy) -> dict[str, Any]:
    kept = {"MessageRetentionPeriod": 14 * DAY_S, "SqsManagedSseEnabled": True}
    failed, undelivered = names.failed_queue(policy), names.undelivered_queue(policy)
    return {
        "FailedEvents": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": failed, **kept}},
        "UndeliveredEvents": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": undelivered, **kept}},
        "UndeliveredEventsPolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "UndeliveredEvents"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]},
                            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
                        }
                    ],
                },
            },
        },
    }


def _permissions(policy: Policy) -> dict[str, Any]:
    """Who may invoke what Chalice wires to nothing: the topics of the alarms' regions, and CloudWatch's alarms."""

    def invoked_by(function: str, principal: str, **source: Any) -> dict[str, Any]:
        properties = {"FunctionName": {"Ref": function}, "Action": "lambda:InvokeFunction", "Principal": principal}
        return {"Type": "AWS::Lambda::Permission", "Properties": properties | source}

    primary, *others = names.alarm_regions(policy)
    topics = {"OnAlarmSnsPermission": primary} | {f"OnAlarmSnsPermission{_joined(r)}": r for r in others}
    return {
        **{
            name: invoked_by("OnAlarmSns", "sns.amazonaws.com", SourceArn=names.alarm_topic_arn(policy, region))
            for name, region in topics.items()
        },
        "OnAlarmDirectPermission": invoked_by(
            "OnAlarmDirect", "lambda.alarms.cloudwatch.amazonaws.com", SourceAccount={"Ref": "AWS::AccountId"}
        ),
    }


def _joined(region: str) -> str:
    """`eu-west-1` → `EuWest1`: a logical id holds letters and digits only."""
    return "".join(part.capitalize() for part in region.split("-"))


def _switch(policy: Policy) -> dict[str, Any]:
    # Chalice names a function's role after the function.
    roles = [{"Fn::GetAtt": [f"{logical(name)}Role", "Arn"]} for name in names.DESK]
    return switch.resources(policy, roles)


def _outputs() -> dict[str, Any]:
    return {
        "CommandFunction": {"Description": "What a person invokes", "Value": {"Ref": "Command"}},
        "OnAlarmDirectArn": {
            "Description": "An alarm's action, in this region",
            "Value": {"Fn::GetAtt": ["OnAlarmDirect", "Arn"]},
        },
    }
