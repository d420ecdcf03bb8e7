"""Slack, through chat.postMessage: where the people at work read along.

Slack cannot deduplicate: a message whose answer was lost may stand there twice, and the desk records the doubt. Each
message carries its id as metadata (`event_type` `dr_message`, `event_payload.id`), so that whoever reads the channel's
history with `include_all_metadata` can tell whether it arrived. Tried once: slack_sdk's own retries are taken out.
Sources: docs.slack.dev/reference/methods/chat.postMessage (arguments, errors), …/messaging/formatting-message-text
(what must be escaped), …/messaging/message-metadata, …/apis/web-api/rate-limits (429 with Retry-After).
"""

from __future__ import annotations

import shlex
from functools import cached_property
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from chalicelib.channels.text import shorten, shorten_escaped
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

MAX_HEADER: Final = 150
MAX_SECTION: Final = 3000
MAX_BLOCKS: Final = 50
MAX_TEXT: Final = 3900
"""4,000 characters of fallback text are recommended; nothing is promised far above."""
MAX_ALL: Final = 12_000
"""Characters of all blocks together: Slack refuses somewhere above 13,000 (public thread slackapi/bolt-js#2509)."""
MAX_ASK: Final = 700
MAX_ASKS: Final = 10
MAX_MENTIONS: Final = 20
TIMEOUT_SECONDS: Final = 4
PASSING: Final = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
"""Slack's errors that ask to come back; every other one is a refusal for good."""
_MARK: Final = {"low": "⚪", "medium": "🟡", "high": "🟠", "critical": "🔴"}


def escape(text: str) -> str:
    """The three characters that mean something in Slack's mrkdwn, as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class SlackChannel:
    """Posts as the bot of `token` to `channel` (`#name` or `C…`). `base_url` ends in `/api/`. `approvers` are the user
    ids of those who may approve what asks; they are mentioned, so that Slack rings for them.
    """

    def __init__(
        self,
        name: str,
        *,
        token: str,
        channel: str,
        approvers: tuple[str, ...] = (),
        base_url: str | None = None,
        timeout: int = TIMEOUT_SECONDS,
    ) -> None:
        self.name = name
        self._token = token
        self._channel = channel
        self._approvers = approvers
        self._base_url = base_url or "https://slack.com/api/"
        self._timeout = timeout

    @cached_property
    def _slack(self) -> WebClient:
        from slack_sdk import WebClient  # 65 ms that a cold start without a message need not pay

        return WebClient(token=self._token, base_url=self._base_url, timeout=self._timeout, retry_handlers=[])

    def send(self, message: Message, page: StatusPage) -> Outcome:  # noqa: ARG002 (the page is other channels' matter)
        """Post it. `because` names the message's `ts` in Slack."""
        from slack_sdk.errors import SlackApiError, SlackClientError

        what = f"message {message.id!r} for {self._channel}"
        try:
            answer = self._slack.chat_postMessage(
                channel=self._channel,
                text=fallback(message),
                blocks=blocks(message, self._approvers),
                metadata={
                    "event_type": "dr_message",
                    "event_payload": {"id": message.id, "incident": message.incident, "event": message.event.value},
                },
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as error:
            return _refusal(error, what)
        except SlackClientError as error:
            return Refused(code=type(error).__name__, because=f"{what} was not sent: {error}")
        except (OSError, HTTPException) as error:
            return Doubtful(
                because=f"Slack did not answer to {what}: {type(error).__name__}: {shorten(str(error), 200)}"
            )
        return Made(because=f"Slack took {what} as {answer.get('ts')}")


def _refusal(error: SlackApiError, what: str) -> Outcome:
    """By the error's name, never its words. A body that is not Slack's JSON is judged by the status alone."""
    answer = error.response
    body = answer.data if isinstance(answer.data, dict) else {}
    code = str(body.get("error") or answer.status_code)
    if answer.status_code == 429 or code in ("ratelimited", "rate_limited"):
        wait = {k.lower(): v for k, v in (answer.headers or {}).items()}.get("retry-after", "an unknown number of")
        return Doubtful(because=f"Slack's rate limit ({code}) refused {what}; it asks to come back in {wait} s")
    if answer.status_code >= 500 or code in PASSING:
        return Doubtful(
            because=f"Slack answered {answer.status_code} ({code}) to {what}; it may stand there all the same"
        )
    notes = body.get("response_metadata") or {}
    details = "; ".join(map(str, notes.get("messages") or ())) if isinstance(notes, dict) else ""
    told = f": {shorten(details, 300)}" if details else ""
    return Refused(code=code, because=f"Slack refused {what} with {code!r}{told}")


def command(message: Message, step: str) -> str:
    """What a person types to approve a step."""
    return f"drctl approve {shlex.quote(message.incident)} --step {shlex.quote(step)}"


def fallback(message: Message) -> str:
    """The notification's text, and what is read where blocks are not shown; escaped."""
    asks = [f"{what}: {command(message, step)}" for step, what, _ in message.asks[:MAX_ASKS]]
    return shorten_escaped(" · ".join((message.headline, *message.lines, *asks)), MAX_TEXT, escape)


def blocks(message: Message, approvers: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Header, sentences, asks, and where they come from; within every limit of Slack's.

    The asks have first claim on the room: a sentence can be looked up, a question that nobody saw cannot be answered.
    """
    asks = [_section(_ask(message, *ask)) for ask in message.asks[:MAX_ASKS]]
    if left := len(message.asks) - len(asks):
        asks.append(_section(f"…and {left} more: `drctl status {shlex.quote(message.incident)}`"))
    if asks and approvers and message.audience == "internal":
        # A mention rings for its user; its syntax is the one thing that must not be escaped.
        asks.append(_section(f"{' '.join(f'<@{user}>' for user in approvers[:MAX_MENTIONS])} may approve."))
    room = MAX_ALL - MAX_HEADER - 600 - sum(len(a["text"]["text"]) for a in asks)
    lines = [_section(text) for text in _paragraphs(message.lines, room)]
    header = {
        "type": "header",
        "text": {
            "type": "plain_text",
            "text": shorten(f"{_MARK[message.severity.value]} {message.headline}", MAX_HEADER),
            "emoji": False,
        },
    }
    parts = [header, *lines]
    if asks:
        parts += [{"type": "divider"}, *asks]
    return [*parts[: MAX_BLOCKS - 1], _context(message)]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _ask(message: Message, step: str, what: str, why: str) -> str:
    typed = f"\n```{escape(command(message, step))}```"
    said = shorten_escaped(what, MAX_ASK // 2, escape)
    because = shorten_escaped(why.rstrip("."), MAX_ASK // 2, escape)
    return f"*Approve?* {said}\nIt asks because {because}.{typed}"


def _paragraphs(lines: tuple[str, ...], room: int) -> list[str]:
    """The lines, escaped, packed into as few sections as they need; what has no room is counted."""
    found: list[str] = []
    for n, line in enumerate(lines):
        text = shorten_escaped(line, MAX_SECTION, escape)
        if len(text) > room:
            found.append(f"…and {len(lines) - n} more lines.")
            return found
        room -= len(text) + 1
        if found and len(found[-1]) + 1 + len(text) <= MAX_SECTION:
            found[-1] += f"\n{text}"
        elif text:
            found.append(text)
    return found


def _context(message: Message) -> dict[str, Any]:
    parts = [
        f"`{message.incident}`",
        f"{message.severity} · {message.state} · open since {message.opened_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if message.audience == "external":
        # It only gets here as a fallback; the words above are customers', and no customer has seen them.
        parts.append(":warning: *meant for customers, and their channel failed: tell them by other means*")
    elements = [{"type": "mrkdwn", "text": shorten(p, 250)} for p in parts]
    return {"type": "context", "elements": elements}
