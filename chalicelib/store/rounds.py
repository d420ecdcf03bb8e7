"""The newest round's whole report, in the desk's table as one item of its own; nothing the desk does waits for it."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import TypeAdapter, ValidationError

from chalicelib.core.judging import Report
from chalicelib.store.contract import StoreUnavailableError

FAMILY: Final = "readiness"
NEWEST: Final = "newest"
# An older round that was repeated, or was slow, does not take a newer one's place.
_NOT_NEWER: Final = "attribute_not_exists(pk) OR #at <= :at"


class Rounds:
    """The items of one platform. `client` is a boto3 DynamoDB client that tries once and has explicit timeouts."""

    def __init__(self, client: Any, *, table: str, platform: str) -> None:
        self._client = client
        self._table = table
        self._key = {"pk": {"S": f"{platform}#{FAMILY}"}, "sk": {"S": NEWEST}}

    def newest(self) -> Report | None:
        """The newest report, strongly consistent; None when there is none that this code reads.
        StoreUnavailableError when the table does not answer.
        """
        try:
            found = self._client.get_item(TableName=self._table, Key=self._key, ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailableError(f"the newest round of readiness could not be read: {error}") from error
        return read(found["Item"]["body"]["S"]) if "Item" in found else None

    def put(self, report: Report) -> bool:
        """Keeps it; False when a newer one is there. StoreUnavailableError when the table does not answer."""
        at = {"N": str(int(report.at.timestamp() * 1000))}
        try:
            self._client.put_item(
                TableName=self._table,
                Item={**self._key, "at": at, "body": {"S": dump(report)}},
                ConditionExpression=_NOT_NEWER,
                ExpressionAttributeNames={"#at": "at"},
                ExpressionAttributeValues={":at": at},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise StoreUnavailableError(f"the round of readiness could not be kept: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(f"the round of readiness could not be kept: {error}") from error
        return True


def dump(report: Report) -> str:
    """The report as JSON text."""
    return TypeAdapter(Report).dump_json(report).decode()


def read(body: str) -> Report | None:
    """A report from its JSON text; None when it is of another form: the next round writes a new one."""
    try:
        report: Report = TypeAdapter(Report).validate_json(body)
    except ValidationError:
        return None
    return report
