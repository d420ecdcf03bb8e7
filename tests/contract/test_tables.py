"""What heartbeats and Terraform's locks lean on in DynamoDB, as its API reference says it, tried on its stand-ins.

Sources, in https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/: *get* API_GetItem.html, *put*
API_PutItem.html, *delete* API_DeleteItem.html, *update* API_UpdateItem.html.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, Literal

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from drctl.neighbours.aws import Aws
from drctl.neighbours.aws_clients import make_client
from tests.contract import stands
from tests.crash.tables import Tables

Kind = Literal["moto", "ministack", "ours"]
REGION: Final = "us-east-1"
MINE: Final = {"LockID": {"S": "state"}, "Info": {"S": "mine"}}
KEY: Final = {"LockID": {"S": "state"}}
FREE: Final = {"ConditionExpression": "attribute_not_exists(LockID)"}
_numbers = itertools.count()


class Locks:
    """A table of its own, with one string for a key."""

    def __init__(self, client: Any) -> None:
        self.client, self.named = client, {"TableName": f"locks-{next(_numbers)}"}
        client.create_table(
            **self.named,
            KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def item(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.client.get_item(**self.named, Key=KEY, ConsistentRead=True).get("Item")
        return found

    def put(self, **more: Any) -> Any:
        return self.client.put_item(**self.named, Item=MINE, **more)

    def delete(self, whose: str) -> Any:
        held = {":mine": {"S": whose}}
        condition: dict[str, Any] = {"ConditionExpression": "Info = :mine", "ExpressionAttributeValues": held}
        return self.client.delete_item(**self.named, Key=KEY, **condition)

    def update(self, expression: str, **more: Any) -> Any:
        return self.client.update_item(**self.named, Key=KEY, UpdateExpression=expression, **more)


@pytest.fixture(params=["moto", "ministack", "ours"])
def locks(request: pytest.FixtureRequest) -> Iterator[Locks]:
    kind: Kind = request.param
    if kind == "ours":
        yield Locks(make_client(Aws({"dynamodb": Tables("desk")}, clock=lambda: datetime.now(UTC)), "dynamodb", REGION))
        return
    if kind == "moto":
        with mock_aws():
            yield Locks(boto3.client("dynamodb", region_name=REGION))
        return
    once = Config(retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": stands.ACCOUNT, "aws_secret_access_key": "local"}
    url = request.getfixturevalue("ministack")
    yield Locks(boto3.client("dynamodb", region_name=REGION, endpoint_url=url, config=once, **keys))


def code(call: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(ClientError) as refusal:
        call(*given, **named)
    return str(refusal.value.response["Error"]["Code"])


# Refusals.


def test_a_second_item_is_refused_where_none_may_be(locks: Locks) -> None:
    """*put*: ConditionalCheckFailedException, and the first stays."""
    locks.put(**FREE)
    assert code(locks.client.put_item, **locks.named, Item={**MINE, "Info": {"S": "theirs"}}, **FREE) == (
        "ConditionalCheckFailedException"
    )
    assert locks.item() == MINE


def test_an_item_that_is_another_s_is_not_deleted(locks: Locks) -> None:
    """*delete*: nor one that is not there, where a condition asks for a value."""
    locks.put()
    assert code(locks.delete, "theirs") == "ConditionalCheckFailedException"
    assert locks.item() == MINE
    locks.delete("mine")
    assert code(locks.delete, "mine") == "ConditionalCheckFailedException"


def test_a_table_that_is_not_there_is_named_so(locks: Locks) -> None:
    """*get*."""
    assert code(locks.client.get_item, TableName="none", Key=KEY) == "ResourceNotFoundException"


def test_a_key_of_another_schema_is_refused(locks: Locks) -> None:
    """*get*: ValidationException."""
    assert code(locks.client.get_item, **locks.named, Key={"pk": {"S": "state"}}) == "ValidationException"
    more = {**KEY, "sk": {"S": "of a sort key that the table has not"}}
    assert code(locks.client.get_item, **locks.named, Key=more) == "ValidationException"


def test_an_update_under_a_condition_that_does_not_hold_changes_nothing(locks: Locks) -> None:
    """*update*."""
    locks.put()
    names, values = {"#a": "Info"}, {":v": {"S": "theirs"}}
    more = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    refused = code(locks.update, "SET #a = :v", ConditionExpression="attribute_not_exists(Info)", **more)
    assert refused == "ConditionalCheckFailedException"
    assert locks.item() == MINE


# And what is done.


def test_nothing_is_found_where_nothing_is(locks: Locks) -> None:
    assert locks.item() is None


def test_an_item_put_without_a_condition_takes_the_other_s_place_whole(locks: Locks) -> None:
    """*put*: no attribute of the old one stays."""
    locks.put()
    locks.client.put_item(**locks.named, Item={**KEY, "Digest": {"S": "d"}})
    assert locks.item() == {**KEY, "Digest": {"S": "d"}}


def test_an_update_makes_the_item_and_sets_and_removes_attributes_alone(locks: Locks) -> None:
    """*update*."""
    names = {"#a": "one", "#b": "two"}
    values = {":v": {"S": "1"}, ":w": {"S": "2"}}
    locks.update("SET #a = :v, #b = :w", ExpressionAttributeNames=names, ExpressionAttributeValues=values)
    assert locks.item() == {**KEY, "one": {"S": "1"}, "two": {"S": "2"}}
    locks.update("REMOVE #a", ExpressionAttributeNames={"#a": "one"})
    assert locks.item() == {**KEY, "two": {"S": "2"}}
