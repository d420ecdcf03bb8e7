"""A port for a server that is told its number before it listens.

The kernel hands out the ports of its own range to whatever connects somewhere, so a number from there may be gone
again by the time the server binds it. These lie below that range, which is read from the kernel where it says:
https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html (`ip_local_port_range`).
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 10_000
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUAL_START = 32_768
TRIES = 200


def free_port() -> int:
    """One of loopback on which, this moment, nobody listens by TCP or UDP. Raises OSError when none is found."""
    below = _own_range()
    for _ in range(TRIES):
        port = random.randrange(LOWEST, below)  # noqa: S311  # a number that nobody else took; no secret
        if _binds(socket.SOCK_STREAM, port) and _binds(socket.SOCK_DGRAM, port):
            return port
    raise OSError(f"no free port on {HOST} between {LOWEST} and {below - 1} in {TRIES} tries")


def _own_range() -> int:
    try:
        start = int(RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return USUAL_START
    # A machine may give nearly everything to outgoing connections; then there is no better place than among them.
    return start if start >= 2 * LOWEST else USUAL_START


def _binds(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
