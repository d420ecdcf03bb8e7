"""Puts Terraform's state back to the version before it was overwritten, under its lock, and gives the lock back.

One call at a time, each found by looking: the lock file, the lock's item, the copy of the version over the current one,
the digest, and the two locks back in the other order. Whoever else holds a lock is at work, and nothing is moved. No
version is deleted: what is there now stays a version; a state that was deleted is put back too. A state that looks
sound is left alone unless a person names another version. The lock's id is the incident's, so that whoever comes after
a crash knows it for its own; `terraform force-unlock ID` gives it back by hand. Sources: terraform.py.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib import names
from chalicelib.actions import terraform
from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.places import token_of
from chalicelib.actions.terraform import Kept, Version
from chalicelib.core.bounds import FOUND, NONE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.backups import TerraformState

AGAIN: Final = timedelta(seconds=10)
VERSION: Final = "version"
STATES: Final = ("{terraform_states}",)
LOCKS: Final = ("{terraform_locks}",)
TABLES: Final = ("{terraform_tables}",)
KEYS: Final = ("{terraform_keys}",)


@dataclass(frozen=True, slots=True)
class Mine:
    """Our lock, as Terraform would have written it."""

    id: str
    info: str


class TerraformStateRestored:
    """At most six calls."""

    name: ClassVar[str] = "terraform-state-restored"
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="s3",
            operation="list_object_versions",
            resources=("{terraform_buckets}",),
            where="primary",
            iam=("s3:ListBucket", "s3:ListBucketVersions"),
        ),
        AwsOp(
            service="s3",
            operation="get_object",
            resources=("{terraform_objects}",),
            where="primary",
            iam=("s3:GetObject", "s3:GetObjectVersion"),
        ),
        AwsOp(service="dynamodb", operation="get_item", resources=TABLES, where="primary"),
        AwsOp(service="kms", operation="decrypt", resources=KEYS, where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="s3", operation="put_object", resources=LOCKS, where="primary"),
        AwsOp(
            service="s3",
            operation="copy_object",
            resources=STATES,
            where="primary",
            iam=("s3:GetObjectVersion", "s3:GetObjectVersionTagging", "s3:PutObject", "s3:PutObjectTagging"),
        ),
        AwsOp(service="s3", operation="delete_object", resources=LOCKS, where="primary"),
        AwsOp(service="dynamodb", operation="put_item", resources=TABLES, where="primary"),
        AwsOp(service="dynamodb", operation="delete_item", resources=TABLES, where="primary"),
        AwsOp(service="kms", operation="generate_data_key", resources=KEYS, where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Kept | Refused | NoData:
        row = _row(target, policy)
        return row if isinstance(row, Refused) else terraform.look(row, reader, _chosen(target))

    def next(self, target: Target, policy: Policy, facts: Kept | Refused | NoData, now: datetime) -> Next:
        row = _row(target, policy)
        if isinstance(row, Refused):
            return Stuck(because=row.because)
        if target.params.get(VERSION) == NONE:
            return Done(because=f"no version of state {row.name!r} is to be put back, as was chosen")
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code}); nothing is moved")
        mine = _mine(row, target, policy)
        for lock in (facts.file, facts.item):
            if lock and lock.id != mine.id:
                what = f"state {row.name!r} is locked by {lock.who}"
                return Stuck(
                    because=f"{what}: they are at work, or died; see to it, or `terraform force-unlock {lock.id}`"
                )
        wanted = _wanted(facts, _chosen(target))
        if isinstance(wanted, str):
            return Stuck(because=f"state {row.name!r}: {wanted}")
        if wanted is None and not (facts.file or facts.item):
            return Done(because=f"state {row.name!r} looks sound: {facts.current.sentence()}; it is left as it is")
        missing = next(_missing(row, facts, wanted, mine), None)
        if missing is None:
            said = facts.current.sentence()
            return Done(because=f"state {row.name!r} is as it was, now {said}, and its lock is given back")
        call, because = missing
        kept: dict[str, str | float] = {VERSION: wanted.id} if wanted else {}
        return Act(because=because, call=call, facts=kept)


def _missing(row: TerraformState, kept: Kept, wanted: Version | None, mine: Mine) -> Iterator[tuple[Call, str]]:
    """The calls that are missing, in their order, each with its sentence."""
    place = {"Bucket": row.bucket, "Key": row.key}
    state, path = f"state {row.name!r}", f"{row.bucket}/{row.key}"
    restored = wanted is None or kept.current.digest == wanted.digest
    right = not row.lock_table or kept.digest == kept.current.digest
    if not restored or not right:
        if row.lock_file and kept.file is None:
            params: dict[str, Any] = {**place, "Key": f"{row.key}.tflock", "Body": mine.info, "IfNoneMatch": "*"}
            params |= {"ContentType": "application/json"} | _encrypted(row)
            yield _call(row, "s3", "put_object", params, "the lock file is ours"), f"{state} is to be locked"
        if row.lock_table and kept.item is None:
            item = {"LockID": {"S": path}, "Info": {"S": mine.info}}
            condition = {"ConditionExpression": "attribute_not_exists(LockID)"}
            params = {"TableName": row.lock_table, "Item": item, **condition}
            yield _call(row, "dynamodb", "put_item", params, "the lock's item is ours"), f"{state} is to be locked"
    if wanted is not None and not restored:
        source = {**place, "VersionId": wanted.id}
        params = {**place, "CopySource": source, "MetadataDirective": "COPY", "TaggingDirective": "COPY"}
        because = f"{state} is {kept.current.sentence()}, and is to be {wanted.sentence()} again"
        until = "the current version has its digest"
        yield _call(row, "s3", "copy_object", params | _encrypted(row), until), because
    if not right:
        item = {"LockID": {"S": f"{path}-md5"}, "Digest": {"S": kept.current.digest}}
        because = f"the digest of {state} is to be that of what is there, or Terraform refuses it"
        params = {"TableName": row.lock_table, "Item": item}
        yield _call(row, "dynamodb", "put_item", params, "the digest is the state's"), because
    if row.lock_table and kept.item is not None:
        params = {
            "TableName": row.lock_table,
            "Key": {"LockID": {"S": path}},
            "ConditionExpression": "Info = :mine",
            "ExpressionAttributeValues": {":mine": {"S": kept.item.info}},
        }
        yield _call(row, "dynamodb", "delete_item", params, "the lock's item is gone"), f"{state} is to be unlocked"
    if kept.file is not None:
        params = {**place, "Key": f"{row.key}.tflock"}
        yield _call(row, "s3", "delete_object", params, "the lock file is gone"), f"{state} is to be unlocked"


def _call(row: TerraformState, service: str, operation: str, params: dict[str, Any], until: str) -> Call:
    return Call(
        system="aws",
        service=service,
        region=row.region,
        operation=operation,
        params=params,
        until=until,
        # Every version stays, so that the one of now can be put back the same way.
        reversible=True,
    )


def _encrypted(row: TerraformState) -> dict[str, str]:
    if row.encryption == "SSE-S3":
        return {"ServerSideEncryption": "AES256"}
    return {"ServerSideEncryption": "aws:kms", **({"SSEKMSKeyId": row.kms_key} if row.kms_key else {})}


def _wanted(kept: Kept, chosen: str) -> Version | str | None:
    """The version to put back; None when the current one looks sound, a sentence when there is none to choose."""
    current = kept.current
    if chosen:
        return next(v for v in (current, *kept.earlier) if v.id == chosen)
    sound = next((v for v in kept.earlier if v.lineage is not None and v.digest != current.digest), None)
    if current.lineage is not None and (sound is None or _follows(current, sound)):
        return None
    if sound is None:
        return f"it is {current.sentence()}, and no version before it is any better; name one"
    return sound


def _follows(current: Version, before: Version) -> bool:
    """What Terraform itself asks of a state that replaces another, and that it is not suddenly empty."""
    if current.lineage != before.lineage or current.serial is None or before.serial is None:
        return False
    return current.serial >= before.serial and (current.resources > 0 or before.resources == 0)


def _chosen(target: Target) -> str:
    """What the step names, else what its first look found: once it is put back, the one before it is another."""
    named = target.params.get(VERSION, "")
    return str(target.facts.get(VERSION, "")) if named in ("", FOUND, NONE) else named


def _row(target: Target, policy: Policy) -> TerraformState | Refused:
    rows = {row.name: row for row in policy.backups.terraform_states}
    name = target.params.get("state", "")
    if name in rows:
        return rows[name]
    known = ", ".join(rows) or "none"
    return Refused(code="NoSuchState", because=f"state {name!r} is not in backups.yaml terraform_states: {known}")


def _mine(row: TerraformState, target: Target, policy: Policy) -> Mine:
    identifier = str(uuid.UUID(token_of(target, row.name)[:32]))
    info = {
        "ID": identifier,
        "Operation": "restore",
        "Info": f"incident {target.incident}",
        "Who": names.app(policy),
        "Version": "",
        "Created": f"{target.opened_at:%Y-%m-%dT%H:%M:%SZ}",
        "Path": f"{row.bucket}/{row.key}",
    }
    return Mine(identifier, json.dumps(info))
