"""Deploys a template into a region of the local world: the zip goes to S3, CloudFormation does the rest, as on AWS.

These functions block; inside the process that runs the gate, call them with `asyncio.to_thread`.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from drctl.world.ministack import WorldError

DEPLOYED_WITHIN = 120.0
LARGEST_BODY = 51_200
"""Bytes of a template that CloudFormation takes in the request; a larger one goes through S3."""
LONGEST_APP_ID = 50
S3_UNNAMED = "us-east-1"
"""The region that CreateBucket takes no LocationConstraint for.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
"""
CONFIG = Config(connect_timeout=5, read_timeout=120, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


def client(gate_url: str, service: str, region: str, account: str = "000000000000") -> Any:
    """An ordinary AWS client that talks to the gate. The account is chosen by the access key."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=gate_url,
        aws_access_key_id=account,
        aws_secret_access_key="local",  # noqa: S106  # MiniStack checks no signature unless it is told to
        config=CONFIG,
    )


def prepared(
    template: Mapping[str, Any],
    *,
    region: str,
    code: tuple[str, str] | None,
    environment: Mapping[str, str],
    per_function: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """The template with its code in S3 (`code` is bucket and key) and its functions' environments extended.
    Each function also gets a name for its AWS calls, `<region>.<logical id>` in the SDK's user agent, so that
    the ledger knows it: https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html
    """
    ready = copy.deepcopy(dict(template))
    for name, resource in ready.get("Resources", {}).items():
        properties = resource.setdefault("Properties", {})
        _check_topics(name, resource["Type"], properties, region)
        if resource["Type"] == "AWS::Serverless::Function":
            if code is not None:
                properties["CodeUri"] = {"Bucket": code[0], "Key": code[1]}
        elif resource["Type"] == "AWS::Lambda::Function":
            if code is not None and "ZipFile" not in properties.get("Code", {}):
                properties["Code"] = {"S3Bucket": code[0], "S3Key": code[1]}
        else:
            continue
        variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
        variables.update(environment)
        variables.update((per_function or {}).get(name, {}))
        variables["AWS_SDK_UA_APP_ID"] = f"{region}.{name}"[:LONGEST_APP_ID]
    return ready


def _check_topics(name: str, kind: str, properties: Mapping[str, Any], region: str) -> None:
    """Refuses what CloudFormation refuses and MiniStack drops in silence: a subscription to another region's
    topic needs `Region`.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sns-subscription.html
    """
    wanted: list[tuple[Any, Any]] = []
    if kind == "AWS::SNS::Subscription":
        wanted.append((properties.get("TopicArn"), properties.get("Region")))
    if kind == "AWS::Serverless::Function":
        events = [event for event in (properties.get("Events") or {}).values() if event["Type"] == "SNS"]
        wanted += [(event["Properties"].get("Topic"), event["Properties"].get("Region")) for event in events]
    for topic, named in wanted:
        if isinstance(topic, str) and topic.startswith("arn:") and (at := topic.split(":")[3]) not in (region, named):
            raise WorldError(
                f"'{name}' in {region} subscribes to {topic} without saying `Region: {at}`; it would be refused"
            )


def deploy(
    gate_url: str,
    region: str,
    *,
    stack: str,
    template: Mapping[str, Any],
    zip: Path | None = None,  # noqa: A002  # it is a zip
    parameters: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    per_function: Mapping[str, Mapping[str, str]] | None = None,
    account: str = "000000000000",
) -> dict[str, str]:
    """Creates or updates a stack and returns its outputs. Functions call AWS through the gate. Raises WorldError with
    CloudFormation's reasons when it fails.
    """
    s3, bucket = client(gate_url, "s3", region, account), f"packages-{account}-{region}"
    code = None
    if zip is not None:
        make_bucket(s3, bucket, region)
        code = (bucket, f"{zip.parent.name}.zip")
        s3.put_object(Bucket=bucket, Key=code[1], Body=zip.read_bytes())
    variables = {"AWS_ENDPOINT_URL": gate_url} | dict(environment or {})
    ready = prepared(template, region=region, code=code, environment=variables, per_function=per_function)
    body = json.dumps(ready, separators=(",", ":"), sort_keys=True)
    where = {"TemplateBody": body}
    if len(body.encode()) > LARGEST_BODY:
        make_bucket(s3, bucket, region)
        s3.put_object(Bucket=bucket, Key=f"{stack}.json", Body=body.encode())
        where = {"TemplateURL": f"{gate_url}/{bucket}/{stack}.json"}
    cloudformation = client(gate_url, "cloudformation", region, account)
    asked = {
        "StackName": stack,
        **where,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        if _status(cloudformation, stack) is None:
            cloudformation.create_stack(**asked)
        else:
            cloudformation.update_stack(**asked)
    except ClientError as refused:
        if "No updates are to be performed" not in str(refused):
            raise WorldError(f"stack '{stack}' in {region} was refused: {refused}") from refused
    return _settled(cloudformation, stack, region)


def make_bucket(s3: Any, bucket: str, region: str) -> None:
    """Creates a bucket, unless it is ours already."""
    where = {} if region == S3_UNNAMED else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, **where)
    except ClientError as refused:
        if refused.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise


def _status(cloudformation: Any, stack: str) -> str | None:
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as refused:
        if refused.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    status = str(found[0]["StackStatus"])
    return None if status == "DELETE_COMPLETE" else status


def _settled(cloudformation: Any, stack: str, region: str) -> dict[str, str]:
    gives_up_at = time.monotonic() + DEPLOYED_WITHIN
    while time.monotonic() < gives_up_at:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        status = described["StackStatus"]
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        if not status.endswith("_IN_PROGRESS"):
            raise WorldError(f"stack '{stack}' in {region} is {status}: {_reasons(cloudformation, stack)}")
        time.sleep(0.1)
    raise WorldError(
        f"stack '{stack}' in {region} has not settled within {DEPLOYED_WITHIN:.0f} s; it was left as it is"
    )


def _reasons(cloudformation: Any, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [e for e in events if e["ResourceStatus"].endswith("_FAILED") and e.get("ResourceStatusReason")]
    return (
        "; ".join(f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in reversed(failed))
        or "no reason given"
    )
