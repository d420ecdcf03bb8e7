"""TCP ports on loopback that lead to other ports, and can be closed and opened again.

A database that cannot be reached is one whose port refuses, while the database goes on. Stopping the process (SIGSTOP)
would be neither: the kernel still accepts connections for it, and nothing goes on. So every database is behind a port
of this kind, replication goes through it as well, and the region's outage is that port's closing.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

HOST: Final = "127.0.0.1"
CHUNK: Final = 65_536
_T = TypeVar("_T")


class _Forward:
    """One port. While it is closed a bound socket that does not listen keeps the number, and the kernel refuses."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.socket = _bound(0)
        self.port = int(self.socket.getsockname()[1])
        self.server: asyncio.Server | None = None
        self.connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        if self.server is None:
            self.server = await asyncio.start_server(self._connected, sock=self.socket)

    async def close(self, *, for_good: bool = False) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
            for task in tuple(self.connections):
                task.cancel()
            await asyncio.gather(*self.connections, return_exceptions=True)
            if not for_good:
                self.socket = _bound(self.port)
        elif for_good:
            self.socket.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served outside a task")
        self.connections.add(task)
        writers = [writer]
        try:
            target_reader, target_writer = await asyncio.open_connection(HOST, self.target)
            writers.append(target_writer)
            ways = [
                asyncio.ensure_future(_carry(reader, target_writer)),
                asyncio.ensure_future(_carry(target_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            # Nobody at the target, or the port was closed: the client's connection ends below.
            return
        finally:
            for end in writers:
                end.transport.abort()
            self.connections.discard(task)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes from one end to the other until one of them goes."""
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    return made


class Forwards:
    """All ports, served by one event loop in a thread of its own, so that they may be used from any other."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="forwards", daemon=True)
        self._thread.start()
        self._forwards: dict[int, _Forward] = {}

    def add(self, target: int) -> int:
        """A new open port that leads to `target`."""
        forward = _Forward(target)
        self._forwards[forward.port] = forward
        self._run(forward.open())
        return forward.port

    def set_open(self, port: int, is_open: bool) -> None:
        """Opens the port, or refuses there and ends the connections that it carries."""
        forward = self._forwards[port]
        self._run(forward.open() if is_open else forward.close())

    def turn(self, port: int, former: int, target: int) -> None:
        """A port that leads to `former` leads new connections to `target` from now on."""
        if self._forwards[port].target == former:
            self._forwards[port].target = target

    def remove(self, port: int) -> None:
        """The port is free for others."""
        self._run(self._forwards.pop(port).close(for_good=True))

    def stop(self) -> None:
        """Removes all ports and ends the thread."""
        for port in tuple(self._forwards):
            self.remove(port)
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)
