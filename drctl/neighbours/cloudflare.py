"""Cloudflare's DNS records API (v4) for a few zones, and what its name servers answer.

Sources, for the envelope, methods and fields: developers.cloudflare.com/api/resources/dns/subresources/records/;
limits: developers.cloudflare.com/fundamentals/api/reference/limits/ (1,200 requests of one user in five minutes, then
429 for the next five, with `Retry-After` since 2025-09); that a validation error is its root cause since 2024-10 and no
longer 1004 with a chain: cloudflare/cloudflare-docs/pull/15317. Numbers and texts of refusals as people have reported
them on GitHub: 9109 caddy-dns/cloudflare/issues/3; 10000 for a zone that the token is not for,
cloudflare/terraform-provider-cloudflare/issues/1533, and for PUT without a record's id, fire1ce/DDNS-Cloudflare-Bash/
issues/3; 7003 K0p1-Git/cloudflare-ddns-updater/issues/61, with its status cloudflare/cloudflare-go/issues/118;
81044 zanjie1999/cloudflare-api-v4-ddns/issues/5; 81058 jeessy2/ddns-go/issues/1378; 81054 favonia/cloudflare-ddns/
issues/990; 9207 favonia/cloudflare-ddns/issues/1026; 9000 cisagov/manage.get.gov/issues/5244; 9005
yulewang/cloudflare-api-v4-ddns/issues/16; 9021 ZE3kr/Cloudflare-CNAME-Setup/issues/16; 10100 RiotGames/
cloud-inquisitor/issues/182. Second-hand: 9106, 81053, 9006, 9007, and the statuses 404 and 405.
A record is changed at once here; how soon every one of Cloudflare's servers knows it is not modelled.
"""

from __future__ import annotations

import ipaddress
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from aiohttp import web

PREFIX: Final = "/client/v4/zones/"
MOST, SPAN = 1200, timedelta(minutes=5)
TYPES: Final = ("A", "AAAA", "CNAME", "TXT")
SHORTEST_TTL, LONGEST_TTL, AUTOMATIC_TTL = 60, 86_400, 1

Record = dict[str, Any]


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class _NoError(Exception):
    def __init__(self, status: int, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


class Cloudflare:
    """`zones` maps a zone's id to its name, `tokens` a token to the ids of the zones whose records it may edit."""

    def __init__(
        self, clock: Callable[[], datetime], *, zones: Mapping[str, str], tokens: Mapping[str, frozenset[str]]
    ) -> None:
        self._clock, self._zones, self._tokens = clock, dict(zones), dict(tokens)
        self._records: dict[str, dict[str, Record]] = {zone: {} for zone in zones}
        self._asked: deque[datetime] = deque()
        self._blocked_until: datetime | None = None
        self._made = 0
        self.reachable = True

    def add(self, zone: str, record: str, **fields: Any) -> None:
        """A record that is there from the beginning."""
        self._records[zone][record] = {"id": record, "ttl": 60, "proxied": False, **fields}

    def record(self, zone: str, record: str) -> Record:
        """What it holds now."""
        return dict(self._records[zone][record])

    def named(self, zone: str, name: str) -> list[Record]:
        """All records of a name."""
        return [dict(r) for r in self._records[zone].values() if r["name"] == name]

    def remove(self, zone: str, name: str) -> None:
        """What a person does by hand: takes the records of a name away."""
        kept = self._records[zone]
        for record in [r["id"] for r in kept.values() if r["name"] == name]:
            del kept[record]

    def record_sets(self, zone: str) -> list[dict[str, Any]]:
        """As drctl/neighbours/dns.py reads records; a proxied one answers with addresses of Cloudflare's own."""
        found = []
        for r in list(self._records[zone].values()):  # name servers ask in threads of their own
            kind, value = ("A", "104.16.0.1") if r["proxied"] else (r["type"], r["content"])
            found.append({"Name": r["name"], "Type": kind, "TTL": r["ttl"], "ResourceRecords": [{"Value": value}]})
        return found

    def request(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request. A refusal is an answer."""
        try:
            token = self._token({k.lower(): v for k, v in headers.items()})
            self._counted()
            zone, record = self._place(path, token)
            result = self._done(method, zone, record, query, body)
        except _NoError as no:
            said: dict[str, Any] = {"success": False, "errors": [{"code": no.code, "message": str(no)}]}
            whole = {**said, "messages": [], "result": None}
            return Answer(no.status, {"Content-Type": "application/json", **no.headers}, json.dumps(whole).encode())
        whole = {"success": True, "errors": [], "messages": [], "result": result}
        if isinstance(result, list):
            whole["result_info"] = {"page": 1, "per_page": 100, "count": len(result), "total_count": len(result)}
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(whole).encode())

    def _token(self, headers: Mapping[str, str]) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not scheme:
            raise _NoError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        if scheme != "Bearer" or token not in self._tokens:
            raise _NoError(403, 9109, "Invalid access token")
        return token

    def _counted(self) -> None:
        now = self._clock()
        while self._asked and now - self._asked[0] > SPAN:
            self._asked.popleft()
        if self._blocked_until is None and len(self._asked) >= MOST:
            self._blocked_until = now + SPAN
        if self._blocked_until is not None and now < self._blocked_until:
            wait = str(int((self._blocked_until - now).total_seconds()) + 1)
            text = (
                f"More than {MOST} requests per {int(SPAN.total_seconds())} seconds reached. Please wait and consider "
            )
            raise _NoError(429, 10100, f"{text}throttling your request speed", **{"Retry-After": wait})
        self._blocked_until = None
        self._asked.append(now)

    def _place(self, path: str, token: str) -> tuple[str, str | None]:
        zone, _, rest = path.removeprefix(PREFIX).partition("/")
        parts = rest.split("/")
        if not path.startswith(PREFIX) or zone not in self._zones or parts[0] != "dns_records" or len(parts) > 2:
            text = f"Could not route to {path}, perhaps your object identifier is invalid?"
            raise _NoError(400, 7003, text)
        if zone not in self._tokens[token]:
            raise _NoError(403, 10000, "Authentication error")
        return zone, parts[1] if len(parts) > 1 else None

    def _done(self, method: str, zone: str, record: str | None, query: str, body: bytes) -> Any:
        kept = self._records[zone]
        if record is not None and record not in kept:
            raise _NoError(404, 81044, "Record does not exist.")
        match method, record:
            case "GET", None:
                asked = {k: v[0] for k, v in parse_qs(query).items()}
                name, kind = asked.get("name.exact", asked.get("name")), asked.get("type")
                return [r for r in kept.values() if name in (None, r["name"]) and kind in (None, r["type"])]
            case "GET", str(known):
                return kept[known]
            case "POST", None:
                self._made += 1
                fresh = {"id": f"{self._made:032x}", "ttl": AUTOMATIC_TTL, "proxied": False, **_read(body)}
                return self._put(zone, fresh)
            case "PATCH", str(known):
                return self._put(zone, {**kept[known], **_read(body), "id": known})
            case "DELETE", str(known):
                del kept[known]
                return {"id": known}
        raise _NoError(405, 10000, f"{method} method not allowed for the api_token authentication scheme")

    def _put(self, zone: str, record: Record) -> Record:
        name, kind, content = record.get("name"), record.get("type"), record.get("content")
        whole = self._zones[zone]
        if kind not in TYPES or not isinstance(name, str) or not isinstance(content, str):
            raise _NoError(400, 9207, "Request body is invalid.")
        if not name or ".." in name:
            raise _NoError(400, 9000, "DNS name is invalid.")
        _judge(kind, content)
        if not (name == whole or name.endswith(f".{whole}")):
            name = record["name"] = f"{name}.{whole}"  # a name without the zone is one below it
        ttl = record.get("ttl")
        if not isinstance(ttl, int) or (ttl != AUTOMATIC_TTL and not SHORTEST_TTL <= ttl <= LONGEST_TTL):
            text = f"Invalid TTL. Must be between {SHORTEST_TTL} and {LONGEST_TTL:,} seconds, or 1 for Automatic."
            raise _NoError(400, 9021, text)
        others = [r for r in self._records[zone].values() if r["id"] != record["id"] and r["name"] == name]
        if any((r["type"], r["content"]) == (kind, content) for r in others):
            raise _NoError(400, 81058, "An identical record already exists.")
        if any("CNAME" in (kind, r["type"]) for r in others):
            held = next(r["type"] for r in others)
            article = "An" if held.startswith("A") else "A"
            raise _NoError(
                400, 81054 if held == "CNAME" else 81053, f"{article} {held} record with that host already exists."
            )
        self._records[zone][record["id"]] = record
        return record


def _judge(kind: str, content: str) -> None:
    """What a record of this type may hold."""
    if kind in ("A", "AAAA"):
        version = 4 if kind == "A" else 6
        try:
            right = ipaddress.ip_address(content).version == version
        except ValueError:
            right = False
        if not right:
            code = 9005 if kind == "A" else 9006
            raise _NoError(400, code, f"Content for {kind} record must be a valid IPv{version} address.")
    elif not content or (kind == "CNAME" and (" " in content or ".." in content)):
        raise _NoError(400, 9007, f"Content for {kind} record is invalid.")


def _read(body: bytes) -> Record:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise _NoError(400, 9207, "Request body is invalid.") from error
    if not isinstance(found, dict):
        raise _NoError(400, 9207, "Request body is invalid.")
    return found


def make_app(model: Cloudflare) -> web.Application:
    """Every path of the API; the connection is dropped while it is not reachable."""
    app = web.Application()

    async def serve(request: web.Request) -> web.Response:
        if not model.reachable:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("Cloudflare does not answer")
        said = model.request(
            request.method, request.path, request.query_string, dict(request.headers), await request.read()
        )
        return web.Response(status=said.status, headers=said.headers, body=said.body)

    app.router.add_route("*", "/{rest:.*}", serve)
    return app
