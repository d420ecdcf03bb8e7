"""The channels of the shipped policy, together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.channels.contract import Channel
from chalicelib.channels.registry import SecretSilentError, build
from chalicelib.core.message import StatusPage
from chalicelib.core.outcome import Doubtful, Made, Refused
from chalicelib.policy.load import load
from chalicelib.policy.notifications import NoticeEvent
from drctl.neighbours.pagerduty import PagerDuty
from tests.channels.answers import client, json_answer, s3_error, s3_taken
from tests.channels.stories import Clock, message, page

POLICY = load(Path(__file__).parents[2] / "policies")
KEY = "0" * 32
SECRETS = {"neurectomy/pagerduty": {"routing_key": KEY}, "neurectomy/slack": {"bot_token": "xoxb-1"}}


@pytest.fixture
def pager() -> PagerDuty:
    return PagerDuty(Clock(), routing_keys=[KEY])


@pytest.fixture
def http(pager: PagerDuty) -> Iterator[httpx2.Client]:
    def carry(request: httpx2.Request) -> httpx2.Response:
        answer = pager.request(request.method, request.url.path, dict(request.headers), request.content)
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.body)

    with httpx2.Client(transport=httpx2.MockTransport(carry)) as made:
        yield made


@pytest.fixture
def channels(http: httpx2.Client) -> Callable[..., Mapping[str, Channel]]:
    def make(secret: Callable[[str], Mapping[str, str]] = SECRETS.__getitem__, **clients: Any) -> Mapping[str, Channel]:
        ses = client("sesv2", lambda _: json_answer(200, {"MessageId": "m"}))
        s3 = client("s3", lambda _: s3_taken())
        return build(POLICY, http=http, secret=secret, **{"ses": ses, "s3": s3, **clients})

    return make


def test_how_long_an_end_takes_is_told_by_the_clock_that_was_given(
    channels: Callable[..., Mapping[str, Channel]],
) -> None:
    end = message(NoticeEvent.RECOVERY_COMPLETE, closes=True, keys=(message(NoticeEvent.ESCALATED, "0-1").id,))
    ticks = count(step=60.0)
    assert isinstance(channels(monotonic=ticks.__next__)["pagerduty"].send(end, page()), Doubtful)
    assert isinstance(channels(monotonic=lambda: 0.0)["pagerduty"].send(end, page()), Made)


def refusing(code: str) -> Callable[[str], Mapping[str, str]]:
    def secret(name: str) -> Mapping[str, str]:
        raise ClientError({"Error": {"Code": code, "Message": name}}, "GetSecretValue")

    return secret


@pytest.mark.parametrize(
    "found", [{}, {"routing_key": ""}, {"routing_key": None}, {"key": "topsecret"}, ["topsecret"], "topsecret"]
)
def test_a_secret_of_another_shape_refuses_this_channel_and_no_other(
    channels: Callable[..., Mapping[str, Channel]], found: Any
) -> None:
    built = channels(lambda _: found)
    outcome = built["pagerduty"].send(message(), page())
    assert isinstance(outcome, Refused)
    assert "holds no 'routing_key'" in outcome.because
    assert "topsecret" not in outcome.because
    assert isinstance(built["email-on-call"].send(message(), page()), Made)
    assert isinstance(built["status-page"].send(message(), page()), Made)


def test_a_secret_that_does_not_exist_is_refused_with_the_services_code(
    channels: Callable[..., Mapping[str, Channel]],
) -> None:
    outcome = channels(refusing("ResourceNotFoundException"))["pagerduty"].send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "ResourceNotFoundException"


def test_a_secret_that_cannot_be_had_is_refused_with_the_reason(
    channels: Callable[..., Mapping[str, Channel]],
) -> None:
    def missing(_name: str) -> Mapping[str, str]:
        raise KeyError("GetSecretValue was refused with AccessDenied")

    outcome = channels(missing)["pagerduty"].send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "UnusableSecret"
    assert "refused with AccessDenied" in outcome.because


def test_a_secret_that_is_not_json_is_refused_without_showing_it(
    channels: Callable[..., Mapping[str, Channel]],
) -> None:
    def garbled(_name: str) -> Mapping[str, str]:
        raise ValueError("cannot read 'topsecret'")

    outcome = channels(garbled)["pagerduty"].send(message(), page())
    assert isinstance(outcome, Refused)
    assert "is not JSON" in outcome.because
    assert "topsecret" not in outcome.because


def test_a_secret_store_that_does_not_answer_is_doubtful(channels: Callable[..., Mapping[str, Channel]]) -> None:
    def silent(_name: str) -> Mapping[str, str]:
        raise EndpointConnectionError(endpoint_url="https://secretsmanager.us-west-2.amazonaws.com")

    def mute(_name: str) -> Mapping[str, str]:
        raise SecretSilentError("secretsmanager in us-west-2 did not answer in 3 s")

    assert isinstance(channels(mute)["pagerduty"].send(message(), page()), Doubtful)
    assert isinstance(channels(silent)["slack-incidents"].send(message(), page()), Doubtful)
    assert isinstance(channels(refusing("ThrottlingException"))["pagerduty"].send(message(), page()), Doubtful)


def test_a_secret_that_was_mended_is_read_again(channels: Callable[..., Mapping[str, Channel]]) -> None:
    stored = {"routing_key": "1" * 32}
    pagerduty = channels(lambda _: dict(stored))["pagerduty"]
    assert isinstance(pagerduty.send(message(), page()), Refused)
    stored["routing_key"] = KEY
    assert isinstance(pagerduty.send(message(), page()), Made)


def test_a_defect_in_a_channel_is_told_and_stops_nothing(channels: Callable[..., Mapping[str, Channel]]) -> None:
    broken: Any = page(components=(object(),))
    outcome = channels()["status-page"].send(message(), broken)
    assert isinstance(outcome, Refused)
    assert outcome.code == "AttributeError"


def test_a_bucket_that_refuses_is_told_by_its_code(channels: Callable[..., Mapping[str, Channel]]) -> None:
    s3 = client("s3", lambda _: s3_error(403, "AccessDenied"))
    outcome = channels(s3=s3)["status-page"].send(message(), page())
    assert isinstance(outcome, Refused)
    assert outcome.code == "AccessDenied"


def test_nothing_is_read_before_a_message_is_sent(channels: Callable[..., Mapping[str, Channel]]) -> None:
    asked: list[str] = []

    def secret(name: str) -> Mapping[str, str]:
        asked.append(name)
        return SECRETS[name]

    built = channels(secret)
    assert asked == []
    for _ in range(2):
        assert isinstance(built["pagerduty"].send(message(), page()), Made)
    assert asked == ["neurectomy/pagerduty"]


def test_every_channel_of_policy_is_there_under_its_name(channels: Callable[..., Mapping[str, Channel]]) -> None:
    built = channels()
    assert list(built) == [c.name for c in POLICY.notifications.channels]
    assert all(name == channel.name for name, channel in built.items())


def test_a_page_links_to_the_status_page_of_policy(
    channels: Callable[..., Mapping[str, Channel]], pager: PagerDuty
) -> None:
    shown: StatusPage = page()
    channels()["pagerduty"].send(message(), shown)
    assert pager.alerts[0].links == [{"href": "https://status.neurectomy.io", "text": "Status page"}]
