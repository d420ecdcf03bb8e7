"""A page that operators read, in a private bucket of the standby region. It is a copy of what the table holds, so one
that could not be put is said in the log and holds up nothing.
"""

from __future__ import annotations

import logging
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger("responder")


class Page:
    """One object. `client` is a boto3 S3 client that tries once and has explicit timeouts."""

    def __init__(self, client: Any, *, bucket: str, key: str, content_type: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key, "ContentType": content_type, "CacheControl": "no-store"}

    def put(self, text: str) -> bool:
        """Puts it in the place of the one before; False when it was not taken."""
        try:
            self._client.put_object(**self._where, Body=text.encode())
        except (ClientError, BotoCoreError) as error:
            log.warning("page %s could not be put into %s: %s", self._where["Key"], self._where["Bucket"], error)
            return False
        return True
