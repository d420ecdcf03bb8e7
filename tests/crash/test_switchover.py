"""A planned switchover on the real desk and actions: whole, ended on the way, and with the worker stopped at its calls.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.core.incident import Incident, StepState
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.platform_in_process import Platform
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.story import Story
from tests.crash.sweep import sweep
from tests.crash.switchovers import ReturnStory, SwitchoverStory
from tests.crash.test_fence import acls, write_at


def only(platform: Platform) -> Incident:
    """The one open incident."""
    book = platform.book()
    assert book is not None
    (incident,) = book.incidents.values()
    return incident


def until(story: SwitchoverStory, step: str, *states: StepState) -> Incident:
    """Ticks until that step is in one of these states."""
    for _ in range(40):
        story.tick()
        book = story.platform.book()
        if book and book.incidents and only(story.platform).step(step).state in states:
            return only(story.platform)
    raise AssertionError(f"{step} is {only(story.platform).step(step)}")


def lets_in(platform: Platform) -> list[bool]:
    return [a.lets_in(platform.policy.platform.database.port) for a in acls(platform)]


def test_it_loses_nothing_and_the_old_primary_takes_no_write() -> None:
    platform = SwitchoverStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("planned-switchover", "recovered")
    assert {r.state for r in incident.steps.values()} == {StepState.DONE}
    assert "nothing is lost" in incident.step("caught-up").because
    assert incident.step("promote").facts["loss_rows"] == 0.0
    # One person said when the writes stop; the promotion asked nobody, since nothing would be lost.
    assert incident.step("drain").approval is not None
    assert incident.step("promote").approval is None
    assert not untrue(platform, faults=0)
    assert platform.serving() == platform.policy.platform.regions.standby
    with pytest.raises(OSError, match="nothing answers"):
        write_at(platform)
    book = platform.book()
    assert book is not None
    assert book.debts == ()


def test_nothing_stops_writing_until_a_person_says_so() -> None:
    story = SwitchoverStory(answers=False)
    story.begin()
    incident = until(story, "drain", StepState.ASKING)
    for _ in range(3):
        story.tick()
    assert "the platform takes no writes until the standby does" in incident.step("drain").because
    assert all(lets_in(story.platform))
    write_at(story.platform)


def test_a_switchover_that_is_ended_on_the_way_lets_the_primary_write_again() -> None:
    platform = ReturnStory().tell()
    assert archive(platform).ending == "aborted"
    assert all(lets_in(platform))
    write_at(platform)
    opened = platform.outside.effects.count("ec2.DeleteNetworkAclEntry")
    assert opened == len(platform.policy.platform.fence.subnets)
    assert "rds.PromoteReadReplica" not in effects(platform)
    assert platform.serving() == platform.policy.platform.regions.primary


CASES: Final[dict[str, Callable[[], Story]]] = {"switchover": SwitchoverStory, "return": ReturnStory}
OWN: Final = ("ec2.", "dynamodb.", "rds.")
"""The other systems' calls are those of a region failure, whose sweep stops at them."""


@pytest.mark.parametrize("case", CASES)
def test_some_calls_of_every_kind(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    some = some_of_each(platform.outside.calls)
    told = sweep(lambda n, kind: some(n, kind) if kind.startswith(OWN) else (), expected, tmp_path, CASES[case])
    assert told
    assert_alike(told)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_every_call(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    told = sweep(all_of_them, expected, tmp_path, CASES[case])
    assert_every_call(told, platform.outside.calls)
    assert_alike(told)
