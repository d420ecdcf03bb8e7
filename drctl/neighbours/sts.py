"""STS's GetCallerIdentity, over the wire: who holds the key that a request was signed with.

The signature is really verified, against the keys that are known here; by header or by query. What it refuses and how
it says so is STS's own:
- the canonical request, and the checks of a signature: docs.aws.amazon.com/IAM/latest/UserGuide/, the pages
  reference_sigv-create-signed-request and reference_sigv-troubleshooting
- codes: docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
- *expired*: 15 minutes after X-Amz-Date, in SignatureDoesNotMatch's words (github.com/aws/aws-cli/issues/6676),
  whatever X-Amz-Expires says (github.com/aws/aws-sdk-go/issues/2167)
- *json*: STS answers in JSON when it is asked to, which aws-iam-authenticator leans on (pkg/token/token.go)
- the error's shape: github.com/boto/boto3/issues/756

GetCallerIdentity needs no permission (docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html), so none
is asked for. Other operations are not kept here.
"""

from __future__ import annotations

import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from drctl.neighbours.aws import Answer

NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
BEHIND: Final = timedelta(minutes=15)
AHEAD: Final = timedelta(minutes=5)
MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_STATUS: Final = {"IncompleteSignature": 400, "InvalidAction": 400, "MalformedQueryString": 400}
"""The others are 403."""
_REGIONAL: Final = re.compile(r"sts\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_PART: Final = re.compile(r"\s*(Credential|SignedHeaders|Signature)=([^,\s]+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An access key, and whose it is. A temporary one has a session token, and ends."""

    access_key: str
    secret: str
    arn: str
    user_id: str
    token: str | None = None
    ends_at: datetime | None = None


class _RefusedError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """A signature as it came. `url` is what was signed."""

    credential: str
    date: str
    headers: tuple[str, ...]
    value: str
    token: str | None
    url: str


class Sts:
    """The model: no I/O of its own. `keys` are all that there are, until it is told of more (`know`)."""

    def __init__(self, keys: Iterable[Key], *, clock: Callable[[], datetime]) -> None:
        self.keys = {key.access_key: key for key in keys}
        self.clock = clock

    def know(self, keys: Iterable[Key]) -> None:
        """Keys that there are from now on."""
        self.keys |= {key.access_key: key for key in keys}

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One HTTP request; `url` is absolute. Nothing is raised: a refusal is an answer."""
        sent = {name.lower(): value for name, value in headers.items()}
        as_json = "application/json" in sent.get("accept", "")
        try:
            key = self._verified(method, url, sent, body)
        except _RefusedError as refused:
            error = {"Code": refused.code, "Message": refused.message, "Type": "Sender"}
            return _answer(_STATUS.get(refused.code, 403), "Error", error, as_json=as_json)
        result = {"Account": key.arn.split(":")[4], "Arn": key.arn, "UserId": key.user_id}
        return _answer(200, "GetCallerIdentity", result, as_json=as_json)

    def _verified(self, method: str, url: str, sent: Mapping[str, str], body: bytes) -> Key:
        asked = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        if "x-www-form-urlencoded" in sent.get("content-type", ""):
            asked |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if (asked.get("Action"), asked.get("Version")) != ("GetCallerIdentity", "2011-06-15"):
            named = f"{asked.get('Action', '')} for version {asked.get('Version', '')}"
            raise _RefusedError("InvalidAction", f"Could not find operation {named}")
        signature = _signature(url, sent)
        access_key, *scope = signature.credential.split("/")
        key = self.keys.get(access_key)
        if key is None or signature.token != key.token:
            raise _RefusedError("InvalidClientTokenId", "The security token included in the request is invalid.")
        now = self.clock()
        if key.ends_at is not None and now >= key.ends_at:
            raise _RefusedError("ExpiredToken", "The security token included in the request is expired")
        region = _scoped(scope, signature.date, sent.get("host", urlsplit(url).netloc))
        _refuse_unsigned(signature.headers, sent)
        _refuse_time(signature.date, now)
        if not hmac.compare_digest(_calculated(key, region, method, signature, sent, body), signature.value):
            raise _RefusedError("SignatureDoesNotMatch", MISMATCH)
        return key


def _signature(url: str, sent: Mapping[str, str]) -> _Signature:
    """By header or by query; one of the two must be whole."""
    authorization = sent.get("authorization", "")
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if authorization:
        found = dict(_PART.findall(authorization.removeprefix("AWS4-HMAC-SHA256")))
        algorithm, date = authorization.partition(" ")[0], sent.get("x-amz-date", "")
        token, bare = sent.get("x-amz-security-token"), url
    elif "X-Amz-Algorithm" in query:
        found = {name: query.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
        algorithm, date = query["X-Amz-Algorithm"], query.get("X-Amz-Date", "")
        token = query.get("X-Amz-Security-Token")
        kept = "&".join(p for p in parts.query.split("&") if not p.startswith("X-Amz-Signature="))
        bare = parts._replace(query=kept).geturl()
        if not query.get("X-Amz-Expires"):
            found["Expires"] = ""
    else:
        raise _RefusedError("MissingAuthenticationToken", "Request is missing Authentication Token")
    missing = [n for n in ("Credential", "SignedHeaders", "Signature") if not found.get(n)]
    missing += ["X-Amz-Date"] if not date else []
    missing += ["X-Amz-Expires"] if found.get("Expires") == "" else []
    if algorithm != "AWS4-HMAC-SHA256" or missing:
        what = f"requires {', '.join(repr(n) for n in missing)}" if missing else f"has the algorithm {algorithm!r}"
        raise _RefusedError("IncompleteSignature", f"The request signature {what}.")
    return _Signature(
        credential=found["Credential"],
        date=date,
        headers=tuple(found["SignedHeaders"].split(";")),
        value=found["Signature"],
        token=token or None,
        url=bare,
    )


def _scoped(scope: list[str], date: str, host: str) -> str:
    """The region of the scope, which is that of the host where the host has one."""
    if len(scope) != 4 or scope[3] != "aws4_request":
        raise _RefusedError("IncompleteSignature", "Credential must have exactly 5 slash-delimited elements.")
    day, region, service, _ = scope
    regional = _REGIONAL.fullmatch(host)
    wrong = []
    if day != date[:8]:
        wrong.append(
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: {day!r}"
        )
    if regional and regional[1] != region:
        wrong.append("Credential should be scoped to a valid region.")
    if service != "sts":
        wrong.append("Credential should be scoped to correct service: 'sts'.")
    if wrong:
        raise _RefusedError("SignatureDoesNotMatch", " ".join(wrong))
    return region


def _refuse_unsigned(signed: tuple[str, ...], sent: Mapping[str, str]) -> None:
    for name in ("host", *(n for n in sent if n.startswith("x-amz-"))):
        if name not in signed:
            said = "'Host' or ':authority'" if name == "host" else repr(name)
            message = f"{said} must be a 'SignedHeader' in the AWS Authorization."
            raise _RefusedError("SignatureDoesNotMatch", message)


def _refuse_time(date: str, now: datetime) -> None:
    try:
        at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        message = f"Date must be in ISO-8601 'basic format'. Got '{date}'."
        raise _RefusedError("IncompleteSignature", message) from error
    shown = f"{now:%Y%m%dT%H%M%SZ}"
    if at < now - BEHIND:
        edge = f"{now - BEHIND:%Y%m%dT%H%M%SZ}"
        message = f"Signature expired: {date} is now earlier than {edge} ({shown} - 15 min.)"
        raise _RefusedError("SignatureDoesNotMatch", message)
    if at > now + AHEAD:
        edge = f"{now + AHEAD:%Y%m%dT%H%M%SZ}"
        message = f"Signature not yet current: {date} is still later than {edge} ({shown} + 5 min.)"
        raise _RefusedError("SignatureDoesNotMatch", message)


def _calculated(key: Key, region: str, method: str, signature: _Signature, sent: Mapping[str, str], body: bytes) -> str:
    """The signature that the request would have, of what it says is signed and what of that has come."""
    headers = {name: sent[name] for name in signature.headers if name in sent}
    request = AWSRequest(method=method, url=signature.url, headers=headers, data=body)
    request.context["timestamp"] = signature.date
    signer = SigV4Auth(Credentials(key.access_key, key.secret), "sts", region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def _answer(status: int, what: str, found: Mapping[str, str], *, as_json: bool) -> Answer:
    request_id = str(uuid.uuid4())
    headers = {"x-amzn-RequestId": request_id, "Content-Type": "application/json" if as_json else "text/xml"}
    said: dict[str, Any]
    if what == "Error":
        said = {"Error": dict(found), "RequestId": request_id}
        root = "ErrorResponse"
    else:
        said = {f"{what}Result": dict(found), "ResponseMetadata": {"RequestId": request_id}}
        root = f"{what}Response"
    if as_json:
        return Answer(status, headers, json.dumps(said if what == "Error" else {root: said}).encode())
    return Answer(status, headers, f'<{root} xmlns="{NAMESPACE}">{_xml(said)}</{root}>\n'.encode())


def _xml(said: Mapping[str, Any]) -> str:
    return "".join(f"<{k}>{_xml(v) if isinstance(v, Mapping) else escape(v)}</{k}>" for k, v in said.items())


def make_app(model: Sts) -> web.Application:
    """Everything at one address. The URL is rebuilt with the host that the caller asked for, which is signed."""
    app = web.Application()

    async def ask(request: web.Request) -> web.Response:
        url = f"http://{request.host}{request.raw_path}"
        answer = model.request(request.method, url, request.headers, await request.read())
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    app.router.add_route("*", "/{rest:.*}", ask)
    return app
