"""Rules about the buckets whose objects are put back as of a moment: what is promised must still be there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from chalicelib.core.plan import CHOSEN
from chalicelib.policy.base import parse_duration, show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, one_of, repeats, warning

ACTIONS: Final = ("s3-count", "s3-restore")
NEWER: Final = ("keep", "remove")
PROPOSES: Final = ("breach-found", "restore-point")
"""The actions that propose a moment to go back to, `margin` before the first bad sign."""
_DAY: Final = timedelta(days=1)


def restorable_bucket_is_single(whole: Whole) -> Iterator[Flaw]:
    """A step names a bucket, so a bucket has one row."""
    for i, first, name in repeats(r.bucket for r in whole.policy.backups.restorable):
        yield error(
            *("backups", "restorable", i, "bucket"),
            allowed="a bucket that no other row has; one row has all its prefixes",
            found=name,
            because=f"{name!r} already is restorable[{first}]; a step that names it could mean either",
        )


def restorable_prefix_is_single(whole: Whole) -> Iterator[Flaw]:
    """A prefix that another one holds grants nothing, and reads as if the wider one were narrower."""
    for i, row in enumerate(whole.policy.backups.restorable):
        for j, prefix in enumerate(row.prefixes):
            wider = next((p for k, p in enumerate(row.prefixes) if k != j and prefix.startswith(p)), None)
            if wider is not None:
                yield warning(
                    *("backups", "restorable", i, "prefixes", j),
                    allowed="a prefix that lies in no other one",
                    found=prefix or "the whole bucket",
                    because=f"{prefix!r} lies in {wider!r}, which is allowed as well",
                )


def restore_reaches_what_is_kept(whole: Whole) -> Iterator[Flaw]:
    """What was current at a moment became noncurrent after it, and is kept for `lifecycle_keeps` from then on; a
    lifecycle counts whole days from midnight UTC
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html).
    """
    for i, row in enumerate(whole.policy.backups.restorable):
        path = ("backups", "restorable", i)
        if row.lifecycle_keeps % _DAY or row.lifecycle_keeps < _DAY:
            yield error(
                *(*path, "lifecycle_keeps"),
                allowed="whole days, at least one",
                found=row.lifecycle_keeps,
                because="S3's lifecycle counts NoncurrentDays in whole days",
            )
        if row.restores_back > row.lifecycle_keeps:
            yield error(
                *(*path, "restores_back"),
                allowed=f"at most {show_duration(row.lifecycle_keeps)}, what the lifecycle keeps",
                found=row.restores_back,
                because=f"a version that was overwritten {show_duration(row.restores_back)} ago is gone after"
                f" {show_duration(row.lifecycle_keeps)}: {row.bucket!r} could be put back in part only",
            )


def kms_key_is_named(whole: Whole) -> Iterator[Flaw]:
    """To copy what KMS encrypts takes kms:Decrypt and kms:GenerateDataKey on its key, in the bucket's region."""
    for i, row in enumerate(whole.policy.backups.restorable):
        path = ("backups", "restorable", i, "kms_key")
        if row.encryption == "SSE-KMS" and row.kms_key is None:
            yield error(
                *path,
                allowed="the ARN of the key",
                found="nothing",
                because=f"{row.bucket!r} is encrypted with KMS: without its key no version of it can be copied",
            )
        elif row.kms_key is not None and row.kms_key.split(":")[3] != row.region:
            yield error(
                *path,
                allowed=f"a key in {row.region}, where the bucket is",
                found=row.kms_key,
                because="S3 encrypts with a key of the bucket's own region",
            )


def restore_step_names_a_restorable_bucket(whole: Whole) -> Iterator[Flaw]:
    """A step that puts objects back names a bucket of the table and a prefix that lies in one of its own."""
    rows = {r.bucket: r for r in whole.policy.backups.restorable}
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            if step.action not in ACTIONS:
                continue
            given, path = step.with_, ("runbooks", "runbooks", i, "steps", j, "with")
            if CHOSEN.fullmatch(str(given.get("folder", ""))):
                continue  # a choice of the kind prefix, which is read against the same rows
            bucket, prefix = str(given.get("bucket", "")), str(given.get("prefix", ""))
            if bucket not in rows:
                yield error(
                    *(*path, "bucket"),
                    allowed=one_of(rows),
                    found=bucket or "nothing",
                    because=f"step {step.id!r} puts objects back, and {bucket!r} is not among backups.yaml restorable",
                )
            elif not any(prefix.startswith(p) for p in rows[bucket].prefixes):
                yield error(
                    *(*path, "prefix"),
                    allowed=f"what begins with {one_of(rows[bucket].prefixes)}",
                    found=prefix or "the whole bucket",
                    because=f"step {step.id!r} would put back what {bucket!r} does not let be put back",
                )
            if str(given.get("newer", "keep")) not in NEWER:
                yield error(
                    *(*path, "newer"),
                    allowed=one_of(NEWER),
                    found=given["newer"],
                    because="what was not there then either stays or is hidden by a delete marker",
                )


def margin_holds_what_alarms_measure(whole: Whole) -> Iterator[Flaw]:
    """An alarm rings at the end of its periods: a moment that is proposed lies before the first of them, or may lie
    inside the harm.
    """
    signals = whole.policy.signals
    measured = {a.name: a.period * a.evaluation_periods for a in signals.alarms}
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        observers = [o for r in signals.rules if r.scenario == runbook.scenario for o in r.observers]
        longest = max((measured.get(a, timedelta()) for o in observers for a in o.alarms), default=timedelta())
        for j, step in enumerate(runbook.steps):
            if step.action not in PROPOSES or "margin" not in step.with_:
                continue
            path, found = ("runbooks", "runbooks", i, "steps", j, "with", "margin"), str(step.with_["margin"])
            try:
                margin = parse_duration(found)
            except ValueError as unreadable:
                because = f"step {step.id!r} could propose no moment: {unreadable}"
                yield error(*path, allowed="a duration like 15m", found=found, because=because)
                continue
            if margin <= longest:
                yield error(
                    *path,
                    allowed=f"more than {show_duration(longest)}, what an alarm of {runbook.scenario} measures",
                    found=found,
                    because=f"step {step.id!r} would propose a moment at which harm may have been done already",
                )
