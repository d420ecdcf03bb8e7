"""AWS without a network: a real boto3 client whose requests a model in this process answers (aws.py)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from multidict import CIMultiDict

from drctl.neighbours.aws import DEFAULT_ACCOUNT, Aws


class _Raw(io.BytesIO):
    """A body as urllib3 hands it to botocore."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def attach(client: Any, aws: Aws) -> Any:
    """Makes a boto3 client ask `aws` in this process instead of the network; gives the client back.

    Everything of the real client stays: serialising, signing, retries, parsing. Only the sending is replaced, through
    botocore's event `before-send`.
    """

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
        body = request.body or b""
        read = getattr(body, "read", None)
        sent = read() if read is not None else body
        answer = aws.request(request.method, request.url, headers, sent.encode() if isinstance(sent, str) else sent)
        return AWSResponse(request.url, answer.status, CIMultiDict(answer.headers), _Raw(answer.body))

    client.meta.events.register("before-send", send)
    return client


def make_client(aws: Aws, service: str, region: str, *, account: str = DEFAULT_ACCOUNT, retries: int = 1) -> Any:
    """A boto3 client of `service` in `region` that never leaves the process. `retries` counts the first attempt."""
    client = _session().client(
        service,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="local",  # noqa: S106 (no signature is verified)
        config=Config(retries={"total_max_attempts": retries}),
    )
    return attach(client, aws)


@cache
def _session() -> boto3.Session:
    """One for all: a session keeps the descriptions it has read, and reading one is what takes long."""
    return boto3.Session()
