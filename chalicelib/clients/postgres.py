"""A connection to PostgreSQL whose socket is closed whatever becomes of it.

The driver leaves the socket that it made open where the server accepts it and then says nothing, so this one is made
here. Source: https://github.com/tlocke/pg8000#pg8000dbapiconnect (`sock`).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def connected(host: str, port: int, *, timeout: float, **named: Any) -> Iterator[Any]:
    """A `pg8000.dbapi.Connection` as long as the block lasts; `timeout` in seconds, for connecting and for each answer;
    `named` as pg8000 takes it. Raises OSError and what pg8000 raises.
    """
    # Here, since most invocations never ask a database, and its driver is a fifth of a cold start.
    import pg8000.dbapi

    with socket.create_connection((host, port), timeout) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = pg8000.dbapi.connect(sock=made, timeout=timeout, **named)
        try:
            yield connection
        finally:
            # What has gone away cannot be told goodbye, and that must not stand in the place of what was found out.
            with suppress(OSError, pg8000.dbapi.InterfaceError):
                connection.close()
