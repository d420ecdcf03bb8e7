"""Which questions STS may be asked about a command, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials

from chalicelib.core.outcome import NoData
from chalicelib.intake.identity import AHEAD, LARGEST, Caller, IdentityError, Question, answered, digest, host, read
from drctl.signing import presigned

NOW = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
REGION = "us-west-2"
TO = "arn:aws:lambda:us-west-2:111122223333:function:neurectomy-dr-command"
ANA = "arn:aws:sts::111122223333:assumed-role/dr-operator/ana"
SAID = {"command": "approve", "incident": "inc-1", "plan": "abc", "id": "7"}
KEYS = Credentials("ASIAANA", "secret", "session")


def url(*, lives: int = 300, at: datetime = NOW, region: str = REGION, **headers: str) -> str:
    signed = {"x-dr-command": digest(SAID, to=TO)} | {k.replace("_", "-"): v for k, v in headers.items()}
    return presigned(region, signed, credentials=KEYS, now=at, lives=timedelta(seconds=lives))


def question(identity: object, now: datetime = NOW, changed: Mapping[str, str] | None = None) -> Question:
    return read({**SAID, **(changed or {}), "identity": identity}, to=TO, region=REGION, now=now)


def refusal(identity: object, now: datetime = NOW) -> str:
    with pytest.raises(IdentityError) as refused:
        question(identity, now)
    text = str(refused.value)
    # Whoever could read the whole of it could say the command again.
    assert "X-Amz-Signature=" not in text
    return text


def test_a_signed_command_gives_the_question_that_sts_is_asked() -> None:
    asked = question(url())
    assert asked.url == url()
    assert asked.headers == {"x-dr-command": digest(SAID, to=TO), "Accept": "application/json"}
    assert parse_qs(urlsplit(asked.url).query)["X-Amz-SignedHeaders"] == ["host;x-dr-command"]


@pytest.mark.parametrize(
    "changed", [{"plan": "abd"}, {"id": "8"}, {"command": "abort"}, {"step": "promote"}, {"note": ""}]
)
def test_the_digest_is_of_the_command_that_came_and_of_no_other(changed: dict[str, str]) -> None:
    assert question(url(), changed=changed).headers["x-dr-command"] != digest(SAID, to=TO)


def test_the_digest_is_of_the_whole_command_whatever_its_order_and_of_the_function_it_is_said_to() -> None:
    assert digest(dict(reversed(SAID.items())) | {"note": None, "identity": "x"}, to=TO) == digest(SAID, to=TO)
    assert digest(SAID, to=TO) != digest(SAID, to=TO.replace("neurectomy", "another"))
    # Written down, so that whoever signs without drctl can compare.
    assert digest({"command": "status", "id": "1"}, to="arn") == (
        "9a0f1dab56bc1d15ff682feed077c2b6fed5c121cef3fea0255ed6679075916e"
    )


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (
            lambda u: u.replace("https", "http"),
            "asks 'http://sts.us-west-2.amazonaws.com/'; allowed: https://sts.us-west",
        ),
        (lambda u: u.replace("sts.us-west-2", "sts.us-east-1"), "asks 'https://sts.us-east-1.amazonaws.com/'"),
        (lambda u: u.replace("sts.us-west-2", "sts"), "asks 'https://sts.amazonaws.com/'"),
        (lambda u: u.replace("amazonaws.com", "amazonaws.com.evil.example"), "evil.example/'; allowed"),
        (lambda u: u.replace("https://", "https://evil@"), "asks 'https://evil@sts"),
        (lambda u: u.replace(".com/", ".com:444/"), "asks 'https://sts.us-west-2.amazonaws.com:444/'"),
        (lambda u: u.replace(".com/", ".com\\@evil.example/"), "evil.example"),
        (lambda u: u.replace("/?", "/x?"), "amazonaws.com/x'; allowed"),
        (lambda u: u.replace("/?", "?"), "amazonaws.com'; allowed"),
        (lambda u: u + "#x", "allowed: https://"),
        (lambda u: u.replace("GetCallerIdentity", "AssumeRole"), "Action is 'AssumeRole'; allowed: GetCallerIdentity"),
        (lambda u: u.replace("2011-06-15", "2010-01-01"), "Version is '2010-01-01'"),
        (lambda u: u.replace("HMAC-SHA256", "HMAC-SHA1"), "X-Amz-Algorithm is 'AWS4-HMAC-SHA1'"),
        (lambda u: u + "&RoleArn=x", "knows no RoleArn"),
        (lambda u: u + "&action=AssumeRole", "knows no action"),
        (lambda u: u + "&Action=GetCallerIdentity", "takes once Action"),
        (lambda u: u.replace("Version=2011-06-15&", ""), "needs Version"),
        (lambda u: u.partition("&X-Amz-Signature")[0], "needs X-Amz-Signature"),
        (lambda u: u + "&broken", "query cannot be read"),
        (lambda u: u + "&a=%ff", "query cannot be read"),
        (lambda u: u.replace("host%3Bx-dr-command", "host"), "signs the headers 'host'; allowed: host;x-dr-command"),
        (lambda u: u.replace("host%3Bx-dr-command", "x-dr-command"), "signs the headers 'x-dr-command'"),
        (lambda u: u.replace("us-west-2%2Fsts", "us-east-1%2Fsts"), "signed for '20260304/us-east-1/sts/aws4_request'"),
        (lambda u: u.replace("%2Fsts%2F", "%2Fiam%2F"), "signed for '20260304/us-west-2/iam/aws4_request'"),
        (lambda u: u.replace("Expires=300", "Expires=901"), "X-Amz-Expires is '901'; allowed: 1 to 900 seconds"),
        (lambda u: u.replace("Expires=300", "Expires=0"), "X-Amz-Expires is '0'"),
        (lambda u: u.replace("Expires=300", "Expires=-1"), "X-Amz-Expires is '-1'"),
        (lambda u: u.replace("Expires=300", "Expires=soon"), "X-Amz-Expires is 'soon'"),
        (lambda u: u.replace("Date=20260304T06", "Date=20260304T99"), "X-Amz-Date is '20260304T990000Z'"),
        (lambda u: u.replace("ASIAANA", "ASIA%0AANA"), ""),
    ],
)
def test_whatever_else_sts_could_be_asked_is_refused(change: Any, because: str) -> None:
    changed = change(url())
    assert changed != url()
    if because:
        assert because in refusal(changed)
    else:
        assert question(changed)  # an access key is STS's to judge


def test_a_header_more_that_is_signed_is_refused_for_nobody_would_send_it() -> None:
    assert "host;x-dr-command;x-more" in refusal(url(x_more="1"))


@pytest.mark.parametrize("identity", [5, ["x"], "", "x y", "a\nb", "https://é", "x" * (LARGEST + 1)])
def test_what_is_no_url_is_refused(identity: object) -> None:
    assert "identity is no presigned URL" in refusal(identity)


def test_a_signature_is_good_as_long_as_it_says() -> None:
    assert question(url(), NOW + timedelta(seconds=299))
    assert "expired at 06:05:00 UTC, it is 06:05:00 UTC" in refusal(url(), NOW + timedelta(seconds=300))
    assert question(url(lives=900), NOW + timedelta(seconds=899))
    assert question(url(), NOW - AHEAD)
    assert "ahead of 05:54:59 UTC" in refusal(url(), NOW - AHEAD - timedelta(seconds=1))


def test_each_region_has_a_host_of_its_own() -> None:
    assert host("us-gov-west-1") == "sts.us-gov-west-1.amazonaws.com"
    assert host("cn-north-1") == "sts.cn-north-1.amazonaws.com.cn"


def ok(**changed: object) -> str:
    result = {"Account": "111122223333", "Arn": ANA, "UserId": "AROA:ana"} | changed
    return json.dumps({"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}})


def error(code: str, message: str = "no") -> str:
    return json.dumps({"Error": {"Code": code, "Message": message, "Type": "Sender"}, "RequestId": "1"})


def test_an_answer_names_the_caller() -> None:
    assert answered(200, ok()) == Caller(arn=ANA, account="111122223333")


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", "null", "<html/>", ok(Arn=5), ok(Arn="ana"), ok(Account="999900001111"), ok(Account=None)]
)
def test_an_answer_that_names_nobody_is_no_proof_and_no_refusal(body: str) -> None:
    assert isinstance(answered(200, body), NoData)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "SignatureDoesNotMatch"),
        (403, "ExpiredToken"),
        (403, "InvalidClientTokenId"),
        (403, "AccessDenied"),
        (400, "IncompleteSignature"),
    ],
)
def test_a_refusal_of_sts_is_a_refusal(status: int, code: str) -> None:
    with pytest.raises(IdentityError, match=f"STS refused it with {status}: '{code}': 'no'"):
        answered(status, error(code))


def test_a_refusal_that_cannot_be_read_is_a_refusal_too() -> None:
    with pytest.raises(IdentityError, match="STS refused it with 403"):
        answered(403, "<ErrorResponse/>")


def test_a_signature_that_does_not_match_may_be_of_another_command() -> None:
    with pytest.raises(IdentityError, match="signed with other keys, or for another command"):
        answered(403, error("SignatureDoesNotMatch"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, ""),
        (503, error("ServiceUnavailable")),
        (400, error("Throttling")),
        (429, ""),
        (408, ""),
        (302, ""),
        (100, ""),
    ],
)
def test_sts_in_trouble_proves_nothing_and_refuses_nothing(status: int, body: str) -> None:
    found = answered(status, body)
    assert isinstance(found, NoData)
    assert f"STS answered {status}" in found.because
