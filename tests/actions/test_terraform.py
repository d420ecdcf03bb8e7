"""Terraform's state put back on moto's S3 and DynamoDB, whole, under a lock, and with the worker stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.actions.reader import LiveReader, Ports
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.web import Web
from chalicelib.core.outcome import Act, Done, Made, Next, Refused, Stuck
from chalicelib.executor import Executor
from chalicelib.policy.backups import TerraformState
from tests.actions.stage import POLICY, target

SHIPPED = POLICY.backups.terraform_states[0]
# moto has no key of that name.
ROW = SHIPPED.model_copy(update={"encryption": "SSE-S3", "kms_key": None})
PATH = f"{ROW.bucket}/{ROW.key}"


def state(serial: int, *resources: str, lineage: str = "3f1e") -> bytes:
    return json.dumps({"version": 4, "serial": serial, "lineage": lineage, "resources": list(resources)}).encode()


GOOD, EMPTY = state(41, "vpc", "eks"), state(42)


class House:
    """The bucket with three versions, the last one empty; its table; and a worker that knows what its step kept."""

    def __init__(self, row: TerraformState = ROW) -> None:
        backups = POLICY.backups.model_copy(update={"terraform_states": (row,)})
        self.row, self.policy = row, POLICY.model_copy(update={"backups": backups})
        self.s3 = boto3.client("s3", region_name=row.region)
        self.table = boto3.client("dynamodb", region_name=row.region)
        self.s3.create_bucket(Bucket=row.bucket)
        self.s3.put_bucket_versioning(Bucket=row.bucket, VersioningConfiguration={"Status": "Enabled"})
        for body in (state(40, "vpc"), GOOD, EMPTY):
            self.s3.put_object(Bucket=row.bucket, Key=row.key, Body=body)
        if row.lock_table:
            self.table.create_table(
                TableName=row.lock_table,
                KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            digest = hashlib.md5(EMPTY, usedforsecurity=False).hexdigest()
            self.put({"LockID": {"S": f"{PATH}-md5"}, "Digest": {"S": digest}})
        session = boto3.Session(region_name=row.region)
        clients = AwsClients(session)
        database = DatabaseClients(clients, POLICY.platform.database, row.region, tls=False)
        kube = KubeClients(clients, (), now=lambda: datetime.now(UTC))
        self.ports = Ports(aws=clients, kube=kube, database=database, web=Web({}), dns=Dns({}))
        self.executor = Executor(ports=self.ports, actions=ACTIONS, channels={})
        self.aim = target(state=row.name)
        self.calls: list[str] = []

    def put(self, item: dict[str, Any]) -> None:
        self.table.put_item(TableName=str(self.row.lock_table), Item=item)

    def look(self, **params: str) -> Next:
        action = ACTIONS["terraform-state-restored"]
        self.aim = replace(self.aim, params={**self.aim.params, **params})
        facts = action.observe(self.aim, self.policy, LiveReader(self.ports, action.reads))
        found = action.next(self.aim, self.policy, facts, self.aim.at)
        if isinstance(found, Act):
            # The desk saves before it acts.
            self.aim = replace(self.aim, facts={**self.aim.facts, **found.facts})
        return found

    def run(self, stop: int = -1, *, lost: bool = False, **params: str) -> Next:
        """Until there is no call left. The call `stop` is not made, or made and its answer lost."""
        number = 0
        while isinstance(found := self.look(**params), Act):
            if number != stop or lost:
                self.calls.append(f"{found.call.operation} {found.call.params.get('Key', '')}".strip())
                assert isinstance(self.executor.make(found.call), Made), found
            number += 1
            assert number < 20, "it goes in a circle"
        return found

    def now(self) -> bytes:
        body: bytes = self.s3.get_object(Bucket=self.row.bucket, Key=self.row.key)["Body"].read()
        return body

    def items(self) -> dict[str, dict[str, Any]]:
        found = self.table.scan(TableName=str(self.row.lock_table))["Items"]
        return {item["LockID"]["S"]: item for item in found}

    def keys(self) -> list[str]:
        return [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.row.bucket)["Contents"]]

    def versions(self) -> list[str]:
        listed = self.s3.list_object_versions(Bucket=self.row.bucket, Prefix=self.row.key)["Versions"]
        return [v["VersionId"] for v in listed if v["Key"] == self.row.key]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield House()


def as_it_was(house: House, body: bytes = GOOD) -> bool:
    """The state, its digest, no lock, and every version that was there."""
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    assert house.now() == body
    assert house.items() == {f"{PATH}-md5": {"LockID": {"S": f"{PATH}-md5"}, "Digest": {"S": digest}}}
    assert house.keys() == [house.row.key]
    return True


def test_an_empty_state_is_put_back_under_both_locks_which_are_given_back(house: House) -> None:
    before = house.versions()
    first = house.look()
    assert isinstance(first, Act)
    done = house.run()
    assert isinstance(done, Done)
    assert "(serial 41, 2 resources), and its lock is given back" in done.because
    assert as_it_was(house)
    assert [call.split()[0] for call in house.calls] == [
        "put_object",
        "put_item",
        "copy_object",
        "put_item",
        "delete_item",
        "delete_object",
    ]
    assert house.versions()[1:] == before


def test_a_version_that_a_person_names_is_put_back_though_the_newest_looks_sound(house: House) -> None:
    house.s3.put_object(Bucket=ROW.bucket, Key=ROW.key, Body=state(43, "vpc", "eks", "rds"))
    digest = hashlib.md5(house.now(), usedforsecurity=False).hexdigest()
    house.put({"LockID": {"S": f"{PATH}-md5"}, "Digest": {"S": digest}})
    oldest = house.versions()[-1]
    assert isinstance(house.run(version=oldest), Done)
    assert as_it_was(house, state(40, "vpc"))


def test_a_state_that_was_deleted_is_put_back_as_it_last_was(house: House) -> None:
    house.s3.put_object(Bucket=ROW.bucket, Key=ROW.key, Body=GOOD)
    house.s3.delete_object(Bucket=ROW.bucket, Key=ROW.key)
    marker = house.s3.list_object_versions(Bucket=ROW.bucket, Prefix=ROW.key)["DeleteMarkers"][0]["VersionId"]
    refused = house.look(version=marker)
    assert isinstance(refused, Stuck)
    assert f"has no version {marker!r}" in refused.because
    assert isinstance(house.run(version="found"), Done)
    assert as_it_was(house)


def test_a_version_that_is_not_there_is_told_and_nothing_is_moved(house: House) -> None:
    found = house.look(version="no-such-version")
    assert isinstance(found, Stuck)
    assert "has no version 'no-such-version'; the newest are" in found.because
    assert house.keys() == [ROW.key]


@pytest.mark.parametrize(
    "body", [b"", b"not json", state(7, "vpc", lineage="another"), state(39, "vpc", "eks")], ids=str
)
def test_what_terraform_would_not_take_for_the_next_state_is_put_back(house: House, body: bytes) -> None:
    house.s3.put_object(Bucket=ROW.bucket, Key=ROW.key, Body=GOOD)
    house.s3.put_object(Bucket=ROW.bucket, Key=ROW.key, Body=body)
    assert isinstance(house.run(), Done)
    assert house.now() == GOOD


def test_a_sound_state_is_left_alone(house: House) -> None:
    house.s3.put_object(Bucket=ROW.bucket, Key=ROW.key, Body=state(43, "vpc"))
    found = house.look()
    assert isinstance(found, Done)
    assert "it is left as it is" in found.because


@pytest.mark.parametrize("where", ["file", "item"])
def test_somebody_else_s_lock_is_respected_and_says_whose_it_is(house: House, where: str) -> None:
    info = json.dumps({"ID": "6b0e", "Who": "ana@laptop", "Created": "02:40", "Operation": "OperationTypeApply"})
    if where == "file":
        house.s3.put_object(Bucket=ROW.bucket, Key=f"{ROW.key}.tflock", Body=info)
    else:
        house.put({"LockID": {"S": PATH}, "Info": {"S": info}})
    found = house.look()
    assert isinstance(found, Stuck)
    assert "is locked by ana@laptop since 02:40 (OperationTypeApply)" in found.because
    assert house.now() == EMPTY


def test_the_lock_file_is_refused_when_somebody_else_came_first(house: House) -> None:
    found = house.look()
    assert isinstance(found, Act)
    house.s3.put_object(Bucket=ROW.bucket, Key=f"{ROW.key}.tflock", Body="{}")
    refused = house.executor.make(found.call)
    assert isinstance(refused, Refused)
    assert refused.code == "PreconditionFailed"
    stuck = house.look()
    assert isinstance(stuck, Stuck)
    assert "somebody who has left no name" in stuck.because


def test_the_lock_s_item_is_refused_when_somebody_else_came_first(house: House) -> None:
    found = house.look()
    assert isinstance(found, Act)
    assert isinstance(house.executor.make(found.call), Made)
    second = house.look()
    assert isinstance(second, Act)
    house.put({"LockID": {"S": PATH}, "Info": {"S": "{}"}})
    refused = house.executor.make(second.call)
    assert isinstance(refused, Refused)
    assert refused.code == "ConditionalCheckFailedException"


@pytest.mark.usefixtures("house")
def test_with_the_lock_file_alone_no_table_is_touched() -> None:
    other = House(ROW.model_copy(update={"lock_table": None, "bucket": "neurectomy-terraform-other"}))
    assert isinstance(other.run(), Done)
    assert other.now() == GOOD
    assert [call.split()[0] for call in other.calls] == ["put_object", "copy_object", "delete_object"]
    assert other.keys() == [ROW.key]


@pytest.mark.parametrize("lost", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("stop", range(6))
def test_a_worker_stopped_at_any_call_changes_only_when_it_ends(house: House, stop: int, lost: bool) -> None:
    assert isinstance(house.run(stop, lost=lost), Done)
    assert as_it_was(house)
    # No call is made a second time, since each is looked for before.
    assert len(house.calls) == 6
    assert len(house.versions()) == 4
