from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.signers import RequestSigner

from drctl.neighbours.sts_token import Unauthorized, Verifier, canonical

HOST = "sts.us-west-2.amazonaws.com"
GATE = "127.0.0.1:4566"
ROLE = "arn:aws:sts::000000000000:assumed-role/responder/session-1"


def answer(arn: str = ROLE) -> bytes:
    found = {"Arn": arn, "Account": "000000000000", "UserId": "AROA:session-1"}
    return json.dumps({"GetCallerIdentityResponse": {"GetCallerIdentityResult": found}}).encode()


class Sts:
    """Answers as STS, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.status, self.body = 200, answer()

    def __call__(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self.asked.append((url, headers))
        return self.status, self.body


class Deaf:
    def __call__(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        raise ConnectionRefusedError(f"nobody at {url.partition('?')[0]} for {len(headers)} headers")


def presigned(endpoint: str = f"https://{HOST}", cluster: str | None = "west") -> str:
    """A URL as `aws eks get-token` makes it, by botocore's own signer."""
    session = boto3.Session(aws_access_key_id="AKIATEST", aws_secret_access_key="s", region_name="us-west-2")
    client = session.client("sts")
    credentials = session.get_credentials()
    signer = RequestSigner(
        client.meta.service_model.service_id, "us-west-2", "sts", "v4", credentials, client.meta.events
    )
    request: dict[str, Any] = {
        "method": "GET",
        "url": f"{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {} if cluster is None else {"x-k8s-aws-id": cluster},
        "context": {},
    }
    return str(signer.generate_presigned_url(request, region_name="us-west-2", expires_in=60, operation_name=""))


def token(url: str) -> str:
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def verifier(sts: Any, late: timedelta = timedelta()) -> Verifier:
    return Verifier("west", clock=lambda: datetime.now(UTC) + late, fetch=sts, hosts=[HOST], local_hosts=[GATE])


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (lambda url: url.replace("https", "http"), "unexpected scheme 'http'"),
        (lambda url: url.replace("https", "file"), "unexpected scheme 'file'"),
        (lambda url: url.replace(HOST, "sts.evil.example"), "unexpected hostname 'sts.evil.example'"),
        (lambda url: url.replace(HOST, f"{HOST}@evil.example"), "unexpected hostname"),
        (lambda url: url.replace("/?", "/x?"), "unexpected path '/x'"),
        (lambda url: url.replace("GetCallerIdentity", "AssumeRole"), "unexpected action parameter 'AssumeRole'"),
        (lambda url: url.replace("Action=", "Act="), "non-whitelisted query parameter 'Act'"),
        (lambda url: url + "&RoleArn=x", "non-whitelisted query parameter 'RoleArn'"),
        (lambda url: url + "&Action=AssumeRole", "multiple values"),
        (lambda url: url + "&action=AssumeRole", "multiple values"),
        (lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=901"), "invalid X-Amz-Expires"),
        (lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=-1"), "invalid X-Amz-Expires"),
        (lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=soon"), "invalid X-Amz-Expires"),
        (lambda url: url.replace("X-Amz-Date=2", "X-Amz-Date=x"), "error parsing X-Amz-Date"),
        (lambda url: "&".join(p for p in url.split("&") if "X-Amz-Date" not in p), "X-Amz-Date parameter must be"),
        (lambda url: url + "&broken", "malformed query parameter"),
    ],
)
def test_refuses_a_url_that_asks_anything_else(change: Any, because: str) -> None:
    sts = Sts()
    with pytest.raises(Unauthorized, match=because):
        verifier(sts).verify(token(change(presigned())))
    assert sts.asked == []


@pytest.mark.parametrize(
    ("bearer", "because"),
    [
        ("eyJhbGciOi", "missing expected 'k8s-aws-v1.' prefix"),
        ("k8s-aws-v1." + "a" * 4096, "too large"),
        ("k8s-aws-v1.aHR0cHM6Ly8=", "without padding"),
        ("k8s-aws-v1.", "without padding"),
        ("k8s-aws-v1.a", "cannot be decoded"),
        ("k8s-aws-v1._-8", "cannot be decoded"),
    ],
)
def test_refuses_what_is_no_token(bearer: str, because: str) -> None:
    with pytest.raises(Unauthorized, match=because):
        verifier(Sts()).verify(bearer)


def test_refuses_a_token_that_was_not_signed_for_a_cluster() -> None:
    with pytest.raises(Unauthorized, match="did not sign the x-k8s-aws-id header"):
        verifier(Sts()).verify(token(presigned(cluster=None)))


def test_refuses_a_token_fifteen_minutes_after_it_was_signed_whatever_it_says() -> None:
    bearer = token(presigned())
    assert verifier(Sts(), timedelta(minutes=14, seconds=50)).verify(bearer)
    with pytest.raises(Unauthorized, match="is expired"):
        verifier(Sts(), timedelta(minutes=15, seconds=1)).verify(bearer)


def test_refuses_what_sts_refuses() -> None:
    sts = Sts()
    sts.status, sts.body = 403, b"SignatureDoesNotMatch"
    with pytest.raises(Unauthorized, match=r"got 403.*SignatureDoesNotMatch"):
        verifier(sts).verify(token(presigned(cluster="east")))


def test_refuses_when_sts_does_not_answer() -> None:
    with pytest.raises(Unauthorized, match="sts getCallerIdentity failed: nobody at"):
        verifier(Deaf()).verify(token(presigned()))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html/>", answer("arn:aws:s3:::bucket")])
def test_refuses_an_answer_that_names_nobody(body: bytes) -> None:
    sts = Sts()
    sts.body = body
    with pytest.raises(Unauthorized):
        verifier(sts).verify(token(presigned()))


def test_sts_is_asked_for_this_cluster_and_the_role_is_found() -> None:
    sts = Sts()
    found = verifier(sts).verify(token(presigned(cluster="east")))
    url, headers = sts.asked[0]
    # Not the cluster the client had in mind: the signature then does not hold, and STS refuses.
    assert headers["x-k8s-aws-id"] == "west"
    assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert (found.arn, found.canonical_arn) == (ROLE, "arn:aws:iam::000000000000:role/responder")
    assert (found.account, found.access_key, found.user_id) == ("000000000000", "AKIATEST", "AROA:session-1")


def test_the_local_gate_may_be_asked_over_plain_http_and_answer_in_xml() -> None:
    sts = Sts()
    sts.body = (
        b'<GetCallerIdentityResponse xmlns="x"><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn>'
        b"<UserId>U</UserId><Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    assert verifier(sts).verify(token(presigned(f"http://{GATE}"))).arn == "arn:aws:iam::000000000000:root"


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        ("arn:aws:iam::1:user/a/b", "arn:aws:iam::1:user/a/b"),
        ("arn:aws-us-gov:sts::1:assumed-role/path/r/s", "arn:aws-us-gov:iam::1:role/path/r"),
        ("arn:aws:sts::1:federated-user/f", "arn:aws:sts::1:federated-user/f"),
    ],
)
def test_an_assumed_role_is_the_role(arn: str, found: str) -> None:
    assert canonical(arn) == found
