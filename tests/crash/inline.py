"""Threads that are none: what a worker does side by side is done one after another, in its own thread.

A story forks at each of its calls, and a process that forks has one thread in its child: the one that forked. Whoever
stops the worker stops it there, too: nothing of a pool catches that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import Any, Self
from unittest.mock import patch

from chalicelib.actions import reader
from chalicelib.clients import s3_copies, s3_versions


class Inline:
    """As much of ThreadPoolExecutor as is used there."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        """Done when it is there. What is no Exception ends whoever submits it."""
        made: Future[Any] = Future()
        try:
            made.set_result(work(*given))
        except Exception as error:  # noqa: BLE001  # a pool keeps whatever its work raises for whoever asks
            made.set_exception(error)
        return made

    def map(self, work: Callable[..., Any], *given: Iterable[Any]) -> Iterator[Any]:
        """In the order of what is given."""
        return iter([work(*each) for each in zip(*given, strict=False)])

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Nothing is under way."""


@contextmanager
def one_thread() -> Iterator[None]:
    """While it lasts, S3's versions are read and restored by one thread."""
    with ExitStack() as stack:
        for module in (reader, s3_versions, s3_copies):
            stack.enter_context(patch.object(module, "ThreadPoolExecutor", Inline))
        yield
