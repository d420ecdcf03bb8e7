"""What the two actions on S3 versions share: what a step is aimed at, whether that makes sense, and a look at a span.

Everything that is wrong with what was asked for is found here, before the first request that could lead to a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.copies import is_copy
from chalicelib.actions.drill_folder import OBJECTS as DRILL_OBJECTS
from chalicelib.actions.drill_folder import folder_of, listed, moment_in
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.restoring import moment_of, written
from chalicelib.core.spans import Span, read_span
from chalicelib.core.versions import Aim, Verdict, cleared
from chalicelib.policy import Policy
from chalicelib.policy.backups import Restorable
from chalicelib.policy.base import show_duration

BUCKETS: Final = ("{restorable_buckets}",)
OBJECTS: Final = ("{restorable_objects}", *DRILL_OBJECTS)
READS: Final[tuple[Op, ...]] = (
    AwsOp(service="s3", operation="get_bucket_versioning", resources=BUCKETS, where="primary"),
    AwsOp(
        service="s3",
        operation="list_object_versions",
        resources=BUCKETS,
        where="primary",
        iam=("s3:ListBucketVersions",),
    ),
    AwsOp(service="s3", operation="head_object", resources=OBJECTS, where="primary", iam=("s3:GetObjectVersion",)),
)
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html"""
GONE: Final = frozenset({"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"})
"""What HeadObject says of a version that is no more, or is a delete marker by now."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What was asked for cannot be meant: what, where, what is allowed, what was found."""

    because: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """No folder was chosen to be put back."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a step puts back: a bucket of policy, a prefix of it, a moment, and what becomes of what is newer."""

    row: Restorable
    prefix: str
    as_of: datetime
    newer: Literal["keep", "remove"]

    def named(self) -> str:
        """`s3://bucket/prefix as of 2026-11-24T02:00:00Z`."""
        return f"s3://{self.row.bucket}/{self.prefix} as of {written(self.as_of)}"

    def aim(self, begun: datetime) -> Aim:
        """The aim of a restore that began then."""
        digests = self.row.encryption == "SSE-S3"
        return Aim(as_of=self.as_of, begun=begun, newer=self.newer, digests=digests)


def aimed(target: Target, policy: Policy, began: datetime, reader: Reader) -> Place | Wrong | Refused | NoData:
    """What the step puts back: what its `with` names, or in a drill the drill's own folder, as of the moment in it."""
    if not is_copy(target):
        return place_of(target, policy, began)
    folder = folder_of(target, policy)
    found = listed(folder, reader)
    if isinstance(found, Refused | NoData):
        return found
    if (moment := moment_in(folder, found)) is None:
        return Wrong(f"{folder.named()} has no moment that it could be put back to")
    return Place(folder.row, folder.objects, moment, "remove" if target.params.get("newer") == "remove" else "keep")


def place_of(target: Target, policy: Policy, began: datetime) -> Place | Wrong:
    """What the step's `with: {bucket, prefix, as_of, newer}` means; `folder` is bucket and prefix in one, as chosen.
    `began` is when the restore did, or now: the retention is counted from there, so that one that takes long does not
    fall out of it.
    """
    rows = {r.bucket: r for r in policy.backups.restorable}
    bucket, prefix = where(target.params)
    row = rows.get(bucket)
    if row is None:
        known = ", ".join(rows) or "none"
        return Wrong(f"bucket {bucket!r} may not be put back; allowed are those of backups.yaml restorable: {known}")
    if not any(prefix.startswith(allowed) for allowed in row.prefixes):
        allowed = ", ".join(repr(p) for p in row.prefixes)
        return Wrong(
            f"prefix {prefix!r} of bucket {bucket!r} may not be put back; allowed is what begins with {allowed}"
        )
    newer = target.params.get("newer", "keep")
    if newer not in ("keep", "remove"):
        return Wrong(f"newer is {newer!r}; allowed are keep (what was not there then stays) and remove (it is hidden)")
    try:
        as_of = moment_of(target.params.get("as_of", ""))
    except ValueError as error:
        return Wrong(f"the moment to put bucket {bucket!r} back to: {error}")
    if as_of > began:
        return Wrong(f"{written(as_of)} is in the future of {written(began)}; allowed is a moment that has passed")
    # S3's lifecycle runs in real time, whatever the speed of a local world is.
    back: timedelta = row.restores_back * policy.speed
    if as_of < began - back:
        return Wrong(
            f"{written(as_of)} is before {written(began - back)}: bucket {bucket!r} is put back by at most"
            f" {show_duration(back)} (backups.yaml restores_back), since older versions may be gone"
        )
    return Place(row, prefix, as_of, "remove" if newer == "remove" else "keep")


def where(params: Mapping[str, str]) -> tuple[str, str]:
    """The bucket and the prefix that a step's `with` names."""
    if "folder" in params:
        bucket, _, prefix = params["folder"].partition("/")
        return bucket, prefix
    return params.get("bucket", ""), params.get("prefix", "")


def versioning(place: Place, reader: Reader) -> Wrong | Refused | NoData | None:
    """None when the bucket keeps what is overwritten; while it does not, a copy would destroy the null version
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/AddingObjectstoVersionSuspendedBuckets.html).
    """
    bucket = place.row.bucket
    found = reader.aws("s3", place.row.region, "get_bucket_versioning", Bucket=bucket)
    if isinstance(found, Refused | NoData):
        return found
    status = found.get("Status", "never enabled")
    if status != "Enabled":
        return Wrong(
            f"versioning of bucket {bucket!r} is {status}, expected Enabled: what is written now would be lost"
        )
    return None


def look(place: Place, aim: Aim, reader: Reader, after: str, through: str = "") -> Span | Refused | NoData:
    """A span of the bucket, every doubt of it cleared by the metadata of the versions concerned."""
    row = place.row

    def page(markers: Mapping[str, str]) -> Mapping[str, Any] | Refused | NoData:
        asked = {"Bucket": row.bucket, "Prefix": place.prefix, "OptionalObjectAttributes": ["RestoreStatus"]}
        return reader.aws("s3", row.region, "list_object_versions", **asked, **markers)

    span = read_span(page, after, aim, through=through)
    if isinstance(span, Refused | NoData):
        return span
    doubtful = [v for v in span.verdicts if v.doubtful]
    each = [{"Bucket": row.bucket, "Key": v.key, "VersionId": v.current.version} for v in doubtful if v.current]
    known: dict[str, Verdict] = {}
    for verdict, head in zip(doubtful, reader.aws_each("s3", row.region, "head_object", each), strict=True):
        if isinstance(head, NoData) or (isinstance(head, Refused) and head.code not in GONE):
            return head
        metadata = None if isinstance(head, Refused) else head.get("Metadata")
        known[verdict.key] = cleared(verdict, metadata, aim)
    verdicts = tuple(known.get(v.key, v) for v in span.verdicts)
    return replace(span, verdicts=tuple(v for v in verdicts if v.kind != "right"))
