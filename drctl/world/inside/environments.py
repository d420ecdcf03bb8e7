"""A function's execution environments: how many there may be, and which of them ends when one fails.

MiniStack ends every environment of a function when one of them cannot be started, also those that are at work; they
fail for that, and end all the others in turn. On a busy machine such a function never comes to its end again, and each
of its environments leaves some thousand files. On AWS an environment ends alone, and one that is at work when its
function's code changes goes on to its end: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

# ruff: noqa: SLF001  # MiniStack has no public interface to mend it by; its version is pinned

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

AT_MOST = 4
"""Execution environments that one function may have: a cold start takes a second of a core here, and each one more
slows the others until every scheduled invocation overlaps the next.
"""


@dataclass
class Environments:
    """MiniStack's pools of warm environments (`ministack.core.lambda_runtime`), with the rules of AWS."""

    runtime: Any
    acquired: Callable[..., Any] = field(init=False)
    released: Callable[[Any], None] = field(init=False)
    invalidated: Callable[..., None] = field(init=False)
    mine: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        self.acquired, self.released = self.runtime.acquire_worker, self.runtime.release_worker
        self.invalidated = self.runtime.invalidate_worker

    def acquire(self, name: str, config: Any, code: bytes, qualifier: str = "$LATEST", **_: Any) -> Any:
        """A lease for the thread that asks, as MiniStack gives it; at most so many at once."""
        lease = self.acquired(name, config, code, qualifier, AT_MOST)
        self.mine.leased = lease[0]
        return lease

    def release(self, environment: Any) -> None:
        """Gives it back; one that was taken out of its pool meanwhile ends now."""
        self.mine.leased = None
        self.released(environment)
        if environment is not None and not self._pooled(environment):
            self.runtime.kill_workers([environment])

    def invalidate(self, name: str, *given: Any, **named: Any) -> None:
        """Of a thread that holds one, that one has failed and ends. Otherwise the function has changed: what is idle
        ends, and what is at work leaves the pool and ends when it is given back.
        """
        failed = getattr(self.mine, "leased", None)
        if failed is not None:
            self.mine.leased = None
            self._take_out([failed])
            self.runtime.kill_workers([failed])
            return
        with self.runtime._lock:
            pools = list(self.runtime._workers.values())
            at_work = [e for pool in pools for e in pool if e.in_use and e.func_name == name]
        self._take_out(at_work)
        self.invalidated(name, *given, **named)

    def _pooled(self, environment: Any) -> bool:
        with self.runtime._lock:
            return any(environment is e for pool in self.runtime._workers.values() for e in pool)

    def _take_out(self, environments: list[Any]) -> None:
        gone = {id(e) for e in environments}
        with self.runtime._lock:
            for pool in self.runtime._workers.values():
                pool[:] = [e for e in pool if id(e) not in gone]


class SharedCode:
    """Stands in for `zipfile` where MiniStack unpacks a function's code: each archive is unpacked once, and every
    environment that runs it gets links to what is in it. A package of ours has some 1,600 files; a process that starts
    does not have to wait for them, and the world's end does not have to remove them a hundred times.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(zipfile, name)

    def ZipFile(self, archive: str | Path) -> _Linked:  # noqa: N802  # the name that MiniStack calls
        """An archive to be unpacked into a folder. OSError or BadZipFile when it cannot be read."""
        return _Linked(self.unpacked(Path(archive)))

    def unpacked(self, archive: Path) -> Path:
        """The folder with an archive's content, made when nobody has made it yet."""
        there = self._folder / hashlib.sha256(archive.read_bytes()).hexdigest()[:32]
        with self._lock:
            if not there.exists():
                half = there.with_suffix(".half")
                with zipfile.ZipFile(archive) as found:
                    found.extractall(half)
                half.rename(there)
        return there


@dataclass(frozen=True)
class _Linked:
    content: Path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def extractall(self, folder: str | Path) -> None:
        for entry in self.content.iterdir():
            (Path(folder) / entry.name).symlink_to(entry)
