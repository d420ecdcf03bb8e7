"""A connection's socket is closed whatever becomes of it; one that is left open fails a test as a ResourceWarning."""

from __future__ import annotations

import socket

import pytest

from chalicelib.clients.postgres import connected


def test_of_a_server_that_accepts_and_says_nothing_no_socket_is_left_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        with (
            pytest.raises(TimeoutError),
            connected(host, port, timeout=0.2, user="responder", password="local", database="platform"),
        ):
            pytest.fail("nobody has greeted")
        there = server.accept()[0]
        with there:
            there.settimeout(2)
            while there.recv(1024):
                pass  # what was asked before it was given up
