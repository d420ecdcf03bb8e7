"""Failing backups and drifted schedules on the real desk, whole, and with the worker stopped at its calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.core.incident import Incident, StepState
from chalicelib.core.schedules import drifts
from tests.crash.backups import FAILED_AT, BackupStory, DriftStory, no_location, ours, pause, schedules
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.failures import says
from tests.crash.platform_in_process import POLICY, START, Platform
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.story import DARK_AT, Story
from tests.crash.sweep import sweep

CASES: Final[dict[str, Callable[[], Story]]] = {"backup": BackupStory, "drift": DriftStory}


class Unmended(BackupStory):
    """Nobody mends why backups fail."""

    def evidence(self) -> None:
        self.alarm(FAILED_AT, says("BackupSuccess", DARK_AT))


def minutes(story: Story, count: int) -> Platform:
    story.begin()
    for _ in range(count):
        story.tick()
    return story.platform


def only(platform: Platform) -> Incident:
    book = platform.book()
    assert book is not None
    (incident,) = book.incidents.values()
    return incident


def test_failing_backups_get_a_fresh_one_that_is_followed_until_one_is_good() -> None:
    platform = BackupStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("backup-failure", "recovered")
    assert {r.state for r in incident.steps.values()} == {StepState.DONE}
    assert not untrue(platform, faults=0)
    phases = [b["status"]["phase"] for b in ours(platform)]
    assert phases[-1] == "Completed"
    assert set(phases[:-1]) == {"PartiallyFailed"}, "it was tried before it could be good"
    made = ours(platform)[-1]
    assert made["metadata"]["labels"]["velero.io/schedule-name"] == "hourly"
    template = schedules(platform)["hourly"]["spec"]["template"]
    assert {k: made["spec"][k] for k in template} == template
    book = platform.book()
    assert book is not None
    assert book.blocks == (), "a backup moves nothing, so nothing rests after it"


def test_a_location_that_is_unavailable_is_told_by_velero_s_own_reason_and_asked_for_nothing() -> None:
    platform = minutes(Unmended(breaks=no_location), 4)
    step = only(platform).step("backup")
    assert step.state is StepState.STUCK
    assert "is Unavailable" in step.because
    assert "connection refused" in step.because
    assert ours(platform) == []


def test_the_rpo_is_told_of_while_no_backup_gets_good() -> None:
    # The newest good backup is 35 minutes old, the RPO is 75: all of it at the platform's speed.
    platform = minutes(Unmended(), 45)
    said = [p.because.partition(":")[0] for p in only(platform).pagings if "RPO" in p.because.partition(":")[0]]
    assert said == [
        "the RPO of backups is half spent",
        "the RPO of backups is three quarters spent",
        "the RPO of backups is missed",
    ]
    assert only(platform).step("backup").calls > 3


def test_drift_is_mended_once_and_the_incident_is_over() -> None:
    platform = DriftStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("backup-drift", "recovered")
    assert not untrue(platform, faults=0)
    assert drifts(POLICY, "primary", tuple(schedules(platform).values())) == ()
    assert effects(platform) == {
        "kubernetes PATCH schedules/*": 1,
        "kubernetes POST schedules": 1,
    }
    told = " ".join(
        r["text"] if isinstance(r, dict) else str(r) for r in platform.store.timelines[incident.id].values()
    )
    assert "schedule 'hourly': spec.template.ttl is '1h0m0s'" in told
    assert "schedule 'weekly' does not stand" in told


def test_observing_says_what_differs_and_touches_nothing() -> None:
    platform = minutes(DriftStory(mode="observe"), 5)
    step = only(platform).step("schedules")
    assert step.state is StepState.HELD
    assert "the mode is observe: would call kubernetes neurectomy-use1 patch velero.io/v1 schedules" in step.because
    assert effects(platform) == {}


def test_a_pause_holds_a_mend() -> None:
    class Paused(DriftStory):
        def evidence(self) -> None:
            self.platform.clock.at(START + timedelta(seconds=1), lambda: self.say("pause", {"command": "pause"}))
            super().evidence()

    platform = minutes(Paused(), 5)
    assert only(platform).step("schedules").state is StepState.HELD
    assert "paused by" in only(platform).step("schedules").because
    assert effects(platform) == {}


def test_a_mend_lets_no_paused_schedule_run_again() -> None:
    class Stopped(DriftStory):
        def evidence(self) -> None:
            self.platform.clock.at(START + timedelta(seconds=4), lambda: pause(self.platform))
            super().evidence()

    platform = minutes(Stopped(), 6)
    there = schedules(platform)
    assert drifts(POLICY, "primary", tuple(there.values()), pause_is_drift=False) == (), "all else is put right"
    assert {n: s["spec"].get("paused") for n, s in there.items()} == dict.fromkeys(there, True)
    step = only(platform).step("schedules")
    assert step.state is StepState.STUCK
    assert "nothing that is mended lets a schedule run again" in step.because


@pytest.mark.parametrize("case", CASES)
def test_two_tellings_are_alike(case: str) -> None:
    first, second = CASES[case]().tell(), CASES[case]().tell()
    assert first.outside.calls == second.outside.calls
    assert ending(first) == ending(second)


@pytest.mark.parametrize("case", CASES)
def test_some_calls_of_every_kind(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    assert_alike(sweep(some_of_each(platform.outside.calls, desk=False), expected, tmp_path, CASES[case]))


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_every_call(case: str, tmp_path: Path) -> None:
    platform = CASES[case]().tell()
    expected: Any = ending(platform)
    told = sweep(all_of_them, expected, tmp_path, CASES[case])
    assert_every_call(told, platform.outside.calls)
    assert_alike(told)
