"""The traffic switch's part of the template, one way of three; the primary's record hangs on `TrafficSwitchCheck`.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-route53-healthcheck-healthcheckconfig.html,
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from chalicelib.policy import Policy
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch


def resources(policy: Policy, responder: Sequence[Any]) -> dict[str, Any]:
    """By logical id. `responder` are the ARNs of the roles that may throw the switch back, where a bucket has it."""
    test = policy.drills.test_record
    drill = _metric(test.switch, "DrillSwitch", "a drill's test record goes") if test else {}
    match policy.platform.traffic.switch:
        case MetricSwitch() as switch:
            return {**_metric(switch, "TrafficSwitch", "the traffic goes"), **drill}
        case ObjectSwitch() as switch:
            return {**_object(switch, responder), **drill}
        case ArcSwitch() as switch:
            return {**_arc(switch), **drill}
        case unknown:
            assert_never(unknown)


def _check(name: str, **config: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Route53::HealthCheck",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"HealthCheckConfig": config, "HealthCheckTags": [{"Key": "Name", "Value": name}]},
    }


def _metric(switch: MetricSwitch, logical: str, what: str) -> dict[str, Any]:
    return {
        logical: {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": switch.alarm,
                "AlarmDescription": f"In ALARM {what} to the standby. Nobody is told: it is a switch, no alarm.",
                "Namespace": switch.namespace,
                "MetricName": switch.metric,
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "Threshold": 1,
                # Silence moves nothing, in either direction.
                "TreatMissingData": "ignore",
            },
        },
        f"{logical}Check": _check(
            switch.health_check,
            Type="CLOUDWATCH_METRIC",
            AlarmIdentifier={"Name": {"Ref": logical}, "Region": {"Ref": "AWS::Region"}},
            InsufficientDataHealthStatus=switch.insufficient_data,
        ),
    }


def object_host(switch: ObjectSwitch) -> str:
    """Where the checkers find the bucket."""
    return f"{switch.bucket}.s3.{switch.region}.amazonaws.com"


def _object(switch: ObjectSwitch, responder: Sequence[Any]) -> dict[str, Any]:
    bucket, key = f"arn:aws:s3:::{switch.bucket}", f"arn:aws:s3:::{switch.bucket}/{switch.key}"
    statements: list[dict[str, Any]] = [
        # Checkers sign nothing. The key tells nobody anything that its being there does not.
        {"Sid": "CheckersLook", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": key}
    ]
    if switch.deletion_denied:
        statements.append(
            {
                "Sid": "NobodyElseDeletes",
                "Effect": "Deny",
                "Principal": "*",
                # A lifecycle rule deletes too, and no bucket policy stops it once it is there.
                "Action": [
                    "s3:DeleteBucket",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:PutLifecycleConfiguration",
                ],
                "Resource": [bucket, key],
                "Condition": {"ArnNotEquals": {"aws:PrincipalArn": list(responder)}},
            }
        )
    return {
        "SwitchBucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "BucketName": switch.bucket,
                "VersioningConfiguration": {"Status": "Enabled"},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": False,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": False,
                },
            },
        },
        "SwitchBucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "SwitchBucket"},
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
            },
        },
        "TrafficSwitchCheck": _check(
            switch.health_check,
            Type="HTTPS",
            FullyQualifiedDomainName=object_host(switch),
            Port=443,
            ResourcePath=f"/{switch.key}",
            RequestInterval=10,
            FailureThreshold=3,
            EnableSNI=True,
            # The object's being there is what makes it unhealthy.
            Inverted=True,
        ),
    }


def _arc(switch: ArcSwitch) -> dict[str, Any]:
    """The standby's check hangs on no record, or turning both controls Off would leave nothing to answer with: it is
    there to be looked at.
    """
    return {
        "TrafficSwitchCheck": _check(
            switch.health_check, Type="RECOVERY_CONTROL", RoutingControlArn=switch.primary_control
        ),
        "StandbyControlCheck": _check(
            f"{switch.health_check}-standby", Type="RECOVERY_CONTROL", RoutingControlArn=switch.standby_control
        ),
    }
