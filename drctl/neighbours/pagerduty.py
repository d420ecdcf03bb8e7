"""PagerDuty's Events API v2: alerts and changes come in, pages go out to whoever is on call.

Sources, named below by their short names:
- *overview*: developer.pagerduty.com/docs/events-api-v2/overview (response codes, 512 KB)
- *alert events*: developer.pagerduty.com/docs/events-api-v2/trigger-events (fields, deduplication, event actions)
- *change events*: developer.pagerduty.com/docs/events-api-v2/send-change-events
- *rate limits*: developer.pagerduty.com/docs/events-api-v2-overview, "Events API Rate Limits"
- *observed*: bodies of real answers, quoted in the public threads envato/pagerduty#70, blockpane/tenderduty#10 and
  robusta-dev/robusta#571
"""

from __future__ import annotations

import json
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from aiohttp import ClientSession, web

from drctl.neighbours.pagerduty_cloudwatch import CloudWatchIntegration

SEVERITIES: Final = ("critical", "error", "warning", "info")
ACTIONS: Final = ("trigger", "acknowledge", "resolve")
MAX_BODY: Final = 512_000
"""Bytes. The documentation says 512 KB and not which kilobyte; the smaller reading is the safe one."""
RATE_WINDOW: Final = timedelta(seconds=60)


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Alert:
    """One alert: every event with its `dedup_key` on its `routing_key` from its opening until it is resolved."""

    routing_key: str
    dedup_key: str
    status: Literal["open", "acknowledged", "resolved"]
    summary: str
    source: str
    severity: str
    opened_at: datetime
    payload: dict[str, Any]
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    triggers: int = 1
    links: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Fault:
    left: int
    status: int
    after_effect: bool


class PagerDuty:
    """The model: no I/O, no timer; `clock` gives aware UTC, `speed` divides the rate limit's window.

    `routing_keys` are the integration keys that exist. `per_minute` is the limit of one key (*rate limits*: about
    120 calls in the 60 seconds that end now; a refused call is not ingested).
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        *,
        routing_keys: Iterable[str],
        per_minute: int = 120,
    ) -> None:
        self.clock = clock
        self.speed = speed
        self.routing_keys = frozenset(routing_keys)
        self.per_minute = per_minute
        self.alerts: list[Alert] = []
        self.changes: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self._calls: dict[str, deque[datetime]] = {}
        self._fault: _Fault | None = None

    def fail_next(self, n: int, status: int = 500, *, after_effect: bool = False) -> None:
        """Answers the next `n` requests with `status`; with `after_effect` the event is taken in all the same."""
        self._fault = _Fault(n, status, after_effect) if n > 0 else None

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One HTTP request. 202 taken in, 400 never to be retried, 429 and 5xx to be retried later (*overview*)."""
        if path not in ("/v2/enqueue", "/v2/change/enqueue"):
            return _json(404, {"status": "not found", "message": f"there is nothing at {path}"})
        if method != "POST":
            return _json(405, {"status": "method not allowed", "message": f"{path} takes POST, found {method}"})
        fault = self._take_fault()
        if fault is not None and not fault.after_effect:
            return self._refuse(path, _json(fault.status, {"status": "error", "message": "fault set by fail_next"}))
        answer = self._enqueue(path, headers, body)
        if fault is not None:
            return self._refuse(path, _json(fault.status, {"status": "error", "message": "fault set by fail_next"}))
        return answer if answer.status == 202 else self._refuse(path, answer)

    def seen(self) -> dict[str, Any]:
        """Everything that arrived, oldest first; times in ISO 8601.
        `{"alerts": [Alert's fields], "changes": [the events], "refused": [{at, path, status, answer}]}`.
        """
        return {
            "alerts": [{k: _plain(v) for k, v in asdict(a).items()} for a in self.alerts],
            "changes": list(self.changes),
            "refused": list(self.refused),
        }

    def _take_fault(self) -> _Fault | None:
        fault = self._fault
        if fault is not None:
            fault.left -= 1
            if fault.left <= 0:
                self._fault = None
        return fault

    def _refuse(self, path: str, answer: Answer) -> Answer:
        self.refused.append(
            {
                "at": self.clock().isoformat(),
                "path": path,
                "status": answer.status,
                "answer": answer.body.decode(),
            }
        )
        return answer

    def _enqueue(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        event = _read(headers, body)
        if isinstance(event, Answer):
            return event
        change = path == "/v2/change/enqueue"
        errors = list(_change_errors(event) if change else _alert_errors(event))
        if errors:
            return _invalid(*errors)
        key: str = event["routing_key"]
        if key not in self.routing_keys:
            # *observed*: a well-formed key of no integration is refused at once, in plain text.
            return Answer(400, {"Content-Type": "text/plain"}, b"Invalid routing key")
        if change and key.startswith("R"):
            return _invalid("change events cannot be sent to a ruleset's routing key")  # *overview*
        if not self._within_rate(key):
            return Answer(429, {"Content-Type": "text/plain"}, b"Request Limit Exceeded")
        if change:
            self.changes.append({"at": self.clock().isoformat(), **event})
            return _json(202, {"status": "success", "message": "Change event processed"})
        dedup_key = event.get("dedup_key") or uuid.uuid4().hex
        self._take_in(key, dedup_key, event)
        return _json(202, {"status": "success", "message": "Event processed", "dedup_key": dedup_key})

    def _within_rate(self, key: str) -> bool:
        now = self.clock()
        calls = self._calls.setdefault(key, deque())
        while calls and now - calls[0] >= RATE_WINDOW / self.speed:
            calls.popleft()
        if len(calls) >= self.per_minute:
            return False
        calls.append(now)
        return True

    def _take_in(self, key: str, dedup_key: str, event: dict[str, Any]) -> None:
        """*alert events*: events of one `dedup_key` go to the open alert of the same `routing_key`.

        A resolved alert is never opened again: a trigger makes a new one, an acknowledge or resolve without
        an open alert is dropped (and answered 202 all the same). A further trigger leaves an acknowledged
        alert acknowledged.
        """
        now = self.clock()
        alert = next(
            (a for a in self.alerts if (a.routing_key, a.dedup_key) == (key, dedup_key) and a.status != "resolved"),
            None,
        )
        action = event["event_action"]
        if action == "trigger" and alert is None:
            payload = event["payload"]
            self.alerts.append(
                Alert(
                    routing_key=key,
                    dedup_key=dedup_key,
                    status="open",
                    summary=payload["summary"],
                    source=payload["source"],
                    severity=payload["severity"],
                    opened_at=now,
                    payload=payload,
                    links=event.get("links", []),
                )
            )
        elif alert is None:
            return
        elif action == "trigger":
            alert.triggers += 1
        elif action == "acknowledge":
            alert.status = "acknowledged"
            alert.acknowledged_at = alert.acknowledged_at or now
        else:
            alert.status = "resolved"
            alert.resolved_at = now


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _invalid(*errors: str) -> Answer:
    """*observed*: the body of a 400."""
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return _json(400, body)


def _read(headers: Mapping[str, str], body: bytes) -> dict[str, Any] | Answer:
    """The event, or the 400 that *overview* gives for everything that is not one. Which status an oversized event or
    another content type gets is documented nowhere; 400 is the only documented one that says "do not retry".
    """
    content_type = {k.lower(): v for k, v in headers.items()}.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return _invalid(f"Content-Type must be application/json, found {content_type or 'none'!r}")
    if len(body) > MAX_BODY:
        return _invalid(f"event is {len(body)} bytes, at most {MAX_BODY} are accepted")
    try:
        event = json.loads(body)
    except ValueError as error:
        return _invalid(f"body is not valid JSON: {error}")
    return event if isinstance(event, dict) else _invalid("body must be a JSON object")


def _key_errors(event: Mapping[str, Any]) -> Iterable[str]:
    key = event.get("routing_key")
    if not isinstance(key, str) or not key:
        yield "'routing_key' is missing or blank"
        return
    if len(key) != 32:
        yield "Length of 'routing_key' is incorrect (should be 32 characters)"
    if not re.fullmatch(r"[A-Za-z0-9]*", key):
        yield "'routing_key' cannot contain non-alphanumeric characters."


def _alert_errors(event: Mapping[str, Any]) -> Iterable[str]:
    """*alert events*: the table of parameters and the two context properties."""
    yield from _key_errors(event)
    action = event.get("event_action")
    if action not in ACTIONS:
        yield f"'event_action' is invalid (must be one of the following: {', '.join(ACTIONS)})"
    dedup_key = event.get("dedup_key")
    if dedup_key is not None and (not isinstance(dedup_key, str) or len(dedup_key) > 255):
        yield "'dedup_key' must be a string of at most 255 characters"
    if action in ("acknowledge", "resolve") and not dedup_key:
        yield f"'dedup_key' is missing or blank, and {action} needs it"
    if action == "trigger":
        yield from _payload_errors(event.get("payload"), required=("summary", "source", "severity"))
    yield from _context_errors(event, "links", "href")
    yield from _context_errors(event, "images", "src")
    for image in event.get("images") or ():
        src = image.get("src") if isinstance(image, dict) else None
        if isinstance(src, str) and not src.startswith("https://"):
            yield "'images.src' must be served via HTTPS"


def _change_errors(event: Mapping[str, Any]) -> Iterable[str]:
    """*change events*: only the summary is required."""
    yield from _key_errors(event)
    yield from _payload_errors(event.get("payload"), required=("summary",))
    yield from _context_errors(event, "links", "href")


def _payload_errors(payload: object, *, required: tuple[str, ...]) -> Iterable[str]:
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank"
        return
    for name in required:
        if not isinstance(payload.get(name), str) or not payload[name].strip():
            yield f"'payload.{name}' is missing or blank"
    if isinstance(payload.get("summary"), str) and len(payload["summary"]) > 1024:
        yield "Length of 'payload.summary' is incorrect (should be at most 1024 characters)"
    if payload.get("severity") and payload["severity"] not in SEVERITIES:
        yield f"'payload.severity' is invalid (must be one of the following: {', '.join(SEVERITIES)})"
    yield from (
        f"'payload.{name}' must be a string"
        for name in ("component", "group", "class")
        if payload.get(name) is not None and not isinstance(payload[name], str)
    )
    if not isinstance(payload.get("custom_details") or {}, dict):
        yield "'payload.custom_details' must be an object"
    if payload.get("timestamp") is not None:
        try:
            datetime.fromisoformat(payload["timestamp"])
        except (TypeError, ValueError):
            yield "'payload.timestamp' is not an ISO 8601 time"


def _context_errors(event: Mapping[str, Any], name: str, needs: str) -> Iterable[str]:
    items = event.get(name)
    if items is None:
        return
    if not isinstance(items, list):
        yield f"'{name}' must be an array"
    elif not all(isinstance(i, dict) and isinstance(i.get(needs), str) and i[needs] for i in items):
        yield f"'{name}.{needs}' is missing or blank"


def make_app(model: PagerDuty, alarms: CloudWatchIntegration | None = None) -> web.Application:
    """The two enqueue endpoints, an integration's for alarms, `GET /_seen`, and `POST
    /_fail?count=&status=&after_effect=` for `drctl break`.
    """
    app = web.Application(client_max_size=16 * MAX_BODY)

    async def enqueue(request: web.Request) -> web.Response:
        answer = model.request(request.method, request.path, request.headers, await request.read())
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def seen(_request: web.Request) -> web.Response:
        return web.json_response({**model.seen(), "trouble": alarms.seen() if alarms else []})

    async def integration(request: web.Request) -> web.Response:
        if alarms is None:
            return web.Response(status=404)
        answer = alarms.post(request.path, request.headers, await request.read())
        if answer.visit:
            async with ClientSession() as session, session.get(answer.visit) as confirmed:
                return web.Response(status=200 if confirmed.ok else 502)
        return web.Response(status=answer.status, text=answer.text)

    async def fail(request: web.Request) -> web.Response:
        query = request.query
        model.fail_next(
            int(query.get("count", "1")),
            int(query.get("status", "500")),
            after_effect=query.get("after_effect") == "true",
        )
        return web.json_response({"ok": True})

    app.router.add_get("/_seen", seen)
    app.router.add_post("/_fail", fail)
    app.router.add_post("/integration/{rest:.*}", integration)
    app.router.add_route("*", "/{rest:.*}", enqueue)
    return app
