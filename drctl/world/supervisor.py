"""The local world, up and down: MiniStack, the gate, its control, and the neighbours, all in one process's care.

    async with World(root, speed=10, neighbours=[Neighbour("rds", app)], routes={"rds": "rds"}) as world:
        await asyncio.to_thread(deploy, world.gate_url, ...)
        await world.stopped()          # until Ctrl-C, SIGTERM, or its terminal is closed

Whatever ends the block, nothing is left running; if this process is killed outright, MiniStack notices and ends itself,
and so do the databases.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from aiohttp import web

from drctl.world.breaks import Breaks
from drctl.world.control import control
from drctl.world.gate import Gate
from drctl.world.ledger import Ledger
from drctl.world.ministack import MiniStack, WorldError

LOOPBACK = "127.0.0.1"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Neighbour:
    """A stand-in for what MiniStack lacks. `port` 0 takes a free one; afterwards it is the one that was taken."""

    name: str
    app: web.Application
    port: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{LOOPBACK}:{self.port}"


@dataclass
class World:
    """`routes` maps a service, or `service:Operation`, to a neighbour's name: what the gate sends there.
    `local` is where the world writes its state, `root/.local` unless given; `says` are further lines of it.
    `on_dark` is told which regions are wholly lost, before their AWS is; `breaks` breaks what is inside a cluster.
    `everywhere` are the regions that are lost with the provider, `on_gone` is told whether it is.
    """

    root: Path
    speed: float = 10.0
    account: str = "000000000000"
    neighbours: Iterable[Neighbour] = ()
    routes: Mapping[str, str] = field(default_factory=dict)
    gate_port: int = 0
    control_port: int = 0
    local: Path | None = None
    says: Mapping[str, object] = field(default_factory=dict)
    on_dark: Callable[[frozenset[str]], None] = lambda _: None
    breaks: Breaks | None = None
    everywhere: frozenset[str] = frozenset()
    on_gone: Callable[[bool], None] = lambda _: None
    _left: AsyncExitStack = field(default_factory=AsyncExitStack, init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _waited_for: bool = field(default=False, init=False)
    _dark: frozenset[str] = field(default_factory=frozenset, init=False)

    @property
    def gate_url(self) -> str:
        return f"http://{LOOPBACK}:{self.gate_port}"

    @property
    def control_url(self) -> str:
        return f"http://{LOOPBACK}:{self.control_port}"

    @property
    def state_path(self) -> Path:
        return (self.local or self.root / ".local") / "world.json"

    async def __aenter__(self) -> Self:
        self.neighbours, self.root = list(self.neighbours), self.root.resolve()
        self._left.callback(hold(self.state_path).close)
        try:
            await self._start()
        except BaseException:
            await self._left.aclose()
            raise
        return self

    async def _start(self) -> None:
        self._catch_signals()
        self.ministack = MiniStack(self.root, self.speed, self.account, local=self.local)
        self._left.push_async_callback(self.ministack.stop)
        await self.ministack.start()
        urls: dict[str, str] = {}
        for neighbour in self.neighbours:
            neighbour.port = await self._serve(neighbour.app, neighbour.port, neighbour.tls)
            urls[neighbour.name] = neighbour.url
        if unknown := sorted(set(self.routes.values()) - set(urls)):
            raise WorldError(
                f"routes name the neighbours {', '.join(unknown)}, there are only {', '.join(urls) or 'none'}"
            )
        self.gate = Gate(
            default=self.ministack.url,
            routes={service: urls[name] for service, name in self.routes.items()},
            ledger=Ledger(self.state_path.parent / "ledger.jsonl"),
        )
        self.gate_port = await self._serve(self.gate.app(), self.gate_port)
        speaks = control(self.gate, self.darken, self.breaks, everywhere=self.everywhere, gone=self.on_gone)
        self.control_port = await self._serve(speaks, self.control_port)
        self._left.callback(self.state_path.unlink, missing_ok=True)
        self._write_down()

    async def _serve(self, app: web.Application, port: int, tls: ssl.SSLContext | None = None) -> int:
        # Ctrl-C must not wait for a caller that hangs, such as a function in the middle of a slow call.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        self._left.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, LOOPBACK, port, ssl_context=tls)
        try:
            await site.start()
        except OSError as taken:
            raise WorldError(f"port {port} on {LOOPBACK} cannot be used ({taken.strerror}); choose another") from taken
        return int(runner.addresses[0][1])

    def say(self, **more: object) -> None:
        """Further lines of the state, known only once the world is up."""
        self.says = {**self.says, **more}
        self._write_down()

    def _write_down(self) -> None:
        state = {
            "pid": os.getpid(),
            "gate": self.gate_url,
            "control": self.control_url,
            "ministack": self.ministack.url,
            "ports": {neighbour.name: neighbour.port for neighbour in self.neighbours},
            "neighbours": {neighbour.name: neighbour.url for neighbour in self.neighbours},
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "speed": self.speed,
            "account": self.account,
            **self.says,
        }
        temporary = self.state_path.with_suffix(".new")
        temporary.write_text(json.dumps(state, indent=2) + "\n")
        temporary.replace(self.state_path)

    def _catch_signals(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def asked_to_stop() -> None:
            self._stop.set()
            if not self._waited_for and task is not None:
                task.cancel()

        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: it is meant to outlive its terminal
            # Only the main thread may, and only there does a signal arrive: elsewhere the world ends with its block.
            with suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, asked_to_stop)
                self._left.callback(loop.remove_signal_handler, number)

    async def darken(self, regions: frozenset[str], silent: frozenset[str]) -> None:
        """Makes the neighbours of exactly these regions dark; those that are `silent` fall silent inside MiniStack
        too: their alarms, topics, schedules and functions.
        """
        await asyncio.to_thread(self.on_dark, regions)
        for region in silent - self._dark:
            await self.ministack.tell(region, dark=True)
        for region in self._dark - silent:
            await self.ministack.tell(region, dark=False)
        self._dark = silent

    async def stopped(self) -> None:
        """Waits for Ctrl-C, SIGTERM, or a terminal that is closed."""
        self._waited_for = True
        await self._stop.wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._left.aclose()


def hold(state_path: Path) -> IO[str]:
    """The lock that lets one world be up for one folder, held until it is closed. It is the kernel's, so a crash cannot
    leave it behind. Raises WorldError, which says who is up, when another holds it.
    """
    state_path.parent.mkdir(parents=True, exist_ok=True)
    lock: IO[str] = (state_path.parent / "world.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        up = running(state_path) or {"pid": "unknown", "started_at": "just now"}
        raise WorldError(
            f"one is up: pid {up['pid']}, started {up['started_at']}; stop it with Ctrl-C there, or `kill {up['pid']}`"
        ) from None
    return lock


def running(state_path: Path) -> dict[str, object] | None:
    """What `world.json` says of the world that is up, None when none is."""
    try:
        state: dict[str, object] = json.loads(state_path.read_text())
        os.kill(int(str(state["pid"])), 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state
