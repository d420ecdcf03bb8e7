"""What the tests see of AWS: ordinary blocking clients, small functions that note what they are given, and patience."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import zipfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from drctl.world.deploy import client

ACCOUNT = "111122223333"
Result = TypeVar("Result")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def looping() -> Iterator[Loop]:
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()


def eventually(look: Callable[[], Result], *, within: float = 20.0) -> Result:
    """The first true thing that `look` returns; fails when there is none in time."""
    patience = threading.Event()
    for _ in range(int(within / 0.1)):
        if found := look():
            return found
        patience.wait(0.1)
    pytest.fail(f"nothing came within {within} s")


class Cloud:
    """AWS as seen through one endpoint, and the small functions that the tests put there."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(self, service: str, region: str = "us-west-2") -> Any:
        return client(self.url, service, region, ACCOUNT)

    def function(
        self,
        name: str,
        *,
        region: str = "us-west-2",
        fails: int = 0,
        permits: str = "",
        code: str | None = None,
        **more: Any,
    ) -> str:
        """A function that puts each event it gets into the bucket `notes` and then fails the first `fails` times, or of
        another `code`; returns its ARN. `permits` is a service that may invoke it."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("noting.py", code or NOTING)
        aws = self.client("lambda", region)
        made = aws.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="noting.handler",
            Role=f"arn:aws:iam::{ACCOUNT}:role/any",
            Code={"ZipFile": packed.getvalue()},
            Environment={"Variables": {"AWS_ENDPOINT_URL": self.url, "KIND": name, "FAILS": str(fails)}},
            **more,
        )
        if permits:
            statement = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": permits}
            aws.add_permission(FunctionName=name, **statement)
        return str(made["FunctionArn"])

    def notes(self, kind: str) -> list[Any]:
        """The events that function was given, oldest first."""
        s3 = self.client("s3")
        keys = [o["Key"] for o in s3.list_objects_v2(Bucket="notes", Prefix=f"{kind}/").get("Contents", [])]
        return [json.loads(s3.get_object(Bucket="notes", Key=key)["Body"].read()) for key in sorted(keys)]

    def queue(self, name: str, region: str = "us-west-2") -> tuple[str, str]:
        """A queue that anyone may send to: its URL and ARN."""
        arn = f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"
        anyone = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
        made = self.client("sqs", region).create_queue(QueueName=name, Attributes={"Policy": policy})
        return str(made["QueueUrl"]), arn

    def received(self, url: str, region: str = "us-west-2") -> list[Any]:
        got = self.client("sqs", region).receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in got.get("Messages", [])]

    def alarm(self, name: str, region: str = "us-west-2", **more: Any) -> Any:
        """An alarm over `N/M` with sensible settings; returns the client of its region."""
        aws = self.client("cloudwatch", region)
        settings = {"Namespace": "N", "MetricName": "M", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
        settings |= {"Threshold": 1, "ComparisonOperator": "LessThanThreshold", "AlarmName": name}
        aws.put_metric_alarm(**(settings | more))
        return aws

    def state(self, alarm: str, region: str = "us-west-2") -> str:
        described = self.client("cloudwatch", region).describe_alarms(AlarmNames=[alarm])
        return str(described["MetricAlarms"][0]["StateValue"])

    def user(self, name: str, action: str, resource: str) -> Callable[[str], Any]:
        """An IAM user that may do one thing: a way to make clients with its keys."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="one", PolicyDocument=_allow(action, resource))
        key = iam.create_access_key(UserName=name)["AccessKey"]

        def made(service: str) -> Any:
            return boto3.client(
                service,
                region_name="us-west-2",
                endpoint_url=self.url,
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
                config=Config(retries={"total_max_attempts": 1}),
            )

        return made

    def notebook(self) -> None:
        """The bucket `notes`, and the role of the functions that write in it and leave what failed in a queue."""
        iam = self.client("iam")
        iam.create_role(RoleName="any", AssumeRolePolicyDocument=TRUST)
        iam.put_role_policy(
            RoleName="any", PolicyName="s3", PolicyDocument=_allow("s3:PutObject", "arn:aws:s3:::notes/*")
        )
        iam.put_role_policy(RoleName="any", PolicyName="sqs", PolicyDocument=_allow("sqs:SendMessage", "*"))
        where = {"LocationConstraint": "us-west-2"}
        self.client("s3").create_bucket(Bucket="notes", CreateBucketConfiguration=where)


def _allow(action: str, resource: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [LAMBDA]})
NOTING = """
import importlib, json, os, time
import boto3

tries = 0

def handler(event, context):
    global tries
    if "import" in event:
        return importlib.import_module(event["import"]).__name__
    boto3.client("s3", region_name="us-west-2").put_object(
        Bucket="notes", Key=f"{os.environ['KIND']}/{time.time_ns()}", Body=json.dumps(event).encode())
    tries += 1
    if tries <= int(os.environ["FAILS"]):
        raise RuntimeError("fails, as it was told to")
"""
