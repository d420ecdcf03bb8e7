"""A zone failure on the real desk, whole, and with the worker stopped at its calls.

`make test` tries a few calls of every kind; all of them are tried by `make test-long`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.actions import zone_nodes
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.states import IncidentState
from chalicelib.store.codec import read_incident
from tests.crash.ending import archive, effects, ending, untrue
from tests.crash.failures import primary
from tests.crash.platform_in_process import POLICY, SPEED
from tests.crash.stops import all_of_them, assert_alike, assert_every_call, some_of_each, writes
from tests.crash.sweep import sweep
from tests.crash.zones import SCOPE, TwoZones, WriterStory, ZoneStory

OWN: Final = re.compile(r"^(arc-zonal-shift|rds)\.|nodes")


def after(story: ZoneStory, minutes: int) -> dict[str, Incident]:
    story.begin()
    for _ in range(minutes):
        story.tick()
    book = story.platform.book()
    assert book is not None
    return {i.scope: i for i in book.incidents.values()}


def test_a_zone_is_left_within_five_minutes_and_taken_back_by_a_person_s_word() -> None:
    platform = ZoneStory().tell()
    incident = archive(platform)
    assert (incident.scenario, incident.scope, incident.ending) == ("az-failure", SCOPE, "recovered")
    assert {r.state for r in incident.steps.values()} == {StepState.DONE}
    assert not untrue(platform, faults=0)
    assert effects(platform) == {
        "arc-zonal-shift.StartZonalShift": 2,
        "rds.RebootDBInstance": 1,
        "kubernetes PATCH nodes/*": 4,
        "arc-zonal-shift.CancelZonalShift": 2,
    }
    (writer,) = [i for i in platform.rds._instances if i.multi_az]
    assert (writer.zone, writer.secondary) == ("us-east-1a", "us-east-1b")
    for arn in platform.shifts._resources:
        assert set(platform.shifts.weights(arn).values()) == {1.0}
    assert not [n for n in primary(platform).objects("nodes") if n["spec"].get("unschedulable")]
    approval = incident.step("return").approval
    assert approval is not None
    assert approval.note == "the console shows no more trouble there"


def test_a_writer_that_rds_moves_is_not_forced() -> None:
    platform = ZoneStory(stuck=False).tell()
    assert archive(platform).ending == "recovered"
    assert not [k for k in effects(platform) if "eboot" in k]


def test_nobody_is_asked_to_take_back_a_zone_whose_nodes_are_dead() -> None:
    found = after(ZoneStory(), 2)[SCOPE]
    assert found.step("away").state is StepState.DONE
    assert found.step("database").state is StepState.DONE
    assert found.step("pods").state is StepState.STUCK
    assert "every other service runs" in found.step("pods").because
    assert found.step("return").state is StepState.PENDING
    done_at = found.step("database").done_at
    assert done_at is not None
    assert done_at - found.failed_at < timedelta(minutes=5) / SPEED


@pytest.mark.parametrize("stuck", [True, False])
def test_a_zone_that_takes_the_writer_along_is_left_while_the_region_s_suspicion_waits_and_clears(stuck: bool) -> None:
    platform = WriterStory(stuck=stuck).tell()
    closed = {i.scope: i for i in map(read_incident, platform.store.docs["closed"].values())}
    assert {s: i.ending for s, i in closed.items()} == {SCOPE: "recovered", "us-east-1": "cleared"}
    assert closed["us-east-1"].confirmed_at is None
    told = effects(platform)
    assert told.get("rds.RebootDBInstance", 0) == (1 if stuck else 0)
    assert not [k for k in told if "romote" in k]
    done_at = closed[SCOPE].step("database").done_at
    assert done_at is not None
    assert done_at - closed[SCOPE].failed_at < timedelta(minutes=5) / SPEED


def test_ended_on_the_way_its_nodes_take_pods_again_by_themselves_and_its_traffic_by_a_person_s_word() -> None:
    story = ZoneStory(answers=False)
    incident = after(story, 2)[SCOPE]
    nodes = primary(story.platform)
    assert [n for n in nodes.objects("nodes") if zone_nodes.is_left(n, POLICY)]
    story._say("enough", {"command": "abort", "incident": incident.id, "note": "we do it by hand"})
    for _ in range(18):
        story.tick()
    assert not [n for n in nodes.objects("nodes") if zone_nodes.is_left(n, POLICY)], "the zone is back since"
    book = story.platform.book()
    assert book is not None
    (debt,) = book.debts
    assert debt.what == "Send traffic to the zone again"
    assert "arc-zonal-shift.CancelZonalShift" not in effects(story.platform)
    assert debt.case is not None
    wanted = {"command": "approve", "incident": debt.case.id, "plan": debt.case.plan}
    story._say("yes", {**wanted, "note": "it is well"})
    for _ in range(3):
        story.tick()
    book = story.platform.book()
    assert book is not None
    assert book.debts == ()
    for arn in story.platform.shifts._resources:
        assert set(story.platform.shifts.weights(arn).values()) == {1.0}


def test_taken_over_by_its_region_s_failure_the_zone_is_taken_back_once_that_is_closed() -> None:
    story = ZoneStory(answers=False, mode="approve")
    zone = after(story, 2)[SCOPE]
    for step in ("away", "pods"):
        story._say(f"yes-{step}", {"command": "approve", "incident": zone.id, "step": step, "plan": zone.plan})
    for _ in range(2):
        story.tick()
    nodes = primary(story.platform)
    assert [n for n in nodes.objects("nodes") if zone_nodes.is_left(n, POLICY)]
    story._say(
        "region", {"command": "declare", "scenario": "region-failure", "scope": "us-east-1", "note": "all of it"}
    )
    for _ in range(6):
        story.tick()
    book = story.platform.book()
    assert book is not None
    (region,) = book.incidents.values()
    assert (region.scenario, region.absorbed) == ("region-failure", (zone.id,))
    assert [d.what for d in book.debts] == [
        "Send traffic to the zone again",
        "Let the zone's nodes take pods again once they are back",
    ]
    assert {r.state for d in book.debts if d.case for r in d.case.steps.values()} == {StepState.PENDING}, "they rest"
    story._say("enough", {"command": "abort", "incident": region.id, "note": "it was the zone alone"})
    for _ in range(18):
        story.tick()
    book = story.platform.book()
    assert book is not None
    states = {d.what: r.state for d in book.debts if d.case for r in d.case.steps.values()}
    assert states["Send traffic to the zone again"] is StepState.ASKING


def test_two_zones_at_once_move_nothing_and_a_person_is_asked() -> None:
    story = TwoZones(answers=False)
    found = after(story, 6)
    assert set(found) == {SCOPE, "us-east-1/us-east-1c"}
    for incident in found.values():
        assert incident.step("away").state is StepState.ASKING
        assert "fails too: without" in incident.step("away").because
        assert incident.state in (IncidentState.ASKING, IncidentState.RESPONDING, IncidentState.STALLING)
    assert effects(story.platform) == {}


def test_observing_touches_nothing_and_says_what_it_would_do() -> None:
    story = ZoneStory(mode="observe")
    found = after(story, 2)[SCOPE]
    assert found.step("away").state is StepState.HELD
    assert "would call aws arc-zonal-shift start_zonal_shift in us-east-1" in found.step("away").because
    assert "awayFrom=use1-az2, expiresIn=120m" in found.step("away").because
    assert effects(story.platform) == {}


def test_two_tellings_are_alike() -> None:
    first, second = ZoneStory().tell(), ZoneStory().tell()
    assert first.outside.calls == second.outside.calls
    assert ending(first) == ending(second)


def test_some_calls_of_every_kind_that_is_this_case_s_own(tmp_path: Path) -> None:
    """What every case makes is stopped at in the other cases' stories; here all of it is, by `make test-long`."""
    platform = ZoneStory().tell()
    expected: Any = ending(platform)
    some = some_of_each(platform.outside.calls)
    told = sweep(lambda n, kind: some(n, kind) if OWN.search(kind) else (), expected, tmp_path, ZoneStory)
    own = {kind for kind in platform.outside.calls if OWN.search(kind) and writes(kind)}
    assert len(own) >= 4
    assert {t.kind for t in told if writes(t.kind)} == own
    assert_alike(told)


@pytest.mark.long
def test_every_call(tmp_path: Path) -> None:
    platform = ZoneStory().tell()
    expected: Any = ending(platform)
    told = sweep(all_of_them, expected, tmp_path, ZoneStory)
    assert_every_call(told, platform.outside.calls)
    assert_alike(told)
