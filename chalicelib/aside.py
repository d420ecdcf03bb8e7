"""What goes on beside the desk's rounds: looks and calls whose answer nothing waits for, such as into a dark region.

A round starts them and goes on; a later round takes in what they answered. What has not answered by the end of the
shift is let go: a look changed nothing, and a call was saved as begun before it was made, so that the next worker
looks before anything else. Each bears a name, and of one name only one is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Start(Protocol):
    """How a job is begun; the deployed responder begins it in a thread."""

    def __call__(self, job: Callable[[], T], /) -> Future[T]: ...


def at_once(job: Callable[[], T]) -> Future[T]:
    """Begins a job and waits for its end."""
    done: Future[T] = Future()
    done.set_result(job())
    return done


class Aside(Generic[T]):
    """The jobs that one shift has under way beside its rounds. A job must not raise."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._under_way: dict[str, Future[Sequence[T]]] = {}

    def begin(self, name: str, job: Callable[[], Sequence[T]]) -> bool:
        """Begins it, unless one of this name is under way."""
        if name in self._under_way:
            return False
        self._under_way[name] = self._start(job)
        return True

    def under_way(self, name: str) -> bool:
        """Whether one of this name has begun and not been taken in."""
        return name in self._under_way

    def busy(self) -> bool:
        """Whether anything has begun and not been taken in."""
        return bool(self._under_way)

    def any_ended(self) -> bool:
        """Whether there is something to take in."""
        return any(f.done() for f in self._under_way.values())

    def ended(self) -> list[T]:
        """What those that have ended answered, in the order they began; they are under way no more."""
        over = [name for name, future in self._under_way.items() if future.done()]
        return [answer for name in over for answer in self._under_way.pop(name).result()]

    def wait(self, seconds: float) -> None:
        """Lets that much real time pass, or less when all have ended."""
        wait(self._under_way.values(), timeout=max(0.0, seconds))
