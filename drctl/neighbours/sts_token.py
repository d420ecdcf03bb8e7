"""Who stands behind an EKS bearer token: the check that EKS makes before it lets anyone near its Kubernetes API.

A token is `k8s-aws-v1.` and the base64url, without padding, of a presigned GET of STS's GetCallerIdentity. Its
signature cannot be verified here: whoever holds the key has signed that STS may be asked, for this cluster and no other
(`x-k8s-aws-id` is among the signed headers, and the verifier fills it in), and STS answers who that is. So what is
checked is everything by which a token could ask something else, somewhere else, or too late; then STS is asked.

Source: github.com/kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go (`Verify`): the order of the checks, their
limits, and that X-Amz-Expires says nothing about the end: a token ends 15 minutes after X-Amz-Date.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

PREFIX: Final = "k8s-aws-v1."
LARGEST: Final = 4096
"""Bytes of the longest token."""
LIVES: Final = timedelta(minutes=15)
CLUSTER_HEADER: Final = "x-k8s-aws-id"
ALLOWED: Final = frozenset(
    {
        "action",
        "version",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)
"""Query parameters, in small letters; any other is refused."""

Fetch = Callable[[str, Mapping[str, str]], tuple[int, bytes]]
"""`fetch(url, headers) -> (status, body)`: a GET that follows no redirect. OSError when nobody answers."""


class Unauthorized(Exception):  # noqa: N818 (it is the answer 401, in the words of Kubernetes)
    """The token is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who STS says it is. `canonical_arn` is the role behind an assumed role's session, as access is granted to it."""

    arn: str
    canonical_arn: str
    account: str
    user_id: str
    access_key: str


class Verifier:
    """Verifies tokens for one cluster.

    `hosts` are STS's own (`sts.us-west-2.amazonaws.com`), asked over https only. `local_hosts` (`127.0.0.1:4566`) are
    the local world's gate, which may be asked over plain http too: the one thing here that EKS does not do.
    """

    def __init__(
        self,
        cluster: str,
        *,
        clock: Callable[[], datetime],
        fetch: Fetch,
        hosts: Iterable[str],
        local_hosts: Iterable[str] = (),
    ) -> None:
        self.cluster = cluster
        self.clock = clock
        self.fetch = fetch
        self.hosts = frozenset(hosts)
        self.local_hosts = frozenset(local_hosts)

    def verify(self, token: str) -> Identity:
        """The identity behind the token, or Unauthorized."""
        url = _decoded(token)
        access_key = self._refuse(url)
        try:
            status, body = self.fetch(url, {CLUSTER_HEADER: self.cluster, "Accept": "application/json"})
        except OSError as error:
            raise Unauthorized(f"sts getCallerIdentity failed: {error}") from error
        if status != 200:
            raise Unauthorized(f"sts getCallerIdentity failed: expected 200, got {status}: {body[:200]!r}")
        return _identity(body, access_key)

    def _refuse(self, url: str) -> str:
        """Raises unless the URL asks STS for nothing but the caller's identity, for this cluster, now. Gives the
        access key.
        """
        parts = urlsplit(url)
        host = parts.netloc
        if parts.scheme != "https" and not (parts.scheme == "http" and host in self.local_hosts):
            raise Unauthorized(f"unexpected scheme {parts.scheme!r} in pre-signed URL")
        if host not in self.hosts | self.local_hosts:
            raise Unauthorized(f"unexpected hostname {host!r} in pre-signed URL")
        if parts.path != "/":
            raise Unauthorized(f"unexpected path {parts.path!r} in pre-signed URL")
        query = _query(parts.query)
        if query.get("action") != "GetCallerIdentity":
            raise Unauthorized(f"unexpected action parameter {query.get('action')!r} in pre-signed URL")
        signed = query.get("x-amz-signedheaders", "").lower().split(";")
        if CLUSTER_HEADER not in signed:
            raise Unauthorized(f"client did not sign the {CLUSTER_HEADER} header in the pre-signed URL")
        expires = query.get("x-amz-expires", "")
        if not re.fullmatch(r"\d{1,3}", expires) or int(expires) > 900:
            raise Unauthorized(f"invalid X-Amz-Expires parameter in pre-signed URL: {expires!r}")
        signed_at = _date(query.get("x-amz-date", ""))
        if self.clock() > signed_at + LIVES:
            raise Unauthorized(f"X-Amz-Date parameter is expired (15 minute expiration) {signed_at.isoformat()}")
        return query.get("x-amz-credential", "").partition("/")[0]


def _decoded(token: str) -> str:
    if len(token) > LARGEST:
        raise Unauthorized("token is too large")
    if not token.startswith(PREFIX):
        raise Unauthorized(f"token is missing expected {PREFIX!r} prefix")
    encoded = token.removeprefix(PREFIX)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", encoded):
        # Padding is refused too: it is the raw encoding.
        raise Unauthorized("token is not base64url without padding")
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthorized(f"token cannot be decoded: {error}") from error


def _query(given: str) -> dict[str, str]:
    try:
        found = parse_qs(given, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise Unauthorized(f"malformed query parameter: {error}") from error
    query: dict[str, str] = {}
    for name, values in found.items():
        if name.lower() not in ALLOWED:
            raise Unauthorized(f"non-whitelisted query parameter {name!r}")
        if len(values) != 1 or name.lower() in query:
            raise Unauthorized(f"query parameter {name!r} with multiple values not supported")
        query[name.lower()] = values[0]
    return query


def _date(given: str) -> datetime:
    if not given:
        raise Unauthorized("X-Amz-Date parameter must be present in pre-signed URL")
    try:
        return datetime.strptime(given, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Unauthorized(f"error parsing X-Amz-Date parameter {given!r}") from error


def _identity(body: bytes, access_key: str) -> Identity:
    """Reads STS's answer, JSON because it was asked for, or XML from a stand-in that gives nothing else."""
    try:
        if body.lstrip().startswith(b"<"):
            fields = {m["name"].decode(): m["value"].decode() for m in _XML.finditer(body)}
        else:
            fields = json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
        arn, account, user_id = str(fields["Arn"]), str(fields["Account"]), str(fields["UserId"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unauthorized(f"sts getCallerIdentity failed: its answer cannot be read: {error!r}") from error
    return Identity(arn, canonical(arn), account, user_id, access_key)


_XML: Final = re.compile(rb"<(?P<name>Arn|Account|UserId)>(?P<value>[^<]+)</")


def canonical(arn: str) -> str:
    """`arn:aws:sts::1:assumed-role/NAME/SESSION` → `arn:aws:iam::1:role/NAME`; users, roles, federated users and roots
    as they are. Unauthorized for anything else (pkg/arn/arn.go, `Canonicalize`).
    """
    if assumed := re.fullmatch(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d*):assumed-role/(?P<role>.+)/[^/]+", arn):
        return f"arn:{assumed['partition']}:iam::{assumed['account']}:role/{assumed['role']}"
    if re.fullmatch(r"arn:[\w-]+:(sts::\d*:federated-user/.+|iam::\d*:(user/.+|role/.+|root))", arn):
        return arn
    raise Unauthorized(f"unrecognized resource in {arn!r}")
