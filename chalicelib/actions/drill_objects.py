"""The objects of a drill's own folder: written and harmed before the restore, compared after it, deleted in the end.

The restore in between is the real one (s3_restore.py), aimed at that folder and its moment. Nothing here names a key
outside of the folder, and nothing else of a drill deletes a version for good. Sources:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html (If-None-Match: only where there is none),
API_DeleteObject.html (a marker, or with its id a version for good), API_GetObject.html (a version).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.drill_folder import (
    GAP,
    LIST,
    OBJECTS,
    PLANNED,
    Folder,
    folder_of,
    listed,
    mine,
    moment_in,
    page_of,
    versions,
    written_by,
)
from chalicelib.actions.quarantine import silent
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.core.restoring import written
from chalicelib.core.versions import Entry, entries
from chalicelib.policy import Policy

BUCKETS: Final = ("{drill_buckets}",)
KEYS: Final = ("{drill_keys}",)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the folder."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Unversioned:
    """The bucket does not keep what is overwritten: there is nothing to rehearse."""

    status: str


@dataclass(frozen=True, slots=True)
class Read:
    """What everybody reads in the folder now, by key, and the moment that it was to be put back to."""

    bodies: Mapping[str, bytes]
    moment: datetime | None


class DrillObjects:
    """One object at a time; what is there says which is next."""

    name: ClassVar[str] = "drill-objects"
    reads: ClassVar[tuple[Op, ...]] = (
        LIST,
        AwsOp(service="s3", operation="get_bucket_versioning", resources=BUCKETS, where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="s3", operation="put_object", resources=OBJECTS, where="primary"),
        AwsOp(service="s3", operation="delete_object", resources=OBJECTS, where="primary"),
        AwsOp(service="kms", operation="generate_data_key", resources=KEYS, where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Found | Unversioned | Refused | NoData:
        folder = folder_of(target, policy)
        found = listed(folder, reader)
        if isinstance(found, Refused | NoData):
            return found
        if not found:
            row = folder.row
            kept = reader.aws("s3", row.region, "get_bucket_versioning", Bucket=row.bucket)
            if isinstance(kept, Refused | NoData):
                return kept
            if (status := kept.get("Status", "never enabled")) != "Enabled":
                return Unversioned(str(status))
        return Found(found)

    def next(
        self, target: Target, policy: Policy, facts: Found | Unversioned | Refused | NoData, now: datetime
    ) -> Next:
        folder = folder_of(target, policy)
        match facts:
            case Refused() | NoData():
                return silent(facts)
            case Unversioned(status=status):
                bucket = folder.row.bucket
                return Stuck(
                    because=f"versioning of bucket {bucket!r} is {status}, expected Enabled: nothing is put back"
                )
            case Found(entries=found):
                return (
                    _first(folder, found) or _mark(folder, found, policy, now) or _changed(folder, found, policy, now)
                )


class DrillObjectsSame:
    """Looks only: what was put back is what was there, byte for byte, and what was added is hidden."""

    name: ClassVar[str] = "drill-objects-same"
    reads: ClassVar[tuple[Op, ...]] = (
        LIST,
        AwsOp(service="s3", operation="get_object", resources=OBJECTS, where="primary", iam=("s3:GetObjectVersion",)),
        AwsOp(service="kms", operation="decrypt", resources=KEYS, where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Read | Refused | NoData:
        folder = folder_of(target, policy)
        found = listed(folder, reader)
        if isinstance(found, Refused | NoData):
            return found
        shown = [e for e in found if e.latest and not e.marker and e.key.startswith(folder.objects)]
        each = [{"Bucket": folder.row.bucket, "Key": e.key, "VersionId": e.version} for e in shown]
        bodies: dict[str, bytes] = {}
        for entry, answer in zip(shown, reader.aws_each("s3", folder.row.region, "get_object", each), strict=True):
            if isinstance(answer, Refused | NoData):
                return answer
            bodies[entry.key] = answer["Body"]
        return Read(bodies, moment_in(folder, found))

    def next(self, target: Target, policy: Policy, facts: Read | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Read):
            return silent(facts)
        folder = folder_of(target, policy)
        if facts.moment is None:
            return Stuck(because=f"{folder.named()} has no moment that anything could have been put back to")
        wanted = {folder.key(p): folder.was(p).encode() for p in PLANNED if p.there}
        wrong = [f"{key!r} is not there" for key in wanted if key not in facts.bodies]
        wrong += [f"{k!r} is not as it was" for k, body in wanted.items() if facts.bodies.get(k, body) != body]
        wrong += [f"{key!r} was not there then, and can be read" for key in facts.bodies if key not in wanted]
        at = written(facts.moment)
        if wrong:
            return Stuck(because=f"{folder.named()} is not as it was at {at}: {'; '.join(wrong)}")
        hidden = len(PLANNED) - len(wanted)
        because = f"{len(wanted)} objects in {folder.named()} are as they were at {at}, byte for byte"
        return Done(because=f"{because}, and {hidden} that was added since is hidden")


class DrillObjectsGone:
    """Every version and delete marker of the drill's folder, one at a time, until the folder lists nothing."""

    name: ClassVar[str] = "drill-objects-gone"
    reads: ClassVar[tuple[Op, ...]] = (LIST,)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="s3",
            operation="delete_object",
            resources=OBJECTS,
            where="primary",
            iam=("s3:DeleteObjectVersion",),
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Found | Refused | NoData:
        """The first page of what is left: the rest comes when that is gone."""
        folder = folder_of(target, policy)
        page = page_of(folder, reader, {})
        return page if isinstance(page, Refused | NoData) else Found(tuple(mine(folder, entries(page))))

    def next(self, target: Target, policy: Policy, facts: Found | Refused | NoData, now: datetime) -> Next:
        if not isinstance(facts, Found):
            return silent(facts)
        folder = folder_of(target, policy)
        own = mine(folder, facts.entries)
        if not own:
            return Done(because=f"no version and no delete marker is left in {folder.named()}")
        # From the oldest on, so that nothing that was hidden can be read meanwhile.
        last = own[-1]
        what = "delete marker" if last.marker else "version"
        call = _call(
            folder,
            "delete_object",
            {"Key": last.key, "VersionId": last.version},
            until=f"{what} {last.version} of {last.key!r} is not listed",
            reversible=False,
        )
        return Act(because=f"{what} {last.version} of {last.key!r} is there, one of {len(own)}", call=call)


def _first(folder: Folder, found: Sequence[Entry]) -> Next | None:
    """What is there at the moment."""
    for planned in (p for p in PLANNED if p.there):
        if all(e.marker for e in versions(folder, planned, found)):
            key = folder.key(planned)
            params = {"Key": key, "Body": folder.was(planned), "IfNoneMatch": "*"}
            call = _call(folder, "put_object", params, until=f"{key!r} is there")
            return Act(because=f"{key!r} is not there yet, as it is to be at the moment", call=call)
    return None


def _mark(folder: Folder, found: Sequence[Entry], policy: Policy, now: datetime) -> Next | None:
    """The object that marks the moment, stamped by S3 a while after all of those."""
    last = written_by(folder, found)
    if last is None or moment_in(folder, found) is not None:
        return None
    if now - last < GAP:
        return _later(last, policy, now, "the moment is marked a while after what is there then")
    because = f"no object marks the moment, {GAP.seconds} s after {written(last)} by S3's clock"
    body = f"what was written before is put back, what was written after {written(last)} is not\n"
    call = _call(
        folder, "put_object", {"Key": folder.mark, "Body": body}, until=f"{folder.mark!r} is there, stamped so"
    )
    return Act(because=because, call=call)


def _changed(folder: Folder, found: Sequence[Entry], policy: Policy, now: datetime) -> Next:
    """What is overwritten, deleted and added after the moment."""
    moment = moment_in(folder, found)
    if moment is None:
        raise ValueError(f"{folder.named()} has no moment, and is changed after it")
    for planned in PLANNED:
        since = [e for e in versions(folder, planned, found) if e.at > moment]
        key = folder.key(planned)
        for change in planned.changes:
            if any(e.marker == (change == "delete") for e in since):
                continue
            because = f"{key!r} is to be {'deleted' if change == 'delete' else 'written'} after {written(moment)}"
            until = f"{key!r} has a {'delete marker' if change == 'delete' else 'version'} from after {written(moment)}"
            body = {} if change == "delete" else {"Body": folder.now(planned)}
            operation = "delete_object" if change == "delete" else "put_object"
            return Act(because=because, call=_call(folder, operation, {"Key": key, **body}, until=until))
    # A restore leaves alone what bears its own second, or a later one.
    newest = max(e.at for e in found)
    if now - newest < GAP:
        return _later(newest, policy, now, "a restore leaves alone what was written since")
    changes = sum(len(p.changes) for p in PLANNED)
    because = f"{len(PLANNED)} objects stand in {folder.named()}, harmed by {changes} changes after {written(moment)}"
    return Done(because=because, facts={"moment": written(moment)})


def _later(since: datetime, policy: Policy, now: datetime, why: str) -> Wait:
    """S3's clock runs in real time, whatever the speed of a local world is."""
    left = min(GAP, since + GAP - now) if since <= now else GAP
    return Wait(because=f"{why}: {left.total_seconds():g} s more", again_in=left * policy.speed)


def _call(folder: Folder, operation: str, params: Mapping[str, str], *, until: str, reversible: bool = True) -> Call:
    if not params["Key"].startswith(folder.prefix):
        raise ValueError(f"{params['Key']!r} is not in {folder.named()}, and a drill changes nothing else")
    return Call(
        system="aws",
        service="s3",
        region=folder.row.region,
        operation=operation,
        params={"Bucket": folder.row.bucket, **params},
        until=until,
        reversible=reversible,
    )
