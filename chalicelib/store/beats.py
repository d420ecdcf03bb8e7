"""Where heartbeats and the lease are kept: in the desk's table, each as one item (beat.py)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.store.beat import Beat, Value, Who, key, millis, parse, update
from chalicelib.store.contract import StoreUnavailableError

# The lease is renewed as long as nobody took it back.
_NOT_REVOKED: Final = "attribute_not_exists(revoked_at)"


class Beats:
    """The items of one platform. `client` is a boto3 DynamoDB client that tries once and has explicit timeouts."""

    def __init__(self, client: Any, *, table: str, platform: str) -> None:
        self._client = client
        self._table = table
        self._platform = platform

    def read(self, who: Who) -> Beat:
        """Strongly consistent; StoreUnavailableError when the table does not answer."""
        return parse(self._call("get_item", Key=key(self._platform, who), ConsistentRead=True))

    def write(self, who: Who, values: Mapping[str, Value]) -> None:
        """Sets these attributes; StoreUnavailableError when the table does not answer."""
        self._call("update_item", Key=key(self._platform, who), **update(values))

    def renew(self, until: datetime, now: datetime) -> bool:
        """Prolongs the lease; False when it was revoked. StoreUnavailableError when the table does not answer."""
        values = {"until": millis(until), "renewed_at": millis(now)}
        try:
            self._call(
                "update_item", Key=key(self._platform, "lease"), ConditionExpression=_NOT_REVOKED, **update(values)
            )
        except _RevokedError:
            return False
        return True

    def _call(self, operation: str, **params: Any) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = getattr(self._client, operation)(TableName=self._table, **params)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                raise _RevokedError from error
            raise StoreUnavailableError(f"DynamoDB refused {operation} on {self._table!r}: {code}") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(f"DynamoDB did not answer {operation} on {self._table!r}: {error}") from error
        return answer


class _RevokedError(Exception):
    pass
