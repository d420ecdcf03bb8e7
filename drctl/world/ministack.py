"""MiniStack, the local AWS: installed in a virtualenv of its own, started on loopback, gone without a trace afterwards.

.local/ministack/venv    MiniStack and what it needs (ministack-requirements.txt)
.local/lambda/venv       the bare interpreter its functions run in (lambda-requirements.txt)
.local/ministack/run/    home, temporary files and log of the running one; emptied on start and stop
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from drctl.ports import free_port
from drctl.scratch import scratch
from drctl.world.people import SECRET

HERE = Path(__file__).parent
IMPORT_ROOT = HERE.parents[1]
STARTS_WITHIN = 15.0
STOPS_WITHIN = 3.0


class WorldError(Exception):
    """The local world cannot do what was asked; the message says what, and what to do."""


def environment_of(root: Path, name: str) -> Path:
    """Where the interpreter of `ministack` or `lambda` stands."""
    return root / ".local" / name / "venv"


def install(root: Path) -> None:
    """Makes both virtualenvs if they are missing or their requirements changed. Takes half a minute the first time."""
    for name in ("ministack", "lambda"):
        _install_one(environment_of(root, name), HERE / f"{name}-requirements.txt")


def _install_one(venv: Path, requirements: Path) -> None:
    marker = venv / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if marker.exists() and marker.read_text() == digest:
        return
    # Without pip, whose own vendored packages a function could import by mistake.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(venv / "bin" / "python"),
        "--quiet",
        "--disable-pip-version-check",
    ]
    install = [*pip, "install", "--no-deps", "-r", str(requirements)]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    if done.returncode:
        raise WorldError(f"{requirements.name} could not be installed into {venv}: {done.stderr.strip()[-2000:]}")
    marker.write_text(digest)


@dataclass
class MiniStack:
    """One running MiniStack. `account` is the account of callers whose access key is not itself twelve digits;
    `local` is where it keeps its log and working files, `root/.local` unless given; the virtualenvs are always there.
    """

    root: Path
    speed: float = 1.0
    account: str = "000000000000"
    mended: bool = True
    local: Path | None = None
    port: int = field(default=0, init=False)
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        # Its working folder is another than ours, so a relative path would mean something else there.
        self.root = self.root.resolve()
        self.local = self.local and self.local.resolve()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _state(self) -> Path:
        return self.local or self.root / ".local"

    @property
    def directory(self) -> Path:
        """Home and temporary files of the running one; removed when it stops."""
        if (memory := scratch()) is None:
            return self._state / "ministack-run"
        # Found again by the next one for the same state, should this one not come to remove it.
        return memory / f"drctl-{os.getuid()}-{hashlib.sha256(str(self._state).encode()).hexdigest()[:16]}"

    @property
    def log(self) -> Path:
        return self._state / "ministack.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Returns when it answers. Raises WorldError with the end of its log when it does not within 15 s."""
        self.port = free_port()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, mode=0o700)
        for folder in ("home", "tmp"):
            (self.directory / folder).mkdir()
        python = environment_of(self.root, "ministack") / "bin" / "python"
        if not python.exists():
            raise WorldError(f"{python} is missing; run `drctl setup`, which makes it")
        command = [str(python), "-m", "drctl.world.inside.launch", "--speed", str(self.speed)]
        command += ["--lambda-python", str(environment_of(self.root, "lambda") / "bin" / "python")]
        command += [] if self.mended else ["--unmended"]
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=IMPORT_ROOT,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # A group of its own, so that it and the functions it starts can be ended together.
                start_new_session=True,
            )
        try:
            await self._ready()
        except BaseException:
            await self.stop()
            raise

    def _environment(self) -> dict[str, str]:
        """All that it, and through it every function, sees of this machine. Functions inherit it, so nothing
        of ours is in it.
        """
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.directory / "home"),
            "TMPDIR": str(self.directory / "tmp"),
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_ACCOUNT_ID": self.account,
            "AUTH": "true",  # functions run as their roles, and may do what these may
            "AWS_SECRET_ACCESS_KEY": SECRET,  # what the functions sign with; the local STS knows it
            "BIND_HOST": "127.0.0.1",  # it would bind every interface
            "IOT_MTLS_ENABLED": "0",  # a second listener, on every interface
            "SFTP_ENABLED": "0",  # and a third
            "DOCKER_HOST": f"unix://{self.directory}/no-docker",  # it would clean up a developer's containers
            "LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
        }

    async def _ready(self) -> None:
        process, gives_up_at = self._process, time.monotonic() + STARTS_WITHIN
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < gives_up_at and process is not None and process.returncode is None:
                with suppress(aiohttp.ClientError, OSError):
                    async with session.get(f"{self.url}/_ministack/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise WorldError(
            f"MiniStack did not answer on port {self.port} within {STARTS_WITHIN:.0f} s; its log ends: {tail}"
        )

    async def tell(self, region: str, *, dark: bool) -> None:
        """Makes a region's alarms, topics, schedules and functions fall silent, or speak again."""
        if self._process is None or self._process.stdin is None:
            raise WorldError(f"MiniStack is not running, so {region} cannot be made {'dark' if dark else 'lit'}")
        self._process.stdin.write(f"{'dark' if dark else 'lit'} {region}\n".encode())
        await self._process.stdin.drain()

    async def say(self, event: Mapping[str, Any]) -> None:
        """Has an AWS service say something: EventBridge's envelope, for the default bus of its `region`."""
        if self._process is None or self._process.stdin is None:
            raise WorldError(f"MiniStack is not running, so {event['source']} cannot say anything")
        self._process.stdin.write(f"event {json.dumps(event)}\n".encode())
        await self._process.stdin.drain()

    async def stop(self) -> None:
        """Ends it and every function it started, and removes what they wrote. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOPS_WITHIN)
        with suppress(ProcessLookupError):
            # The leader may be gone while a function lingers: the group is ended in any case.
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)
