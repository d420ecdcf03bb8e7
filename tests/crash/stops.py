"""At which calls a story is stopped, and how: some of each kind, or all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tests.crash.ending import WRITES
from tests.crash.outside import When
from tests.crash.sweep import Told

OTHER_WRITES: Final = re.compile(r"ec2\.(Create|Delete)|dynamodb\.(Put|Update|Delete)|s3\.(Copy|Delete)Object")
"""They change something too, and an ending does not count them: a fence may be proven in one way or another, and of
objects it tells what they hold.
"""
STORE_WRITES: Final = (
    "save",
    "put_timeline",
    "put_inbox",
    "delete_inbox",
    "claim",
    "stamp",
    "release",
    "put_document",
    "put_measured",
)
SHARE: Final = "DR_SWEEP"
"""The variable that says which part of a whole sweep is told: a whole one takes an hour where a story is long."""
OUTSIDE_AWS: Final = ("cloudflare P",)
MESSAGES: Final = ("slack", "sesv2", "http POST")


def writes(kind: str) -> bool:
    """Whether a call of this kind changes anything outside. One that does not is the same before and after."""
    where, _, what = kind.partition(" ")
    if where == "store":
        return what in STORE_WRITES
    return bool(WRITES.match(kind) or OTHER_WRITES.match(kind)) or kind.startswith((*MESSAGES, *OUTSIDE_AWS))


def desks(kind: str) -> bool:
    """Whether a call of this kind is the desk's own, which it makes in the same way whatever goes on."""
    return kind.startswith(("store", "http GET sts", *MESSAGES)) or kind == "secrets-manager.GetSecretValue"


def some_of_each(calls: list[str], *, desk: bool = True) -> Callable[[int, str], Iterable[When]]:
    """Of the kinds that change something in turn: the first without its answer, though it was done, or the last not
    done. Of every eighth kind that only reads: the first without an answer. Without `desk`, its own are left to the
    stories that stop at them. The sweep of all calls leaves nothing out.
    """
    numbers: dict[str, list[int]] = {}
    for number, kind in enumerate(calls):
        if desk or not desks(kind):
            numbers.setdefault(kind, []).append(number)
    changing = [found for kind, found in numbers.items() if writes(kind)]
    reading = [found for kind, found in numbers.items() if not writes(kind)]
    picked = {found[0]: When.AFTER for found in changing[::2]} | {found[-1]: When.BEFORE for found in changing[1::2]}
    picked |= {found[0]: When.LOST for found in reading[::8]}
    return lambda number, _: (picked[number],) if number in picked else ()


def all_of_them(number: int, kind: str) -> Iterable[When]:
    """Every call without its answer, and every one that changes something as the last that its worker makes. Before a
    call everything is as after the last one that changed something, so only the first is stopped at before.
    """
    every, part = share(os.environ.get(SHARE, "1/1"))
    if number % every != part:
        return ()
    first = (When.BEFORE,) if number == 0 else ()
    return (*first, *((When.AFTER,) if writes(kind) else ()), When.LOST)


def share(text: str) -> tuple[int, int]:
    """`2/5`, the second of five parts that make a whole sweep: how many, and the remainder of its calls' numbers."""
    part, _, every = text.partition("/")
    if not (part.isdigit() and every.isdigit() and 1 <= int(part) <= int(every)):
        raise ValueError(f"{SHARE} is {text!r}, expected a part of a number of parts, such as 2/5")
    return int(every), int(part) - 1


def assert_alike(told: list[Told]) -> None:
    wrong = [f"{t.stop} ({t.kind}):\n{t.wrong}" for t in told if t.wrong]
    assert not wrong, f"{len(wrong)} of {len(told)} ended otherwise\n" + "\n\n".join(wrong[:20])


def assert_every_call(told: Sequence[Told], calls: Sequence[str], since: int = 0) -> None:
    """Of the share that is told, no call from this number on was left out."""
    wanted = {n for n in range(since, len(calls)) if tuple(all_of_them(n, calls[n]))}
    assert {t.stop.call for t in told} == wanted
