"""Slack's Web API, as far as a responder speaks it: `chat.*`, `conversations.*` and `auth.test`.

Slack answers 200 with `{"ok": false, "error": …}` to nearly everything it refuses; only a rate limit is a 429.

Sources, named below by their short names:
- *web api*: docs.slack.dev/apis/web-api (bodies, tokens), *rate limits*: docs.slack.dev/apis/web-api/rate-limits
- *postMessage*, *update*, *auth.test*, *conversations*: docs.slack.dev/reference/methods/…
- *observed*: the public thread slackapi/bolt-js#2509
What blocks may hold is in slack_blocks.py.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web

from drctl.neighbours.slack_blocks import block_errors

MAX_TEXT: Final = 40_000
"""Characters of a message's text: *postMessage* promises nothing above it; a responder that relies on silent
truncation loses the end of its message, so here it is an error."""
MAX_UPDATE_TEXT: Final = 4_000
"""*update*: `msg_too_long` above it."""
MAX_BLOCKS_CHARS: Final = 13_200
"""*observed* (bolt-js#2509): all blocks together, documented nowhere."""
_MINUTE: Final = timedelta(minutes=1)
_TIERS: Final = {"chat.update": 50, "conversations.list": 20, "conversations.join": 50} | dict.fromkeys(
    ("conversations.info", "conversations.history", "conversations.replies"), 50
)
"""Calls a minute, by the tier that each method's page names."""


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


class SlackError(Exception):
    """A refusal: Slack's `error`, and what else stands beside it in the body."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


@dataclass(frozen=True, slots=True)
class Channel:
    """A conversation: encoded id (`C…`), name without `#`."""

    id: str
    name: str
    is_member: bool = True
    is_archived: bool = False


@dataclass(slots=True)
class Message:
    """One message as it stands now; `edits` are the texts it had before."""

    channel: str
    ts: str
    user: str
    text: str
    posted_at: datetime
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    edited_at: datetime | None = None
    edits: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Fault:
    left: int
    status: int
    error: str
    after_effect: bool


class Slack:
    """The model: no I/O, no timer. `tokens` maps each bot token to its user id; `speed` divides the limits' windows.

    `burst` messages may come at once in a channel, then one a second (*rate limits*: bursts over one are allowed
    for a short time and promised to nobody, so the default allows none).
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        *,
        tokens: Mapping[str, str],
        channels: Iterable[Channel],
        burst: int = 1,
    ) -> None:
        self.clock = clock
        self.speed = speed
        self.tokens = dict(tokens)
        self.channels = {c.id: c for c in channels}
        self.burst = burst
        self.messages: list[Message] = []
        self.refused: list[dict[str, Any]] = []
        self._calls: dict[str, deque[datetime]] = {}
        self._fault: _Fault | None = None

    def fail_next(
        self, n: int, status: int = 500, error: str = "internal_error", *, after_effect: bool = False
    ) -> None:
        """Answers the next `n` calls with this HTTP status and error; with `after_effect` the call has worked."""
        self._fault = _Fault(n, status, error, after_effect) if n > 0 else None

    def request(self, verb: str, method: str, headers: Mapping[str, str], body: bytes = b"", query: str = "") -> Answer:
        """One call of a Web API method, e.g. `request("POST", "chat.postMessage", headers, body)`."""
        lowered = {k.lower(): v for k, v in headers.items()}
        fault = self._fault
        if fault is not None:
            fault.left -= 1
            if fault.left <= 0:
                self._fault = None
        try:
            if fault is not None and not fault.after_effect:
                return self._refuse(method, fault.status, fault.error)
            arguments = dict(parse_qsl(query)) | _arguments(verb, lowered, body)
            answer = self._call(method, lowered, arguments)
        except SlackError as refusal:
            seconds = refusal.more.pop("retry_after", None)
            if seconds is None:
                return self._refuse(method, 200, refusal.error, **refusal.more)
            return self._refuse(method, 429, refusal.error, retry_after=seconds)
        if fault is not None:
            return self._refuse(method, fault.status, fault.error)
        if lowered.get("content-type", "").lower().strip() == "application/json":
            # *web api*: a JSON body without a charset works, with a warning.
            answer["warning"] = "missing_charset"
            answer["response_metadata"] = {"warnings": ["missing_charset"]}
        return _json(200, {"ok": True, **answer})

    def seen(self) -> dict[str, Any]:
        """All messages, oldest first, and all refusals: `{"messages": […], "refused": […]}`, times in ISO 8601."""
        messages = [
            {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(m).items()}
            | {"channel_name": self.channels[m.channel].name}
            for m in self.messages
        ]
        return {"messages": messages, "refused": list(self.refused)}

    def _refuse(self, method: str, status: int, error: str, *, retry_after: int | None = None, **more: Any) -> Answer:
        self.refused.append({"at": self.clock().isoformat(), "method": method, "status": status, "error": error})
        answer = _json(status, {"ok": False, "error": error, **more})
        if retry_after is not None:
            answer.headers["Retry-After"] = str(retry_after)
        return answer

    def _call(self, method: str, headers: Mapping[str, str], arguments: dict[str, Any]) -> dict[str, Any]:
        calls = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.list": self._list,
            "conversations.info": self._info,
            "conversations.join": self._join,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
        }
        if method not in calls:
            raise SlackError("unknown_method", req_method=method)
        user = self._user(headers, arguments)
        if method in _TIERS:
            self._limit(method, _TIERS[method], _MINUTE)
        return calls[method](user, arguments)

    def _user(self, headers: Mapping[str, str], arguments: Mapping[str, Any]) -> str:
        """*web api*: the token comes as a bearer header, or as a form or query argument; in JSON it is not read."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = "" if _is_json(headers) else str(arguments.get("token", ""))
        if not token:
            raise SlackError("not_authed")
        if token not in self.tokens:
            raise SlackError("invalid_auth")
        return self.tokens[token]

    def _limit(self, name: str, count: int, window: timedelta) -> None:
        """429 with `Retry-After` in whole seconds, at least one, as clients read it as an integer (*rate limits*)."""
        now, window = self.clock(), window / self.speed
        calls = self._calls.setdefault(name, deque())
        while calls and now - calls[0] >= window:
            calls.popleft()
        if len(calls) >= count:
            left = (calls[0] + window - now).total_seconds()
            raise SlackError("ratelimited", retry_after=max(1, math.ceil(left)))
        calls.append(now)

    def _channel(self, arguments: Mapping[str, Any], *, by_name: bool = False) -> Channel:
        wanted = str(arguments.get("channel") or "")
        for channel in self.channels.values():
            if wanted == channel.id or (by_name and wanted.removeprefix("#") == channel.name):
                return channel
        raise SlackError("channel_not_found")

    def _auth_test(self, user: str, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "url": "https://example.slack.com/",
            "team": "example",
            "team_id": "T1",
            "user": user,
            "user_id": user,
        }

    def _post(self, user: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """*postMessage*: a channel by id or name; text, or blocks with a text for the notification."""
        channel = self._channel(arguments, by_name=True)
        if channel.is_archived:
            raise SlackError("is_archived")
        if not channel.is_member:
            raise SlackError("not_in_channel")
        text, blocks = _content(arguments, MAX_TEXT)
        self._limit(f"post {channel.id}", self.burst, timedelta(seconds=self.burst))
        thread = arguments.get("thread_ts")
        now = self.clock()
        message = Message(
            channel=channel.id,
            ts=f"{int(now.timestamp())}.{len(self.messages) + 1:06d}",
            user=user,
            text=text,
            posted_at=now,
            blocks=blocks,
            thread_ts=None if thread is None else str(thread),
        )
        self.messages.append(message)
        return {"channel": channel.id, "ts": message.ts, "message": _shown(message)}

    def _update(self, user: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """*update*: the channel by id; only its author may edit a message. With text and without blocks, the blocks it
        had are gone; with blocks and without text, the text it had stays for the notification.
        """
        channel = self._channel(arguments)
        ts = str(arguments.get("ts") or "")
        message = next((m for m in self.messages if (m.channel, m.ts) == (channel.id, ts)), None)
        if message is None:
            raise SlackError("message_not_found")
        if channel.is_archived:
            raise SlackError("is_inactive")
        if message.user != user:
            raise SlackError("cant_update_message")
        text, blocks = _content(arguments, MAX_UPDATE_TEXT)
        message.edits.append(message.text)
        message.text, message.blocks, message.edited_at = text or message.text, blocks, self.clock()
        return {"channel": channel.id, "ts": ts, "text": message.text, "message": _shown(message)}

    def _list(self, _user: str, _arguments: Mapping[str, Any]) -> dict[str, Any]:
        channels = [asdict(c) for c in self.channels.values()]
        return {"channels": channels, "response_metadata": {"next_cursor": ""}}

    def _info(self, _user: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"channel": asdict(self._channel(arguments))}

    def _join(self, _user: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        if channel.is_archived:
            raise SlackError("is_archived")
        joined = self.channels[channel.id] = Channel(channel.id, channel.name)
        return {"channel": asdict(joined)}

    def _history(self, _user: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        if not channel.is_member:
            raise SlackError("not_in_channel")
        top = [m for m in self.messages if m.channel == channel.id and m.thread_ts in (None, m.ts)]
        return {"messages": [_shown(m) for m in reversed(top)], "has_more": False}

    def _replies(self, _user: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        channel, ts = self._channel(arguments), str(arguments.get("ts") or "")
        thread = [m for m in self.messages if m.channel == channel.id and ts in (m.ts, m.thread_ts)]
        if not thread:
            raise SlackError("thread_not_found")
        return {"messages": [_shown(m) for m in thread], "has_more": False}


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode())


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _arguments(verb: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """*web api*: form-encoded or JSON; each way of getting that wrong has an error of its own."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if verb == "GET" or not body:
        return {}
    if not content_type:
        raise SlackError("missing_post_type")
    if content_type == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    if content_type != "application/json":
        raise SlackError("invalid_post_type")
    try:
        arguments = json.loads(body)
    except ValueError as error:
        raise SlackError("invalid_json") from error
    if not isinstance(arguments, dict):
        raise SlackError("json_not_object")
    return arguments


def _content(arguments: Mapping[str, Any], longest: int) -> tuple[str, list[dict[str, Any]]]:
    text, blocks = arguments.get("text") or "", arguments.get("blocks") or []
    if isinstance(blocks, str):
        try:
            blocks = json.loads(blocks)
        except ValueError as error:
            raise SlackError("invalid_blocks_format") from error
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if not text and not blocks and not arguments.get("attachments"):
        raise SlackError("no_text")
    if len(str(text)) > longest:
        raise SlackError("msg_too_long")
    errors = list(block_errors(blocks))
    if errors:
        messages = [f"[ERROR] {e}" for e in errors]
        raise SlackError("invalid_blocks", errors=errors, response_metadata={"messages": messages})
    if sum(len(s) for s in _strings(blocks)) > MAX_BLOCKS_CHARS:
        raise SlackError("msg_blocks_too_long")
    return str(text), blocks


def _strings(part: object) -> Iterable[str]:
    match part:
        case {"text": str(text)}:
            yield text
        case dict():
            for value in part.values():
                yield from _strings(value)
        case list():
            for value in part:
                yield from _strings(value)


def _shown(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
    if message.blocks:
        shown["blocks"] = message.blocks
    if message.thread_ts is not None:
        shown["thread_ts"] = message.thread_ts
    return shown


def make_app(model: Slack) -> web.Application:
    """`/api/<method>` (so `base_url` is `http://host:port/api/`), `GET /_seen`, and
    `POST /_fail?count=&status=&error=&after_effect=` for `drctl break`.
    """
    app = web.Application(client_max_size=4 * 1024 * 1024)

    async def call(request: web.Request) -> web.Response:
        answer = model.request(
            request.method,
            request.match_info["method"],
            request.headers,
            await request.read(),
            request.query_string,
        )
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def seen(_request: web.Request) -> web.Response:
        return web.json_response(model.seen())

    async def fail(request: web.Request) -> web.Response:
        query = request.query
        model.fail_next(
            int(query.get("count", "1")),
            int(query.get("status", "500")),
            query.get("error", "internal_error"),
            after_effect=query.get("after_effect") == "true",
        )
        return web.json_response({"ok": True})

    app.router.add_get("/_seen", seen)
    app.router.add_post("/_fail", fail)
    app.router.add_route("*", "/api/{method}", call)
    return app
