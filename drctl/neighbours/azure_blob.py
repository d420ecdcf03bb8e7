"""Blob Storage at Azure: block blobs in containers with version-level immutability, entered by service SAS's only.

Sources, named below by their short names (learn.microsoft.com/rest/api/storageservices/…):
- *sas*: create-service-sas (string to sign of version 2020-12-06 and later; c is "write a new blob"; w, r, l, d)
- *put*: put-blob (5,000 MiB; Content-MD5 is compared before the blob is there; `x-ms-blob-type` is required)
- *list*: list-blobs (names in order, marker, delimiter, include=metadata,immutabilitypolicy)
- *codes*: blob-service-error-codes (UnauthorizedBlobOverwrite and AuthorizationPermissionMismatch 403, Md5Mismatch 400,
  BlobImmutableDueToPolicy and BlobAlreadyExists 409)
- *block*: put-block (a SAS needs w)
- *worm*: learn.microsoft.com/azure/storage/blobs/immutable-version-level-worm-policies (a container's locked policy
  holds for each new version; nobody deletes a version before its time, which can be made longer only)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode
from xml.sax.saxutils import escape

import httpx2
from aiohttp import web

VERSION: Final = "2021-12-02"
LARGEST: Final = 5000 * 1024**2
PAGE: Final = 5000
NEEDS: Final[Mapping[str, str]] = {"GET": "r", "HEAD": "r", "PUT": "cw", "DELETE": "d"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class Blob:
    """One version; `until` is when its immutability ends, None where its container has none."""

    body: bytes
    at: datetime
    md5: str
    metadata: Mapping[str, str]
    until: datetime | None


class RefusalError(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.answer = Answer(status, {"x-ms-error-code": code}, f"<Error><Code>{code}</Code></Error>".encode())


class BlobStorage:
    """One storage account. `containers` are name → days of locked immutability (0 for none). `down` answers nobody."""

    def __init__(
        self, account: str, clock: Callable[[], datetime], *, key: bytes, containers: Mapping[str, int]
    ) -> None:
        self.account = account
        self.down = False
        self._clock = clock
        self._key = key
        self._days = dict(containers)
        self.blobs: dict[tuple[str, str], Blob] = {}

    # What its owner does

    def sas(self, container: str, permissions: str, *, lasts: timedelta = timedelta(days=30)) -> str:
        """A service SAS of a container (*sas*)."""
        start = (self._clock() - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        ends = (self._clock() + lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        fields = {"sp": permissions, "st": start, "se": ends, "spr": "https", "sv": VERSION, "sr": "c"}
        return urlencode({**fields, "sig": self._sign(container, fields)})

    def names(self, container: str) -> list[str]:
        """What lies there."""
        return sorted(name for where, name in self.blobs if where == container)

    def tear(self, container: str, name: str) -> None:
        """Something at Azure goes wrong: half of a blob is gone. No request can do this."""
        blob = self.blobs[container, name]
        blob.body = blob.body[: len(blob.body) // 2]

    # Its operations

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """`target` is path and query, as they came over the wire."""
        path, _, query = target.partition("?")
        container, _, name = unquote(path).lstrip("/").partition("/")
        asked = dict(parse_qsl(query, keep_blank_values=True))
        given = {k.lower(): v for k, v in headers.items()}
        try:
            return self._answer(method, container, name, asked, given, body)
        except RefusalError as refused:
            return refused.answer

    def _answer(
        self,
        method: str,
        container: str,
        name: str,
        asked: Mapping[str, str],
        given: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        permissions = self._entered(container, asked, given)
        if container not in self._days:
            raise RefusalError(404, "ContainerNotFound")
        if asked.get("restype") == "container":
            return self._list(container, asked, permissions)
        if "comp" in asked:
            return self._others(method, container, name, asked["comp"], given, permissions)
        if not set(NEEDS.get(method, "?")) & set(permissions):
            raise RefusalError(403, "AuthorizationPermissionMismatch")
        match method:
            case "PUT":
                return self._put(container, name, given, body, permissions)
            case "DELETE":
                return self._delete(container, name)
            case _:
                blob = self._known(container, name)
                told = {"Content-MD5": blob.md5} | {f"x-ms-meta-{k}": v for k, v in blob.metadata.items()}
                return Answer(200, told, blob.body if method == "GET" else b"")

    def _entered(self, container: str, asked: Mapping[str, str], given: Mapping[str, str]) -> str:
        """The permissions of a SAS that is ours, whole, and of this time."""
        wanted = ("sp", "st", "se", "spr", "sv", "sr", "sig")
        if any(name not in asked for name in wanted) or "x-ms-version" not in given:
            raise RefusalError(403, "AuthenticationFailed")
        if not hmac.compare_digest(asked["sig"], self._sign(container, asked)):
            raise RefusalError(403, "AuthenticationFailed")
        if not datetime.fromisoformat(asked["st"]) <= self._clock() < datetime.fromisoformat(asked["se"]):
            raise RefusalError(403, "AuthenticationFailed")
        return asked["sp"]

    def _sign(self, container: str, asked: Mapping[str, str]) -> str:
        resource = f"/blob/{self.account}/{container}"
        # permissions, start, expiry, resource, identifier, IP, protocol, version, kind, snapshot, scope, five headers
        lines = [asked["sp"], asked["st"], asked["se"], resource, "", "", asked["spr"], asked["sv"], asked["sr"]]
        text = "\n".join([*lines, "", "", "", "", "", "", ""])
        return base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode()

    def _put(self, container: str, name: str, given: Mapping[str, str], body: bytes, permissions: str) -> Answer:
        if given.get("x-ms-blob-type") != "BlockBlob":
            raise RefusalError(400, "MissingRequiredHeader")
        if "content-length" not in given:
            raise RefusalError(411, "MissingContentLengthHeader")
        if int(given["content-length"]) > LARGEST:
            raise RefusalError(413, "RequestBodyTooLarge")
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        if given.get("content-md5", md5) != md5 or int(given["content-length"]) != len(body):
            raise RefusalError(400, "Md5Mismatch")
        if (container, name) in self.blobs:
            # Authorization comes before the request's conditions.
            if "w" not in permissions:
                raise RefusalError(403, "UnauthorizedBlobOverwrite")
            if given.get("if-none-match") == "*":
                raise RefusalError(409, "BlobAlreadyExists")
            # *worm*: it would become a version of its own, which is more than this stand-in keeps.
            raise RefusalError(409, "BlobImmutableDueToPolicy")
        days, now = self._days[container], self._clock()
        prefix = "x-ms-meta-"
        metadata = {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}
        until = now + timedelta(days=days) if days else None
        self.blobs[container, name] = Blob(body, now.replace(microsecond=0), md5, metadata, until)
        return Answer(201, {"Content-MD5": md5})

    def _delete(self, container: str, name: str) -> Answer:
        blob = self._known(container, name)
        if blob.until is not None and self._clock() < blob.until:
            raise RefusalError(409, "BlobImmutableDueToPolicy")
        del self.blobs[container, name]
        return Answer(202)

    def _others(
        self, method: str, container: str, name: str, comp: str, given: Mapping[str, str], permissions: str
    ) -> Answer:
        """What only a wider SAS may: blocks, and another time for a version's immutability."""
        if comp in ("block", "blocklist") and method == "PUT":
            if "w" not in permissions:
                raise RefusalError(403, "AuthorizationPermissionMismatch")
            raise RefusalError(501, "NotPlayed")
        if comp == "immutabilityPolicies":
            if "i" not in permissions:
                raise RefusalError(403, "AuthorizationPermissionMismatch")
            blob = self._known(container, name)
            if method == "DELETE":
                raise RefusalError(409, "BlobImmutableDueToPolicy")
            until = parsedate_to_datetime(given["x-ms-immutability-policy-until-date"])
            if blob.until is None or until < blob.until:
                raise RefusalError(409, "BlobImmutableDueToPolicy")
            blob.until = until
            return Answer(200)
        raise RefusalError(400, "InvalidQueryParameterValue")

    def _list(self, container: str, asked: Mapping[str, str], permissions: str) -> Answer:
        if "l" not in permissions:
            raise RefusalError(403, "AuthorizationPermissionMismatch")
        prefix, delimiter, marker = asked.get("prefix", ""), asked.get("delimiter", ""), asked.get("marker", "")
        rows, folders = [], set()
        for name in self.names(container):
            if not name.startswith(prefix) or name < marker:
                continue
            if delimiter and delimiter in name[len(prefix) :]:
                folder = name[: name.index(delimiter, len(prefix)) + 1]
                if folder not in folders:
                    rows.append((folder, f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>"))
                    folders.add(folder)
                continue
            rows.append((name, self._row(container, name)))
        shown, rest = rows[:PAGE], rows[PAGE:]
        text = "".join(row for _, row in shown)
        after = f"<NextMarker>{escape(rest[0][0])}</NextMarker>" if rest else "<NextMarker/>"
        whole = f"<EnumerationResults><Blobs>{text}</Blobs>{after}</EnumerationResults>"
        return Answer(200, {"Content-Type": "application/xml"}, whole.encode())

    def _row(self, container: str, name: str) -> str:
        blob = self.blobs[container, name]
        worm = ""
        if blob.until is not None:
            until = format_datetime(blob.until, usegmt=True)
            worm = f"<ImmutabilityPolicyUntilDate>{until}</ImmutabilityPolicyUntilDate>"
            worm += "<ImmutabilityPolicyMode>locked</ImmutabilityPolicyMode>"
        metadata = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in blob.metadata.items())
        properties = (
            f"<Last-Modified>{format_datetime(blob.at, usegmt=True)}</Last-Modified>"
            f"<Content-Length>{len(blob.body)}</Content-Length><Content-MD5>{blob.md5}</Content-MD5>{worm}"
        )
        inside = f"<Properties>{properties}</Properties><Metadata>{metadata}</Metadata>"
        return f"<Blob><Name>{escape(name)}</Name>{inside}</Blob>"

    def _known(self, container: str, name: str) -> Blob:
        if (container, name) not in self.blobs:
            raise RefusalError(404, "BlobNotFound")
        return self.blobs[container, name]


class Transport(httpx2.BaseTransport):
    """The account for a client of the same process."""

    def __init__(self, storage: BlobStorage) -> None:
        self._storage = storage

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._storage.down:
            raise httpx2.ConnectError("nobody answers", request=request)
        body = request.read()
        answer = self._storage.request(request.method, request.url.raw_path.decode(), dict(request.headers), body)
        return httpx2.Response(answer.status, headers=dict(answer.headers), content=answer.body)


def make_app(storage: BlobStorage) -> web.Application:
    """Served over a wire; while it is down it closes the connection without an answer."""

    async def any_(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if storage.down:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=503)
        answer = storage.request(request.method, request.raw_path, request.headers, body)
        return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)

    app = web.Application(client_max_size=LARGEST)
    app.router.add_route("*", "/{path:.*}", any_)
    return app
