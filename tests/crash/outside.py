"""Everything outside a worker, as one numbered row of calls, each of which can be the last that the worker makes.

A worker is stopped as `kill -9` stops it: at one call, before it leaves or after it has had its effect, and from then
on nothing of that worker reaches the outside, whatever its `finally` blocks still try. The time passes here too: each
call takes a moment, and while somebody sleeps the rest of the world goes on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from chalicelib.bootstrap import WallClock

T = TypeVar("T")
CALL_TAKES: Final = timedelta(milliseconds=5)
"""Of every outside call: time must go by while a worker is at work, or the desk takes its rounds for a circle."""
REFUSED: Final = 400


class Crash(BaseException):
    """The worker is gone. Not an Exception: nothing that a worker has would catch it."""


class When(StrEnum):
    """Where in a call the worker is stopped, or what happens to its answer."""

    BEFORE = "before"
    AFTER = "after"
    LOST = "lost"
    """No crash: the call has its effect, and its answer never arrives."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that happens at the call of this number (from 0)."""

    call: int
    when: When

    def __str__(self) -> str:
        return f"{self.when} call {self.call}"


class Clock(WallClock):
    """A clock that moves only when somebody calls out or sleeps. `every` is told of each second that has begun."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._row: list[tuple[datetime, int, Callable[[], None]]] = []
        self._made = 0
        self.every: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self._now

    def at(self, when: datetime, happening: Callable[[], None]) -> None:
        """Lets something happen then, or as soon after it as anybody sleeps."""
        self._made += 1
        heapq.heappush(self._row, (when, self._made, happening))

    def sleep(self, seconds: float) -> None:
        """Time passes, and what falls due in it happens, each thing at its time."""
        until = self._now + timedelta(seconds=seconds)
        while self._row and self._row[0][0] <= until:
            when, _, happening = heapq.heappop(self._row)
            self.pass_to(when)
            happening()
        self.pass_to(until)

    def pass_to(self, when: datetime) -> None:
        """Time passes, and nothing happens but what follows from time alone."""
        while self._now < when:
            second = self._now.replace(microsecond=0) + timedelta(seconds=1)
            self._now = min(when, second)
            if self._now == second:
                self.every()


class Outside:
    """Counts every call of every worker and keeps its kind (`rds.PromoteReadReplica`, `store save`).

    Workers may be at work inside one another's sleep (`life`): the innermost is the one that calls, and the one that a
    stop ends.
    """

    def __init__(self, clock: Clock, stops: Iterable[Stop] = ()) -> None:
        self.clock = clock
        self.calls: list[str] = []
        self.effects: list[str] = []
        """The kinds of those that were answered with other than a refusal, whoever heard it."""
        self.stopped: list[Stop] = []
        self.on_call: Callable[[int], When | None] = lambda _: None
        self._stops = {stop.call: stop for stop in stops}
        self._alive: list[bool] = []

    @contextmanager
    def life(self) -> Iterator[None]:
        """One worker, from its start to its end or its crash."""
        self._alive.append(True)
        try:
            yield
        finally:
            self._alive.pop()

    def call(self, kind: str, effect: Callable[[], T], lost: Callable[[], Exception]) -> T:
        """Makes one outside call; `lost` is what the worker's client raises when no answer comes."""
        if not self._alive:
            raise RuntimeError(f"{kind} was called by nobody: only a worker with a life may call out")
        if not self._alive[-1]:
            raise Crash(f"{kind}: this worker is gone")
        number = len(self.calls)
        self.calls.append(kind)
        self.clock.pass_to(self.clock.now() + CALL_TAKES)
        when = self._when(number)
        if when is When.BEFORE:
            self._end(kind)
        answer = effect()
        if _status(answer) < REFUSED:
            self.effects.append(kind)
        if when is When.AFTER:
            self._end(kind)
        if when is When.LOST:
            raise lost()
        return answer

    def _when(self, number: int) -> When | None:
        stop = self._stops.get(number)
        when = stop.when if stop else self.on_call(number)
        if when is not None:
            self.stopped.append(Stop(number, when))
        return when

    def _end(self, kind: str) -> None:
        self._alive[-1] = False
        raise Crash(kind)


def _status(answer: object) -> int:
    """The HTTP status of an answer that has one, under either of its two names."""
    found = getattr(answer, "status_code", getattr(answer, "status", 0))
    return found if isinstance(found, int) else 0
