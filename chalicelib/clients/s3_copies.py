"""Copies one version of an object over its own key: in one request, or in parts side by side where it is large.

The metadata says what it is a copy of wherever the ETag cannot: an ETag is a digest of the bytes, and so the same for a
copy, only for what was put as a whole and is not encrypted with KMS
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html, ETag).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any, Final
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.core.versions import MARK, Entry, Verdict

MIB: Final = 1024**2
DESCRIBED: Final = (
    *("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires"),
    "WebsiteRedirectLocation",
)
"""What describes an object beside its own metadata; HeadObject's fields and CopyObject's have the same names."""
KMS: Final = frozenset({"aws:kms", "aws:kms:dsse"})


class NotCopiedError(Exception):
    """A version that was not copied: a code, and why."""

    def __init__(self, code: str, because: str) -> None:
        super().__init__(f"{code}: {because}")
        self.code = code
        self.because = because


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """From which size an object is copied in parts, and how large they are, in bytes. S3 copies at most 5 GB in one
    request, and takes parts from 5 MB on and 10,000 of them; an object is cut earlier, so that its copying ends in time
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
    """

    above: int = 512 * MIB
    part: int = 128 * MIB
    side_by_side: int = 16


CUT: Final = Cut()


def copy(client: Any, bucket: str, verdict: Verdict, *, digests: bool, stop: Event, cut: Cut = CUT) -> None:
    """Makes the wanted version current by a copy of it, unless the key was written since it was listed. Once `stop` is
    set, no further request is made.

    Raises ClientError and BotoCoreError, and NotCopiedError when the version was not copied.
    """
    wanted, current = verdict.wanted, verdict.current
    if wanted is None or current is None:
        raise ValueError(f"{verdict.kind!r} of {verdict.key!r} names no version")
    source = {"Bucket": bucket, "Key": verdict.key, "VersionId": wanted.version}
    head = client.head_object(**source)
    kms = head.get("ServerSideEncryption") in KMS
    if kms and digests:
        because = "policy says SSE-S3, this version is encrypted with KMS, and its copy could not be told from another"
        raise NotCopiedError("EncryptedOtherwise", because)
    if stop.is_set():
        raise NotCopiedError("Stopped", "the call's time ended before it was copied")
    where = {"Bucket": bucket, "Key": verdict.key}
    kept = _kept(head, wanted.storage)
    unchanged = _unless_written(client, current)
    if wanted.size > cut.above:
        _in_parts(client, where, source, wanted.size, _described(head, wanted.version) | kept, unchanged, cut, stop)
        return
    if kms or "-" in wanted.etag or not digests:
        told = _described(head, wanted.version) | {"MetadataDirective": "REPLACE"}
    else:
        redirect = head.get("WebsiteRedirectLocation")
        told = {"WebsiteRedirectLocation": redirect} if redirect else {}
    client.copy_object(**where, CopySource=source, **told, **kept, **unchanged)


def _unless_written(client: Any, current: Entry) -> dict[str, str]:
    """The condition that the key is as it was listed; a current delete marker is no object. The runtime's boto3 is not
    ours to pin: one that does not know the condition of a copy yet must not make every copy fail.
    """
    condition = {"IfNoneMatch": "*"} if current.marker else {"IfMatch": current.etag}
    known = client.meta.service_model.operation_model("CopyObject").input_shape.members
    return {name: value for name, value in condition.items() if name in known}


def _described(head: Mapping[str, Any], version: str) -> dict[str, Any]:
    metadata = {**head.get("Metadata", {}), MARK: version}
    return {name: head[name] for name in DESCRIBED if head.get(name)} | {"Metadata": metadata}


def _kept(head: Mapping[str, Any], storage: str) -> dict[str, Any]:
    """How the version is stored and encrypted: a copy that says nothing becomes STANDARD, and the bucket's default."""
    kept: dict[str, Any] = {"StorageClass": storage}
    if algorithm := head.get("ServerSideEncryption"):
        kept["ServerSideEncryption"] = algorithm
        if algorithm in KMS and (key := head.get("SSEKMSKeyId")):
            kept["SSEKMSKeyId"] = key
        if head.get("BucketKeyEnabled") is not None:
            kept["BucketKeyEnabled"] = head["BucketKeyEnabled"]
    return kept


def _in_parts(
    client: Any,
    where: Mapping[str, str],
    source: Mapping[str, str],
    size: int,
    told: Mapping[str, Any],
    unchanged: Mapping[str, str],
    cut: Cut,
    stop: Event,
) -> None:
    """Until the last request there is no version: an upload that is left behind costs its storage, until the bucket's
    lifecycle aborts it, and nothing else.
    """
    tags = client.get_object_tagging(**source).get("TagSet", [])
    tagging = {"Tagging": urlencode([(t["Key"], t["Value"]) for t in tags])} if tags else {}
    upload = client.create_multipart_upload(**where, **told, **tagging)["UploadId"]

    def part(number: int, first: int) -> dict[str, Any]:
        if stop.is_set():
            raise NotCopiedError("Stopped", f"the call's time ended before part {number} was copied")
        last = min(first + cut.part, size) - 1
        copied = client.upload_part_copy(
            **where,
            CopySource=source,
            CopySourceRange=f"bytes={first}-{last}",
            PartNumber=number,
            UploadId=upload,
        )
        return {"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(cut.side_by_side, thread_name_prefix="s3-parts") as pool:
            starts = range(0, size, cut.part)
            parts = list(pool.map(part, range(1, len(starts) + 1), starts))
        client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts}, **unchanged)
    except (ClientError, BotoCoreError):
        # What it failed with is what is told; what is not aborted here, the bucket's lifecycle aborts.
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(**where, UploadId=upload)
        raise
