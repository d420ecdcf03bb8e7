"""The objects in the platform's restorable buckets in the local world, and what becomes of them when they are deleted.

The buckets are versioned, so a deletion leaves a delete marker and the versions below it
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from chalicelib.policy import Policy
from chalicelib.policy.backups import Restorable
from drctl.world.deploy import make_bucket

OBJECTS: Final = 60
SIDE_BY_SIDE: Final = 8


class Folders:
    """`client(service, region)` speaks to S3 itself: what users do passes no gate."""

    def __init__(self, policy: Policy, client: Callable[[str, str], Any]) -> None:
        self._policy, self._client = policy, client

    def furnish(self) -> None:
        """The first restorable bucket, versioned, with objects below its first prefix."""
        for row in self._policy.backups.restorable[:1]:
            s3 = self._client("s3", row.region)
            make_bucket(s3, row.bucket, row.region)
            s3.put_bucket_versioning(Bucket=row.bucket, VersioningConfiguration={"Status": "Enabled"})
            keys = [f"{row.prefixes[0]}{n % 3}/run-{n:03d}/model.bin" for n in range(OBJECTS)]

            def put(key: str, s3: Any = s3, bucket: str = row.bucket) -> None:
                s3.put_object(Bucket=bucket, Key=key, Body=f"the model of {key}\n".encode())

            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                list(pool.map(put, keys))

    @property
    def default(self) -> str:
        """The folder that is deleted when none is named."""
        row = self._policy.backups.restorable[0]
        return f"{row.bucket}/{row.prefixes[0]}"

    def delete(self, folder: str) -> tuple[int, Callable[[], None]]:
        """Deletes what lies below `bucket/prefix`; how many objects, and what puts them right again. ValueError when it
        is in none of the restorable buckets, or there is nothing.
        """
        bucket, _, prefix = folder.partition("/")
        row = self._row(bucket, prefix)
        s3 = self._client("s3", row.region)
        keys = self._keys(s3, bucket, prefix)
        if not keys:
            raise ValueError(f"there is nothing below {folder!r}; try {self.default!r}")
        markers = [(key, str(s3.delete_object(Bucket=bucket, Key=key)["VersionId"])) for key in keys]

        def mend() -> None:
            for key, version in markers:
                s3.delete_object(Bucket=bucket, Key=key, VersionId=version)

        return len(keys), mend

    def encrypt(self, folder: str, key: bytes, *, every: int) -> tuple[int, int, Callable[[], None]]:
        """Overwrites what lies below `bucket/prefix` with what nobody can read, and deletes every so manieth; how many
        of each, and what takes the new versions and the markers away again. ValueError as for `delete`.
        """
        bucket, _, prefix = folder.partition("/")
        s3 = self._client("s3", self._row(bucket, prefix).region)
        keys = self._keys(s3, bucket, prefix)
        if not keys:
            raise ValueError(f"there is nothing below {folder!r}; try {self.default!r}")
        doomed, spared = keys[::every], [k for n, k in enumerate(keys) if n % every]

        def overwrite(name: str) -> tuple[str, str]:
            body = s3.get_object(Bucket=bucket, Key=name)["Body"].read()
            return name, str(s3.put_object(Bucket=bucket, Key=name, Body=_unreadable(body, key))["VersionId"])

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            made = list(pool.map(overwrite, spared))
        made += [(name, str(s3.delete_object(Bucket=bucket, Key=name)["VersionId"])) for name in doomed]

        def mend() -> None:
            for name, version in made:
                s3.delete_object(Bucket=bucket, Key=name, VersionId=version)

        return len(spared), len(doomed), mend

    def keys(self, folder: str) -> list[str]:
        """What can be read below `bucket/prefix` now."""
        bucket, _, prefix = folder.partition("/")
        return self._keys(self._client("s3", self._row(bucket, prefix).region), bucket, prefix)

    def _row(self, bucket: str, prefix: str) -> Restorable:
        rows = {r.bucket: r for r in self._policy.backups.restorable}
        if bucket not in rows or not any(prefix.startswith(p) for p in rows[bucket].prefixes):
            allowed = ", ".join(f"{r.bucket}/{p}" for r in rows.values() for p in r.prefixes)
            raise ValueError(f"folder is {f'{bucket}/{prefix}'!r}, allowed is what begins with {allowed}")
        return rows[bucket]

    @staticmethod
    def _keys(s3: Any, bucket: str, prefix: str) -> list[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]


def _unreadable(body: bytes, key: bytes) -> bytes:
    """The same number of bytes, by a key stream of SHA-256 in counter mode."""
    stream = b"".join(hashlib.sha256(key + n.to_bytes(8)).digest() for n in range(len(body) // 32 + 1))
    return bytes(a ^ b for a, b in zip(body, stream, strict=False))
