"""A whole region failure, with the worker stopped before and after each of its calls to the outside, ends the same.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.incident import StepState
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.outside import When
from tests.crash.platform_in_process import Platform
from tests.crash.stops import SHARE, all_of_them, assert_alike, assert_every_call, share, some_of_each, writes
from tests.crash.story import Story
from tests.crash.sweep import sweep


@pytest.fixture(scope="module")
def uninterrupted() -> Platform:
    return Story().tell()


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
    assert_every_call(told, uninterrupted.outside.calls)
    assert_alike(told)


def test_the_parts_of_a_sweep_make_a_whole_one(uninterrupted: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = uninterrupted.outside.calls

    def told() -> list[tuple[int, When]]:
        return [(n, when) for n, kind in enumerate(calls) for when in all_of_them(n, kind)]

    whole, parts = told(), []
    assert {n for n, _ in whole} == set(range(len(calls)))
    assert {n for n, when in whole if when is When.AFTER} == {n for n, kind in enumerate(calls) if writes(kind)}
    for part in range(1, 4):
        monkeypatch.setenv(SHARE, f"{part}/3")
        parts += told()
    assert sorted(parts) == sorted(whole)


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "a/b", "1/0"])
def test_a_part_of_no_number_of_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a part of a number of parts"):
        share(text)
