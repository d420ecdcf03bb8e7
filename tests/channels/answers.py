"""AWS clients whose answers the test gives, through botocore's own `before-send` event: all of the client's
serializing, parsing and error translation is the real one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

Give = Callable[[Any], "AWSResponse | Exception | None"]


class _Raw:
    """What botocore reads a body from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> list[bytes]:
        return [self._body]


def client(service: str, give: Give | None = None) -> Any:
    """A client with retries off. `give` sees each prepared request; what it returns is the answer, or is raised."""
    made = boto3.client(
        service,
        region_name="us-west-2",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=3),
    )

    def answer(request: Any, **_: object) -> AWSResponse | None:
        given = give(request) if give else None
        if isinstance(given, Exception):
            raise given
        return given

    if give:
        made.meta.events.register_first(f"before-send.{service}.*", answer)
    return made


def json_answer(status: int, body: dict[str, Any], *, code: str = "") -> AWSResponse:
    headers = {"Content-Type": "application/json"} | ({"x-amzn-ErrorType": code} if code else {})
    return AWSResponse("https://x", status, headers, _Raw(json.dumps(body).encode()))


def s3_error(status: int, code: str) -> AWSResponse:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return AWSResponse("https://x", status, {"Content-Type": "application/xml"}, _Raw(body.encode()))


def s3_taken() -> AWSResponse:
    return AWSResponse("https://x", 200, {"ETag": '"e"'}, _Raw(b""))
