"""Versioned buckets of S3 in one process, as far as a restore as of a time asks for them.

Sources, named below by their short names; tests/contract/test_versions_of_s3.py holds this against them, beside moto
and MiniStack:
- *list*: docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html (by key, within a key the newest first)
- *head*: …/API/API_HeadObject.html (405 for a marker that is named)
- *get*: …/API/API_GetObject.html (405 MethodNotAllowed for a marker that is named)
- *delete*: …/API/API_DeleteObject.html (a marker, or with a version id that version for good; If-Match)
- *copy*: …/API/API_CopyObject.html (a version of the source; If-Match and If-None-Match of the destination; no marker,
  nothing archived)
- *suspended*: …/userguide/AddingObjectstoVersionSuspendedBuckets.html (the null version is overwritten)
- *conditions*: …/userguide/conditional-writes.html (412; a current delete marker is no object)
- *etag*: …/API/API_Object.html (a digest of the bytes only where nothing is encrypted with KMS)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from drctl.neighbours.aws import AwsError
from tests.crash.cloud import S3, Bucket, body_of

Params = Mapping[str, Any]
NULL: Final = "null"
ARCHIVED: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key, or a delete marker."""

    key: str
    identifier: str
    at: datetime
    body: bytes = b""
    marker: bool = False
    storage: str = "STANDARD"
    kms: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """*etag*, of what was put as a whole."""
        of = self.body + (self.identifier.encode() if self.kms else b"")
        return f'"{hashlib.md5(of, usedforsecurity=False).hexdigest()}"'


class VersionedS3(S3):
    """Buckets by name; those whose versioning was ever enabled keep versions, oldest first."""

    def __init__(self, *buckets: str, clock: Callable[[], datetime]) -> None:
        super().__init__(*buckets)
        self._clock = clock
        self.versions: dict[str, list[Version]] = {}
        self.kms: dict[str, str] = {}
        self._made = 0

    def versioned(self, bucket: str, kms: str = "") -> None:
        """A bucket that is there from the start, empty and versioned; `kms` is the key that it encrypts with."""
        self.add(bucket)
        self.versions[bucket], self.kms[bucket] = [], kms

    def create_bucket(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        self.buckets[params["Bucket"]] = Bucket(versioning=None)
        return {"Location": f"/{params['Bucket']}"}

    def put_bucket_versioning(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        self._bucket(params).versioning = params["VersioningConfiguration"]["Status"]
        self.versions.setdefault(params["Bucket"], [])
        return {}

    def list_object_versions(self, _region: str, _account: str, params: Params) -> dict[str, Any]:
        """*list*: a key marker alone starts after that key."""
        self._bucket(params)
        prefix, most = params.get("Prefix", ""), int(params.get("MaxKeys", MOST))
        kept = [v for v in reversed(self.versions.get(params["Bucket"], [])) if v.key.startswith(prefix)]
        kept.sort(key=lambda v: v.key.encode())
        newest = {v.key: v.identifier for v in reversed(kept)}
        left = kept[_start(kept, params.get("KeyMarker"), params.get("VersionIdMarker")) :]
        page, rest = left[:most], left[most:]
        told = {"Versions": [_listed(v, newest) for v in page if not v.marker]}
        told |= {"DeleteMarkers": [_listed(v, newest) for v in page if v.marker]}
        after = {"NextKeyMarker": page[-1].key, "NextVersionIdMarker": page[-1].identifier} if rest else {}
        return {"Name": params["Bucket"], "IsTruncated": bool(rest), **{k: v for k, v in told.items() if v}, **after}

    def put_object(self, region: str, account: str, params: Params) -> dict[str, Any]:
        bucket = self._bucket(params)
        if params["Bucket"] not in self.versions:
            return super().put_object(region, account, params)
        self._judge(params)
        storage, metadata = params.get("StorageClass", "STANDARD"), params.get("Metadata", {})
        made = self._keep(params, body=body_of(params), storage=storage, metadata=metadata)
        bucket.puts += 1
        return {"ETag": made.etag, "VersionId": made.identifier}

    def delete_object(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """*delete*."""
        self._bucket(params)
        name, key = params["Bucket"], params["Key"]
        if name not in self.versions:
            return super().delete_object(region, account, params)
        self._judge(params)
        if wanted := params.get("VersionId"):
            gone = [v for v in self.versions[name] if (v.key, v.identifier) == (key, wanted)]
            self.versions[name] = [v for v in self.versions[name] if v not in gone]
            self._settle(name, key)
            return {"VersionId": wanted, **({"DeleteMarker": True} if gone and gone[0].marker else {})}
        made = self._keep(params, marker=True)
        return {"DeleteMarker": True, "VersionId": made.identifier}

    def copy_object(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """*copy*, of a version."""
        path, _, query = params["CopySource"].partition("?")
        source, _, key = unquote(path).partition("/")
        if source not in self.versions or params["Bucket"] not in self.versions:
            return super().copy_object(region, account, params)
        self._judge(params)
        held = self._version(source, key, query.removeprefix("versionId="))
        if held.marker:
            raise AwsError(
                "InvalidRequest", "The source of a copy request may not specifically refer to a delete marker", 400
            )
        if held.storage in ARCHIVED:
            raise AwsError(
                "ObjectNotInActiveTierError", "The source object of the COPY action is not in the active tier", 403
            )
        replaced = params.get("MetadataDirective") == "REPLACE"
        metadata = params.get("Metadata", {}) if replaced else held.metadata
        made = self._keep(params, body=held.body, storage=params.get("StorageClass", "STANDARD"), metadata=metadata)
        self._bucket(params).puts += 1
        told = {"ETag": made.etag, "LastModified": made.at}
        return {"CopyObjectResult": told, "VersionId": made.identifier, "CopySourceVersionId": held.identifier}

    def head_object(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """*head*."""
        if params["Bucket"] not in self.versions:
            return super().head_object(region, account, params)
        held = self._version(params["Bucket"], params["Key"], params.get("VersionId", ""), bare=True)
        if held.marker:
            raise AwsError("405", "Method Not Allowed", 405)
        storage = {} if held.storage == "STANDARD" else {"StorageClass": held.storage}
        told = {"ContentLength": len(held.body), "ETag": held.etag, "LastModified": held.at, **storage}
        sealed = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": held.kms}
            if held.kms
            else {"ServerSideEncryption": "AES256"}
        )
        return {**told, **sealed, "VersionId": held.identifier, "Metadata": dict(held.metadata)}

    def get_object(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """*get*, of a version; a marker that is named is 405, a key whose newest is one is not there."""
        if params["Bucket"] not in self.versions:
            return super().get_object(region, account, params)
        held = self._version(params["Bucket"], params["Key"], params.get("VersionId", ""))
        if held.marker:
            message = "The specified method is not allowed against this resource."
            raise AwsError("MethodNotAllowed", message, 405)
        told = {"Body": held.body, "ContentLength": len(held.body), "ETag": held.etag, "LastModified": held.at}
        return {**told, "VersionId": held.identifier, "Metadata": dict(held.metadata)}

    def _keep(self, params: Params, **what: Any) -> Version:
        """A new version; while versioning is suspended it is the null one, in the place of another."""
        name, key = params["Bucket"], params["Key"]
        if self.buckets[name].versioning == "Enabled":
            self._made += 1
            identifier = f"{self._made:032x}"
        else:
            identifier = NULL
            self.versions[name] = [v for v in self.versions[name] if (v.key, v.identifier) != (key, NULL)]
        kms = params.get("SSEKMSKeyId") or self.kms.get(name, "")
        made = Version(key, identifier, self._clock().replace(microsecond=0), kms=kms, **what)
        self.versions[name].append(made)
        self._settle(name, key)
        return made

    def _settle(self, name: str, key: str) -> None:
        """What is current is what everybody reads who names no version."""
        current = self._current(name, key)
        if current is None or current.marker:
            self.buckets[name].objects.pop(key, None)
        else:
            self.buckets[name].objects[key] = current.body

    def _current(self, name: str, key: str) -> Version | None:
        return next((v for v in reversed(self.versions[name]) if v.key == key), None)

    def _judge(self, params: Params) -> None:
        """*conditions*."""
        current = self._current(params["Bucket"], params["Key"])
        there = current is not None and not current.marker
        wanted = params.get("IfMatch")
        if (wanted and (not there or current is None or current.etag != wanted)) or (
            params.get("IfNoneMatch") == "*" and there
        ):
            raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)

    def _version(self, name: str, key: str, identifier: str, *, bare: bool = False) -> Version:
        """The one of that id, or the current one; a current marker is nothing."""
        if identifier:
            found = next((v for v in self.versions[name] if (v.key, v.identifier) == (key, identifier)), None)
        else:
            current = self._current(name, key)
            found = None if current is None or current.marker else current
        if found is None and bare:
            raise AwsError("404", "Not Found", 404)
        if found is None:
            raise AwsError("NoSuchVersion" if identifier else "NoSuchKey", "The specified version does not exist.", 404)
        return found


def _start(kept: list[Version], key: str | None, version: str | None) -> int:
    """Where a page starts."""
    if not key:
        return 0
    if version:
        return next((n + 1 for n, v in enumerate(kept) if (v.key, v.identifier) == (key, version)), len(kept))
    return next((n for n, v in enumerate(kept) if v.key.encode() > key.encode()), len(kept))


def _listed(version: Version, newest: Mapping[str, str]) -> dict[str, Any]:
    told = {"Key": version.key, "VersionId": version.identifier, "LastModified": version.at}
    told |= {"IsLatest": newest[version.key] == version.identifier}
    if version.marker:
        return told
    return {**told, "ETag": version.etag, "Size": len(version.body), "StorageClass": version.storage}
