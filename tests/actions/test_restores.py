"""What brings data back as of a moment, against the stand-ins and through real clients; each call made twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.restored import TAG, name_of
from chalicelib.clients.database import DatabaseClients, checks
from chalicelib.core.bounds import spelled
from chalicelib.core.outcome import Act, Call, Done, NoData, Refused, Stuck, Wait
from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.rds.client import InMemoryClients
from drctl.neighbours.rds.engine import InMemoryEngine
from drctl.neighbours.rds.postgres import PostgresEngine
from drctl.neighbours.rds.service import Rds
from drctl.world.platform import PRIMARY_SETTINGS
from drctl.world.rows import Rows
from drctl.world.seeds import DATABASE_PASSWORD, DATABASE_USER
from tests.actions.stage import AT, POLICY, target
from tests.actions.test_life import InProcess
from tests.crash.cloud import SecretsManager

SIDE = POLICY.platform.database.primary
ACCOUNT = POLICY.platform.account
INCIDENT = target().incident


class East:
    """The primary database, ten minutes old, with everything that RDS would not give by itself."""

    def __init__(self) -> None:
        self.now = AT - timedelta(minutes=10)
        self.engine = InMemoryEngine(lambda: self.now)
        self.rds = Rds(lambda: self.now, engine=self.engine)
        self.rds.add(SIDE.region, SIDE.instance, account=ACCOUNT, **PRIMARY_SETTINGS)
        self.client = make_client(Aws({"rds": self.rds}, clock=lambda: self.now), "rds", SIDE.region, account=ACCOUNT)
        self.now = AT

    def look(self, name: str, at: Any, incident: str = INCIDENT) -> Any:
        aim = replace(target(as_of=spelled(at)), at=self.now, incident=incident)
        return ACTIONS[name].next(aim, POLICY, ACTIONS[name].observe(aim, POLICY, self.reader()), self.now)

    def reader(self) -> Any:
        east = self

        class Reading:
            """The reader, as far as these actions use it."""

            def aws(self, service: str, region: str, operation: str, **params: Any) -> Any:
                assert (service, region) == ("rds", SIDE.region)
                try:
                    return getattr(east.client, operation)(**params)
                except east.client.exceptions.ClientError as error:
                    return Refused(code=error.response["Error"]["Code"], because=str(error))

            def sql(self, host: str, port: int, query: str, arguments: Any = ()) -> Any:
                return InMemoryClients(east.engine).query(host, port, query, arguments)

        return Reading()

    def make(self, call: Call) -> None:
        getattr(self.client, call.operation)(**call.params)


@pytest.fixture
def east() -> East:
    return East()


THEN = AT - timedelta(minutes=6)


def test_a_restore_goes_through_its_statuses_and_ends_with_the_settings_of_the_old_one(east: East) -> None:
    found = east.look("restore-instance", THEN)
    assert isinstance(found, Act)
    assert found.call.params["RestoreTime"] == "2026-11-24T02:54:00Z"
    east.make(found.call)
    seen = []
    for _ in range(20):
        found = east.look("restore-instance", THEN)
        if isinstance(found, Done):
            break
        assert isinstance(found, Wait)
        seen.append(found.because.split("'")[3])
        east.now += timedelta(seconds=15)
    assert seen[0] == "creating"
    assert seen[-1] == "backing-up"
    assert isinstance(found, Done)
    assert found.facts["instance"] == name_of(POLICY, THEN)


def test_a_restore_that_was_made_twice_is_made_once(east: East) -> None:
    found = east.look("restore-instance", THEN)
    assert isinstance(found, Act)
    east.make(found.call)
    with pytest.raises(east.client.exceptions.DBInstanceAlreadyExistsFault):
        east.make(found.call)
    assert isinstance(east.look("restore-instance", THEN), Wait)


def test_an_instance_that_another_incident_made_is_not_taken_for_ours(east: East) -> None:
    found = east.look("restore-instance", THEN)
    assert isinstance(found, Act)
    east.make(found.call)
    east.now += timedelta(minutes=5)
    found = east.look("restore-instance", THEN, incident="another")
    assert isinstance(found, Stuck)
    assert f"was made by {INCIDENT} and not for another" in found.because


def test_what_differs_from_the_old_instance_is_modified(east: East) -> None:
    east.client.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=SIDE.instance,
        TargetDBInstanceIdentifier=name_of(POLICY, THEN),
        RestoreTime=THEN,
        Tags=[{"Key": TAG, "Value": INCIDENT}],
    )
    east.now += timedelta(minutes=5)
    found = east.look("restore-instance", THEN)
    assert isinstance(found, Act)
    assert set(found.call.params) == {
        *("ApplyImmediately", "CopyTagsToSnapshot", "DBInstanceIdentifier", "DBParameterGroupName"),
        *("DeletionProtection", "MultiAZ", "VpcSecurityGroupIds"),
    }
    east.make(found.call)
    east.now += timedelta(minutes=1)
    assert isinstance(east.look("restore-instance", THEN), Done)


def test_a_moment_whose_logs_are_not_uploaded_yet_is_waited_for(east: East) -> None:
    east.now += timedelta(seconds=30)
    found = east.look("restore-instance", AT + timedelta(seconds=20))
    assert isinstance(found, Wait)
    east.now += timedelta(minutes=5)
    assert isinstance(east.look("restore-instance", AT + timedelta(seconds=20)), Act)


def test_a_moment_before_the_first_backup_is_refused_by_rds_and_moves_nothing(east: East) -> None:
    found = east.look("restore-instance", AT - timedelta(hours=1))
    assert isinstance(found, Act)
    with pytest.raises(east.client.exceptions.ClientError, match="InvalidParameterValue"):
        east.make(found.call)
    assert [i.identifier for i in east.rds.instances()] == [SIDE.instance]


def test_a_check_is_asked_of_the_restored_instance_and_not_of_the_old_one(east: East) -> None:
    check = POLICY.platform.integrity.checks[0].name if POLICY.platform.integrity else ""
    east.now = AT - timedelta(minutes=5)
    east.engine.spoil(east.rds.instance(SIDE.region, SIDE.instance, ACCOUNT).resource_id, check, 7)
    east.now = AT
    found = east.look("integrity-check", THEN)
    assert isinstance(found, Stuck)
    assert "must be restored first" in found.because
    for at, wanted in ((THEN, Done), (AT - timedelta(minutes=2), Stuck)):
        restore = east.look("restore-instance", at)
        while isinstance(restore, Wait):
            east.now += timedelta(minutes=1)
            restore = east.look("restore-instance", at)
        assert isinstance(restore, Act)
        east.make(restore.call)
        assert isinstance(east.look("integrity-check", at), Wait)
        east.now += timedelta(minutes=5)
        assert isinstance(east.look("integrity-check", at), wanted)


@pytest.mark.parametrize("status", ["storage-initialization", "storage-optimization"])
def test_a_restored_instance_is_checked_while_its_storage_is_still_made_ready(east: East, status: str) -> None:
    restore = east.look("restore-instance", THEN)
    assert isinstance(restore, Act)
    east.make(restore.call)
    east.now += timedelta(minutes=5)
    assert isinstance(east.look("integrity-check", THEN), Done)
    east.rds.instance(SIDE.region, name_of(POLICY, THEN), ACCOUNT).resting = status
    assert isinstance(east.look("restore-instance", THEN), Done)
    assert isinstance(east.look("integrity-check", THEN), Done)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresEngine]:
    engine = PostgresEngine(username=DATABASE_USER, password=DATABASE_PASSWORD, db_name=POLICY.platform.database.name)
    yield engine
    engine.stop()


def test_the_shipped_checks_find_real_rows_that_went_wrong_and_write_nothing(postgres: PostgresEngine) -> None:
    address = postgres.create("db-checks")
    rows = Rows(POLICY, lambda: (address.host, address.port))
    rows.furnish()
    secrets = SecretsManager()
    user = {"username": DATABASE_USER, "password": DATABASE_PASSWORD}
    secrets.add(SIDE.region, POLICY.platform.database.credentials_secret, user)
    wanted = {**checks(POLICY), "destructive": "WITH gone AS (DELETE FROM runs RETURNING 1) SELECT count(*) FROM gone"}
    clients = DatabaseClients(
        InProcess(Aws({"secretsmanager": secrets})), POLICY.platform.database, SIDE.region, tls=False, checks=wanted
    )

    def count(name: str) -> Any:
        return clients.query(address.host, address.port, "check", [name])

    assert [count(name) for name in checks(POLICY)] == [[[0]], [[0]]]
    assert rows.seen() == {"IntegrityViolations": 0.0}
    mend = rows.spoil()
    assert count("runs-have-experiments") == [[12]]
    assert rows.seen() == {"IntegrityViolations": 12.0}
    refused = count("destructive")
    assert isinstance(refused, Refused)
    assert refused.code == "25006", "PostgreSQL itself refuses to write in a check"
    mend()
    assert [count(name) for name in checks(POLICY)] == [[[0]], [[0]]]
    closed = clients.query("127.0.0.1", 1, "check", ["runs-have-experiments"])
    assert isinstance(closed, NoData)
