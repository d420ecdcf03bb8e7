from __future__ import annotations

import asyncio
import copy
import json
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pagerduty
import pytest
import trustme
from aiohttp.test_utils import TestClient, TestServer

from drctl.neighbours.pagerduty import Answer, PagerDuty, make_app

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
JSON = {"Content-Type": "application/json"}
PAYLOAD = {"summary": "us-east-1 is dark", "source": "neurectomy-dr", "severity": "critical"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> PagerDuty:
    return PagerDuty(clock, speed=10, routing_keys=[KEY, OTHER])


def trigger(**changed: Any) -> dict[str, Any]:
    return {"routing_key": KEY, "event_action": "trigger", "dedup_key": "k", "payload": PAYLOAD, **changed}


def send(desk: PagerDuty, event: Any, path: str = "/v2/enqueue", headers: Any = JSON) -> Answer:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return desk.request("POST", path, headers, body)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (b"{", "body is not valid JSON"),
        (b"[]", "body must be a JSON object"),
        (trigger(routing_key=None), "'routing_key' is missing or blank"),
        (trigger(routing_key="short"), "Length of 'routing_key' is incorrect (should be 32 characters)"),
        (trigger(routing_key="-" * 32), "'routing_key' cannot contain non-alphanumeric characters."),
        (trigger(event_action="page"), "'event_action' is invalid"),
        (trigger(dedup_key="k" * 256), "'dedup_key' must be a string of at most 255"),
        (trigger(event_action="resolve", dedup_key=None), "'dedup_key' is missing or blank"),
        (trigger(payload=None), "'payload' is missing or blank"),
        (trigger(payload={**PAYLOAD, "summary": " "}), "'payload.summary' is missing or blank"),
        (trigger(payload={**PAYLOAD, "summary": "s" * 1025}), "Length of 'payload.summary' is incorrect"),
        (trigger(payload={**PAYLOAD, "source": None}), "'payload.source' is missing or blank"),
        (trigger(payload={**PAYLOAD, "severity": "high"}), "'payload.severity' is invalid"),
        (
            trigger(payload={**PAYLOAD, "custom_details": "text"}),
            "'payload.custom_details' must be an object",
        ),
        (trigger(payload={**PAYLOAD, "timestamp": "noon"}), "'payload.timestamp' is not an ISO 8601 time"),
        (trigger(payload={**PAYLOAD, "class": 1}), "'payload.class' must be a string"),
        (trigger(links=[{"text": "runbook"}]), "'links.href' is missing or blank"),
        (trigger(links={}), "'links' must be an array"),
        (trigger(images=[{"src": "http://x"}]), "'images.src' must be served via HTTPS"),
        (trigger(payload={**PAYLOAD, "custom_details": {"x": "y" * 512_000}}), "at most 512000 are accepted"),
    ],
)
def test_refuses_an_invalid_event_and_says_what_is_wrong(desk: PagerDuty, event: Any, error: str) -> None:
    answer = send(desk, event)
    body = json.loads(answer.body)
    assert (answer.status, body["status"], body["message"]) == (
        400,
        "invalid event",
        "Event object is invalid",
    )
    assert any(error in e for e in body["errors"]), body["errors"]
    assert desk.alerts == []
    assert len(desk.refused) == 1


def test_refuses_a_body_that_is_not_declared_as_json(desk: PagerDuty) -> None:
    assert send(desk, trigger(), headers={}).status == 400
    assert send(desk, trigger(), headers={"content-type": "text/plain"}).status == 400
    assert send(desk, trigger(), headers={"content-type": "application/json; charset=utf-8"}).status == 202


def test_refuses_a_well_formed_routing_key_that_belongs_to_no_integration(desk: PagerDuty) -> None:
    answer = send(desk, trigger(routing_key="a" * 32))
    assert (answer.status, answer.body) == (400, b"Invalid routing key")


def test_refuses_other_paths_and_methods(desk: PagerDuty) -> None:
    assert desk.request("POST", "/v1/enqueue", JSON, b"{}").status == 404
    assert desk.request("GET", "/v2/enqueue", JSON, b"").status == 405


def test_the_121st_call_of_a_minute_is_refused_and_the_window_shrinks_with_the_speed(
    desk: PagerDuty, clock: Clock
) -> None:
    assert {send(desk, trigger()).status for _ in range(120)} == {202}
    assert send(desk, trigger()).status == 429
    assert send(desk, trigger(routing_key=OTHER)).status == 202
    clock.now += timedelta(seconds=6)
    assert send(desk, trigger()).status == 202


def test_a_fault_answers_so_many_requests_and_takes_nothing_in(desk: PagerDuty) -> None:
    desk.fail_next(2, 503)
    assert [send(desk, trigger()).status for _ in range(3)] == [503, 503, 202]
    assert desk.alerts[0].triggers == 1


def test_a_fault_after_the_effect_takes_the_event_in_and_the_repeat_makes_no_second_alert(
    desk: PagerDuty,
) -> None:
    desk.fail_next(1, 500, after_effect=True)
    assert [send(desk, trigger()).status for _ in range(2)] == [500, 202]
    assert [a.triggers for a in desk.alerts] == [2]


def test_an_event_is_accepted_and_the_dedup_key_comes_back(desk: PagerDuty) -> None:
    answer = send(desk, trigger())
    assert (answer.status, json.loads(answer.body)) == (
        202,
        {"status": "success", "message": "Event processed", "dedup_key": "k"},
    )
    one = json.loads(send(desk, trigger(dedup_key=None)).body)["dedup_key"]
    two = json.loads(send(desk, trigger(dedup_key=None)).body)["dedup_key"]
    assert one
    assert one != two
    assert len(desk.alerts) == 3


def test_an_alert_goes_from_open_to_acknowledged_to_resolved_and_is_never_opened_again(
    desk: PagerDuty,
) -> None:
    send(desk, trigger())
    assert desk.alerts[0].status == "open"
    send(desk, trigger(event_action="acknowledge"))
    send(desk, trigger())
    assert (desk.alerts[0].status, desk.alerts[0].triggers) == ("acknowledged", 2)
    send(desk, trigger(event_action="resolve"))
    send(desk, trigger())
    assert [a.status for a in desk.alerts] == ["resolved", "open"]


def test_acknowledge_and_resolve_without_an_open_alert_are_accepted_and_dropped(desk: PagerDuty) -> None:
    assert send(desk, trigger(event_action="acknowledge")).status == 202
    send(desk, trigger())
    assert send(desk, trigger(event_action="resolve", routing_key=OTHER)).status == 202
    assert [a.status for a in desk.alerts] == ["open"]


def test_a_change_event_needs_only_a_summary_and_pages_nobody(desk: PagerDuty) -> None:
    refused = send(desk, {"routing_key": KEY, "payload": {"source": "x"}}, "/v2/change/enqueue")
    assert refused.status == 400
    answer = send(desk, {"routing_key": KEY, "payload": {"summary": "deployed"}}, "/v2/change/enqueue")
    assert answer.status == 202
    assert (len(desk.changes), desk.alerts) == (1, [])


def test_a_copy_of_the_model_goes_its_own_way(desk: PagerDuty) -> None:
    send(desk, trigger())
    other = copy.deepcopy(desk)
    send(other, trigger(event_action="resolve"))
    assert (desk.alerts[0].status, other.alerts[0].status) == ("open", "resolved")


def test_the_real_client_which_insists_on_https_pages_acknowledges_and_resolves(desk: PagerDuty) -> None:
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def drive(url: str) -> None:
        client = pagerduty.EventsApiV2Client(KEY, base_url=url, verify=trusting)
        client.trigger("us-east-1 is dark", "dr", dedup_key="inc-1")
        client.acknowledge("inc-1")
        client.resolve("inc-1")
        client.close()

    async def play() -> None:
        server = TestServer(make_app(desk), scheme="https")
        await server.start_server(ssl=serving)
        try:
            await asyncio.to_thread(drive, f"https://127.0.0.1:{server.port}")
        finally:
            await server.close()

    asyncio.run(play())
    assert [(a["dedup_key"], a["status"]) for a in desk.seen()["alerts"]] == [("inc-1", "resolved")]


def test_what_was_seen_can_be_read_and_faults_set_over_http(desk: PagerDuty) -> None:
    async def play() -> tuple[list[int], dict[str, Any]]:
        async with TestClient(TestServer(make_app(desk))) as client:
            await client.post("/_fail?count=1&status=503")
            statuses = [(await client.post("/v2/enqueue", json=trigger())).status for _ in range(2)]
            return statuses, await (await client.get("/_seen")).json()

    statuses, seen = asyncio.run(play())
    assert statuses == [503, 202]
    assert seen["alerts"][0]["opened_at"] == "2026-01-01T00:00:00+00:00"
    assert [r["status"] for r in seen["refused"]] == [503]
