"""Puts a prefix of a versioned bucket back as it was at a moment: counts, then goes on until nothing is missing.

Each call is for one span and carries out many small changes side by side (clients/s3_versions.py). Whether it worked is
found from the bucket, not from its answer: the span is looked at again, and at the end the whole prefix is. No version
is ever deleted; what is written since the restore began is left alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.s3_count import AT_ONCE, Facts, Seen, begin, silent
from chalicelib.actions.s3_progress import Progress
from chalicelib.actions.versions import BUCKETS, OBJECTS, READS, Place, look
from chalicelib.core.outcome import Act, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.core.restoring import RESTORE, Restoring, written
from chalicelib.policy import Policy

KEYS: Final = ("{restorable_keys}",)
REST: Final = timedelta(minutes=2)
"""Between two passes when something is left that a person must mend."""


def _batched(operation: str, *iam: str, resources: tuple[str, ...] = OBJECTS) -> AwsOp:
    """An operation that the call is made of."""
    return AwsOp(service="s3", operation=operation, resources=resources, where="primary", batch=RESTORE, iam=iam)


class S3Restore:
    """One call a span."""

    name: ClassVar[str] = "s3-restore"
    reads: ClassVar[tuple[Op, ...]] = READS
    calls: ClassVar[tuple[Op, ...]] = (
        _batched("get_bucket_versioning", resources=BUCKETS),
        _batched("list_object_versions", "s3:ListBucketVersions", resources=BUCKETS),
        _batched("head_object", "s3:GetObjectVersion"),
        # GetObject is for the condition on the current version, the tags' are for those that come along.
        _batched(
            "copy_object",
            *(
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:GetObjectVersionTagging",
                "s3:PutObject",
                "s3:PutObjectTagging",
            ),
        ),
        # With a version id, for delete markers, and without, to hide what was not there.
        _batched("delete_object", "s3:DeleteObject", "s3:DeleteObjectVersion"),
        _batched("get_object_tagging", "s3:GetObjectVersionTagging"),
        _batched("create_multipart_upload", "s3:PutObject", "s3:PutObjectTagging"),
        _batched("upload_part_copy", "s3:GetObjectVersion", "s3:PutObject"),
        _batched("complete_multipart_upload", "s3:PutObject"),
        _batched("abort_multipart_upload", "s3:AbortMultipartUpload"),
        AwsOp(
            service="kms",
            operation="decrypt",
            resources=KEYS,
            where="primary",
            batch=RESTORE,
            iam=("kms:Decrypt", "kms:GenerateDataKey"),
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Facts:
        place, progress = begin(target, policy, reader), Progress.of(target.facts)
        if not isinstance(place, Place):
            return place
        if progress is None:
            raise ValueError(f"step {target.step!r} was begun and is not")
        if progress.rested_at:
            if target.at - datetime.fromisoformat(progress.rested_at) < REST / policy.speed:
                return Seen(place, progress, None)
            progress = progress.again(target.calls)
        if progress.number and not target.calls:
            # Whoever approves may take an hour, and what was written in it is no more wanted than what was before.
            progress = replace(progress, begun=written(target.at))
        span = look(place, place.aim(progress.began), reader, progress.after, progress.through)
        return span if isinstance(span, Refused | NoData) else Seen(place, progress, span)

    def next(self, target: Target, policy: Policy, facts: Facts, now: datetime) -> Next:
        if not isinstance(facts, Seen):
            return silent(facts)
        place, progress, span = facts.place, facts.progress, facts.span
        if span is None and progress.rested_at:
            return Stuck(because=_left(place, progress), again_in=REST)
        if span is None:
            because = f"{place.named()}: its versions are counted, from {progress.begun} on; nothing is moved yet"
            return Wait(because=because, again_in=AT_ONCE, facts=progress.facts())
        if progress.number == 0:
            return _counted(place, progress.passing(span), target.calls, now, ended=span.end is None)
        progress = progress.trying(span.changes, target.calls)
        if span.changes and not progress.given_up(target.calls):
            return _call(place, progress, len(span.changes))
        progress = progress.passing(span, failed=span.changes)
        if span.end is None:
            return _ended(place, progress, target.calls, now)
        return Wait(because=progress.sentence(place), again_in=AT_ONCE, facts=progress.facts())


def _counted(place: Place, progress: Progress, calls: int, now: datetime, *, ended: bool) -> Next:
    because = progress.sentence(place)
    if not ended:
        return Wait(because=because, again_in=AT_ONCE, facts=progress.facts())
    if progress.to_change:
        return Wait(because=because, again_in=AT_ONCE, facts=progress.again(calls).facts())
    return _ended(place, progress, calls, now)


def _call(place: Place, progress: Progress, missing: int) -> Act:
    restoring = Restoring(
        bucket=place.row.bucket,
        region=place.row.region,
        prefix=place.prefix,
        aim=place.aim(progress.began),
        after=progress.after,
        through=progress.through,
    )
    whole = f"in all {progress.counted}; " if progress.number == 1 else ""
    because = f"{progress.sentence(place)}; {whole}{missing:,} are missing through key {progress.through!r}"
    until = f"nothing is missing through key {progress.through!r}"
    return Act(because=because, call=restoring.call(until), facts=progress.facts())


def _ended(place: Place, progress: Progress, calls: int, now: datetime) -> Next:
    """At the end of a pass. Only one in which nothing was called and nothing is left says that it is done."""
    if not progress.failed and calls > progress.calls_pass:
        because = f"{progress.sentence(place)}; going over it once more, to see that nothing is missing"
        return Wait(because=because, again_in=AT_ONCE, facts=progress.again(calls).facts())
    if progress.failed or progress.unrestorable:
        rested = progress.resting(now)
        return Wait(because=_left(place, rested), again_in=AT_ONCE, facts=rested.facts())
    because = f"{place.named()}: nothing is missing, {progress.put_back:,} objects were put back"
    because += f"{progress.left_alone()}; {progress.examined:,} versions examined"
    return Done(because=because, facts=progress.facts())


def _left(place: Place, progress: Progress) -> str:
    failed = f", {progress.failed:,} failed, first {progress.first_failed} (why is in the timeline)"
    return (
        f"{place.named()}: {progress.put_back:,} objects were put back{failed if progress.failed else ''}"
        f"{progress.left_alone()}; a person must look, going over it again in {REST.seconds // 60} min"
    )
