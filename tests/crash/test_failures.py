"""A pod failure and a node failure on the real desk, whole, and with the worker stopped at its calls.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.actions import zone_nodes
from chalicelib.actions.nodes import OUT_OF_SERVICE
from chalicelib.core.book import Debt
from chalicelib.core.happened import AlarmState
from chalicelib.core.incident import Incident, StepState
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.failures import APP, SPACE, NodeStory, PodStory, crash, cut_the_node_off, primary, says
from tests.crash.platform_in_process import SPEED, START, Platform
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each
from tests.crash.story import DARK_AT, Story
from tests.crash.sweep import sweep

CASES: Final[dict[str, Callable[[], Story]]] = {"pods": PodStory, "node": NodeStory}
MAILS_NOBODY: Final = ("incident-detected", "dr-activated", "recovery-started")


def only(platform: Platform) -> Incident:
    """The one open incident."""
    book = platform.book()
    assert book is not None
    (incident,) = book.incidents.values()
    return incident


def _kill(platform: Platform) -> None:
    primary(platform).trouble.kill_pods(SPACE, APP)


def some_minutes(story: Story, count: int) -> Incident:
    story.begin()
    for _ in range(count):
        story.tick()
    return only(story.platform)


def test_a_crash_loop_is_stuck_with_its_exit_and_ends_when_a_person_has_mended_it() -> None:
    platform = PodStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("pod-failure", "recovered")
    assert not untrue(platform, faults=0)
    assert effects(platform) == {}
    alerts = " ".join(str(a.payload) for a in platform.pagerduty.alerts)
    assert "crashes in a loop (OOMKilled, exit code 137" in alerts
    assert not [n for n in incident.notices if n.startswith(MAILS_NOBODY)]
    assert platform.ses.mails == []
    assert set(ending(platform)["alerts"].values()) == {"resolved"}, "what rang for it does not ring on"


@pytest.mark.parametrize("mode", ["observe", "automatic"])
def test_pods_that_are_back_in_time_make_no_incident(mode: str) -> None:
    """The suspicion opens quietly and clears by itself."""

    class Quick(PodStory):
        def __init__(self) -> None:
            Story.__init__(self, breaks=_kill, mode=mode)

        def evidence(self) -> None:
            self.alarm(DARK_AT, says("PodAvailability", DARK_AT))
            good = DARK_AT + timedelta(seconds=60) / SPEED
            self.alarm(good, says("PodAvailability", good, AlarmState.OK))

    platform = Quick().tell()
    incident = archive(platform)
    assert incident.ending == "cleared"
    assert incident.confirmed_at is None
    assert platform.pagerduty.alerts == []
    assert platform.slack.messages == []


def test_a_node_s_volume_is_released_once_by_a_person_s_word_and_everything_runs_again() -> None:
    platform = NodeStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.ending) == ("node-failure", "recovered")
    assert [s for s, r in incident.steps.items() if r.state is not StepState.DONE] == ["readmit"]
    assert incident.step("readmit").state is StepState.LEFT
    assert not untrue(platform, faults=0)
    assert effects(platform) == {"kubernetes PATCH nodes/*": 1}
    approval = incident.step("volumes").approval
    assert approval is not None
    assert approval.note == "the console says that it is stopped"
    alerts = " ".join(str(a.payload) for a in platform.pagerduty.alerts)
    assert "taint=node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, instance=stopped" in alerts


def test_a_node_that_was_out_of_service_and_returns_takes_pods_again_by_a_person_s_word() -> None:
    story = NodeStory()
    platform = story.tell()
    (node,) = (n for n in primary(platform).objects("nodes") if zone_nodes.bears(n, OUT_OF_SERVICE))
    name = node["metadata"]["name"]
    for _ in range(2):
        story.tick()
    (debt,) = owed(platform)
    assert debt.case is not None
    assert f"node {name!r} is NotReady" in debt.case.step("readmit").because
    assert "bears node.kubernetes.io/out-of-service" in debt.case.step("readmit").because
    platform.ec2.instances.turn(name.partition(".")[0], "running")
    primary(platform).trouble.find_node(name)
    for _ in range(2):
        story.tick()
    (debt,) = owed(platform)
    assert debt.case is not None
    wanted = {"command": "approve", "incident": debt.case.id, "plan": debt.case.plan}
    story._say("yes", {**wanted, "note": "it was repaired"})
    for _ in range(3):
        story.tick()
    assert owed(platform) == ()
    assert not [n for n in primary(platform).objects("nodes") if zone_nodes.bears(n, OUT_OF_SERVICE)]


def owed(platform: Platform) -> tuple[Debt, ...]:
    """What is left to be done."""
    book = platform.book()
    assert book is not None
    return book.debts


def test_a_node_that_answers_nobody_and_whose_instance_runs_is_never_taken_for_dead() -> None:
    story = NodeStory(breaks=cut_the_node_off)
    incident = some_minutes(story, 15)
    assert incident.step("volumes").state is StepState.STUCK
    assert "EC2 says its instance is running, so it may still write" in incident.step("volumes").because
    assert effects(story.platform) == {}
    assert [n for n in incident.notices if n.startswith("step-stuck/volumes")]


def test_observing_touches_nothing_and_says_what_it_would_do() -> None:
    story = NodeStory(mode="observe")
    incident = some_minutes(story, 15)
    assert incident.step("nodes").state is StepState.DONE
    assert incident.step("volumes").state is StepState.HELD
    assert "would call kubernetes neurectomy-use1 patch v1 nodes" in incident.step("volumes").because
    assert effects(story.platform) == {}


def test_observing_a_crash_loop_says_the_same_as_acting() -> None:
    platform = PodStory(mode="observe").tell()
    assert archive(platform).ending == "recovered"
    assert effects(platform) == {}


def test_a_pod_alarm_in_a_region_that_has_failed_belongs_to_the_region_s_incident() -> None:
    class Both(Story):
        def evidence(self) -> None:
            super().evidence()
            at = START + timedelta(seconds=20)
            self.alarm(at, says("PodAvailability", at))
            self.platform.clock.at(DARK_AT, lambda: crash(self.platform))

    incident = archive(Both().tell())
    assert incident.scenario == "region-failure"


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
