"""Many stories that differ by one fault each, told from the fault on: the part before it is told once.

At every call that is wanted the process forks. The child meets the fault there and goes on to its end; the parent goes
on to the next call, as if nothing had been. At most one child a processor is at work.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.crash.ending import ending, untrue
from tests.crash.outside import Stop, When
from tests.crash.platform_in_process import Platform
from tests.crash.story import Story


class Telling(Protocol):
    """A story that can be swept: what it tells lies in a platform whose calls are counted."""

    platform: Platform

    def tell(self) -> Any: ...


def alike(story: Telling) -> tuple[list[str], Any]:
    """What does not hold at the end of a story, and its ending."""
    return untrue(story.platform, faults=1), ending(story.platform)


@dataclass(frozen=True, slots=True)
class Told:
    """One story with a fault: where, at what kind of call, and what was wrong at its end ("" when all was well)."""

    stop: Stop
    kind: str
    wrong: str


def sweep(
    wanted: Callable[[int, str], Iterable[When]],
    expected: object,
    folder: Path,
    story: Callable[[], Telling] = Story,
    judged: Callable[[Any], tuple[list[str], Any]] = alike,
) -> list[Told]:
    """Tells a story for each fault that is `wanted` at a call (number, kind); `expected` is the ending of all."""
    telling = _Sweep(story(), wanted, folder)
    try:
        telling.story.tell()
        wrong = _wrong(judged(telling.story), expected) if telling.child else ""
    except BaseException:
        if telling.child is None:
            raise
        wrong = traceback.format_exc()
    if telling.child:
        telling.child.write_text(wrong)
        os._exit(0)
    return telling.collect()


class _Sweep:
    def __init__(self, story: Telling, wanted: Callable[[int, str], Iterable[When]], folder: Path) -> None:
        self.story = story
        self.child: Path | None = None
        self._wanted = wanted
        self._folder = folder
        self._begun: list[tuple[Stop, str]] = []
        self._working: set[int] = set()
        story.platform.outside.on_call = self._on_call

    def collect(self) -> list[Told]:
        """What the children found, in the order of the calls."""
        while self._working:
            self._wait()
        return [Told(stop, kind, self._file(stop).read_text()) for stop, kind in self._begun]

    def _on_call(self, number: int) -> When | None:
        if self.child:
            return None
        kind = self.story.platform.outside.calls[number]
        for when in self._wanted(number, kind):
            stop = Stop(number, when)
            while len(self._working) >= (os.cpu_count() or 1):
                self._wait()
            pid = os.fork()
            if pid == 0:
                self.child = self._file(stop)
                return when
            self._working.add(pid)
            self._begun.append((stop, kind))
        return None

    def _wait(self) -> None:
        pid, _ = os.wait()
        self._working.discard(pid)

    def _file(self, stop: Stop) -> Path:
        return self._folder / f"{stop.call}-{stop.when}.txt"


def _wrong(judged: tuple[list[str], Any], expected: object) -> str:
    found, ended = judged
    if ended != expected:
        found += _differences("", expected, ended)
    return "\n".join(found)


def _differences(where: str, expected: object, found: object) -> list[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [*expected, *(k for k in found if k not in expected)]
        return [d for k in keys for d in _differences(f"{where}/{k}", expected.get(k), found.get(k))]
    return [] if expected == found else [f"{where}: expected {expected!r}, found {found!r}"]
