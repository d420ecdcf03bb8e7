"""The status page's files on their way into the bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError
from moto import mock_aws

from chalicelib.channels.status_page import StatusPageChannel
from chalicelib.core.message import StatusPage
from chalicelib.core.outcome import Doubtful, Made, Refused
from chalicelib.policy.load import load
from chalicelib.reports.statuspage.render import File, files
from tests.channels.answers import client, s3_error, s3_taken
from tests.channels.stories import message, page

LEVELS = load(Path(__file__).parents[2] / "policies").notifications.status_levels
BUCKET = "status-bucket"


def render(shown: StatusPage) -> list[File]:
    return list(reversed(files(shown, LEVELS)))  # the channel itself must put the index last


def channel(s3: Any) -> StatusPageChannel:
    return StatusPageChannel("status-page", s3=s3, bucket=BUCKET, render=render)


class S3:
    """Keeps the keys; answers the `fails`-th put with `answer` and takes the others."""

    def __init__(self, fails: int, answer: AWSResponse | Exception) -> None:
        self.fails, self.answer = fails, answer
        self.keys: list[str] = []

    def __call__(self, request: Any) -> AWSResponse | Exception:
        self.keys.append(request.url.partition(".amazonaws.com/")[2])
        return self.answer if len(self.keys) == self.fails else s3_taken()


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        made = client("s3")
        made.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        yield made


def test_a_missing_bucket_is_refused_by_its_code() -> None:
    with mock_aws():
        outcome = channel(client("s3")).send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "NoSuchBucket"


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (400, "ExpiredToken")])
def test_a_refusal_ends_it_and_names_the_file_and_what_went_before(status: int, code: str) -> None:
    s3 = S3(3, s3_error(status, code))
    outcome = channel(client("s3", s3)).send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert "index.html" in outcome.because
    assert "went before" in outcome.because


@pytest.mark.parametrize(
    "answer", [s3_error(503, "SlowDown"), s3_error(500, "InternalError"), ConnectTimeoutError(endpoint_url="https://x")]
)
def test_trouble_is_doubtful_tried_once_and_never_leaves_an_index_without_its_feed(answer: Any) -> None:
    s3 = S3(1, answer)
    assert isinstance(channel(client("s3", s3)).send(message(), page()), Doubtful)
    assert len(s3.keys) == 1
    assert "index.html" not in s3.keys


def test_the_index_is_put_last() -> None:
    s3 = S3(0, s3_taken())
    assert isinstance(channel(client("s3", s3)).send(message(), page()), Made)
    assert sorted(s3.keys[:2]) == ["api/v2/summary.json", "history.atom"]
    assert s3.keys[2] == "index.html"


def test_browsers_get_the_right_types_and_nothing_older_than_ten_seconds(s3: Any) -> None:
    assert isinstance(channel(s3).send(message(), page()), Made)
    types = {}
    for key in ("index.html", "api/v2/summary.json", "history.atom"):
        head = s3.head_object(Bucket=BUCKET, Key=key)
        types[key] = head["ContentType"]
        assert "max-age=10" in head["CacheControl"]
    assert types == {
        "index.html": "text/html; charset=utf-8",
        "api/v2/summary.json": "application/json; charset=utf-8",
        "history.atom": "application/atom+xml; charset=utf-8",
    }
    body = json.loads(s3.get_object(Bucket=BUCKET, Key="api/v2/summary.json")["Body"].read())
    assert body["status"] == {"indicator": "critical", "description": "Major Service Outage"}


def test_the_page_is_the_one_of_now_however_old_the_message_is(s3: Any) -> None:
    channel(s3).send(message(), page())
    channel(s3).send(message(), page(components=(), incidents=()))
    html = s3.get_object(Bucket=BUCKET, Key="index.html")["Body"].read().decode()
    assert "All systems operational" in html
