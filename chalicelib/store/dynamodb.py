"""The store in one DynamoDB table: string keys `pk` and `sk`, nothing else declared.

`pk` is `<platform>#desk` (items `lock` and `book`), `<platform>#inbox`, `<platform>#timeline#<incident>`,
`<platform>#doc#<kind>`, `<platform>#measured`; so one table serves many platforms, each with a desk of its own. Source
of the conditions' semantics: the DynamoDB developer guide, "Condition expressions" and "Optimistic locking".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.store.contract import Busy, Claimed, Saved, StoredBook, StoreUnavailableError, Superseded

# The lock is free when nobody ever held it, when the holder's time is over, or when I am the holder.
_NEVER_HELD: Final = "attribute_not_exists(epoch)"
_EXPIRED: Final = "#until < :now"
_MINE: Final = "holder = :me"
_FREE: Final = f"{_NEVER_HELD} OR {_EXPIRED} OR {_MINE}"
# A stamp shuts out every predecessor: after it, only a save with this epoch or a newer one succeeds.
_NOT_NEWER: Final = "attribute_not_exists(epoch) OR epoch <= :epoch"
# A save goes through only on the very book that was read under this epoch.
_UNCHANGED: Final = "epoch = :epoch AND rev = :rev"
_UNCHANGED_FIRST: Final = "epoch = :epoch AND attribute_not_exists(rev)"
_ABSENT: Final = "attribute_not_exists(pk)"


class DynamoStore:
    """A `Store`. `client` is a boto3 DynamoDB client that tries once and has explicit timeouts."""

    def __init__(self, client: Any, *, table: str, platform: str) -> None:
        self._client = client
        self._table = table
        self._platform = platform

    def put_inbox(self, key: str, item: Mapping[str, Any]) -> bool:
        return self._put_if_absent(self._pk("inbox"), key, {"body": {"S": json.dumps(item)}})

    def inbox(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return [(i["sk"]["S"], json.loads(i["body"]["S"])) for i in self._query(self._pk("inbox"))]

    def inbox_empty(self) -> bool:
        answer = self._call(
            self._client.query,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": self._pk("inbox")}},
            Limit=1,
            Select="COUNT",
        )
        return int(answer["Count"]) == 0

    def delete_inbox(self, key: str) -> None:
        self._call(self._client.delete_item, Key=self._key(self._pk("inbox"), key))

    def claim(self, me: str, *, now: datetime, until: datetime) -> Claimed | Busy:
        answer = self._update(
            self._pk("desk"),
            "lock",
            update="SET epoch = if_not_exists(epoch, :zero) + :one, holder = :me, #until = :until",
            condition=_FREE,
            names={"#until": "until"},
            values={":zero": _n(0), ":one": _n(1), ":me": {"S": me}, ":until": _time(until), ":now": _time(now)},
        )
        if isinstance(answer, _Refused):
            return Busy(holder=answer.item["holder"]["S"], until=_read_time(answer.item["until"]))
        return Claimed(int(answer["epoch"]["N"]))

    def release(self, me: str, epoch: int) -> None:
        self._update(
            self._pk("desk"),
            "lock",
            update="SET #until = :zero",
            condition="holder = :me AND epoch = :epoch",
            names={"#until": "until"},
            values={":me": {"S": me}, ":epoch": _n(epoch), ":zero": _n(0)},
        )

    def stamp(self, epoch: int) -> StoredBook | Superseded:
        answer = self._update(
            self._pk("desk"),
            "book",
            update="SET epoch = :epoch",
            condition=_NOT_NEWER,
            values={":epoch": _n(epoch)},
        )
        if isinstance(answer, _Refused):
            return Superseded(f"the book has epoch {answer.item['epoch']['N']}, mine is {epoch}")
        return _stored(answer)

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        values = {":epoch": _n(epoch), ":next": _n(rev + 1), ":body": {"S": body}}
        answer = self._update(
            self._pk("desk"),
            "book",
            update="SET rev = :next, body = :body",
            condition=_UNCHANGED if rev else _UNCHANGED_FIRST,
            values=values | ({":rev": _n(rev)} if rev else {}),
        )
        if not isinstance(answer, _Refused):
            return Saved(rev + 1)
        found = _stored(answer.item)
        if found.epoch == epoch and found.rev == rev + 1:
            # Nobody else can save under my epoch: this is my own save, whose answer was lost.
            return Saved(found.rev)
        return Superseded(f"the book has epoch {found.epoch} rev {found.rev}, mine is {epoch} rev {rev}")

    def read_book(self) -> StoredBook:
        answer = self._call(self._client.get_item, Key=self._key(self._pk("desk"), "book"), ConsistentRead=True)
        return _stored(answer.get("Item", {}))

    def read_lock(self) -> Busy | None:
        item = self._call(self._client.get_item, Key=self._key(self._pk("desk"), "lock"), ConsistentRead=True).get(
            "Item"
        )
        if not item or item["until"]["N"] == "0":
            return None
        return Busy(holder=item["holder"]["S"], until=_read_time(item["until"]))

    def put_timeline(self, incident: str, n: int, item: Mapping[str, Any]) -> None:
        self._put_if_absent(self._pk(f"timeline#{incident}"), f"{n:08d}", {"body": {"S": json.dumps(item)}})

    def timeline(self, incident: str) -> Sequence[Mapping[str, Any]]:
        return [json.loads(i["body"]["S"]) for i in self._query(self._pk(f"timeline#{incident}"))]

    def put_document(self, kind: str, key: str, body: str) -> None:
        self._put_if_absent(self._pk(f"doc#{kind}"), key, {"body": {"S": body}})

    def document(self, kind: str, key: str) -> str | None:
        answer = self._call(self._client.get_item, Key=self._key(self._pk(f"doc#{kind}"), key), ConsistentRead=True)
        return str(answer["Item"]["body"]["S"]) if "Item" in answer else None

    def documents(self, kind: str) -> Sequence[tuple[str, str]]:
        return [(i["sk"]["S"], i["body"]["S"]) for i in self._query(self._pk(f"doc#{kind}"))]

    def measured(self, scenario: str) -> str | None:
        answer = self._call(self._client.get_item, Key=self._key(self._pk("measured"), scenario), ConsistentRead=True)
        return str(answer["Item"]["body"]["S"]) if "Item" in answer else None

    def put_measured(self, scenario: str, body: str, epoch: int) -> None:
        self._update(
            self._pk("measured"),
            scenario,
            update="SET epoch = :epoch, body = :body",
            condition=_NOT_NEWER,
            values={":epoch": _n(epoch), ":body": {"S": body}},
        )

    def delete_document(self, kind: str, key: str) -> None:
        self._call(self._client.delete_item, Key=self._key(self._pk(f"doc#{kind}"), key))

    def _pk(self, family: str) -> str:
        return f"{self._platform}#{family}"

    @staticmethod
    def _key(pk: str, sk: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": sk}}

    def _put_if_absent(self, pk: str, sk: str, attributes: Mapping[str, Any]) -> bool:
        try:
            self._call(self._client.put_item, Item={**self._key(pk, sk), **attributes}, ConditionExpression=_ABSENT)
        except _ConditionError:
            return False
        return True

    def _update(
        self,
        pk: str,
        sk: str,
        *,
        update: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any] | _Refused:
        try:
            answer = self._call(
                self._client.update_item,
                Key=self._key(pk, sk),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except _ConditionError as error:
            if error.item:
                return _Refused(error.item)
            # A stand-in that does not return the old item, or an item that is gone: look.
            found = self._call(self._client.get_item, Key=self._key(pk, sk), ConsistentRead=True)
            return _Refused(found.get("Item", {}))
        attributes: Mapping[str, Any] = answer["Attributes"]
        return attributes

    def _query(self, pk: str) -> Iterator[Mapping[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            answer = self._call(
                self._client.query,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": pk}},
                ConsistentRead=True,
                **start,
            )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _call(self, operation: Callable[..., Any], **params: Any) -> Any:
        if operation.__name__ == "query":
            params.setdefault("ConsistentRead", True)
        try:
            return operation(TableName=self._table, **params)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                raise _ConditionError(error.response.get("Item")) from error
            raise StoreUnavailableError(f"DynamoDB refused {operation.__name__} on {self._table!r}: {code}") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(
                f"DynamoDB did not answer {operation.__name__} on {self._table!r}: {error}"
            ) from error


class _ConditionError(Exception):
    def __init__(self, item: Mapping[str, Any] | None) -> None:
        super().__init__("a condition was not met")
        self.item = item


class _Refused:
    def __init__(self, item: Mapping[str, Any]) -> None:
        self.item = item


def _n(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _time(value: datetime) -> dict[str, str]:
    """Whole milliseconds since 1970, UTC."""
    return _n(int(value.timestamp() * 1000))


def _read_time(value: Mapping[str, str]) -> datetime:
    return datetime.fromtimestamp(int(value["N"]) / 1000, UTC)


def _stored(item: Mapping[str, Any]) -> StoredBook:
    return StoredBook(
        epoch=int(item.get("epoch", {"N": "0"})["N"]),
        rev=int(item.get("rev", {"N": "0"})["N"]),
        body=item["body"]["S"] if "body" in item else None,
    )
