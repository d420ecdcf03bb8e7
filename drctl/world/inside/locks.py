"""Object Lock where MiniStack forgets it: on what is uploaded in parts, and on what is copied."""

# ruff: noqa: SLF001  # MiniStack has no public interface to mend it by; its version is pinned

from __future__ import annotations

import re
from typing import Any, Final

from drctl.world.inside.service import Service

UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]*)</UploadId>")
LOCK: Final = "x-amz-object-lock"


def uploads_keep_their_lock() -> None:
    """docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html: the lock is said when it begins."""
    s3, asked = Service("services.s3"), dict[str, dict[str, str]]()

    def created(bucket: str, key: str, headers: dict[str, str]) -> Any:
        answer = create(bucket, key, headers)
        if found := UPLOAD_ID.search(answer[2]):
            asked[found[1].decode()] = {k: v for k, v in headers.items() if k.startswith(LOCK)}
        return answer

    def completed(bucket: str, key: str, body: bytes, query: dict[str, Any], headers: Any = None) -> Any:
        upload = s3.module._qp(query, "uploadId")
        answer = complete(bucket, key, body, query, headers)
        if answer[0] == 200 and upload in asked:
            version = answer[1].get("x-amz-version-id")
            s3.module._apply_object_lock_from_headers(bucket, key, asked.pop(upload), version)
        return answer

    create = s3.replace("_create_multipart_upload", created)
    complete = s3.replace("_complete_multipart_upload", completed)


def copies_keep_their_lock() -> None:
    """docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: the lock is of the copy, and never its source's; a
    bucket's default holds for a copy as for a put
    (docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html#object-lock-bucket-config).
    """
    s3 = Service("services.s3")

    def copied(bucket: str, key: str, headers: dict[str, str]) -> Any:
        answer = copy(bucket, key, headers)
        if answer[0] == 200:
            s3.module._apply_object_lock_from_headers(bucket, key, headers, answer[1].get("x-amz-version-id"))
        return answer

    copy = s3.replace("_copy_object", copied)
