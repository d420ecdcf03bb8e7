"""Terraform's state in S3 as its S3 backend keeps it: the object and its versions, its locks, its digest. Looks only.

A lock is the object `<key>.tflock`, written only if there is none (`use_lockfile`), and where a table is configured
its item `LockID` = `<bucket>/<key>`; either holds Terraform's LockInfo as JSON. The item `<bucket>/<key>-md5` has the
state's digest, and Terraform refuses a state that does not match it. Sources:
https://developer.hashicorp.com/terraform/language/backend/s3, github.com/hashicorp/terraform,
internal/backend/remote-state/s3/client.go (Lock, Unlock, Put, putMD5, errBadChecksumFmt),
internal/states/statemgr/locker.go (LockInfo), and for what a sound state is
https://developer.hashicorp.com/terraform/cli/commands/state/push (lineage and serial).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.actions.contract import Reader
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy.backups import TerraformState

MISSING: Final = frozenset({"NoSuchKey", "404"})
LOOKS_BACK: Final = 5
"""So many versions before the current one are read to find one that differs."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the state. `lineage` and `serial` are None where it is no state that Terraform could read.
    `deleted`: it is a delete marker, which has no digest.
    """

    id: str
    at: str
    digest: str
    lineage: str | None = None
    serial: int | None = None
    resources: int = 0
    deleted: bool = False

    def sentence(self) -> str:
        """`version abc of 2026-11-24 (serial 41, 120 resources)`."""
        if self.deleted:
            return f"deleted since {self.at}"
        said = "no state that Terraform can read"
        if self.lineage is not None:
            said = f"serial {self.serial}, {self.resources} resources"
        return f"version {self.id} of {self.at} ({said})"


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that somebody holds, and who. `id` is Terraform's."""

    id: str
    who: str
    info: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The state as it is kept. `file` and `item` are the two locks, `digest` what the table says, None without it."""

    current: Version
    earlier: tuple[Version, ...]
    file: Lock | None = None
    item: Lock | None = None
    digest: str | None = None


def look(row: TerraformState, reader: Reader, wanted: str) -> Kept | Refused | NoData:
    """The state, the versions before it until one is sound and differs, and its locks. `wanted` is a version that is
    read in any case; Refused `NoSuchVersion` when it is not there.
    """
    listed = reader.aws("s3", row.region, "list_object_versions", Bucket=row.bucket, Prefix=row.key)
    if not isinstance(listed, Mapping):
        return listed
    rows = [v for v in listed.get("Versions") or () if v["Key"] == row.key]
    marks = [m for m in listed.get("DeleteMarkers") or () if m["Key"] == row.key and m["IsLatest"]]
    if not rows:
        because = f"state {row.name!r} has no version: s3://{row.bucket}/{row.key} was never there, or is gone for good"
        return Refused(code="NoSuchKey", because=because)
    found = [Version(m["VersionId"], f"{m['LastModified']:%Y-%m-%d %H:%M} UTC", "", deleted=True) for m in marks]
    for number, one in enumerate(rows, len(found)):
        if number and one["VersionId"] != wanted and (number > LOOKS_BACK or _enough(found)):
            continue
        read = _version(row, one, reader)
        if not isinstance(read, Version):
            return read
        found.append(read)
    if wanted and wanted not in {v.id for v in found if not v.deleted}:
        known = ", ".join(v["VersionId"] for v in rows[:LOOKS_BACK])
        because = f"state {row.name!r} has no version {wanted!r}; the newest are {known}"
        return Refused(code="NoSuchVersion", because=because)
    return _with_locks(row, reader, Kept(found[0], tuple(found[1:])))


def _enough(found: list[Version]) -> bool:
    return any(v.lineage is not None and v.digest != found[0].digest for v in found[1:])


def _version(row: TerraformState, one: Mapping[str, Any], reader: Reader) -> Version | Refused | NoData:
    asked = {"Bucket": row.bucket, "Key": row.key, "VersionId": one["VersionId"]}
    answer = reader.aws("s3", row.region, "get_object", **asked)
    if not isinstance(answer, Mapping):
        return answer
    body: bytes = answer["Body"]
    # Terraform's own digest, and no secret's.
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    version = Version(one["VersionId"], f"{one['LastModified']:%Y-%m-%d %H:%M} UTC", digest)
    try:
        said = json.loads(body)
        lineage, serial, resources = str(said["lineage"]), int(said["serial"]), len(said.get("resources") or ())
    except (ValueError, KeyError, TypeError):
        return version
    return Version(version.id, version.at, digest, lineage, serial, resources)


def _with_locks(row: TerraformState, reader: Reader, kept: Kept) -> Kept | Refused | NoData:
    file = item = digest = None
    if row.lock_file:
        answer = reader.aws("s3", row.region, "get_object", Bucket=row.bucket, Key=f"{row.key}.tflock")
        if isinstance(answer, NoData) or (isinstance(answer, Refused) and answer.code not in MISSING):
            return answer
        file = None if isinstance(answer, Refused) else _lock(answer["Body"].decode())
    if row.lock_table:
        for suffix in ("", "-md5"):
            key = {"LockID": {"S": f"{row.bucket}/{row.key}{suffix}"}}
            asked = {"TableName": row.lock_table, "Key": key, "ConsistentRead": True}
            answer = reader.aws("dynamodb", row.region, "get_item", **asked)
            if not isinstance(answer, Mapping):
                return answer
            held = answer.get("Item") or {}
            if suffix:
                digest = held.get("Digest", {}).get("S", "")
            elif held:
                item = _lock(held.get("Info", {}).get("S", ""))
    return Kept(kept.current, kept.earlier, file, item, digest)


def _lock(text: str) -> Lock:
    """A lock of which nothing can be read still is one."""
    try:
        said = json.loads(text)
        who = f"{said.get('Who', 'somebody')} since {said.get('Created', 'some time')} ({said.get('Operation', '')})"
        return Lock(str(said["ID"]), who, text)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Lock("", "somebody who has left no name", text)
