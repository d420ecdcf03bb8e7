"""The way back on the real desk and actions: over and back, the platform is as it was; whole, ended on the way, and
with the worker stopped at its calls.

`make test` stops at a few calls of the way back; all of them are tried by `make test-long`, and so are ten rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.core.incident import Incident, StepState
from chalicelib.store.codec import read_incident
from tests.crash.as_was import differences, whole
from tests.crash.ending import ASKS, archives, ending, untrue
from tests.crash.failbacks import RETURN, EndedStory, FailbackStory
from tests.crash.outside import When
from tests.crash.platform_in_process import POLICY, Platform
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, writes
from tests.crash.sweep import sweep
from tests.crash.test_fence import acls, write_at


def the_return(platform: Platform) -> Incident:
    """The archive of the way back."""
    return next(i for i in archives(platform) if i.scenario == RETURN)


@pytest.fixture(scope="module")
def planned() -> FailbackStory:
    story = FailbackStory(planned=True)
    story.tell()
    return story


def test_after_a_region_s_failure_and_back_the_platform_is_as_it_was() -> None:
    story = FailbackStory()
    platform = story.tell()
    back = the_return(platform)
    assert {r.state for r in back.steps.values()} == {StepState.DONE}
    assert differences(story.before, whole(platform)) == []
    assert not untrue(platform, faults=0)
    # The primary wrote once more before it was fenced, and two people gave that up by name.
    listed = back.step("wrong-side")
    assert listed.facts["names"] == "primary"
    assert listed.facts["rows"] == 1.0
    assert "given up by ana and bob" in listed.because
    # Of it the old primary's last snapshot is left.
    side = POLICY.platform.database.primary
    kept = platform.rds.describe_db_snapshots(side.region, POLICY.platform.account, {})["DBSnapshots"]
    assert [s["DBSnapshotIdentifier"] for s in kept] == [f"{back.step('set-aside').facts['aside']}-last"]


def test_after_a_planned_move_and_back_nothing_was_lost_and_nobody_gave_anything_up(planned: FailbackStory) -> None:
    platform = planned.platform
    back = the_return(platform)
    assert differences(planned.before, whole(platform)) == []
    assert "nothing was written on the wrong side" in back.step("wrong-side").because
    assert back.step("wrong-side").approval is None
    assert back.step("promote").facts["loss_rows"] == 0.0
    # One person said when the writes stop; the promotion asked nobody, since nothing would be lost.
    assert back.step("drain").approval is not None
    assert back.step("promote").approval is None
    assert {n for n, r in back.steps.items() if r.approval and len(r.approval.arns) == 2} == {
        "empty-standby",
        "discard",
        "discard-standby",
    }
    assert not untrue(platform, faults=0)
    # Applications write where they wrote before.
    write_at(platform)


def test_nothing_of_it_happens_before_a_person_declares_it() -> None:
    story = FailbackStory(planned=True, declares=False)
    story.begin()
    for _ in range(30):
        story.tick()
    book = story.platform.book()
    assert book is not None
    assert book.failover is not None
    assert book.incidents == {}
    assert story.platform.serving() == POLICY.platform.regions.standby


def test_the_standby_s_writes_go_on_until_the_chosen_moment() -> None:
    at = "2026-11-23T03:20:00Z"
    story = FailbackStory(planned=True, choices={"at": at})
    platform = story.tell()
    drained = the_return(platform).step("drain")
    assert drained.called_at is not None
    assert drained.called_at.isoformat() >= "2026-11-23T03:20:00"


def test_one_that_is_ended_on_the_way_lets_the_standby_write_again_and_the_next_goes_on() -> None:
    story = EndedStory()
    platform = story.tell()
    port = POLICY.platform.database.port
    assert all(a.lets_in(port) for a in (*acls(platform), *story.standby_acls()))
    closed = [read_incident(body) for body in platform.store.docs["closed"].values()]
    assert [i.ending for i in closed if i.scenario == RETURN] == ["aborted", "recovered"]
    assert differences(story.before, whole(platform)) == []
    # What the first had made anew the second took over.
    assert platform.outside.effects.count("rds.CreateDBInstanceReadReplica") == 2


@pytest.mark.long
def test_failed_over_and_back_ten_times_the_platform_is_as_it_was() -> None:
    story = FailbackStory(rounds=10)
    platform = story.tell()
    assert differences(story.before, whole(platform)) == []


OWN: Final = ("rds.", "ec2.", "eks.", "kubernetes DELETE namespaces", "kubernetes PATCH schedules")
"""The others are called by the moves there as well, whose sweeps stop at them."""


def some(platform: Platform) -> Callable[[int, str], Iterable[When]]:
    """Of each kind of call that the way back makes of its own: the first of them, by turns done without its answer and
    not done.
    """
    calls = platform.outside.calls
    begins = next(n for n, kind in enumerate(calls) if kind == "rds.ModifyDBInstance")
    first: dict[str, int] = {}
    for number, kind in enumerate(calls[begins:], begins):
        if kind.startswith(OWN) and writes(kind):
            first.setdefault(kind, number)
    picked = {number: (When.AFTER, When.BEFORE)[n % 2] for n, number in enumerate(first.values())}
    return lambda number, _: (picked[number],) if number in picked else ()


def judged(story: FailbackStory) -> tuple[list[str], Any]:
    """What does not hold at the end, and the ending with whatever is not as it was."""
    return untrue(story.platform, faults=1), ended(story)


def ended(story: FailbackStory) -> Any:
    """A promotion asks where the answer that says what would be lost did not come: nobody knows then that it is nil."""
    asks, found = f"{ASKS}promote/", ending(story.platform)
    for incident in found["incidents"].values():
        incident["notices"] = {k: sent for k, sent in incident["notices"].items() if not k.startswith(asks)}
    found["alerts"] = {k: status for k, status in found["alerts"].items() if f"/{asks}" not in k}
    return found | {"not as it was": differences(story.before, whole(story.platform))}


def there_and_back() -> FailbackStory:
    return FailbackStory(planned=True)


def test_some_calls_of_its_own(planned: FailbackStory, tmp_path: Path) -> None:
    told = sweep(some(planned.platform), ended(planned), tmp_path, there_and_back, judged)
    assert {t.kind for t in told} >= {
        "rds.CreateDBInstanceReadReplica",
        "rds.PromoteReadReplica",
        "rds.DeleteDBInstance",
    }
    assert_alike(told)


@pytest.mark.long
@pytest.mark.parametrize("case", [there_and_back, FailbackStory, EndedStory])
def test_every_call(case: Callable[[], FailbackStory], tmp_path: Path) -> None:
    story = case()
    platform = story.tell()
    calls = platform.outside.calls
    begins = next(n for n, kind in enumerate(calls) if kind == "rds.ModifyDBInstance")
    told = sweep(lambda n, kind: all_of_them(n, kind) if n >= begins - 1 else (), ended(story), tmp_path, case, judged)
    assert_every_call(told, calls, begins - 1)
    assert_alike(told)
