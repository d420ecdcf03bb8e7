from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.core.outcome import Made, NoData, Refused
from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.rds.client import InMemoryClients
from drctl.neighbours.rds.engine import READ_ONLY, UNDEFINED_TABLE, InMemoryEngine, SqlError
from drctl.neighbours.rds.instance import Instance
from drctl.neighbours.rds.service import Rds

EAST, WEST = "us-east-1", "us-west-2"
PG_ARN = "arn:aws:rds:us-east-1:000000000000:db:pg"
WEST_ARN = "arn:aws:rds:us-west-2:000000000000:db:pg-west"
EAST_KEY = "arn:aws:kms:us-east-1:000000000000:key/1"
WEST_KEY = "arn:aws:kms:us-west-2:000000000000:key/1"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class World:
    """A primary in us-east-1 with a replica in us-west-2, both ten minutes old, at speed 10; a client for each."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.engine = InMemoryEngine(self.clock)
        self.rds = Rds(self.clock, 10, engine=self.engine, closed_groups=["sg-closed"])
        primary = self.rds.add(EAST, "pg", db_name="neurectomy")
        self.rds.add(WEST, "pg-west", source=primary)
        aws = Aws({"rds": self.rds}, clock=self.clock)
        self.east, self.west = make_client(aws, "rds", EAST), make_client(aws, "rds", WEST)
        self.sql("pg", "prepare-heartbeat")
        self.clock.advance(600)

    def shown(self, identifier: str) -> dict[str, Any]:
        client = self.east if identifier == "pg" else self.west
        found: dict[str, Any] = client.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
        return found

    def status(self, identifier: str) -> str:
        return str(self.shown(identifier)["DBInstanceStatus"])

    def instance(self, identifier: str) -> Instance:
        return self.rds.instance(EAST if identifier == "pg" else WEST, identifier)

    def sql(self, identifier: str, statement: str, *arguments: str) -> Any:
        address = self.instance(identifier).address
        return self.engine.run(address.host, address.port, statement, arguments)

    def beat(self, identifier: str, source: str) -> None:
        self.sql(identifier, "write-heartbeat", source)

    def beat_inside(self, identifier: str, source: str) -> None:
        self.engine.run_inside(self.instance(identifier).resource_id, "write-heartbeat", [source])

    def beats(self, identifier: str) -> list[str]:
        return [source for source, _ in self.sql(identifier, "heartbeats")]


@pytest.fixture
def world() -> World:
    return World()


def refused(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def test_refuses_to_promote_what_does_not_exist(world: World) -> None:
    assert refused(world.west.promote_read_replica, DBInstanceIdentifier="nothing") == "DBInstanceNotFound"


def test_refuses_to_promote_in_the_wrong_region(world: World) -> None:
    assert refused(world.east.promote_read_replica, DBInstanceIdentifier="pg-west") == "DBInstanceNotFound"


def test_refuses_to_promote_what_is_no_replica(world: World) -> None:
    with pytest.raises(ClientError, match="DB Instance is not a read replica") as caught:
        world.east.promote_read_replica(DBInstanceIdentifier="pg")
    assert caught.value.response["Error"]["Code"] == "InvalidDBInstanceState"


def test_refuses_to_promote_while_backing_up_and_allows_it_after(world: World) -> None:
    world.rds.back_up(world.instance("pg-west"))
    assert refused(world.west.promote_read_replica, DBInstanceIdentifier="pg-west") == "InvalidDBInstanceState"
    assert world.status("pg-west") == "backing-up"
    world.clock.advance(2)
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")


@pytest.mark.parametrize("after", [0, 6, 11.9])
def test_refuses_a_second_promotion_while_the_first_runs(world: World, after: float) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(after)
    assert refused(world.west.promote_read_replica, DBInstanceIdentifier="pg-west") == "InvalidDBInstanceState"


def test_refuses_a_promotion_after_a_promotion(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(12)
    assert refused(world.west.promote_read_replica, DBInstanceIdentifier="pg-west") == "InvalidDBInstanceState"


@pytest.mark.parametrize("days", [-1, 36])
def test_refuses_a_promotion_with_an_impossible_retention(world: World, days: int) -> None:
    call = world.west.promote_read_replica
    assert refused(call, DBInstanceIdentifier="pg-west", BackupRetentionPeriod=days) == "InvalidParameterValue"
    assert world.status("pg-west") == "available"


def test_a_promotion_goes_through_its_statuses_and_leaves_no_replica(world: World) -> None:
    seen = [world.status("pg-west")]
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    for _ in range(4):
        seen.append(world.status("pg-west"))
        world.clock.advance(4)
    assert seen == ["available", "modifying", "modifying", "rebooting", "available"]
    shown = world.shown("pg-west")
    assert "ReadReplicaSourceDBInstanceIdentifier" not in shown
    assert "StatusInfos" not in shown
    assert shown["BackupRetentionPeriod"] == 1
    assert world.shown("pg")["ReadReplicaDBInstanceIdentifiers"] == []


def test_it_is_a_replica_until_the_promotion_is_over(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(5.9)
    assert world.shown("pg-west")["ReadReplicaSourceDBInstanceIdentifier"] == PG_ARN
    with pytest.raises(SqlError) as caught:
        world.beat("pg-west", "1")
    assert caught.value.sqlstate == READ_ONLY


def test_nobody_gets_in_during_the_reboot(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(6)
    with pytest.raises(ConnectionRefusedError):
        world.beats("pg-west")


def test_a_promotion_that_nobody_watched_has_happened_all_the_same(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(3600)
    world.beat("pg-west", "1")
    assert world.beats("pg-west") == ["1"]
    assert world.beats("pg") == []


def test_a_cross_region_replica_names_its_source_by_arn_and_replicates(world: World) -> None:
    shown = world.shown("pg-west")
    assert shown["ReadReplicaSourceDBInstanceIdentifier"] == PG_ARN
    assert shown["StatusInfos"] == [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}]
    assert world.shown("pg")["ReadReplicaDBInstanceIdentifiers"] == [WEST_ARN]
    assert shown["DBName"] == "neurectomy"


def test_a_replica_takes_no_write_and_sees_the_primarys(world: World) -> None:
    world.beat("pg", "1")
    assert world.beats("pg-west") == ["1"]
    assert world.sql("pg-west", "role") == [[True]]
    with pytest.raises(SqlError):
        world.beat("pg-west", "2")


def test_a_dark_primary_cannot_be_reached_and_writes_on_behind_it(world: World) -> None:
    world.beat("pg", "1")
    world.rds.darken(frozenset({EAST}))
    with pytest.raises(ConnectionRefusedError):
        world.beat("pg", "2")
    world.beat_inside("pg", "3")
    assert world.beats("pg-west") == ["1"]
    world.rds.darken(frozenset())
    assert world.beats("pg-west") == ["1", "3"]


def test_a_replica_in_the_dark_catches_up_when_it_is_over(world: World) -> None:
    world.rds.darken(frozenset({WEST}))
    world.beat("pg", "1")
    west = world.instance("pg-west").resource_id
    assert world.engine.run_inside(west, "heartbeats") == []
    world.rds.darken(frozenset())
    assert world.beats("pg-west") == ["1"]


def test_a_proof_is_as_old_as_its_newest_row(world: World) -> None:
    assert world.sql("pg", "proof", "me") == []
    world.beat("pg", "me")
    world.clock.advance(7)
    world.beat("pg", "other")
    assert world.sql("pg", "proof", "me") == [[7.0]]


def test_refuses_to_read_a_table_that_nobody_has_prepared(world: World) -> None:
    bare = world.rds.add(EAST, "bare").address
    for statement in ("proof", "write-heartbeat"):
        with pytest.raises(SqlError) as caught:
            world.engine.run(bare.host, bare.port, statement, ["me"])
        assert caught.value.sqlstate == UNDEFINED_TABLE
    with pytest.raises(ValueError, match="statement is 'drop'"):
        world.engine.run(bare.host, bare.port, "drop")


def test_the_responders_port_tells_refusals_from_silence(world: World) -> None:
    database = InMemoryClients(world.engine)
    pg, west = world.instance("pg").address, world.instance("pg-west").address
    write = ("prepare-heartbeat", "write-heartbeat")
    refusal = database.execute(*west, write, ["me"], until="read back")
    assert isinstance(refusal, Refused)
    assert refusal.code == READ_ONLY
    assert isinstance(database.execute(*pg, write, ["me"], until="read back"), Made)
    assert database.query(*pg, "proof", ["me"]) == [[0.0]]
    world.rds.darken(frozenset({EAST}))
    assert isinstance(database.query(*pg, "role"), NoData)
    unreachable = database.execute(*pg, write, ["me"], until="read back")
    assert isinstance(unreachable, Refused)
    assert unreachable.code == "Unreachable"


def test_the_losses_of_a_promotion_in_the_dark_stay_lost(world: World) -> None:
    world.rds.darken(frozenset({EAST}))
    world.beat_inside("pg", "1")
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(12)
    world.rds.darken(frozenset())
    assert (world.beats("pg"), world.beats("pg-west")) == (["1"], [])


def test_a_copy_of_the_world_goes_its_own_way(world: World) -> None:
    clock, other = copy.deepcopy((world.clock, world.rds))
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    clock.advance(600)
    assert other.instance(WEST, "pg-west").status == "available"
    assert other.instance(WEST, "pg-west").source == PG_ARN
    assert other.engine is not world.engine


def test_refuses_a_replica_of_nothing_or_under_a_name_that_is_taken(world: World) -> None:
    call = world.west.create_db_instance_read_replica
    gone = PG_ARN + "-gone"
    assert refused(call, DBInstanceIdentifier="r", SourceDBInstanceIdentifier=gone) == "DBInstanceNotFound"
    # By name alone a source is looked for in the replica's own region.
    assert refused(call, DBInstanceIdentifier="r", SourceDBInstanceIdentifier="pg") == "DBInstanceNotFound"
    taken = refused(call, DBInstanceIdentifier="PG-West", SourceDBInstanceIdentifier=PG_ARN)
    assert taken == "DBInstanceAlreadyExists"
    assert refused(call, DBInstanceIdentifier="1r", SourceDBInstanceIdentifier=PG_ARN) == "InvalidParameterValue"
    assert refused(call, DBInstanceIdentifier="r") == "MissingParameter"


def test_refuses_a_replica_of_what_has_no_backups(world: World) -> None:
    source = world.rds.add(EAST, "bare", backup_retention=0)
    call = world.west.create_db_instance_read_replica
    assert refused(call, DBInstanceIdentifier="r", SourceDBInstanceIdentifier=source.arn) == "InvalidDBInstanceState"


def test_refuses_a_replica_in_another_region_without_a_key_of_that_region(world: World) -> None:
    call, names = world.west.create_db_instance_read_replica, {"DBInstanceIdentifier": "r"}
    names["SourceDBInstanceIdentifier"] = PG_ARN
    with pytest.raises(ClientError, match="Cannot create a cross region unencrypted read replica") as caught:
        call(**names)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterCombination"
    assert refused(call, **names, KmsKeyId=EAST_KEY) == "KMSKeyNotAccessibleFault"
    assert call(**names, KmsKeyId=WEST_KEY)["DBInstance"]["KmsKeyId"] == WEST_KEY


def test_a_renamed_instance_is_found_at_another_address_and_nothing_answers_at_the_old_one(world: World) -> None:
    world.beat("pg", "1")
    former = world.instance("pg").address
    world.east.modify_db_instance(DBInstanceIdentifier="pg", NewDBInstanceIdentifier="kept", ApplyImmediately=True)
    world.clock.advance(3)
    kept = world.rds.instance(EAST, "kept")
    assert kept.address != former
    with pytest.raises(ConnectionRefusedError):
        world.engine.run(*former, "role")
    assert [source for source, _ in world.engine.run(*kept.address, "heartbeats")] == ["1"]
    assert refused(world.east.describe_db_instances, DBInstanceIdentifier="pg") == "DBInstanceNotFound"


def test_a_replica_is_made_the_other_way_under_the_name_of_what_was_renamed(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(12)
    world.east.modify_db_instance(DBInstanceIdentifier="pg", NewDBInstanceIdentifier="kept", ApplyImmediately=True)
    world.clock.advance(3)
    world.beat("pg-west", "after the failover")
    world.east.create_db_instance_read_replica(
        DBInstanceIdentifier="pg", SourceDBInstanceIdentifier=WEST_ARN, SourceRegion=WEST, KmsKeyId=EAST_KEY
    )
    world.clock.advance(12)
    assert world.shown("pg")["ReadReplicaSourceDBInstanceIdentifier"] == WEST_ARN
    assert world.beats("pg") == ["after the failover"]
    assert world.rds.instance(EAST, "kept").source is None
    with pytest.raises(SqlError, match="read-only"):
        world.beat("pg", "not here")


def test_what_two_databases_hold_is_counted_by_source(world: World) -> None:
    world.beat("pg", "a")
    world.beat("pg", "a")
    world.sql("pg", "prepare-beat")
    world.sql("pg", "write-beat", "primary")
    at = int(world.clock().timestamp() * 1000)
    assert world.sql("pg-west", "proofs") == [["a", 2, at]]
    assert world.sql("pg-west", "beats") == [["primary", 1, at]]


def test_a_source_region_brings_a_presigned_url_that_does_no_harm(world: World) -> None:
    made = world.west.create_db_instance_read_replica(
        DBInstanceIdentifier="r",
        SourceDBInstanceIdentifier=PG_ARN,
        SourceRegion=EAST,
        KmsKeyId=WEST_KEY,
        Tags=[{"Key": "a", "Value": "b"}],
    )["DBInstance"]
    assert made["ReadReplicaSourceDBInstanceIdentifier"] == PG_ARN
    assert made["TagList"] == [{"Key": "a", "Value": "b"}]


def test_a_new_replica_has_no_endpoint_until_it_is_there(world: World) -> None:
    world.beat("pg", "1")
    world.west.create_db_instance_read_replica(
        DBInstanceIdentifier="r", SourceDBInstanceIdentifier=PG_ARN, KmsKeyId=WEST_KEY
    )
    assert world.status("r") == "creating"
    assert "Endpoint" not in world.shown("r")
    world.clock.advance(12)
    assert world.shown("r")["Endpoint"]["Address"] == "127.0.0.1"
    assert world.beats("r") == ["1"]
    assert world.shown("pg")["ReadReplicaDBInstanceIdentifiers"] == [WEST_ARN, WEST_ARN.replace("pg-west", "r")]


def test_refuses_a_restore_without_one_clear_time(world: World) -> None:
    call, names = world.east.restore_db_instance_to_point_in_time, {"TargetDBInstanceIdentifier": "new"}
    names["SourceDBInstanceIdentifier"] = "pg"
    at = world.clock()
    assert refused(call, **names) == "InvalidParameterCombination"
    assert refused(call, **names, RestoreTime=at, UseLatestRestorableTime=True) == "InvalidParameterCombination"
    assert refused(call, **names, RestoreTime=at + timedelta(seconds=1)) == "InvalidParameterValue"
    assert refused(call, **names, RestoreTime=at - timedelta(days=1)) == "InvalidParameterValue"


def test_refuses_a_restore_of_what_has_no_backups(world: World) -> None:
    names = {"SourceDBInstanceIdentifier": "pg-west", "TargetDBInstanceIdentifier": "new"}
    call = world.west.restore_db_instance_to_point_in_time
    assert refused(call, **names, UseLatestRestorableTime=True) == "PointInTimeRestoreNotEnabled"


def test_refuses_a_restore_to_a_time_before_the_promotion(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(12)
    world.status("pg-west")
    names = {"SourceDBInstanceIdentifier": "pg-west", "TargetDBInstanceIdentifier": "new"}
    call = world.west.restore_db_instance_to_point_in_time
    assert refused(call, **names, RestoreTime=world.clock() - timedelta(seconds=1)) == "InvalidParameterValue"
    assert call(**names, RestoreTime=world.clock())["DBInstance"]["DBInstanceStatus"] == "creating"


def test_refuses_a_restore_over_an_instance_that_exists(world: World) -> None:
    names = {"SourceDBInstanceIdentifier": "pg", "TargetDBInstanceIdentifier": "pg"}
    call = world.east.restore_db_instance_to_point_in_time
    assert refused(call, **names, UseLatestRestorableTime=True) == "DBInstanceAlreadyExists"


def test_a_restore_is_a_new_instance_with_what_was_there_then(world: World) -> None:
    world.beat("pg", "1")
    world.clock.advance(60)
    at = world.clock()
    world.clock.advance(60)
    world.beat("pg", "2")
    world.clock.advance(60)
    world.east.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="pg", TargetDBInstanceIdentifier="pg-then", RestoreTime=at
    )
    world.clock.advance(16)
    # Its first backup; it takes connections already.
    assert world.rds.instance(EAST, "pg-then").status == "backing-up"
    world.clock.advance(2)
    then = world.rds.instance(EAST, "pg-then")
    assert (then.status, then.source, then.db_name) == ("available", None, "neurectomy")
    rows = world.engine.run(then.address.host, then.address.port, "heartbeats")
    assert [source for source, _ in rows] == ["1"]
    assert world.beats("pg") == ["1", "2"]


def test_refuses_a_restore_into_groups_that_are_not_there(world: World) -> None:
    names = {"SourceDBInstanceIdentifier": "pg", "TargetDBInstanceIdentifier": "new", "UseLatestRestorableTime": True}
    call = world.east.restore_db_instance_to_point_in_time
    assert refused(call, **names, DBParameterGroupName="ours") == "DBParameterGroupNotFound"
    assert refused(call, **names, DBSubnetGroupName="ours") == "DBSubnetGroupNotFoundFault"
    assert refused(call, **names, BackupRetentionPeriod=36) == "InvalidParameterValue"


def test_refuses_a_restore_to_what_is_no_longer_retained(world: World) -> None:
    world.clock.advance(7 * 86_400 / 10 + 100)
    names = {"SourceDBInstanceIdentifier": "pg", "TargetDBInstanceIdentifier": "new"}
    at = world.instance("pg").created_at
    call = world.east.restore_db_instance_to_point_in_time
    assert refused(call, **names, RestoreTime=at + timedelta(seconds=600)) == "InvalidParameterValue"


def test_refuses_to_describe_backups_that_are_not_there(world: World) -> None:
    assert refused(world.east.describe_db_instance_automated_backups, DBInstanceIdentifier="no") == (
        "DBInstanceAutomatedBackupNotFound"
    )
    # A replica has none of its own.
    assert world.west.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"] == []


def test_backups_say_between_which_moments_they_restore(world: World) -> None:
    (found,) = world.east.describe_db_instance_automated_backups(DbiResourceId=world.instance("pg").resource_id)[
        "DBInstanceAutomatedBackups"
    ]
    assert found["RestoreWindow"]["EarliestTime"] == world.instance("pg").created_at
    assert found["RestoreWindow"]["LatestTime"] == world.shown("pg")["LatestRestorableTime"]
    assert found["Status"] == "active"


def test_a_restored_instance_has_defaults_where_nothing_is_named(world: World) -> None:
    pg = world.instance("pg")
    pg.parameter_group, pg.subnet_group, pg.security_groups = "ours", "ours", ("sg-ours",)
    pg.multi_az = pg.deletion_protection = pg.copy_tags = True
    pg.backup_retention, pg.tags = 14, {"a": "b"}
    names = {"SourceDBInstanceIdentifier": "pg", "UseLatestRestorableTime": True}
    made = world.east.restore_db_instance_to_point_in_time(**names, TargetDBInstanceIdentifier="new")["DBInstance"]
    assert made["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres18"
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == "default"
    assert [g["VpcSecurityGroupId"] for g in made["VpcSecurityGroups"]] == ["sg-default"]
    assert (made["MultiAZ"], made["DeletionProtection"], made["CopyTagsToSnapshot"]) == (False, False, False)
    # The retention is the source's: RDS "uses the existing setting".
    assert (made["BackupRetentionPeriod"], made["TagList"]) == (14, [])
    wanted = {"DBParameterGroupName": "ours", "DBSubnetGroupName": "ours", "VpcSecurityGroupIds": ["sg-ours"]}
    made = world.east.restore_db_instance_to_point_in_time(
        **names, **wanted, TargetDBInstanceIdentifier="like-it", MultiAZ=True
    )["DBInstance"]
    assert made["DBParameterGroups"][0]["DBParameterGroupName"] == "ours"
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == "ours"
    assert ([g["VpcSecurityGroupId"] for g in made["VpcSecurityGroups"]], made["MultiAZ"]) == (["sg-ours"], True)


def test_a_restore_is_as_whole_as_its_moment(world: World) -> None:
    whole = world.clock()
    world.clock.advance(60)
    world.engine.spoil(world.instance("pg").resource_id, "rows", 3)
    world.clock.advance(60)
    assert world.sql("pg", "check", "rows") == [[3]]
    for name, at, count in (("then", whole, 0), ("since", world.clock() - timedelta(seconds=30), 3)):
        world.east.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier="pg", TargetDBInstanceIdentifier=name, RestoreTime=at
        )
        world.clock.advance(20)
        address = world.rds.instance(EAST, name).address
        assert world.engine.run(address.host, address.port, "check", ["rows"]) == [[count]]


def test_the_latest_restorable_time_is_at_most_five_minutes_old(world: World) -> None:
    world.clock.advance(29)
    assert world.clock() - world.shown("pg")["LatestRestorableTime"] == timedelta(seconds=29)
    world.clock.advance(2)
    assert world.clock() - world.shown("pg")["LatestRestorableTime"] == timedelta(seconds=1)
    assert "LatestRestorableTime" not in world.shown("pg-west")


def test_refuses_to_modify_what_is_not_available(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    call = world.west.modify_db_instance
    assert refused(call, DBInstanceIdentifier="pg-west", DeletionProtection=True) == "InvalidDBInstanceState"


def test_refuses_to_disable_the_backups_of_a_source(world: World) -> None:
    call = world.east.modify_db_instance
    assert refused(call, DBInstanceIdentifier="pg", BackupRetentionPeriod=0) == "InvalidDBInstanceState"


def test_a_modification_waits_unless_it_is_to_be_applied_at_once(world: World) -> None:
    world.east.modify_db_instance(DBInstanceIdentifier="pg", DBInstanceClass="db.r6g.xlarge")
    assert world.status("pg") == "available"
    assert world.shown("pg")["PendingModifiedValues"]["DBInstanceClass"] == "db.r6g.xlarge"
    world.east.modify_db_instance(DBInstanceIdentifier="pg", AllocatedStorage=200, ApplyImmediately=True)
    assert (world.status("pg"), world.shown("pg")["AllocatedStorage"]) == ("modifying", 100)
    world.clock.advance(3)
    assert (world.status("pg"), world.shown("pg")["AllocatedStorage"]) == ("available", 200)


def test_whatever_is_pending_is_applied_with_what_is_applied_at_once(world: World) -> None:
    world.east.modify_db_instance(DBInstanceIdentifier="pg", DBInstanceClass="db.r6g.xlarge")
    world.east.modify_db_instance(DBInstanceIdentifier="pg", AllocatedStorage=200, ApplyImmediately=True)
    world.clock.advance(3)
    shown = world.shown("pg")
    assert (shown["DBInstanceClass"], shown["AllocatedStorage"]) == ("db.r6g.xlarge", 200)
    assert shown["PendingModifiedValues"] == {}


def test_a_longer_retention_and_the_protection_wait_for_nothing_and_let_nothing_else_happen(world: World) -> None:
    world.east.modify_db_instance(DBInstanceIdentifier="pg", DBInstanceClass="db.r6g.xlarge")
    world.east.modify_db_instance(DBInstanceIdentifier="pg", BackupRetentionPeriod=35, DeletionProtection=True)
    world.clock.advance(3)
    shown = world.shown("pg")
    assert (shown["BackupRetentionPeriod"], shown["DeletionProtection"]) == (35, True)
    assert shown["PendingModifiedValues"] == {"DBInstanceClass": "db.r6g.xlarge"}
    call = world.east.delete_db_instance
    assert refused(call, DBInstanceIdentifier="pg", SkipFinalSnapshot=True) == "InvalidParameterCombination"


@pytest.mark.parametrize("days", [-1, 36])
def test_refuses_a_retention_that_there_is_none_of(world: World, days: int) -> None:
    call = world.east.modify_db_instance
    assert refused(call, DBInstanceIdentifier="pg", BackupRetentionPeriod=days) == "InvalidParameterValue"


def test_a_rename_is_seen_by_the_replica(world: World) -> None:
    world.east.modify_db_instance(DBInstanceIdentifier="pg", NewDBInstanceIdentifier="pg-old", ApplyImmediately=True)
    world.clock.advance(3)
    assert world.shown("pg-west")["ReadReplicaSourceDBInstanceIdentifier"] == PG_ARN + "-old"
    assert refused(world.east.describe_db_instances, DBInstanceIdentifier="pg") == "DBInstanceNotFound"


def test_an_instance_in_closed_groups_only_cannot_be_reached(world: World) -> None:
    world.east.modify_db_instance(DBInstanceIdentifier="pg", VpcSecurityGroupIds=["sg-closed"])
    world.clock.advance(3)
    with pytest.raises(ConnectionRefusedError):
        world.beat("pg", "1")


def test_refuses_to_stop_a_replica_and_its_source(world: World) -> None:
    assert refused(world.east.stop_db_instance, DBInstanceIdentifier="pg") == "InvalidDBInstanceState"
    assert refused(world.west.stop_db_instance, DBInstanceIdentifier="pg-west") == "InvalidDBInstanceState"
    assert refused(world.east.start_db_instance, DBInstanceIdentifier="pg") == "InvalidDBInstanceState"


def test_a_stopped_instance_takes_no_connection_until_it_is_started(world: World) -> None:
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(12)
    world.east.stop_db_instance(DBInstanceIdentifier="pg")
    world.clock.advance(6)
    assert world.status("pg") == "stopped"
    with pytest.raises(ConnectionRefusedError):
        world.beats("pg")
    assert refused(world.east.reboot_db_instance, DBInstanceIdentifier="pg") == "InvalidDBInstanceState"
    world.east.start_db_instance(DBInstanceIdentifier="pg")
    world.clock.advance(6)
    assert world.beats("pg") == []


def test_a_reboot_is_over_by_itself(world: World) -> None:
    world.east.reboot_db_instance(DBInstanceIdentifier="pg")
    assert world.status("pg") == "rebooting"
    world.clock.advance(3)
    assert world.status("pg") == "available"


def test_refuses_a_deletion_that_is_not_thought_through(world: World) -> None:
    call = world.east.delete_db_instance
    assert refused(call, DBInstanceIdentifier="pg") == "InvalidParameterCombination"
    both = {"SkipFinalSnapshot": True, "FinalDBSnapshotIdentifier": "f"}
    assert refused(call, DBInstanceIdentifier="pg", **both) == "InvalidParameterCombination"
    of_replica = refused(world.west.delete_db_instance, DBInstanceIdentifier="pg-west", FinalDBSnapshotIdentifier="f")
    assert of_replica == "InvalidParameterCombination"
    world.rds.add(EAST, "kept", deletion_protection=True)
    assert refused(call, DBInstanceIdentifier="kept", SkipFinalSnapshot=True) == "InvalidParameterCombination"
    world.east.delete_db_instance(DBInstanceIdentifier="pg", FinalDBSnapshotIdentifier="last")
    assert refused(call, DBInstanceIdentifier="pg", SkipFinalSnapshot=True) == "InvalidDBInstanceState"


def test_a_deleted_source_leaves_a_replica_that_can_still_be_promoted(world: World) -> None:
    world.beat("pg", "1")
    world.east.delete_db_instance(DBInstanceIdentifier="pg", FinalDBSnapshotIdentifier="last")
    assert world.shown("pg-west")["StatusInfos"][0]["Status"] == "terminated"
    world.clock.advance(6)
    assert refused(world.east.describe_db_instances, DBInstanceIdentifier="pg") == "DBInstanceNotFound"
    world.west.promote_read_replica(DBInstanceIdentifier="pg-west")
    world.clock.advance(12)
    assert world.beats("pg-west") == ["1"]
    assert [s["DBSnapshotIdentifier"] for s in world.east.describe_db_snapshots()["DBSnapshots"]] == ["last"]


def test_refuses_a_snapshot_under_a_name_that_is_taken(world: World) -> None:
    names = {"DBSnapshotIdentifier": "s", "DBInstanceIdentifier": "pg"}
    world.east.create_db_snapshot(**names)
    world.clock.advance(2)
    assert refused(world.east.create_db_snapshot, **names) == "DBSnapshotAlreadyExists"
    assert refused(world.east.describe_db_snapshots, DBSnapshotIdentifier="x") == "DBSnapshotNotFound"


def test_a_snapshot_is_ready_when_its_instance_has_been_backed_up(world: World) -> None:
    world.east.create_db_snapshot(DBSnapshotIdentifier="s", DBInstanceIdentifier="pg")
    assert world.status("pg") == "backing-up"
    found = world.east.describe_db_snapshots(DBInstanceIdentifier="pg")["DBSnapshots"]
    assert found[0]["Status"] == "creating"
    world.clock.advance(2)
    assert world.status("pg") == "available"
    found = world.east.describe_db_snapshots(DBInstanceIdentifier="pg")["DBSnapshots"]
    assert (found[0]["Status"], found[0]["PercentProgress"]) == ("available", 100)


def test_tags_are_kept_by_arn(world: World) -> None:
    world.east.add_tags_to_resource(ResourceName=PG_ARN, Tags=[{"Key": "incident", "Value": "i-1"}])
    tags = world.east.list_tags_for_resource(ResourceName=PG_ARN)["TagList"]
    assert tags == [{"Key": "incident", "Value": "i-1"}]
    assert refused(world.west.list_tags_for_resource, ResourceName=PG_ARN) == "DBInstanceNotFound"


def test_filters_choose_and_unknown_ones_are_refused(world: World) -> None:
    assert len(world.east.describe_db_instances()["DBInstances"]) == 1
    none = world.east.describe_db_instances(Filters=[{"Name": "db-instance-id", "Values": ["other"]}])
    assert none["DBInstances"] == []
    call = world.east.describe_db_instances
    assert refused(call, Filters=[{"Name": "colour", "Values": ["red"]}]) == "InvalidParameterValue"
