"""A Multi-AZ instance whose zone fails: what RDS does by itself, what it does when asked, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.neighbours.test_rds import EAST, World, refused

HERE = f"{EAST}a"
OTHER = f"{EAST}b"


@pytest.fixture
def world() -> World:
    made = World()
    made.instance("pg").multi_az = True
    return made


def where(world: World) -> tuple[str, str, str]:
    shown = world.shown("pg")
    return shown["AvailabilityZone"], shown["SecondaryAvailabilityZone"], shown["DBInstanceStatus"]


def told(world: World, **more: Any) -> list[str]:
    named = {"SourceIdentifier": "pg", "SourceType": "db-instance"}
    return [e["Message"] for e in world.east.describe_events(**(named | more))["Events"]]


def test_a_failover_is_refused_unless_it_is_multi_az_and_available(world: World) -> None:
    world.instance("pg").multi_az = False
    force = {"DBInstanceIdentifier": "pg", "ForceFailover": True}
    assert refused(world.east.reboot_db_instance, **force) == "InvalidParameterCombination"
    assert "SecondaryAvailabilityZone" not in world.shown("pg")
    world.instance("pg").multi_az = True
    world.east.reboot_db_instance(DBInstanceIdentifier="pg")
    assert refused(world.east.reboot_db_instance, **force) == "InvalidDBInstanceState"
    world.clock.advance(30)
    assert where(world) == (HERE, OTHER, "available")


def test_events_of_an_instance_want_its_kind(world: World) -> None:
    assert refused(world.east.describe_events, SourceIdentifier="pg") == "InvalidParameterCombination"


def test_a_writer_in_a_failed_zone_is_reached_by_nobody_until_rds_has_failed_over(world: World) -> None:
    world.rds.fail_zones(EAST, frozenset({HERE}))
    with pytest.raises(ConnectionRefusedError):
        world.sql("pg", "role")
    world.clock.advance(4)
    assert where(world) == (HERE, OTHER, "available")
    assert told(world) == []
    world.clock.advance(1)
    assert where(world) == (HERE, OTHER, "rebooting")
    assert told(world) == ["Multi-AZ instance failover started."]
    world.clock.advance(5)
    assert where(world) == (OTHER, HERE, "available")
    assert told(world)[-1] == "Multi-AZ instance failover completed"
    assert world.sql("pg", "role") == [[False]]


def test_one_that_rds_does_not_notice_stays_until_it_is_forced(world: World) -> None:
    world.rds.fail_zones(EAST, frozenset({HERE}), stuck=True)
    world.clock.advance(600)
    assert where(world) == (HERE, OTHER, "available")
    shown = world.east.reboot_db_instance(DBInstanceIdentifier="pg", ForceFailover=True)["DBInstance"]
    assert shown["DBInstanceStatus"] == "rebooting"
    world.clock.advance(6)
    assert where(world) == (OTHER, HERE, "available")
    assert told(world) == ["Multi-AZ instance failover started.", "Multi-AZ instance failover completed"]
    assert told(world, EventCategories=["backup"]) == []
    assert world.sql("pg", "role") == [[False]]


def test_asked_twice_it_is_back_where_nobody_reaches_it(world: World) -> None:
    world.rds.fail_zones(EAST, frozenset({HERE}), stuck=True)
    for _ in range(2):
        world.east.reboot_db_instance(DBInstanceIdentifier="pg", ForceFailover=True)
        world.clock.advance(6)
    assert where(world) == (HERE, OTHER, "available")
    with pytest.raises(ConnectionRefusedError):
        world.sql("pg", "role")


def test_an_instance_in_one_zone_alone_waits_for_it(world: World) -> None:
    world.instance("pg").multi_az = False
    world.rds.fail_zones(EAST, frozenset({HERE}))
    world.clock.advance(600)
    with pytest.raises(ConnectionRefusedError):
        world.sql("pg", "role")
    world.rds.fail_zones(EAST, frozenset())
    assert world.sql("pg", "role") == [[False]]
