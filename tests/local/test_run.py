"""`drctl run` as a person starts it: one at a time, on loopback only, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.stage import DRCTL, ROOT, environment, eventually, processes

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
LISTENING = "0A"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    for name in ("app.py", "chalicelib", "drctl", "policies", "vendor", ".chalice", "requirements.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".local").mkdir()
    for name in ("ministack", "lambda", "package"):
        (tmp_path / ".local" / name).symlink_to(ROOT / ".local" / name)
    process = subprocess.Popen(
        [DRCTL, "run"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=20)


def world(folder: Path) -> dict[str, object] | None:
    try:
        found: dict[str, object] = json.loads((folder / ".local" / "world.json").read_text())
    except FileNotFoundError:
        return None
    return found


def up(process: subprocess.Popen[str], folder: Path) -> dict[str, object] | None:
    """What the world says of itself, None while it does not yet; fails with what was printed once it has ended."""
    if process.poll() is not None:
        said = process.stdout.read() if process.stdout else ""
        pytest.fail(f"`drctl run` ended with {process.returncode}: {said}")
    return world(folder)


def family(leader: int) -> list[int]:
    """The supervisor, MiniStack with its functions, and the databases."""
    mine = processes(session=leader)
    groups = [pid for pid in processes_of_all() if _ancestor(pid, leader)]
    return sorted({*mine, *groups})


def processes_of_all() -> list[int]:
    return sorted(int(e.name) for e in Path("/proc").iterdir() if e.name.isdigit())


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not taken note of does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _ancestor(pid: int, leader: int) -> bool:
    while pid > 1:
        if pid == leader:
            return True
        try:
            pid = int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def listeners(pids: list[int]) -> set[str]:
    """The local addresses, in /proc's hexadecimal, that these processes listen on."""
    inodes = set()
    for pid in pids:
        for link in (Path("/proc") / str(pid) / "fd").glob("*"):
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in inodes:
                found.add(fields[1].rpartition(":")[0])
    return found


@pytest.mark.parametrize(
    "ended_by",
    [
        signal.SIGINT,
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, marks=pytest.mark.long),
    ],
    ids=lambda number: number.name,
)
def test_it_starts_listens_on_loopback_only_and_leaves_nothing_behind(
    started: subprocess.Popen[str], tmp_path: Path, ended_by: signal.Signals
) -> None:
    state = eventually(lambda: up(started, tmp_path), within=60, what="the world")
    assert state is not None
    assert state["pid"] == started.pid
    screen = started.stdout
    assert screen is not None
    eventually(lambda: "Ctrl-C stops everything" in screen.readline(), within=60, what="the screen")

    pids = family(started.pid)
    assert len(pids) > 4
    assert listeners(pids) <= LOOPBACK

    second = subprocess.run(
        [DRCTL, "run"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert second.returncode == 1
    assert f"one is up: pid {started.pid}" in second.stderr

    os.kill(started.pid, ended_by)
    if ended_by == signal.SIGKILL:
        started.wait(30)
        eventually(lambda: not any(alive(pid) for pid in pids), within=10, what="the end of what it started")
    else:
        assert started.wait(30) == 0
        assert world(tmp_path) is None
    assert [pid for pid in pids if alive(pid)] == []
