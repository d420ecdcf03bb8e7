"""The deployed responder in a local world of its own, as the tests see it: ordinary AWS clients through the gate,
`drctl` in a process of its own, the channels' own pages, and the gate's ledger.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from chalicelib import names
from chalicelib.core.book import Book
from chalicelib.core.incident import Incident, StepState
from chalicelib.store.beat import Who
from chalicelib.store.beats import Beats
from chalicelib.store.codec import dump_book, read_book, read_incident
from chalicelib.store.contract import Claimed, StoredBook
from chalicelib.store.dynamodb import DynamoStore
from drctl.deployment.permissions import AUDITS
from drctl.signing import signed
from drctl.world.ledger import Call
from drctl.world.local import LocalWorld
from drctl.world.people import credentials_of, speaker

ROOT = Path(__file__).parents[2]
DRCTL = Path(sys.executable).with_name("drctl")
AGENTS: tuple[Who, ...] = ("primary", "witness", "replica")
Result = TypeVar("Result")


def eventually(look: Callable[[], Result | None], *, within: float, what: str = "it") -> Result:
    """The first true thing that `look` returns; fails when there is none in time (seconds)."""
    patience, until = threading.Event(), time.monotonic() + within
    while time.monotonic() < until:
        if found := look():
            return found
        patience.wait(0.05)
    pytest.fail(f"{what} did not come within {within} s")


def never(look: Callable[[], object], *, within: float) -> None:
    """Fails as soon as `look` returns something true; returns when it has not in `within` seconds."""
    patience, until = threading.Event(), time.monotonic() + within
    while time.monotonic() < until:
        if found := look():
            pytest.fail(f"this should not have happened: {found}")
        patience.wait(0.05)


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result], *, within: float = 120) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(within)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def up(
    folder: Path, *, speed: float, shift_s: float | None = None, policies: Path = ROOT / "policies"
) -> Iterator[Stage]:
    """A world whose state lies in `folder/.local`, so that `drctl` in `folder` speaks to it."""
    loop = Loop()
    world = LocalWorld(ROOT, policies, speed=speed, local=folder / ".local", shift_s=shift_s)
    try:
        loop.run(world.__aenter__())
        try:
            yield Stage(world, folder)
        finally:
            loop.run(world.__aexit__(None, None, None), within=300)
    finally:
        loop.close()


class Stage:
    """One world and what can be seen and done in it."""

    def __init__(self, world: LocalWorld, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.policy = world.policy
        self.primary = self.policy.platform.regions.primary
        self.standby = self.policy.platform.regions.standby
        self.gate = world.world.gate_url
        self.store = DynamoStore(
            self.client("dynamodb", self.standby),
            table=self.policy.platform.responder.table,
            platform=self.policy.platform.name,
        )

    # What anybody can do

    def client(self, service: str, region: str) -> Any:
        return self.world.clients(service, region)

    def invoke(self, function: str, payload: object) -> Any:
        answer = self.client("lambda", self.standby).invoke(
            FunctionName=names.function(self.policy, function), Payload=json.dumps(payload).encode()
        )
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def say(self, command: str, *, by: str = "ana", **more: str) -> Any:
        """A command, signed by a person of policy."""
        person = speaker(self.policy, by)
        assert person is not None
        payload = {"command": command, **more}
        return self.invoke("command", signed(payload, self.policy, credentials=credentials_of(person), now=utc()))

    def raise_alarm(self, name: str, state: str = "ALARM", reason: str = "a test says so") -> None:
        self.client("cloudwatch", self.primary).set_alarm_state(AlarmName=name, StateValue=state, StateReason=reason)

    def break_region(self, region: str, *, silent: bool = False) -> None:
        self.control("POST", "/faults", json={"kind": "lose", "region": region, "silent": silent})

    def ail(self, region: str, kind: str, seconds: float = 0.0) -> None:
        """The whole region is slow, or in error."""
        self.control("POST", "/faults", json={"kind": kind, "region": region, "seconds": seconds})

    def control(self, method: str, path: str, **more: Any) -> Any:
        url = self.world.world.control_url + path
        answer = httpx2.request(method, url, timeout=20, trust_env=False, **more)
        answer.raise_for_status()
        return answer.json()

    def drctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DRCTL, *arguments], cwd=self.folder, env=environment(), capture_output=True, text=True, check=False
        )

    def told(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        done = self.drctl(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    # What can be seen

    def healthy(self) -> None:
        """Returns when the primary serves and its agents have spoken: what breaks was whole."""
        url = self.world.world_url(self.primary) + "/health"
        eventually(lambda: httpx2.get(url, trust_env=False, timeout=5).status_code == 200, within=30, what=url)
        responder = self.policy.platform.responder
        table = self.client("dynamodb", responder.region)
        beats = Beats(table, table=responder.table, platform=self.policy.platform.name)
        eventually(lambda: all(beats.read(who).moment("at") for who in AGENTS), within=120, what="the heartbeats")

    def book(self) -> Book | None:
        body = self.store.read_book().body
        return read_book(body)[0] if body else None

    def change_book(self, change: Callable[[Book], Book]) -> bool:
        """Saves another book, as a worker that holds the desk; False while another one does."""
        claimed = self.store.claim("a test", now=utc(), until=utc() + timedelta(seconds=10))
        if not isinstance(claimed, Claimed):
            return False
        stamped = self.store.stamp(claimed.epoch)
        assert isinstance(stamped, StoredBook), stamped
        book = change(read_book(stamped.body)[0]) if stamped.body else None
        if book is not None:
            self.store.save(claimed.epoch, stamped.rev, dump_book(book))
        self.store.release("a test", claimed.epoch)
        return book is not None

    def open(self) -> list[Incident]:
        book = self.book()
        return list(book.incidents.values()) if book else []

    def closed(self, scope: str) -> list[Incident]:
        """Those of this scope."""
        return [i for i in (read_incident(body) for _, body in self.store.documents("closed")) if i.scope == scope]

    def archive(self, scope: str) -> Incident | None:
        """The closed incident of this scope, except suspicions that cleared: a busy machine may make one by itself."""
        return next((i for i in self.closed(scope) if i.ending != "cleared"), None)

    def seen_of(self, scope: str) -> list[list[Mapping[str, Any]]]:
        """The timelines of a scope's incidents, the closed ones first."""
        now = [i for i in self.open() if i.scope == scope]
        return [self.timeline(i.id) for i in (*self.closed(scope), *now)]

    def step(self, step: str) -> StepState | None:
        """Its state in the only open incident, None while there is none."""
        found = self.open()
        return found[0].step(step).state if found else None

    def timeline(self, incident: str) -> list[Mapping[str, Any]]:
        return list(self.store.timeline(incident))

    def calls(self, since: datetime | None = None, **wanted: str) -> tuple[Call, ...]:
        return self.world.world.gate.ledger.find(wanted, since=since)

    def ours(self, since: datetime | None = None) -> list[Call]:
        """The calls that deployed functions made."""
        return [c for c in self.calls(since) if c.function]

    def recovering(self, since: datetime | None = None) -> list[Call]:
        """The same without the clock's own looks, each by a function of its own, which nothing waits for."""
        looking = {names.logical(name) for name in (names.READINESS, AUDITS)}
        return [c for c in self.ours(since) if c.function not in looking]

    def seen(self, neighbour: str) -> Any:
        url = next(n.url for n in self.world.world.neighbours if n.name == neighbour)
        return httpx2.get(f"{url}/_seen", trust_env=False, timeout=10).json()

    def mails(self) -> list[dict[str, Any]]:
        url = f"{self.world.world.ministack.url}/_ministack/ses/messages"
        found = httpx2.get(url, trust_env=False, timeout=10).json()["messages"]
        return list(found) if isinstance(found, list) else [m for each in found.values() for m in each]

    def page(self) -> dict[str, str]:
        """The status page's files, as any reader of the bucket gets them."""
        s3, bucket = self.client("s3", self.standby), self.policy.platform.responder.status_bucket
        keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}

    def workers(self, function: str = "") -> list[int]:
        """The processes that MiniStack runs functions in; `function` is a logical id such as `Tick`."""
        leader = self.world.world.ministack.pid
        found = []
        for pid in processes(group=leader):
            name = variable(pid, "AWS_LAMBDA_FUNCTION_NAME")
            if pid != leader and name and function.lower() in name.rpartition("-")[2].replace("_", ""):
                found.append(pid)
        return found

    def kill(self, function: str = "") -> list[int]:
        """SIGKILL for every worker of this function; answers whom it hit."""
        hit = []
        for pid in self.workers(function.lower()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            hit.append(pid)
        return hit


def environment() -> dict[str, str]:
    """Ours without what would send an AWS client or drctl elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DR_"))}
    return kept | {"COLUMNS": "200"}


def processes(*, group: int | None = None, session: int | None = None) -> list[int]:
    """All of a process group, or of a session; ended ones that nobody has taken note of are left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and (int(fields[2]) == group or int(fields[3]) == session):
            found.append(int(entry.name))
    return sorted(found)


def variable(pid: int, name: str) -> str:
    """A variable of a process's environment, '' when it has none or is gone."""
    try:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((p.decode().partition("=")[2] for p in pairs if p.startswith(name.encode() + b"=")), "")


def utc() -> datetime:
    return datetime.now(UTC)
