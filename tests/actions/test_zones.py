"""A zone failure's actions on the stand-ins, from the break to the zone's return; facts → next are rows of zones.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.zone_returned import Back
from chalicelib.core.outcome import Act, Done, Made, Next, Stuck, Wait
from drctl.world import sight
from drctl.world.zones import ZoneFailures
from tests.actions import zones
from tests.actions.stage import AT, POLICY, target
from tests.actions.test_failures import Primary
from tests.actions.zones import HERE

SECOND = "us-east-1/us-east-1b"


@pytest.mark.parametrize("name", ["zone-shifted", "database-elsewhere", "pods-redistributed", "zone-returned"])
@pytest.mark.parametrize("scope", ["", "us-east-1", "us-east-1/us-east-1z", "us-west-2/us-east-1a"])
def test_a_scope_that_names_no_zone_moves_nothing(name: str, scope: str) -> None:
    facts: Any = {
        "zone-shifted": (zones.WELL,),
        "database-elsewhere": HERE,
        "pods-redistributed": zones.SPREAD,
        "zone-returned": Back((zones.AWAY,)),
    }[name]
    found = ACTIONS[name].next(replace(target(cluster="primary"), scope=scope), POLICY, facts, AT)
    assert isinstance(found, Stuck)
    assert "names no zone of platform.yaml" in found.because


class Zone(Primary):
    """The primary with its second zone down."""

    def __init__(self, *, stuck: bool = False) -> None:
        super().__init__()
        self.writer.zone = "us-east-1b"
        self.zones = ZoneFailures(POLICY, self.api, self.ec2, self.rds)
        assert self.zones.fail("us-east-1b", database_stuck=stuck) == 2

    def does(self, name: str) -> tuple[int, Next]:
        """Makes every call that the action finds missing; how many, and what it says then."""
        for count in range(10):
            found = self.look(name, scope=SECOND)
            if not isinstance(found, Act):
                return count, found
            made = self.executor.make(found.call)
            assert isinstance(made, Made), made
        raise AssertionError(f"{name} is never done")


def test_traffic_goes_around_the_zone_and_the_cluster_takes_nothing_there() -> None:
    primary = Zone()
    count, found = primary.does("zone-shifted")
    assert (count, type(found)) == (2, Done)
    cordoned = {n["metadata"]["name"] for n in primary.api.objects("nodes") if n["spec"].get("unschedulable")}
    assert len(cordoned) == 2
    for arn in primary.shifts._resources:
        assert primary.shifts.weights(arn) == {"use1-az1": 1.0, "use1-az2": 0.0, "use1-az4": 1.0}


def test_the_pods_of_dead_nodes_run_elsewhere_within_a_minute_and_those_with_a_volume_there_wait_for_it() -> None:
    primary = Zone()
    primary.does("zone-shifted")
    primary.move(55)
    assert sight.seen(primary.api)["ZoneReadyNodesPercent/us-east-1b"] == 0.0
    count, found = primary.does("pods-redistributed")
    assert (count, type(found)) == (2, Wait)
    for _ in range(12):
        primary.move(5)
        found = primary.look("pods-redistributed", scope=SECOND)
    assert isinstance(found, Stuck), found
    assert found.because.startswith("jaeger can run in us-east-1b alone: its volume 'pvc-")
    assert "every other service runs" in found.because
    primary.zones.mend("us-east-1b")
    primary.move(60)
    assert isinstance(primary.look("pods-redistributed", scope=SECOND), Done)


def test_a_service_whose_volume_holds_it_in_a_zone_that_is_back_does_not_keep_anybody_from_taking_the_zone_back() -> (
    None
):
    primary = Zone()
    primary.does("zone-shifted")
    primary.move(5)
    primary.zones.mend("us-east-1b")
    primary.move(60)
    found = primary.look("pods-redistributed", scope=SECOND)
    assert isinstance(found, Done), found
    assert "jaeger runs there alone until the zone is taken back: its volume 'pvc-" in found.because


def test_a_writer_that_rds_moves_by_itself_is_left_to_it() -> None:
    primary = Zone()
    primary.move(60)
    count, found = primary.does("database-elsewhere")
    assert (count, type(found)) == (0, Wait)
    primary.move(31)
    count, found = primary.does("database-elsewhere")
    assert (count, type(found)) == (0, Done)


def test_a_writer_that_rds_leaves_there_is_failed_over_once() -> None:
    primary = Zone(stuck=True)
    primary.move(120)
    count, found = primary.does("database-elsewhere")
    assert (count, type(found)) == (1, Wait)
    primary.move(61)
    found = primary.look("database-elsewhere", scope=SECOND)
    assert isinstance(found, Done)
    assert primary.writer.zone == "us-east-1a"


def test_a_failover_that_is_done_and_still_shown_in_the_zone_is_not_asked_for_again() -> None:
    primary = Zone(stuck=True)
    primary.move(120)
    primary.does("database-elsewhere")
    primary.move(61)
    primary.rds.settle()
    primary.writer.zone = "us-east-1b"
    count, found = primary.does("database-elsewhere")
    assert (count, type(found)) == (0, Wait)


def test_the_zone_is_taken_back_when_its_nodes_are() -> None:
    primary = Zone()
    primary.does("zone-shifted")
    primary.move(55)
    primary.does("pods-redistributed")
    assert isinstance(primary.look("zone-returned", scope=SECOND), Wait)
    primary.zones.mend("us-east-1b")
    primary.move(30)
    count, found = primary.does("zone-returned")
    assert (count, type(found)) == (4, Done), found
    assert not [n for n in primary.api.objects("nodes") if n["spec"].get("unschedulable") or n["spec"].get("taints")]
