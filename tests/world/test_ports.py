"""A port that is told to a server before it listens stays free until then."""

from __future__ import annotations

import random
import socket

import pytest

from drctl import ports


def test_it_lies_below_what_the_kernel_gives_to_whoever_connects() -> None:
    first = int(ports.RANGE.read_text().split()[0]) if ports.RANGE.exists() else ports.USUAL_START
    assert {ports.LOWEST <= ports.free_port() < first for _ in range(50)} == {True}


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_one_that_is_taken_by_either_protocol_is_not_given(
    kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = ports.free_port()
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((ports.HOST, free))
        monkeypatch.setattr(random, "randrange", lambda *_: free)
        with pytest.raises(OSError, match=f"no free port on {ports.HOST}"):
            ports.free_port()
    assert ports.free_port() == free
