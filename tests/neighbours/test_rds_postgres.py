"""The engine of real processes. One primary and one replica serve all tests; each has a table of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.rds.engine import READ_ONLY, Address
from drctl.neighbours.rds.postgres import PostgresEngine
from drctl.neighbours.rds.service import Rds

EAST, WEST = "us-east-1", "us-west-2"
PASSWORD = "it's \\ secret"


class Clock:
    """The real time, and what was added to it."""

    def __init__(self) -> None:
        self.added = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.added


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.engine = PostgresEngine(password=PASSWORD, username="responder", db_name="neurectomy")
        self.rds = Rds(self.clock, engine=self.engine)
        self.primary = self.rds.add(EAST, "pg", db_name="neurectomy", username="responder")
        self.replica = self.rds.add(WEST, "pg-west", source=self.primary)
        aws = Aws({"rds": self.rds})
        self.east, self.west = make_client(aws, "rds", EAST), make_client(aws, "rds", WEST)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.engine.stop()


def sql(address: Address, statement: str, password: str = PASSWORD) -> Any:
    connection = pg8000.native.Connection(
        "responder", host=address.host, port=address.port, database="neurectomy", password=password, timeout=5
    )
    try:
        return connection.run(statement)
    finally:
        connection.close()


def sqlstate(address: Address, statement: str, password: str = PASSWORD) -> str:
    with pytest.raises(pg8000.native.DatabaseError) as caught:
        sql(address, statement, password)
    return str(caught.value.args[0]["C"])


def becomes(address: Address, statement: str, wanted: Any) -> bool:
    """Asks until it is so, for at most ten seconds of asking."""
    until = datetime.now(UTC) + timedelta(seconds=10)
    while datetime.now(UTC) < until:
        try:
            if sql(address, statement) == wanted:
                return True
        except (pg8000.native.DatabaseError, pg8000.native.InterfaceError, OSError):
            continue
    return False


def test_refuses_a_wrong_password(world: World) -> None:
    assert sqlstate(world.primary.address, "SELECT 1", "wrong") == "28P01"


def test_the_replica_follows_and_refuses_writes(world: World) -> None:
    sql(world.primary.address, "CREATE TABLE follows (n int)")
    sql(world.primary.address, "INSERT INTO follows VALUES (1)")
    assert becomes(world.replica.address, "SELECT n FROM follows", [[1]])
    assert sqlstate(world.replica.address, "INSERT INTO follows VALUES (2)") == READ_ONLY


def test_a_dark_primary_refuses_connections_and_goes_on_behind_them(world: World) -> None:
    sql(world.primary.address, "CREATE TABLE dark (n int)")
    assert becomes(world.replica.address, "SELECT n FROM dark", [])
    world.rds.darken(frozenset({EAST}))
    try:
        with pytest.raises(pg8000.native.InterfaceError):
            sql(world.primary.address, "SELECT 1")
        inside = world.engine.inside(world.primary.resource_id)
        sql(inside, "INSERT INTO dark VALUES (1)")
        assert sql(world.replica.address, "SELECT n FROM dark") == []
        # The one that streamed to the replica is gone too.
        assert becomes(inside, "SELECT count(*) FROM pg_stat_replication", [[0]])
    finally:
        world.rds.darken(frozenset())
    assert becomes(world.replica.address, "SELECT n FROM dark", [[1]])


def test_a_dark_replica_hears_nothing_until_it_is_over(world: World) -> None:
    sql(world.primary.address, "CREATE TABLE deaf (n int)")
    assert becomes(world.replica.address, "SELECT n FROM deaf", [])
    world.rds.darken(frozenset({WEST}))
    try:
        assert becomes(world.primary.address, "SELECT count(*) FROM pg_stat_replication", [[0]])
        sql(world.primary.address, "INSERT INTO deaf VALUES (1)")
        assert sql(world.engine.inside(world.replica.resource_id), "SELECT n FROM deaf") == []
    finally:
        world.rds.darken(frozenset())
    assert becomes(world.replica.address, "SELECT n FROM deaf", [[1]])


def test_an_open_connection_ends_when_it_gets_dark(world: World) -> None:
    address = world.primary.address
    connection = pg8000.native.Connection(
        "responder", host=address.host, port=address.port, database="neurectomy", password=PASSWORD, timeout=5
    )
    world.rds.darken(frozenset({EAST}))
    try:
        with pytest.raises((pg8000.native.InterfaceError, OSError)):
            connection.run("SELECT 1")
    finally:
        connection._usock.close()
        world.rds.darken(frozenset())


def test_a_promoted_replica_takes_writes_when_rds_says_it_is_done(world: World) -> None:
    world.west.create_db_instance_read_replica(
        DBInstanceIdentifier="next", SourceDBInstanceIdentifier=world.primary.arn, KmsKeyId="alias/aws/rds"
    )
    world.clock.added += timedelta(seconds=120)
    following = world.rds.instance(WEST, "next")
    sql(world.primary.address, "CREATE TABLE promoted (n int)")
    assert becomes(following.address, "SELECT n FROM promoted", [])
    world.west.promote_read_replica(DBInstanceIdentifier="next")
    assert sqlstate(following.address, "INSERT INTO promoted VALUES (1)") == READ_ONLY
    world.clock.added += timedelta(seconds=60)
    assert world.rds.instance(WEST, "next").status == "rebooting"
    with pytest.raises(pg8000.native.InterfaceError):
        sql(following.address, "SELECT 1")
    world.clock.added += timedelta(seconds=60)
    world.rds.settle()
    sql(following.address, "INSERT INTO promoted VALUES (1)")
    assert sql(following.address, "SELECT pg_is_in_recovery()") == [[False]]
    assert sql(world.primary.address, "SELECT n FROM promoted") == []


def test_what_was_promoted_has_a_replica_the_other_way_and_a_rename_leaves_it_following(world: World) -> None:
    world.west.create_db_instance_read_replica(
        DBInstanceIdentifier="over", SourceDBInstanceIdentifier=world.primary.arn, KmsKeyId="alias/aws/rds"
    )
    world.clock.added += timedelta(seconds=120)
    over = world.rds.instance(WEST, "over")
    world.west.promote_read_replica(DBInstanceIdentifier="over")
    world.clock.added += timedelta(seconds=120)
    world.rds.settle()
    sql(over.address, "CREATE TABLE back (n int)")
    world.east.create_db_instance_read_replica(
        DBInstanceIdentifier="home", SourceDBInstanceIdentifier=over.arn, KmsKeyId="alias/aws/rds"
    )
    world.clock.added += timedelta(seconds=120)
    home = world.rds.instance(EAST, "home")
    assert becomes(home.address, "SELECT n FROM back", [])
    assert sqlstate(home.address, "INSERT INTO back VALUES (0)") == READ_ONLY
    former = over.address
    world.west.modify_db_instance(DBInstanceIdentifier="over", NewDBInstanceIdentifier="aside", ApplyImmediately=True)
    world.clock.added += timedelta(seconds=30)
    world.rds.settle()
    with pytest.raises((pg8000.native.InterfaceError, OSError)):
        sql(former, "SELECT 1")
    sql(over.address, "INSERT INTO back VALUES (1)")
    assert becomes(home.address, "SELECT n FROM back", [[1]])


def test_a_restore_holds_what_was_there_then(world: World) -> None:
    address = world.primary.address
    sql(address, "CREATE TABLE restored (n int)")
    sql(address, "INSERT INTO restored VALUES (1)")
    at = sql(address, "SELECT clock_timestamp()")[0][0]
    sql(address, "INSERT INTO restored VALUES (2)")
    restored = world.engine.restore("db-then", source=world.primary.resource_id, at=at)
    assert sql(restored, "SELECT n FROM restored") == [[1]]
    sql(restored, "INSERT INTO restored VALUES (3)")
    assert sql(address, "SELECT n FROM restored ORDER BY n") == [[1], [2]]


KILLED = """
import os, signal
from drctl.neighbours.rds.postgres import PostgresEngine
engine = PostgresEngine(password="secret", username="responder", db_name="neurectomy")
engine.create("one")
print(engine._clusters["one"].process.pid, engine.root, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_when_its_process_is_killed_outright() -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    pid, root = killed.stdout.split()
    until = time.monotonic() + 30
    while (Path(root).exists() or Path("/proc", pid).exists()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(root).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_nothing_is_left_when_it_is_stopped() -> None:
    engine = PostgresEngine(password=PASSWORD, username="responder", db_name="neurectomy")
    engine.create("one")
    process = engine._clusters["one"].process
    assert process is not None
    engine.stop()
    engine.stop()
    assert not engine.root.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
