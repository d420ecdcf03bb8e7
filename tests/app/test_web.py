"""The HTTP client that looks: what is sent where, and what is told of it."""

from __future__ import annotations

import httpx2
import pytest

from chalicelib.clients.web import KEPT, HttpAnswer, Web
from chalicelib.core.outcome import NoData

SIGNED = "https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity&X-Amz-Signature=secret"


class Server:
    """Remembers what it was asked."""

    def __init__(self, *, deaf: bool = False, text: str = "fine") -> None:
        self.asked: list[httpx2.Request] = []
        self.deaf = deaf
        self.text = text

    def web(self, **resolve: str) -> Web:
        hosts = {host.replace("_", "-"): base for host, base in resolve.items()}
        return Web({f"sts.{k}.amazonaws.com": base for k, base in hosts.items()}, httpx2.MockTransport(self.answer))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        if self.deaf:
            raise httpx2.ConnectTimeout("nobody", request=request)
        return httpx2.Response(302, text=self.text, headers={"Location": "https://elsewhere.example/"})


def test_the_query_and_the_headers_go_out_as_they_are_and_no_redirect_is_followed() -> None:
    server = Server()
    found = server.web().get(SIGNED, timeout_s=1, headers={"x-dr-command": "0123"})
    assert found == HttpAnswer(302, "fine")
    (request,) = server.asked
    assert (str(request.url), request.headers["x-dr-command"]) == (SIGNED, "0123")
    assert request.headers["host"] == "sts.us-west-2.amazonaws.com"


def test_a_host_that_is_sent_elsewhere_keeps_its_query_and_its_name() -> None:
    server = Server()
    server.web(us_west_2="http://127.0.0.1:4566").get(SIGNED, timeout_s=1)
    (request,) = server.asked
    assert str(request.url) == SIGNED.replace("https://sts.us-west-2.amazonaws.com", "http://127.0.0.1:4566")
    assert request.headers["host"] == "sts.us-west-2.amazonaws.com"


@pytest.mark.parametrize("url", [SIGNED, "https://api.example/health"])
def test_silence_is_told_without_what_was_signed(url: str) -> None:
    found = Server(deaf=True).web().get(url, timeout_s=1)
    assert isinstance(found, NoData)
    assert "secret" not in found.because
    assert found.because == f"GET {url.partition('?')[0]} was not answered within 1 s: ConnectTimeout"


def test_a_long_answer_is_cut() -> None:
    found = Server(text="x" * (KEPT + 1)).web().get(SIGNED, timeout_s=1)
    assert isinstance(found, HttpAnswer)
    assert len(found.text) == KEPT
