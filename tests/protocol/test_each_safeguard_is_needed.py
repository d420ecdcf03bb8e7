"""With one safeguard left out the same scheduler finds what goes wrong, and prints the shortest story of it."""

from __future__ import annotations

from datetime import timedelta

from tests.protocol import promises
from tests.protocol.broken import (
    ActsBeforeSaving,
    ActsWithoutLooking,
    DeletesOnReading,
    IgnoresWatermarks,
    LeavesAtOnce,
    LooksAway,
    StampsOverNewer,
    WithoutRevision,
    WithoutStamp,
)
from tests.protocol.explore import Budget, Explored
from tests.protocol.tiny import alarm, declare, pause
from tests.protocol.workers import Cast, explore

TWO = Cast(brings=[[alarm()], [pause()]])
TWICE = Cast(brings=[[alarm()], [alarm()]], finishes=True, apart=timedelta(seconds=1))


def story(found: Explored) -> tuple[str, str]:
    """The promise that broke, and the story in words."""
    assert found.broken is not None, "nothing went wrong without the safeguard"
    return found.broken.promise, str(found.broken)


def test_without_the_stamp_a_signal_is_lost_to_a_predecessor_that_still_saves() -> None:
    promise, _ = story(explore(TWO, Budget(expiries=2), store=WithoutStamp))
    assert promise == "a save of epoch 1 took effect after the stamp of epoch 2"
    promise, told = story(explore(TWO, Budget(expiries=2), store=WithoutStamp, at_turn=promises.nothing))
    assert promise.startswith(("lost: ", "nobody comes for "))
    assert "lease expired, early" in told


def test_a_stamp_over_a_newer_epoch_gives_the_book_back_to_a_predecessor() -> None:
    promise, _ = story(explore(TWO, Budget(expiries=1), store=StampsOverNewer))
    assert promise == "a save of epoch 1 took effect after the stamp of epoch 2"


def test_without_the_revision_a_save_that_is_delivered_twice_loses_a_command() -> None:
    budget = Budget(crashes=2, echoes=1)
    promise, told = story(explore(TWO, budget, store=WithoutRevision, at_turn=promises.nothing))
    assert promise == "lost: command/pause was accepted and never answered"
    assert "the network saves the book" in told


def test_as_long_as_every_save_is_delivered_once_the_stamp_alone_is_enough() -> None:
    """The stamp returns the book it marks, so under one epoch there is one reader and its saves follow one another."""
    found = explore(TWO, Budget(crashes=2, expiries=1), store=WithoutRevision)
    assert found.broken is None, str(found.broken)


def test_what_is_deleted_before_the_save_is_lost_by_a_crash() -> None:
    promise, told = story(explore(TWO, Budget(crashes=2), store=DeletesOnReading))
    assert promise == "lost: command/pause was accepted and never answered"
    assert told.splitlines()[-2].endswith("crashes before: save")


def test_without_the_watermark_a_repeated_alarm_is_answered_twice() -> None:
    promise, told = story(explore(TWICE, Budget(), desk=IgnoresWatermarks))
    # Two incidents of one alarm; in the same second they even share a name, and so a timeline.
    assert promise.startswith("2 incidents of one alarm") or "has two texts" in promise
    assert told.count("puts into the inbox") == 2


def test_without_the_look_after_the_release_nobody_comes_for_a_signal() -> None:
    promise, told = story(explore(TWO, Budget(), desk=LeavesAtOnce))
    assert promise.startswith("nobody comes for ")
    assert "claims the desk: busy" in told


def test_without_looking_before_an_act_a_call_starts_after_the_pause() -> None:
    promise, _ = story(explore(TWO, Budget(), desk=ActsWithoutLooking))
    assert promise == "an act is started without a look into the inbox since the save"


def test_a_look_that_sees_nothing_lets_a_call_start_after_the_pause() -> None:
    declared = Cast(brings=[[declare()], [pause()]])
    promise, _ = story(explore(declared, Budget(), store=LooksAway))
    assert promise == "a call is started by a worker that had looked since the pause came in" or promise.startswith(
        "nobody comes"
    )


def test_an_act_before_its_save_is_repeated_without_anybody_knowing() -> None:
    budget = Budget(crashes=1)
    promise, _ = story(explore(TWO, budget, desk=ActsBeforeSaving))
    assert promise == "an act is started that was not saved first"
    promise, told = story(explore(TWO, budget, desk=ActsBeforeSaving, at_turn=promises.nothing))
    assert promise.startswith("the notice incident-detected/channel-0 was sent ")
    assert promise.endswith((" the record knows of 0", " the record knows of 1"))
    assert "crashes" in told
