"""A whole region failure, with the worker stopped before and after each of its calls to the outside, ends the same.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.core.incident import StepState
from tests.crash.ending import WRITES, archive, effects, ending, untrue
from tests.crash.outside import When
from tests.crash.platform_in_process import Platform
from tests.crash.story import Story
from tests.crash.sweep import Told, sweep

OTHER_WRITES: Final = re.compile(r"ec2\.(Create|Delete)|dynamodb\.(Put|Update|Delete)")
"""They change something too, and an ending does not count them: a fence may be proven in one way or another."""
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
MESSAGES: Final = ("slack", "sesv2", "http POST")


@pytest.fixture(scope="module")
def uninterrupted() -> Platform:
    return Story().tell()


def writes(kind: str) -> bool:
    """Whether a call of this kind changes anything outside. One that does not is the same before and after."""
    where, _, what = kind.partition(" ")
    if where == "store":
        return what in STORE_WRITES
    return bool(WRITES.match(kind) or OTHER_WRITES.match(kind)) or kind.startswith(MESSAGES)


def some_of_each(calls: list[str]) -> Callable[[int, str], Iterable[When]]:
    """Of the kinds that change something in turn: the first without its answer, though it was done, or the last not
    done. Of every eighth kind that only reads: the first without an answer. The sweep of all calls leaves nothing out.
    """
    numbers: dict[str, list[int]] = {}
    for number, kind in enumerate(calls):
        numbers.setdefault(kind, []).append(number)
    changing = [found for kind, found in numbers.items() if writes(kind)]
    reading = [found for kind, found in numbers.items() if not writes(kind)]
    picked = {found[0]: When.AFTER for found in changing[::2]} | {found[-1]: When.BEFORE for found in changing[1::2]}
    picked |= {found[0]: When.LOST for found in reading[::8]}
    return lambda number, _: (picked[number],) if number in picked else ()


def all_of_them(number: int, kind: str) -> Iterable[When]:
    del number
    return _each(kind)


def _each(kind: str) -> Iterable[When]:
    return (When.BEFORE, When.AFTER, When.LOST) if writes(kind) else (When.BEFORE, When.LOST)


def assert_alike(told: list[Told]) -> None:
    wrong = [f"{t.stop} ({t.kind}):\n{t.wrong}" for t in told if t.wrong]
    assert not wrong, f"{len(wrong)} of {len(told)} ended otherwise\n" + "\n\n".join(wrong[:20])


def test_uninterrupted_it_recovers_everything_and_does_nothing_twice(uninterrupted: Platform) -> None:
    incident = archive(uninterrupted)
    assert incident.ending == "recovered"
    left = {name for name, record in incident.steps.items() if record.state is StepState.LEFT}
    assert left == {"fence", "protect-primary-backups", "pause-primary-schedules"}
    assert {r.state for n, r in incident.steps.items() if n not in left} == {StepState.DONE}
    assert not untrue(uninterrupted, faults=0)
    assert uninterrupted.serving() == uninterrupted.policy.platform.regions.standby
    assert effects(uninterrupted) == {
        "eks.UpdateNodegroupConfig": 1,
        "kubernetes PATCH backupstoragelocations/*": 1,
        "kubernetes POST configmaps": 2,
        "kubernetes POST restores": 10,
        "postgres write-heartbeat": 1,
        "rds.PromoteReadReplica": 1,
    }
    assert len(uninterrupted.outside.calls) > 300


def test_two_tellings_are_alike(uninterrupted: Platform) -> None:
    again = Story().tell()
    assert again.outside.calls == uninterrupted.outside.calls
    assert ending(again) == ending(uninterrupted)


def test_some_calls_of_every_kind(uninterrupted: Platform, tmp_path: Path) -> None:
    expected: Any = ending(uninterrupted)
    told = sweep(some_of_each(uninterrupted.outside.calls), expected, tmp_path)
    assert {t.kind for t in told if writes(t.kind)} == {kind for kind in uninterrupted.outside.calls if writes(kind)}
    assert_alike(told)


def test_a_single_lost_answer_does_not_make_the_loss_of_a_promotion_unknown(
    uninterrupted: Platform, tmp_path: Path
) -> None:
    calls = uninterrupted.outside.calls
    last = calls.index("rds.PromoteReadReplica")
    looks = {n for n in range(last - 30, last) if calls[n] in ("dynamodb.GetItem", "postgres beat")}
    assert {calls[n] for n in looks} == {"dynamodb.GetItem", "postgres beat"}
    expected: Any = ending(uninterrupted)
    assert_alike(sweep(lambda n, _: (When.LOST,) if n in looks else (), expected, tmp_path))


@pytest.mark.long
def test_every_call(uninterrupted: Platform, tmp_path: Path) -> None:
    expected: Any = ending(uninterrupted)
    told = sweep(all_of_them, expected, tmp_path)
    assert {t.stop.call for t in told} == set(range(len(uninterrupted.outside.calls)))
    assert_alike(told)
