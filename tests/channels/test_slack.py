"""The chat against the model of Slack's Web API, over a loopback port and with the real slack_sdk."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest
from aiohttp import web

from chalicelib.channels.slack import SlackChannel, blocks, escape, fallback
from chalicelib.core.message import Message
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.policy.notifications import NoticeEvent
from drctl.neighbours.slack import Answer, Channel, Slack, make_app
from drctl.neighbours.slack_blocks import block_errors
from tests.channels.stories import ASK, CUSTOMERS, INCIDENT, Clock, message, page

TOKEN = "xoxb-1"


class Recording(Slack):
    """The model, keeping what it was sent: it has no memory for metadata."""

    calls: list[dict[str, Any]]

    def request(self, verb: str, method: str, headers: Mapping[str, str], body: bytes = b"", query: str = "") -> Answer:
        self.calls = [*getattr(self, "calls", []), json.loads(body)]
        return super().request(verb, method, headers, body, query)


@contextmanager
def serving(app: web.Application) -> Iterator[str]:
    """The app on a free loopback port, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return runner, port

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{port}/api/"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def model() -> Recording:
    channels = [
        Channel("C1", "incidents"),
        Channel("C2", "closed", is_member=False),
        Channel("C3", "old", is_archived=True),
    ]
    return Recording(Clock(), tokens={TOKEN: "U1"}, channels=channels, burst=100)


@pytest.fixture
def url(model: Recording) -> Iterator[str]:
    with serving(make_app(model)) as found:
        yield found


@pytest.fixture
def send(url: str) -> Callable[[Message], Outcome]:
    channel = SlackChannel("slack-incidents", token=TOKEN, channel="#incidents", base_url=url)
    return lambda told: channel.send(told, page())


@pytest.mark.parametrize(
    ("token", "channel", "code"),
    [
        ("xoxb-wrong", "#incidents", "invalid_auth"),
        (TOKEN, "#nowhere", "channel_not_found"),
        (TOKEN, "#closed", "not_in_channel"),
        (TOKEN, "#old", "is_archived"),
    ],
)
def test_slacks_refusals_are_told_by_their_own_code(url: str, token: str, channel: str, code: str) -> None:
    outcome = SlackChannel("s", token=token, channel=channel, base_url=url).send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert token not in outcome.because


def test_a_rate_limit_is_doubtful_says_when_to_come_back_and_is_not_tried_again(url: str, model: Recording) -> None:
    model.burst = 1
    channel = SlackChannel("s", token=TOKEN, channel="#incidents", base_url=url)
    assert isinstance(channel.send(message(), page()), Made)
    outcome = channel.send(message(), page())
    assert isinstance(outcome, Doubtful)
    assert "come back in 1 s" in outcome.because
    assert len(model.calls) == 2


@pytest.mark.parametrize(("status", "error"), [(500, "internal_error"), (200, "fatal_error"), (503, "anything")])
def test_slacks_own_trouble_is_doubtful_and_tried_once(
    send: Callable[[Message], Outcome], model: Recording, status: int, error: str
) -> None:
    model.fail_next(1, status, error, after_effect=True)
    outcome = send(message())
    assert isinstance(outcome, Doubtful)
    assert error in outcome.because
    assert len(model.calls) == 1


def test_a_gateways_page_instead_of_json_is_doubtful() -> None:
    app = web.Application()

    async def gateway(_request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")

    app.router.add_post("/api/{method}", gateway)
    with serving(app) as url:
        outcome = SlackChannel("s", token=TOKEN, channel="#incidents", base_url=url).send(message(), page())
    assert isinstance(outcome, Doubtful)
    assert "502" in outcome.because


def test_nobody_listening_is_doubtful() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api/"
        outcome = SlackChannel("s", token=TOKEN, channel="#incidents", base_url=url).send(message(), page())
    assert isinstance(outcome, Doubtful)
    assert "did not answer" in outcome.because


def test_silence_is_doubtful_after_the_timeout() -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/"
        outcome = SlackChannel("s", token=TOKEN, channel="#incidents", base_url=url, timeout=1).send(message(), page())
    assert isinstance(outcome, Doubtful)


def test_a_message_stands_in_the_channel_with_its_id_as_metadata(
    send: Callable[[Message], Outcome], model: Recording
) -> None:
    told = message(asks=(ASK,))
    outcome = send(told)
    assert isinstance(outcome, Made)
    (posted,) = model.messages
    assert posted.ts in outcome.because
    assert posted.blocks[0]["text"]["text"].endswith("Region failure at us-east-1: detected")
    assert model.calls[0]["metadata"]["event_payload"]["id"] == told.id
    assert model.calls[0]["unfurl_links"] is False


def test_an_ask_holds_the_exact_command() -> None:
    told = message(NoticeEvent.APPROVAL_NEEDED, asks=(ASK,))
    command = f"drctl approve {INCIDENT} --step promote"
    assert any(f"```{command}```" in block.get("text", {}).get("text", "") for block in blocks(told))
    assert command in fallback(told)


def test_an_ask_mentions_those_who_may_approve_and_nothing_else_does() -> None:
    asked = [
        b["text"]["text"] for b in blocks(message(asks=(ASK,)), ("U0DRANA01", "U0DRBOB01")) if b["type"] == "section"
    ]
    assert asked[-1] == "<@U0DRANA01> <@U0DRBOB01> may approve."
    assert "<@" not in json.dumps(blocks(message(asks=()), ("U0DRANA01",)))
    assert "<@" not in json.dumps(blocks(message(asks=(ASK,))))
    many = tuple(f"U{n:08d}" for n in range(500))
    assert not [*block_errors(blocks(message(asks=(ASK,)), many))]


def test_the_three_characters_that_mean_something_are_escaped_and_a_mention_is_only_text() -> None:
    told = message(headline="<!channel> & co", lines=("alarm <!here> says a > b & c",), asks=())
    section = blocks(told)[1]
    assert section["text"]["text"] == "alarm &lt;!here&gt; says a &gt; b &amp; c"
    assert fallback(told).startswith("&lt;!channel&gt; &amp; co")
    assert blocks(told)[0]["text"]["type"] == "plain_text"


@pytest.mark.parametrize("text", ["&" * 9000, "word " * 2000, "<x> & " * 1000, "", "\U0001f525" * 9000])
def test_the_longest_message_keeps_every_limit_and_its_asks(
    send: Callable[[Message], Outcome], model: Recording, text: str
) -> None:
    asks = tuple((f"restore-{n}", text or "what", text or "why") for n in range(60))
    told = message(headline=text or "x", lines=(text,) * 200, asks=asks)
    assert isinstance(send(told), Made)
    shown = model.messages[0].blocks
    assert list(block_errors(shown)) == []
    assert sum("drctl approve" in json.dumps(b) for b in shown) == 10
    assert "and 50 more" in json.dumps(shown, ensure_ascii=False)
    assert shown[-1]["type"] == "context"


def test_what_is_cut_never_ends_in_half_an_entity() -> None:
    for text in blocks(message(lines=("&" * 9000,)))[1:-1]:
        shown = text["text"]["text"].removesuffix("…")
        assert shown.replace("&amp;", "") == "" or shown.startswith("…and")


def test_customers_words_that_fell_back_to_the_chat_say_that_no_customer_saw_them() -> None:
    context = blocks(message(**CUSTOMERS))[-1]
    assert "tell them by other means" in json.dumps(context)
    assert "tell them by other means" not in json.dumps(blocks(message())[-1])


def test_escaping_leaves_other_characters_alone() -> None:
    assert escape("a*b_c~d`e #x @y") == "a*b_c~d`e #x @y"
