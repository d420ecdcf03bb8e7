"""The status page: static files in the standby region's bucket.

The whole page is put each time, from the book as it is now, so a repeat is harmless and a late one is never stale. The
feed and the JSON go first and index.html last: who reads the page finds behind its links what the page says.
Source: docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.channels.aws import judged
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Made, Outcome, Refused

CACHE_CONTROL: Final = "public, max-age=10, must-revalidate"
"""Ten seconds keep a crowd of readers off the bucket, and nobody's page is older than that."""
INDEX: Final = "index.html"


class StatusPageChannel:
    """Puts what `render` makes of the page into `bucket`. `s3` is a boto3 client with timeouts and without retries.

    `render` gives (key, content type, body) for each file.
    """

    def __init__(
        self, name: str, *, s3: Any, bucket: str, render: Callable[[StatusPage], Iterable[tuple[str, str, bytes]]]
    ) -> None:
        self.name = name
        self._s3 = s3
        self._bucket = bucket
        self._render = render

    def send(self, message: Message, page: StatusPage) -> Outcome:
        """Put every file; the first that is not taken ends it, and its outcome is the message's."""
        put: list[str] = []
        for key, content_type, body in sorted(self._render(page), key=lambda file: file[0] == INDEX):
            try:
                self._s3.put_object(
                    Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, CacheControl=CACHE_CONTROL
                )
            except (ClientError, BotoCoreError) as error:
                outcome = judged(error, f"S3, {key} of the status page in {self._bucket!r}")
                before = f" ({', '.join(put)} went before)" if put else ""
                if isinstance(outcome, Refused):
                    return Refused(code=outcome.code, because=outcome.because + before)
                return type(outcome)(because=outcome.because + before)
            put.append(key)
        return Made(because=f"the status page shows {message.id!r}: {', '.join(put)} are in {self._bucket!r}")
