"""How far the keeper's work has come: one small item a vault in the desk's table, overwritten by whoever goes on.

`pk` is `<platform>#airgap`, `sk` the vault's name. It may be lost, or an older one may be written over a newer one by a
worker that was slow: what stands in the vault decides, so that costs looks and never an end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.store.contract import StoreUnavailableError

Facts = Mapping[str, str | float]


class Progresses:
    """The items of one platform. `client` is a boto3 DynamoDB client that tries once and has explicit timeouts."""

    def __init__(self, client: Any, *, table: str, platform: str) -> None:
        self._client = client
        self._table = table
        self._platform = platform

    def read(self, vault: str) -> Facts:
        """Strongly consistent, empty when there is none; StoreUnavailableError when the table does not answer."""
        item = self._call("get_item", Key=self._key(vault), ConsistentRead=True).get("Item", {})
        found: Facts = json.loads(item["body"]["S"]) if "body" in item else {}
        return found

    def write(self, vault: str, facts: Facts) -> None:
        """In the place of what was there; StoreUnavailableError when the table does not answer."""
        self._call("put_item", Item={**self._key(vault), "body": {"S": json.dumps(dict(facts), sort_keys=True)}})

    def _key(self, vault: str) -> dict[str, Any]:
        return {"pk": {"S": f"{self._platform}#airgap"}, "sk": {"S": vault}}

    def _call(self, operation: str, **params: Any) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = getattr(self._client, operation)(TableName=self._table, **params)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise StoreUnavailableError(f"DynamoDB refused {operation} on {self._table!r}: {code}") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(f"DynamoDB did not answer {operation} on {self._table!r}: {error}") from error
        return answer
