"""What the stand-in of Cloudflare refuses, by the API's own numbers; then what it does, by the responder's client."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import pytest

from chalicelib.clients import cloudflare as client
from chalicelib.core.outcome import Doubtful, Made, NoData, Refused
from drctl.neighbours.cloudflare import MOST, Cloudflare

ZONE, OTHER, RECORD = "a" * 32, "b" * 32, "c" * 32
TOKEN: Final = "good"  # of a stand-in
ZONES: Final = f"/client/v4/zones/{ZONE}/dns_records"


class Now:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def model(now: Now) -> Cloudflare:
    made = Cloudflare(now, zones={ZONE: "shop.example", OTHER: "other.example"}, tokens={TOKEN: frozenset({ZONE})})
    made.add(ZONE, RECORD, type="CNAME", name="api.shop.example", content="east.example")
    return made


def asked(model: Cloudflare, method: str, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    said = model.request(method, path, "", headers, b"" if body is None else json.dumps(body).encode())
    return said.status, json.loads(said.body)


TXT: Final = {"type": "TXT", "name": "_dr.shop.example", "content": '"x"', "ttl": 60}
REFUSALS: Final[list[tuple[str, str, Any, str, int, int]]] = [
    ("GET", ZONES, None, "", 400, 9106),
    ("GET", ZONES, None, "bad", 403, 9109),
    ("GET", f"/client/v4/zones/{OTHER}/dns_records", None, TOKEN, 403, 10000),
    ("GET", f"/client/v4/zones/{'d' * 32}/dns_records", None, TOKEN, 400, 7003),
    ("GET", f"{ZONES}/{'d' * 32}", None, TOKEN, 404, 81044),
    ("PATCH", f"{ZONES}/{'d' * 32}", {"content": "x.example"}, TOKEN, 404, 81044),
    ("PUT", ZONES, TXT, TOKEN, 405, 10000),
    ("POST", ZONES, {**TXT, "name": "api.shop.example"}, TOKEN, 400, 81054),
    ("POST", ZONES, {**TXT, "ttl": 5}, TOKEN, 400, 9021),
    ("POST", ZONES, {**TXT, "content": ""}, TOKEN, 400, 9007),
    ("POST", ZONES, {**TXT, "type": "A"}, TOKEN, 400, 9005),
    ("POST", ZONES, {**TXT, "type": "AAAA", "content": "10.0.0.1"}, TOKEN, 400, 9006),
    ("POST", ZONES, {**TXT, "name": "_dr..shop.example"}, TOKEN, 400, 9000),
    ("POST", ZONES, {**TXT, "type": "WKS"}, TOKEN, 400, 9207),
    ("PATCH", f"{ZONES}/{RECORD}", {"content": "two words"}, TOKEN, 400, 9007),
    ("PATCH", f"{ZONES}/{RECORD}", {"content": 7}, TOKEN, 400, 9207),
    ("POST", ZONES, [], TOKEN, 400, 9207),
]


@pytest.mark.parametrize(("method", "path", "body", "token", "status", "code"), REFUSALS)
def test_a_refusal_has_the_api_s_number(
    model: Cloudflare, method: str, path: str, body: Any, token: str, status: int, code: int
) -> None:
    got, said = asked(model, method, path, body, token)
    assert (got, said["success"], said["result"], said["errors"][0]["code"]) == (status, False, None, code)
    assert model.record(ZONE, RECORD)["content"] == "east.example"


def test_an_identical_record_is_refused_and_there_once(model: Cloudflare) -> None:
    assert asked(model, "POST", ZONES, TXT)[0] == 200
    status, said = asked(model, "POST", ZONES, TXT)
    assert (status, said["errors"][0]["code"]) == (400, 81058)
    assert len(model.named(ZONE, "_dr.shop.example")) == 1


def test_more_than_1200_requests_in_five_minutes_are_refused_for_the_next_five(model: Cloudflare, now: Now) -> None:
    for _ in range(MOST):
        assert asked(model, "GET", ZONES)[0] == 200
    assert asked(model, "GET", ZONES)[0] == 429
    now.now += timedelta(minutes=4)
    assert asked(model, "GET", ZONES)[0] == 429
    now.now += timedelta(minutes=2)
    assert asked(model, "GET", ZONES)[0] == 200


def over(model: Cloudflare, token: Any = TOKEN) -> client.Cloudflare:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if not model.reachable:
            raise httpx2.ReadTimeout("lost", request=request)
        query = request.url.query.decode()
        said = model.request(request.method, request.url.path, query, request.headers, request.read())
        return httpx2.Response(said.status, headers=said.headers, content=said.body)

    return client.Cloudflare(httpx2.Client(transport=httpx2.MockTransport(answer)), lambda: token)


def test_the_client_looks_and_changes_one_field(model: Cloudflare) -> None:
    there = over(model)
    found = there.record(ZONE, RECORD)
    assert isinstance(found, dict)
    assert found["content"] == "east.example"
    made = there.change(ZONE, "patch dns_records", {"record": RECORD, "body": {"content": "w.example"}}, until="it is")
    assert isinstance(made, Made)
    assert model.record(ZONE, RECORD) == {**found, "content": "w.example"}
    named = there.named(ZONE, "CNAME", "api.shop.example")
    assert not isinstance(named, NoData | Refused)
    assert [r["id"] for r in named] == [RECORD]
    assert there.named(ZONE, "TXT", "api.shop.example") == []


def test_what_is_there_already_is_as_good_as_made(model: Cloudflare) -> None:
    there = over(model)
    for _ in range(2):
        assert isinstance(there.change(ZONE, "create dns_records", {"body": TXT}, until="it is there"), Made)


def test_the_client_tells_a_refusal_from_silence(model: Cloudflare) -> None:
    assert over(model).record(ZONE, "d" * 32) == Refused(
        code="81044", because=f"cloudflare GET /zones/{ZONE}/dns_records/{'d' * 32}: Record does not exist."
    )
    body = {"record": RECORD, "body": {"content": "w.example"}}
    no_token = over(model, NoData(because="no file")).change(ZONE, "patch dns_records", body, until="x")
    assert isinstance(no_token, Refused)
    assert no_token.code == "NoToken"
    for _ in range(MOST):
        asked(model, "GET", ZONES)
    limited = over(model).record(ZONE, RECORD)
    assert isinstance(limited, NoData)
    assert "HTTP 429, again after" in limited.because
    refused = over(model).change(ZONE, "patch dns_records", body, until="x")
    assert isinstance(refused, Refused)
    assert refused.code == "10100"
    model.reachable = False
    assert isinstance(over(model).record(ZONE, RECORD), NoData)
    assert isinstance(over(model).change(ZONE, "patch dns_records", body, until="x"), Doubtful)
    assert "good" not in str(over(model).record(ZONE, RECORD))
