"""Who said a command: a presigned question to STS that only its sender could sign, and only for this command.

    {"command": "approve", …, "identity": "https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity&…"}

The sender presigns a GET of STS's GetCallerIdentity with the header `x-dr-command` among what is signed; its value is
the digest of the command. It does not travel with the command: whoever verifies computes it from what came in, sends
the question to STS, and STS refuses when another command was signed than the one that arrived. EKS's token is bound to
its cluster in this way (`x-k8s-aws-id`; github.com/kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go `Verify`),
and Vault's login to its server (`X-Vault-AWS-IAM-Server-ID`; developer.hashicorp.com/vault/docs/auth/aws).

Rules. Nothing here asks anybody: `read` refuses every question that STS must not be asked, `answered` reads what it
said. Only the regional endpoint of the responder's own region is asked, for that region must do alone. To STS a
signature is good for 15 minutes whatever X-Amz-Expires says (github.com/aws/aws-sdk-go/issues/2167), so that is checked
here.
Silence proves nothing and refuses nothing. The URL is a secret until it expires: never put it into a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from chalicelib.core.outcome import NoData
from chalicelib.intake.reading import clean, found

FIELD: Final = "identity"
HEADER: Final = "x-dr-command"
LARGEST: Final = 8192
"""Characters of a URL. A session token may have some thousands of them; AWS names no limit."""
LIVES: Final = timedelta(minutes=15)
AHEAD: Final = timedelta(minutes=5)
"""How far a signature's time may lie ahead of ours, as STS itself allows."""
_REQUIRED: Final = frozenset(
    {
        "Action",
        "Version",
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    }
)
_ALLOWED: Final = _REQUIRED | {"X-Amz-Security-Token"}
_SIGNED: Final = frozenset({"host", HEADER})
_FIXED: Final = {"Action": "GetCallerIdentity", "Version": "2011-06-15", "X-Amz-Algorithm": "AWS4-HMAC-SHA256"}
_NOT_NOW: Final = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "PriorRequestNotComplete"})
"""Refusals of the moment, which say nothing of the signature."""


class IdentityError(Exception):
    """An identity that proves nobody; the text says what was found and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What STS is to be asked: a GET of `url` with these headers, following no redirect."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who STS says it is."""

    arn: str
    account: str


def host(region: str) -> str:
    """STS's own host in a region (docs.aws.amazon.com/general/latest/gr/sts.html)."""
    return f"sts.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def digest(payload: Mapping[str, Any], *, to: str) -> str:
    """What `x-dr-command` says for this payload: SHA-256, in hexadecimal, of the JSON `{"command": {…}, "to": "…"}`.

    Keys sorted, no spaces, ASCII; without `identity`, and without fields that are null. `to` is the ARN of the command
    function, so that what was said to one platform is not said to another.
    """
    said = {k: v for k, v in payload.items() if k != FIELD and v is not None}
    text = json.dumps({"command": said, "to": to}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def read(payload: Mapping[str, Any], *, to: str, region: str, now: datetime) -> Question:
    """The question behind the payload's `identity`; IdentityError when STS must not be asked it."""
    url = payload[FIELD]
    if not isinstance(url, str) or len(url) > LARGEST or not re.fullmatch(r"[!-~]+", url):
        size = f" of {len(url)} characters" if isinstance(url, str) else f": {found(url)}"
        raise IdentityError(f"identity is no presigned URL{size}; allowed: a text of 1 to {LARGEST} ASCII characters")
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.netloc != host(region) or parts.path != "/" or parts.fragment:
        where = f"{parts.scheme}://{parts.netloc}{parts.path}"
        raise IdentityError(f"identity asks {found(where)}; allowed: https://{host(region)}/")
    query = _query(parts.query)
    for name, allowed in _FIXED.items():
        if query[name] != allowed:
            raise IdentityError(f"identity's {name} is {found(query[name])}; allowed: {allowed}")
    signed = frozenset(query["X-Amz-SignedHeaders"].split(";"))
    if signed != _SIGNED:
        raise IdentityError(
            f"identity signs the headers {found(query['X-Amz-SignedHeaders'])}; allowed: {';'.join(sorted(_SIGNED))}, "
            f"where {HEADER} is the digest of the command"
        )
    _check_scope(query["X-Amz-Credential"], query["X-Amz-Date"], region)
    _check_time(query["X-Amz-Date"], query["X-Amz-Expires"], now)
    # Put together again from what was looked at, so that nobody reads the URL otherwise than it was read here.
    return Question(
        url=f"https://{host(region)}/?{parts.query}",
        headers={HEADER: digest(payload, to=to), "Accept": "application/json"},
    )


def _query(text: str) -> dict[str, str]:
    try:
        given = parse_qs(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise IdentityError(f"identity's query cannot be read: {clean(str(error))[:80]}") from error
    unknown, missing = sorted(given.keys() - _ALLOWED), sorted(_REQUIRED - given.keys())
    twice = sorted(name for name, values in given.items() if len(values) != 1)
    for what, names in (("knows no", unknown), ("needs", missing), ("takes once", twice)):
        if names:
            raise IdentityError(f"identity's query {what} {', '.join(clean(n)[:40] for n in names[:4])}")
    return {name: values[0] for name, values in given.items()}


def _check_scope(credential: str, date: str, region: str) -> None:
    _, _, scope = credential.partition("/")
    wanted = f"{date[:8]}/{region}/sts/aws4_request"
    if scope != wanted:
        raise IdentityError(f"identity is signed for {found(scope)}; allowed: {wanted}")


def _check_time(date: str, expires: str, now: datetime) -> None:
    if not re.fullmatch(r"[0-9]{1,3}", expires) or not timedelta() < timedelta(seconds=int(expires)) <= LIVES:
        raise IdentityError(f"identity's X-Amz-Expires is {found(expires)}; allowed: 1 to {LIVES.seconds} seconds")
    try:
        at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise IdentityError(f"identity's X-Amz-Date is {found(date)}; allowed: like 20260304T060000Z") from error
    ends = at + timedelta(seconds=int(expires))
    if now >= ends:
        raise IdentityError(
            f"identity expired at {ends:%H:%M:%S} UTC, it is {now:%H:%M:%S} UTC; sign the command again"
        )
    if at > now + AHEAD:
        raise IdentityError(
            f"identity is signed at {at:%H:%M:%S} UTC, which is ahead of {now:%H:%M:%S} UTC; set the clock"
        )


def answered(status: int, body: str) -> Caller | NoData:
    """Who STS says it is; NoData when it could not say, IdentityError when it refused.

    As JSON, which STS gives when it is asked for: `{"GetCallerIdentityResponse": {"GetCallerIdentityResult": {…}}}` or
    `{"Error": {"Code", "Message", "Type"}, "RequestId"}`. Codes:
    https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if status == 200:
        return _caller(said)
    error = said.get("Error") if isinstance(said, Mapping) else None
    code, text = (error.get("Code"), error.get("Message")) if isinstance(error, Mapping) else (None, None)
    if not 400 <= status < 500 or status in (408, 429) or code in _NOT_NOW:
        return NoData(because=f"STS answered {status}{f' ({found(code)})' if code else ''}")
    hint = "; it was signed with other keys, or for another command" if code == "SignatureDoesNotMatch" else ""
    raise IdentityError(f"STS refused it with {status}: {found(code)}: {found(text)}{hint}")


def _caller(said: object) -> Caller | NoData:
    try:
        result = said["GetCallerIdentityResponse"]["GetCallerIdentityResult"]  # type: ignore[index] # what if it is not
        arn, account = result["Arn"], result["Account"]
    except (KeyError, TypeError):
        return NoData(because="STS answered 200 and nothing that can be read")
    if not isinstance(arn, str) or not isinstance(account, str) or arn.split(":")[4:5] != [account]:
        return NoData(because=f"STS answered 200 with the ARN {found(arn)} and the account {found(account)}")
    return Caller(arn=arn, account=account)
