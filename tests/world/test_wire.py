"""What the gate reads from a request, checked with requests that the AWS client itself makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from drctl.world.wire import Asked, read

Send = Callable[[Any], Any]
CALLS: list[tuple[str, Send, str, str, str]] = [
    ("dynamodb", lambda c: c.put_item(TableName="t", Item={}), "PutItem", "dynamodb", "us-west-2"),
    ("sqs", lambda c: c.send_message(QueueUrl="http://q/1/q", MessageBody="x"), "SendMessage", "sqs", "us-west-2"),
    ("sns", lambda c: c.publish(TopicArn="arn:aws:sns:us-west-2:1:t", Message="x"), "Publish", "sns", "us-west-2"),
    ("sts", lambda c: c.get_caller_identity(), "GetCallerIdentity", "sts", "us-west-2"),
    ("iam", lambda c: c.list_roles(), "ListRoles", "iam", "us-east-1"),
    ("ec2", lambda c: c.describe_regions(), "DescribeRegions", "ec2", "us-west-2"),
    ("rds", lambda c: c.promote_read_replica(DBInstanceIdentifier="d"), "PromoteReadReplica", "rds", "us-west-2"),
    ("cloudwatch", lambda c: c.describe_alarms(), "DescribeAlarms", "monitoring", "us-west-2"),
    ("lambda", lambda c: c.invoke(FunctionName="f"), "Invoke", "lambda", "us-west-2"),
    ("lambda", lambda c: c.get_function(FunctionName="f"), "GetFunction", "lambda", "us-west-2"),
    ("eks", lambda c: c.describe_cluster(name="n"), "DescribeCluster", "eks", "us-west-2"),
    (
        "eks",
        lambda c: c.update_nodegroup_config(clusterName="c", nodegroupName="n"),
        "UpdateNodegroupConfig",
        "eks",
        "us-west-2",
    ),
    ("sesv2", lambda c: c.send_email(Content={}), "SendEmail", "ses", "us-west-2"),
    (
        "route53",
        lambda c: c.get_health_check_status(HealthCheckId="h"),
        "GetHealthCheckStatus",
        "route53",
        "us-east-1",
    ),
    ("route53", lambda c: c.get_health_check(HealthCheckId="h"), "GetHealthCheck", "route53", "us-east-1"),
    ("route53", lambda c: c.list_hosted_zones(), "ListHostedZones", "route53", "us-east-1"),
    (
        "arc-zonal-shift",
        lambda c: c.get_managed_resource(
            resourceIdentifier="arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/a/b"
        ),
        "GetManagedResource",
        "arc-zonal-shift",
        "us-west-2",
    ),
    ("s3", lambda c: c.list_buckets(), "ListBuckets", "s3", "us-west-2"),
    ("s3", lambda c: c.list_objects_v2(Bucket="b"), "ListObjectsV2", "s3", "us-west-2"),
    ("s3", lambda c: c.head_bucket(Bucket="b"), "HeadBucket", "s3", "us-west-2"),
    ("s3", lambda c: c.get_object(Bucket="b", Key="a/b c"), "GetObject", "s3", "us-west-2"),
    ("s3", lambda c: c.put_object(Bucket="b", Key="k", Body=b"x"), "PutObject", "s3", "us-west-2"),
    ("s3", lambda c: c.copy_object(Bucket="b", Key="k", CopySource="b/o"), "CopyObject", "s3", "us-west-2"),
    ("s3", lambda c: c.delete_object(Bucket="b", Key="k"), "DeleteObject", "s3", "us-west-2"),
    (
        "s3",
        lambda c: c.upload_part(Bucket="b", Key="k", UploadId="u", PartNumber=1),
        "UploadPart",
        "s3",
        "us-west-2",
    ),
    ("s3", lambda c: c.get_bucket_versioning(Bucket="b"), "GetBucketVersioning", "s3", "us-west-2"),
    # The model keeps an operation of the same method and address that AWS has deprecated.
    (
        "s3",
        lambda c: c.get_bucket_lifecycle_configuration(Bucket="b"),
        "GetBucketLifecycleConfiguration",
        "s3",
        "us-west-2",
    ),
    (
        "s3",
        lambda c: c.put_bucket_lifecycle_configuration(Bucket="b"),
        "PutBucketLifecycleConfiguration",
        "s3",
        "us-west-2",
    ),
    (
        "s3",
        lambda c: c.get_bucket_notification_configuration(Bucket="b"),
        "GetBucketNotificationConfiguration",
        "s3",
        "us-west-2",
    ),
    (
        "s3",
        lambda c: c.put_object_retention(Bucket="b", Key="k"),
        "PutObjectRetention",
        "s3",
        "us-west-2",
    ),
]


def asked(service: str, send: Send, user_agent: str = "") -> Asked:
    """What the gate reads of the request that a client would send; nothing is sent."""
    client = boto3.client(
        service,
        region_name="us-west-2",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="111122223333",
        aws_secret_access_key="secret",
    )
    seen: list[Asked] = []

    def caught(request: Any, **_: Any) -> None:
        path = request.url.split("127.0.0.1:9", 1)[-1] if "127.0.0.1:9" in request.url else "/1/q"
        headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
        body = request.body or b""
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
        seen.append(read(request.method, path, headers | ({"User-Agent": user_agent} if user_agent else {}), raw))
        raise SentEnoughError

    client.meta.events.register("before-send.*.*", caught)
    with pytest.raises(SentEnoughError):
        send(client)
    return seen[0]


class SentEnoughError(Exception):
    """Ends a call once its request has been seen."""


@pytest.mark.parametrize(("service", "send", "operation", "signed", "region"), CALLS, ids=[c[2] for c in CALLS])
def test_reads_region_service_and_operation(service: str, send: Send, operation: str, signed: str, region: str) -> None:
    found = asked(service, send)
    assert (found.region, found.service, found.operation) == (region, signed, operation)
    assert found.access_key == "111122223333"


def test_reads_the_scope_of_a_presigned_address() -> None:
    path = "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=KEY%2F20260101%2Fus-east-2%2Fs3%2Faws4_request"
    found = read("GET", path, {}, b"")
    assert (found.region, found.service, found.operation, found.access_key) == ("us-east-2", "s3", "GetObject", "KEY")


def test_a_request_without_a_signature_is_unknown() -> None:
    found = read("GET", "/_ministack/health", {}, b"")
    assert (found.region, found.service) == ("unknown", "unknown")


def test_knows_the_function_that_calls_by_its_user_agent() -> None:
    found = read("GET", "/", {"User-Agent": "Boto3/1.40 md/Botocore#1.40 app/us-east-1.Heartbeat"}, b"")
    assert (found.function, found.function_region) == ("Heartbeat", "us-east-1")
