"""A vault in S3: a bucket of another account with Object Lock, whose policy lets the platform create and look.

`If-None-Match: *` makes creating what it says: a second PutObject would be a new version that hides the first
(docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). A put into a locked bucket must carry a
checksum (…/userguide/object-lock-managing.html). The lock is asked for with each object, so that a bucket without a
default does not take copies that anybody could delete.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.clients.vaults import PART, SHA256, Content, Kept, VaultError
from chalicelib.policy.airgap import S3Vault

LATER: Final = frozenset({"SlowDown", "Throttling", "RequestTimeout", "InternalError", "ServiceUnavailable"})
TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


class VaultInS3:
    """`looking` and `creating` are boto3 clients of the vault's region, the second of which tries once."""

    def __init__(self, row: S3Vault, looking: Any, creating: Callable[[], Any], now: Callable[[], datetime]) -> None:
        self._row = row
        self._looking = looking
        self._creating = creating
        self._now = now
        self._where = {"Bucket": row.bucket, "ExpectedBucketOwner": row.account}

    def names(self, prefix: str, *, after: str = "", through: str = "") -> Iterator[Kept]:
        """See Vault."""
        asked: dict[str, Any] = {**self._where, "Prefix": prefix}
        asked |= {"StartAfter": after} if after else {}
        while True:
            with self._said("list_objects_v2"):
                page = self._looking.list_objects_v2(**asked)
            for row in page.get("Contents", ()):
                if through and row["Key"] > through:
                    return
                if row["Key"] > after:
                    yield Kept(name=row["Key"], size=int(row["Size"]), at=row["LastModified"])
            if not page.get("IsTruncated"):
                return
            asked = {**self._where, "Prefix": prefix, "ContinuationToken": page["NextContinuationToken"]}

    def top(self, prefix: str) -> tuple[str, ...]:
        """See Vault."""
        found: list[str] = []
        asked: dict[str, Any] = {**self._where, "Prefix": prefix, "Delimiter": "/"}
        while True:
            with self._said("list_objects_v2"):
                page = self._looking.list_objects_v2(**asked)
            found += [row["Key"] for row in page.get("Contents", ())]
            found += [row["Prefix"] for row in page.get("CommonPrefixes", ())]
            if not page.get("IsTruncated"):
                return tuple(found)
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def document(self, name: str) -> str | None:
        """See Vault."""
        try:
            with self._said("get_object"):
                return str(self._looking.get_object(**self._where, Key=name)["Body"].read().decode())
        except VaultError as error:
            if error.code == "NoSuchKey":
                return None
            raise

    def stands(self, name: str) -> Kept | None:
        """See Vault. HeadObject names the lock to whoever has s3:GetObjectRetention."""
        try:
            with self._said("head_object"):
                head = self._looking.head_object(**self._where, Key=name)
        except VaultError as error:
            if error.code in ("404", "NoSuchKey", "NotFound"):
                return None
            raise
        return Kept(
            name=name,
            size=int(head["ContentLength"]),
            at=head["LastModified"],
            sha256=head.get("Metadata", {}).get(SHA256, ""),
            lock=head.get("ObjectLockMode", ""),
            locked_until=head.get("ObjectLockRetainUntilDate"),
        )

    def create(self, name: str, content: Content) -> bool:
        """See Vault. A large one goes up in parts, and is not there before the last request."""
        lock = {
            "ObjectLockMode": self._row.lock.mode,
            "ObjectLockRetainUntilDate": self._now() + timedelta(days=self._row.lock.days),
        }
        told = {**self._where, "Key": name}
        described = {"Metadata": {SHA256: content.sha256.hex()}, **lock}
        try:
            if content.size <= PART:
                with self._said("put_object"):
                    self._creating().put_object(
                        **told,
                        **described,
                        Body=b"".join(content.pieces()),
                        ContentMD5=base64.b64encode(content.md5).decode(),
                        IfNoneMatch="*",
                    )
            else:
                self._in_parts(told, described, content)
        except VaultError as error:
            if error.code in TAKEN:
                return False
            raise
        return True

    def _in_parts(self, told: dict[str, Any], described: dict[str, Any], content: Content) -> None:
        """What is left of an upload that was stopped is for the bucket's lifecycle: to abort it is a right to delete
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpu-abort-incomplete-mpu-lifecycle-config.html).
        """
        client = self._creating()
        with self._said("create_multipart_upload"):
            upload = client.create_multipart_upload(**told, **described)["UploadId"]
        parts = []
        for number, piece in enumerate(content.pieces(), 1):
            digest = base64.b64encode(Content.of(piece).md5).decode()
            with self._said("upload_part"):
                answer = client.upload_part(**told, UploadId=upload, PartNumber=number, Body=piece, ContentMD5=digest)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        with self._said("complete_multipart_upload"):
            client.complete_multipart_upload(**told, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")

    @contextmanager
    def _said(self, operation: str) -> Iterator[None]:
        where = f"s3 {operation} in vault {self._row.name!r}"
        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {})
            code = str(said.get("Code", "Unknown"))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            silent = code in LATER or status >= 500
            raise VaultError(code, f"{where}: {said.get('Message', 'no message')}", silent=silent) from error
        except BotoCoreError as error:
            because = f"{where} was not answered: {type(error).__name__}: {str(error)[:200]}"
            raise VaultError("Silent", because, silent=True) from error
