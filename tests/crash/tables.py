"""Tables of DynamoDB in one process, as far as heartbeats and Terraform's locks need them: one item at a time, by its
whole key, and the conditions and updates that those two write. Any other expression is refused.

tests/contract/test_tables.py holds this against moto and MiniStack. Sources, in
docs.aws.amazon.com/amazondynamodb/latest/APIReference: API_GetItem, API_PutItem, API_UpdateItem, API_DeleteItem (no
answer for an item that is not there, and a deletion of none is no error unless a condition says so; a key that is not
the table's schema is a ValidationException).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from drctl.neighbours.aws import AwsError

Params = Mapping[str, Any]
Item = dict[str, Any]
DESK: Final = ("pk", "sk")
FAILED: Final = "The conditional request failed"


@dataclass(slots=True)
class Table:
    """What a table holds, by the values of its key."""

    key: tuple[str, ...]
    items: dict[tuple[str, ...], Item] = field(default_factory=dict)

    def at(self, given: Item, *, whole: bool) -> tuple[str, ...]:
        """Where an item lies; `whole` when the item is given, and not its key alone. All keys are strings."""
        if any(name not in given for name in self.key) or (not whole and len(given) > len(self.key)):
            raise AwsError("ValidationException", "The provided key element does not match the schema")
        return tuple(given[name]["S"] for name in self.key)


class Tables:
    """Tables by name; the first has the desk's key."""

    def __init__(self, desk: str) -> None:
        self.tables: dict[str, Table] = {desk: Table(DESK)}

    def create_table(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        name = params["TableName"]
        if name in self.tables:
            raise AwsError("ResourceInUseException", f"Table already exists: {name}")
        self.tables[name] = Table(tuple(row["AttributeName"] for row in params["KeySchema"]))
        return {"TableDescription": {"TableName": name, "TableStatus": "ACTIVE"}}

    def get_item(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        table = self._table(params)
        item = table.items.get(table.at(params["Key"], whole=False))
        return {"Item": item} if item else {}

    def put_item(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        table = self._table(params)
        at = table.at(params["Item"], whole=True)
        _judge(params, table.items.get(at, {}))
        table.items[at] = dict(params["Item"])
        return {}

    def delete_item(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        table = self._table(params)
        at = table.at(params["Key"], whole=False)
        _judge(params, table.items.get(at, {}))
        table.items.pop(at, None)
        return {}

    def update_item(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        table = self._table(params)
        at = table.at(params["Key"], whole=False)
        item = table.items.get(at, {})
        _judge(params, item)
        names = params["ExpressionAttributeNames"]
        if gone := re.fullmatch(r"REMOVE (#\w+(, #\w+)*)", params["UpdateExpression"]):
            taken = {names[n] for n in gone[1].split(", ")}
            table.items[at] = {k: v for k, v in {**item, **params["Key"]}.items() if k not in taken}
            return {}
        told = re.fullmatch(r"SET (#\w+ = :\w+(, #\w+ = :\w+)*)", params["UpdateExpression"])
        if told is None:
            raise AwsError("ValidationException", f"Invalid UpdateExpression: {params['UpdateExpression']}")
        values = params["ExpressionAttributeValues"]
        changes = {names[n]: values[v] for n, v in re.findall(r"(#\w+) = (:\w+)", told[1])}
        table.items[at] = {**item, **params["Key"], **changes}
        return {}

    def _table(self, params: Params) -> Table:
        table = self.tables.get(params["TableName"])
        if table is None:
            raise AwsError("ResourceNotFoundException", "Requested resource not found")
        return table


def _judge(params: Params, item: Item) -> None:
    """The two conditions that are asked: an attribute is not there, or has a value."""
    condition = params.get("ConditionExpression")
    if condition is None:
        return
    absent = re.fullmatch(r"attribute_not_exists\((\w+)\)", condition)
    same = re.fullmatch(r"(\w+) = (:\w+)", condition)
    if absent:
        holds = absent[1] not in item
    elif same:
        holds = item.get(same[1]) == params["ExpressionAttributeValues"][same[2]]
    else:
        raise AwsError("ValidationException", f"Invalid ConditionExpression: {condition}")
    if not holds:
        raise AwsError("ConditionalCheckFailedException", FAILED)
