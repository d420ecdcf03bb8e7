"""Replication between two buckets: where both are, by which rule, and how far the copy is behind.

Field names: botocore's models of S3 and CloudWatch. The rule's pitfalls:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html (objects under a KMS key
are passed over in silence unless the rule says so), …/replication-time-control.html (RTC has its metrics with it).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from chalicelib.account.verdicts import Asks, Claim, NotSeen, NotThere, Row, Subject, Verdict, at
from chalicelib.policy import Policy
from chalicelib.policy.backups import BucketReplication

UNNAMED_REGION: Final = "us-east-1"
"""What a bucket's location is when GetBucketLocation answers null.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
"""
WHOLE: Final = "the whole bucket"
ENCRYPTION: Final = {"SSE-KMS": "aws:kms", "SSE-S3": "AES256"}


def replications(policy: Policy, account: Asks) -> Iterator[Row]:
    """Both buckets of each replication, and how it is configured."""
    for i, row in enumerate(policy.backups.replication):
        field = f"backups.replication[{i}]"
        for role, bucket, region in (
            ("source", row.source, row.source_region),
            ("destination", row.destination, row.destination_region),
        ):
            yield from bucket_as_claimed(
                account, Subject(f"bucket {bucket}", f"{field}.{role}"), bucket, region, row.encryption
            )
        answer = account.ask("s3", row.source_region, "get_bucket_replication", Bucket=row.source)
        subject = subject_of(row, i)
        if isinstance(answer, NotThere):
            yield replace(subject.missing(), mend=_made_anew(row, _minutes(policy, row)))
            continue
        mend = "" if isinstance(answer, NotSeen) else _mend(row, answer, _minutes(policy, row))
        for found in subject.claims(answer, tuple(_replication(row, _minutes(policy, row)))):
            yield replace(found, mend=mend) if found.verdict is Verdict.DIFFERS else found


def bucket_as_claimed(account: Asks, subject: Subject, bucket: str, region: str, encryption: str) -> Iterator[Row]:
    """Where a bucket is, that it keeps versions, and how it encrypts; one row when it is not there."""
    where = account.ask("s3", region, "get_bucket_location", Bucket=bucket)
    location = Claim("region", region, lambda a: a.get("LocationConstraint") or UNNAMED_REGION)
    yield from subject.claims(where, (location,))
    if isinstance(where, NotThere):
        return
    versions = account.ask("s3", region, "get_bucket_versioning", Bucket=bucket)
    # S3 replicates between buckets that keep versions only.
    kept = f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"
    for row in subject.claims(versions, (Claim("versioning", "Enabled", at("Status")),)):
        yield replace(row, mend=kept) if row.verdict is Verdict.DIFFERS else row
    held = account.ask("s3", region, "get_bucket_encryption", Bucket=bucket)
    rule = at("ServerSideEncryptionConfiguration", "Rules", 0, "ApplyServerSideEncryptionByDefault", "SSEAlgorithm")
    if isinstance(held, NotThere):
        yield subject.missing("encryption", ENCRYPTION[encryption])
    else:
        yield from subject.claims(held, (Claim("encryption", ENCRYPTION[encryption], rule),))


def subject_of(row: BucketReplication, i: int) -> Subject:
    """What its rows are about."""
    return Subject(f"replication of {row.source}", f"backups.replication[{i}]")


def _minutes(policy: Policy, row: BucketReplication) -> int:
    """Policy's durations are divided by the speed; what stands on AWS is not."""
    return round((row.objective * policy.speed).total_seconds() / 60)


def _of(row: BucketReplication, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rules that copy to the destination of policy."""
    rules = answer.get("ReplicationConfiguration", {}).get("Rules", [])
    return [r for r in rules if r.get("Destination", {}).get("Bucket") == f"arn:aws:s3:::{row.destination}"]


def rule_id(row: BucketReplication, answer: Mapping[str, Any]) -> str | None:
    """The rule that copies to the destination of policy, by its ID; None when GetBucketReplication shows none."""
    rules = _of(row, answer)
    return str(rules[0].get("ID", "")) if rules else None


def _replication(row: BucketReplication, minutes: int) -> Iterator[Claim]:
    def rule(*path: str | int) -> Any:
        def read(answer: Mapping[str, Any]) -> object:
            rules = _of(row, answer)
            return at(*path)(rules[0]) if rules else None

        return read

    yield Claim("rule to the destination", "Enabled", rule("Status"))
    yield Claim("what it covers", WHOLE, lambda answer: _covers(_of(row, answer)))
    yield Claim(
        "replication time control", "Enabled" if row.rtc else None, rule("Destination", "ReplicationTime", "Status")
    )
    if row.rtc:
        yield Claim("its objective in minutes", minutes, rule("Destination", "ReplicationTime", "Time", "Minutes"))
    if row.encryption == "SSE-KMS":
        # Without both, S3 passes objects under a KMS key over in silence.
        path = ("SourceSelectionCriteria", "SseKmsEncryptedObjects", "Status")
        yield Claim("objects under a KMS key", "Enabled", rule(*path))
        key = rule("Destination", "EncryptionConfiguration", "ReplicaKmsKeyID")
        yield Claim("a key for the copies", True, lambda answer: bool(key(answer)))
    # Deleting at the source must not delete the copy: that is what the copy is for.
    yield Claim(
        "delete markers are copied",
        "Disabled",
        lambda answer: rule("DeleteMarkerReplication", "Status")(answer) or "Disabled",
    )


def _covers(rules: list[dict[str, Any]]) -> str:
    """What a rule's filter lets through, in either of its forms; what is left out of it is never replicated:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRuleFilter.html.
    """
    among = (rules[0].get("Filter") or {}) if rules else {}
    both = among.get("And") or {}
    prefix = (rules[0].get("Prefix") if rules else "") or among.get("Prefix") or both.get("Prefix")
    if among.get("Tag") or both.get("Tags"):
        return "objects with a tag"
    return f"objects below {prefix!r}" if prefix else WHOLE


def _mend(row: BucketReplication, answer: Mapping[str, Any], minutes: int) -> str:
    """PutBucketReplication takes the whole configuration: what stands, with the one rule as policy says."""
    whole = deepcopy(dict(answer.get("ReplicationConfiguration", {})))
    rules = _of(row, {"ReplicationConfiguration": whole})
    if not rules:
        return _made_anew(row, minutes)
    rule, there = rules[0], rules[0]["Destination"]
    rule["Status"] = "Enabled"
    rule.pop("Prefix", None)
    rule |= {"Filter": {"Prefix": ""}, "Priority": rule.get("Priority", 1)}
    rule["DeleteMarkerReplication"] = {"Status": "Disabled"}
    if row.rtc:
        there["ReplicationTime"] = {"Status": "Enabled", "Time": {"Minutes": minutes}}
        there["Metrics"] = {"Status": "Enabled", "EventThreshold": {"Minutes": minutes}}
    else:
        there.pop("ReplicationTime", None)
    if row.encryption == "SSE-KMS":
        rule["SourceSelectionCriteria"] = {
            **rule.get("SourceSelectionCriteria", {}),
            "SseKmsEncryptedObjects": {"Status": "Enabled"},
        }
        there.setdefault("EncryptionConfiguration", {"ReplicaKmsKeyID": "<key of the destination>"})
    return _put(row, whole)


def _made_anew(row: BucketReplication, minutes: int) -> str:
    rule: dict[str, Any] = {
        "ID": "whole-bucket",
        "Priority": 1,
        "Filter": {},
        "Status": "Enabled",
        "Destination": {"Bucket": f"arn:aws:s3:::{row.destination}"},
    }
    standing = {"ReplicationConfiguration": {"Role": "<role of the replication>", "Rules": [rule]}}
    return _mend(row, standing, minutes)


def _put(row: BucketReplication, whole: Mapping[str, Any]) -> str:
    text = shlex.quote(json.dumps(whole, separators=(",", ":")))
    where = f"--region {row.source_region} --bucket {row.source}"
    return f"aws s3api put-bucket-replication {where} --replication-configuration {text}"
