"""The stand-in for STS: what it refuses, in whose words, and whom it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from drctl.neighbours.aws import Answer
from drctl.neighbours.aws_clients import attach
from drctl.neighbours.sts import MISMATCH, Key, Sts
from drctl.signing import presigned

NOW = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
REGION = "us-west-2"
HOST = f"sts.{REGION}.amazonaws.com"
ROLE = "arn:aws:sts::111122223333:assumed-role/dr-operator/ana"
USER = "arn:aws:iam::111122223333:user/bob"
ANA = Key(
    access_key="ASIAANAANAANAANAANAA",
    secret="hers",
    arn=ROLE,
    user_id="AROA:ana",
    token="session",
    ends_at=NOW + timedelta(hours=1),
)
BOB = Key(access_key="AKIABOBBOBBOBBOBBOBB", secret="his", arn=USER, user_id="AIDABOB")
HEADERS = {"x-dr-command": "0123"}


def url(key: Key = ANA, *, at: datetime = NOW, region: str = REGION, **changed: Any) -> str:
    credentials = Credentials(key.access_key, changed.get("secret", key.secret), changed.get("token", key.token))
    return presigned(region, HEADERS, credentials=credentials, now=at)


def ask(asked: str, *, now: datetime = NOW, **headers: str) -> Answer:
    sent = {"Host": urlsplit(asked).netloc, **HEADERS, "Accept": "application/json"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return Sts([ANA, BOB], clock=lambda: now).request("GET", asked, sent, b"")


def refused(answer: Answer) -> tuple[int, str, str]:
    error: Mapping[str, str] = json.loads(answer.body)["Error"]
    assert error["Type"] == "Sender"
    return answer.status, error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("change", "status", "code", "message"),
    [
        (lambda u: u.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""), 403, "MissingAuthenticationToken", "missing"),
        (lambda u: u.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), 400, "IncompleteSignature", "SHA512"),
        (lambda u: u.partition("&X-Amz-Signature")[0], 400, "IncompleteSignature", "'Signature'"),
        (lambda u: u.replace("X-Amz-Date", "X-Amz-Dat"), 400, "IncompleteSignature", "'X-Amz-Date'"),
        (lambda u: u.replace("X-Amz-Expires=300&", ""), 400, "IncompleteSignature", "'X-Amz-Expires'"),
        (lambda u: u.replace("X-Amz-Date=2026", "X-Amz-Date=nope"), 403, "SignatureDoesNotMatch", "Date in Credential"),
        (lambda u: u.replace("GetCallerIdentity", "AssumeRole"), 400, "InvalidAction", "AssumeRole"),
        (lambda u: u.replace("Version=2011-06-15", "Version=1"), 400, "InvalidAction", "version 1"),
        (lambda u: u.replace("ASIA", "ASIB"), 403, "InvalidClientTokenId", "is invalid"),
        (lambda u: u.replace("%2Fsts%2F", "%2Fiam%2F"), 403, "SignatureDoesNotMatch", "correct service: 'sts'"),
        (lambda u: u.replace("%2Faws4_request", ""), 400, "IncompleteSignature", "5 slash-delimited"),
        (lambda u: u.replace("Expires=300", "Expires=301"), 403, "SignatureDoesNotMatch", MISMATCH),
        (lambda u: u + "&More=1", 403, "SignatureDoesNotMatch", MISMATCH),
        (lambda u: u.replace("/?", "/x?"), 403, "SignatureDoesNotMatch", MISMATCH),
        (lambda u: u[:-1] + ("0" if u[-1] != "0" else "1"), 403, "SignatureDoesNotMatch", MISMATCH),
    ],
)
def test_a_changed_question_is_refused_in_stss_own_words(change: Any, status: int, code: str, message: str) -> None:
    answered = refused(ask(change(url())))
    assert answered[:2] == (status, code)
    assert message in answered[2]


def test_a_key_that_is_not_known_with_this_secret_is_refused() -> None:
    assert refused(ask(url(secret="guessed")))[1:] == ("SignatureDoesNotMatch", MISMATCH)


@pytest.mark.parametrize("token", [None, "another"])
def test_a_temporary_key_without_its_session_token_is_refused(token: str | None) -> None:
    assert refused(ask(url(token=token)))[:2] == (403, "InvalidClientTokenId")


def test_a_lasting_key_with_a_session_token_is_refused() -> None:
    assert refused(ask(url(BOB, token="session")))[:2] == (403, "InvalidClientTokenId")


def test_a_temporary_key_that_has_ended_is_refused() -> None:
    late = NOW + timedelta(hours=1)
    assert refused(ask(url(at=late), now=late)) == (
        403,
        "ExpiredToken",
        "The security token included in the request is expired",
    )


def test_a_header_that_is_signed_must_come_as_it_was_signed() -> None:
    assert refused(ask(url(), x_dr_command="0124"))[1:] == ("SignatureDoesNotMatch", MISMATCH)
    bare = {"Host": HOST, "Accept": "application/json"}
    answer = Sts([ANA], clock=lambda: NOW).request("GET", url(), bare, b"")
    assert refused(answer)[1:] == ("SignatureDoesNotMatch", MISMATCH)


def test_an_amz_header_that_is_not_signed_is_refused() -> None:
    assert "'x-amz-more' must be a 'SignedHeader'" in refused(ask(url(), x_amz_more="1"))[2]


def test_a_signature_that_leaves_the_host_out_is_refused() -> None:
    asked = url().replace("SignedHeaders=host%3B", "SignedHeaders=")
    assert "'Host' or ':authority' must be a 'SignedHeader'" in refused(ask(asked))[2]


def test_a_question_for_another_region_is_refused() -> None:
    asked = url(region="us-east-1")
    assert "scoped to a valid region" in refused(ask(asked, Host=HOST))[2]
    moved = asked.replace("sts.us-east-1", f"sts.{REGION}")
    assert "scoped to a valid region" in refused(ask(moved))[2]


def test_a_signature_lives_fifteen_minutes_whatever_it_says() -> None:
    asked = url()
    assert ask(asked, now=NOW + timedelta(minutes=15)).status == 200
    status, code, message = refused(ask(asked, now=NOW + timedelta(minutes=15, seconds=1)))
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert message == (
        "Signature expired: 20260304T060000Z is now earlier than 20260304T060001Z (20260304T061501Z - 15 min.)"
    )


def test_a_signature_from_the_future_is_refused() -> None:
    message = refused(ask(url(at=NOW + timedelta(minutes=6))))[2]
    assert message.startswith("Signature not yet current: 20260304T060600Z is still later than 20260304T060500Z")


def test_who_signed_is_named_in_json_and_in_xml() -> None:
    result = json.loads(ask(url()).body)["GetCallerIdentityResponse"]
    assert result["GetCallerIdentityResult"] == {"Account": "111122223333", "Arn": ROLE, "UserId": "AROA:ana"}
    assert result["ResponseMetadata"]["RequestId"]
    text = ask(url(), Accept="*/*").body.decode()
    assert text.startswith('<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">')
    assert f"<Arn>{ROLE}</Arn>" in text
    assert "<ErrorResponse" in ask(url(secret="x"), Accept="*/*").body.decode()


class _Real:
    """An ordinary client's way to the model."""

    def __init__(self, model: Sts) -> None:
        self.request = model.request


def client(key: Key, **changed: Any) -> Any:
    made = boto3.client(
        "sts",
        region_name=REGION,
        aws_access_key_id=key.access_key,
        aws_secret_access_key=changed.get("secret", key.secret),
        aws_session_token=key.token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    lasting = Key(access_key=key.access_key, secret=key.secret, arn=key.arn, user_id=key.user_id, token=key.token)
    aws: Any = _Real(Sts([lasting], clock=lambda: datetime.now(UTC)))

    def with_host(request: Any, **_: Any) -> None:
        # botocore leaves the Host to what sends; here nothing sends.
        request.headers["Host"] = urlsplit(request.url).netloc

    made.meta.events.register_first("before-send", with_host)
    return attach(made, aws)


@pytest.mark.parametrize("key", [ANA, BOB], ids=["role", "user"])
def test_an_ordinary_client_that_signs_by_header_is_known_and_its_refusals_are_read(key: Key) -> None:
    found = client(key).get_caller_identity()
    assert (found["Arn"], found["Account"], found["UserId"]) == (key.arn, "111122223333", key.user_id)
    with pytest.raises(ClientError) as error:
        client(key, secret="wrong").get_caller_identity()
    assert error.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
