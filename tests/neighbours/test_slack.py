from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp.test_utils import TestServer
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from drctl.neighbours.slack import Answer, Channel, Slack, make_app

TOKEN = "xoxb-1"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**AUTH, "Content-Type": "application/json; charset=utf-8"}
FORM = {**AUTH, "Content-Type": "application/x-www-form-urlencoded"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack(clock: Clock) -> Slack:
    return Slack(
        clock,
        speed=10,
        tokens={TOKEN: "U1", "xoxb-2": "U2"},
        channels=[
            Channel("C1", "incidents"),
            Channel("C2", "closed", is_member=False),
            Channel("C3", "old", is_archived=True),
        ],
    )


def call(slack: Slack, method: str, headers: Any = JSON, **arguments: Any) -> Answer:
    return slack.request("POST", method, headers, json.dumps(arguments).encode())


def post(slack: Slack, **arguments: Any) -> dict[str, Any]:
    return read(call(slack, "chat.postMessage", **{"channel": "C1", "text": "hello", **arguments}))


def read(answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer.body)
    return body


def section(text: str = "x") -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_refuses_a_call_without_a_token_or_with_a_wrong_one(slack: Slack) -> None:
    bare = {"Content-Type": "application/json; charset=utf-8"}
    assert read(call(slack, "auth.test", bare))["error"] == "not_authed"
    assert read(call(slack, "auth.test", bare, token=TOKEN))["error"] == "not_authed"
    assert read(call(slack, "auth.test", {**bare, "Authorization": "Bearer no"}))["error"] == "invalid_auth"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert read(slack.request("POST", "auth.test", form, urlencode({"token": TOKEN}).encode()))["ok"] is True


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "C9"}, "channel_not_found"),
        ({"channel": None}, "channel_not_found"),
        ({"channel": "C2"}, "not_in_channel"),
        ({"channel": "C3"}, "is_archived"),
        ({"text": ""}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": "not json"}, "invalid_blocks_format"),
        ({"blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ({"blocks": [section("x" * 2999)] * 5}, "msg_blocks_too_long"),
    ],
)
def test_refuses_a_message_by_the_documented_error_with_status_200(
    slack: Slack, arguments: dict[str, Any], error: str
) -> None:
    answer = call(slack, "chat.postMessage", **{"channel": "C1", "text": "hello", **arguments})
    assert (answer.status, read(answer)["ok"], read(answer)["error"]) == (200, False, error)
    assert slack.messages == []
    assert [r["error"] for r in slack.refused] == [error]


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([{"type": "banner"}], "unsupported type: banner [json-pointer:/blocks/0/type]"),
        (["text"], "unsupported type: str [json-pointer:/blocks/0/type]"),
        ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "section"}], "missing required field: text or fields [json-pointer:/blocks/0]"),
        (
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}],
            "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
        ),
        (
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
            "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
            "must be a text object of type plain_text [json-pointer:/blocks/0/text]",
        ),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            [{"type": "actions", "elements": []}],
            "missing required field: elements [json-pointer:/blocks/0]",
        ),
        (
            [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "y" * 76}}]}],
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        ([{"type": "image", "image_url": "x"}], "missing required field: alt_text [json-pointer:/blocks/0]"),
        ([{**section(), "block_id": "a"}] * 2, "block_id must be unique in a message [json-pointer:/blocks]"),
    ],
)
def test_refuses_invalid_blocks_and_points_at_the_place(slack: Slack, blocks: list[Any], error: str) -> None:
    body = post(slack, blocks=blocks)
    assert body["error"] == "invalid_blocks"
    assert error in body["errors"]
    assert f"[ERROR] {error}" in body["response_metadata"]["messages"]


def test_refuses_bodies_it_cannot_read_each_by_its_own_error(slack: Slack) -> None:
    def error(content_type: str, body: bytes) -> str:
        headers = AUTH | ({"Content-Type": content_type} if content_type else {})
        return str(read(slack.request("POST", "chat.postMessage", headers, body))["error"])

    assert error("application/json", b"{") == "invalid_json"
    assert error("application/json", b"[]") == "json_not_object"
    assert error("text/html", b"x") == "invalid_post_type"
    assert error("", b"x") == "missing_post_type"
    assert read(call(slack, "chat.shout"))["error"] == "unknown_method"


def test_the_second_message_within_a_second_is_refused_with_whole_seconds_to_wait(slack: Slack, clock: Clock) -> None:
    assert post(slack)["ok"] is True
    answer = call(slack, "chat.postMessage", channel="C1", text="again")
    assert (answer.status, answer.headers["Retry-After"], read(answer)["error"]) == (429, "1", "ratelimited")
    clock.now += timedelta(seconds=0.1)
    assert post(slack)["ok"] is True


def test_updates_are_limited_to_fifty_a_minute(slack: Slack) -> None:
    ts = post(slack)["ts"]
    answers = [call(slack, "chat.update", channel="C1", ts=ts, text="x").status for _ in range(51)]
    assert answers == [200] * 50 + [429]


def test_refuses_to_update_a_message_that_is_not_there_or_is_somebody_elses(slack: Slack) -> None:
    ts = post(slack)["ts"]
    assert read(call(slack, "chat.update", channel="C1", ts="1.000001", text="x"))["error"] == "message_not_found"
    assert read(call(slack, "chat.update", channel="#incidents", ts=ts, text="x"))["error"] == "channel_not_found"
    assert read(call(slack, "chat.update", channel="C1", ts=ts, text="x" * 4001))["error"] == "msg_too_long"
    stranger = {**JSON, "Authorization": "Bearer xoxb-2"}
    assert read(call(slack, "chat.update", stranger, channel="C1", ts=ts, text="x"))["error"] == "cant_update_message"


def test_a_fault_after_the_effect_posts_and_a_repeat_posts_twice_because_slack_does_not_deduplicate(
    slack: Slack, clock: Clock
) -> None:
    slack.fail_next(1, 500, after_effect=True)
    assert call(slack, "chat.postMessage", channel="C1", text="hello").status == 500
    clock.now += timedelta(seconds=1)
    assert post(slack)["ok"] is True
    assert [m.text for m in slack.messages] == ["hello", "hello"]


def test_a_fault_before_the_effect_posts_nothing(slack: Slack) -> None:
    slack.fail_next(1, 200, "fatal_error")
    assert post(slack)["error"] == "fatal_error"
    assert slack.messages == []


def test_form_encoded_and_named_channels_work_and_the_answer_names_channel_and_ts(slack: Slack) -> None:
    arguments = {"channel": "#incidents", "text": "hello", "blocks": json.dumps([section()])}
    body = read(slack.request("POST", "chat.postMessage", FORM, urlencode(arguments).encode()))
    assert (body["ok"], body["channel"], body["ts"]) == (True, "C1", "1767225600.000001")
    assert body["message"]["blocks"] == [section()]


def test_a_json_body_without_a_charset_works_with_a_warning(slack: Slack) -> None:
    headers = {**AUTH, "Content-Type": "application/json"}
    assert read(call(slack, "auth.test", headers))["warning"] == "missing_charset"


def test_an_update_with_text_alone_takes_the_blocks_away_and_the_old_text_is_kept_for_the_record(slack: Slack) -> None:
    ts = post(slack, blocks=[section()])["ts"]
    call(slack, "chat.update", channel="C1", ts=ts, text="recovered")
    message = slack.seen()["messages"][0]
    assert (message["text"], message["blocks"], message["edits"]) == ("recovered", [], ["hello"])
    assert message["channel_name"] == "incidents"


def test_a_copy_of_the_model_goes_its_own_way(slack: Slack) -> None:
    other = copy.deepcopy(slack)
    post(other)
    assert (len(slack.messages), len(other.messages)) == (0, 1)


def test_the_real_client_posts_replies_updates_and_is_told_what_is_wrong(slack: Slack) -> None:
    slack.burst = 10

    def drive(url: str) -> None:
        client = WebClient(token=TOKEN, base_url=url)
        assert client.auth_test()["user_id"] == "U1"
        ts = client.chat_postMessage(channel="incidents", text="us-east-1 is dark")["ts"]
        client.chat_postMessage(channel="C1", text="reply", thread_ts=ts)
        client.chat_update(channel="C1", ts=ts, text="recovered")
        assert [c["name"] for c in client.conversations_list()["channels"]] == ["incidents", "closed", "old"]
        assert client.conversations_info(channel="C1")["channel"]["id"] == "C1"
        assert len(client.conversations_replies(channel="C1", ts=str(ts))["messages"]) == 2
        assert [m["text"] for m in client.conversations_history(channel="C1")["messages"]] == ["recovered"]
        client.conversations_join(channel="C2")
        client.chat_postMessage(channel="C2", text="joined")
        with pytest.raises(SlackApiError, match="channel_not_found"):
            client.chat_postMessage(channel="C9", text="x")

    serve(slack, drive)
    assert [(m.text, m.thread_ts) for m in slack.messages] == [
        ("recovered", None),
        ("reply", slack.messages[0].ts),
        ("joined", None),
    ]


def test_the_real_client_reads_retry_after_from_the_rate_limit(slack: Slack) -> None:
    def drive(url: str) -> None:
        client = WebClient(token=TOKEN, base_url=url)
        client.chat_postMessage(channel="C1", text="one")
        with pytest.raises(SlackApiError) as refusal:
            client.chat_postMessage(channel="C1", text="two")
        assert (refusal.value.response.status_code, refusal.value.response.headers["Retry-After"]) == (429, "1")

    serve(slack, drive)


def serve(slack: Slack, drive: Any) -> None:
    async def play() -> None:
        async with TestServer(make_app(slack)) as server:
            await asyncio.to_thread(drive, str(server.make_url("/api/")))

    asyncio.run(play())
