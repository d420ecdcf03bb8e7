"""A drill's own folder in S3: what is written there, when the moment was, and what stands there.

Rules. All of it is found by looking: a listing of the folder's versions says how far its making has come, and which
moment a restore in a drill is as of. S3 stamps versions with whole seconds of its own clock
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html, Last-Modified), so the moment is found by
that clock too: the object that marks it is stamped at least `GAP` after what was there before, and the moment is a
second before that stamp. What is changed is changed after that object was seen, so the moment lies strictly between.
Never look or write outside of `<prefix of policy><id of the drill>/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from chalicelib.actions.contract import AwsOp, Reader, Target
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.rehearsal import OF_OBJECTS
from chalicelib.core.versions import Entry, entries
from chalicelib.policy import Policy
from chalicelib.policy.backups import Restorable
from chalicelib.policy.drills import TestFolder

GAP: Final = timedelta(seconds=2)
"""A whole second on both sides of the moment."""
SECOND: Final = timedelta(seconds=1)
MOST: Final = 1000
"""So many versions are looked at; a drill writes some twenty."""
OBJECTS: Final = ("{drill_objects}",)
LIST: Final = AwsOp(
    service="s3",
    operation="list_object_versions",
    resources=("{drill_buckets}",),
    where="primary",
    iam=("s3:ListBucketVersions",),
)
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""
Change = Literal["overwrite", "delete"]


@dataclass(frozen=True, slots=True)
class Planned:
    """An object of a drill: whether it is there at the moment, and what is done to it afterwards, in order."""

    name: str
    there: bool
    changes: tuple[Change, ...]


PLANNED: Final = (
    Planned("kept", there=True, changes=()),
    Planned("overwritten", there=True, changes=("overwrite",)),
    Planned("deleted", there=True, changes=("delete",)),
    Planned("overwritten-and-deleted", there=True, changes=("overwrite", "delete")),
    Planned("added", there=False, changes=("overwrite",)),
)
"""One of each kind that core/versions.py knows: right, copied over, undeleted, copied over a marker, hidden."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A drill's: its bucket's row, and its prefix, which ends with the drill's id and a slash."""

    row: Restorable
    prefix: str

    @property
    def objects(self) -> str:
        """The prefix of what is put back."""
        return f"{self.prefix}objects/"

    @property
    def mark(self) -> str:
        """The key of the object that marks the moment. It stands beside the others: a restore would hide it."""
        return f"{self.prefix}moment"

    def key(self, planned: Planned) -> str:
        """Of an object."""
        return f"{self.objects}{planned.name}"

    def was(self, planned: Planned) -> str:
        """What an object holds at the moment."""
        return f"{self.key(planned)} was\n"

    def now(self, planned: Planned) -> str:
        """What it holds afterwards: as many bytes, so that a size alone never tells the two from one another."""
        return f"{self.key(planned)} now\n"

    def named(self) -> str:
        """`s3://bucket/dr-drill/drill-data-corruption-20261123T030006/`."""
        return f"s3://{self.row.bucket}/{self.prefix}"


def folder_of(target: Target, policy: Policy) -> Folder:
    """The drill's folder; KeyError where policy names none, or a bucket that is not put back."""
    test = policy.drills.test_folder
    row = next((r for r in policy.backups.restorable if test and r.bucket == test.bucket), None)
    if test is None or row is None:
        raise KeyError("drills.yaml names no test_folder in a bucket of backups.yaml restorable")
    return Folder(row, f"{test.prefix}{target.incident}/")


def test_folder(policy: Policy) -> TestFolder | None:
    """Where drills of policy's rows put objects back; None where none does, and nobody needs a right to it."""
    rehearsed = {r.runbook for r in policy.drills.rows if r.kind == "copies"}
    steps = (s for r in policy.runbooks.runbooks if r.scenario in rehearsed for s in r.steps)
    return policy.drills.test_folder if any(s.action in OF_OBJECTS for s in steps) else None


def listed(folder: Folder, reader: Reader) -> tuple[Entry, ...] | Refused | NoData:
    """Every version and delete marker in it, by key, the newest of a key first."""
    markers: dict[str, str] = {}
    found: list[Entry] = []
    while len(found) <= MOST:
        page = page_of(folder, reader, markers)
        if isinstance(page, Refused | NoData):
            return page
        found += mine(folder, entries(page))
        if not page.get("IsTruncated"):
            return tuple(found)
        markers = {"KeyMarker": page["NextKeyMarker"]}
        if page.get("NextVersionIdMarker"):
            markers["VersionIdMarker"] = page["NextVersionIdMarker"]
    because = (
        f"{folder.named()} has more than {len(found)} versions, and a drill writes some twenty: look whose they are"
    )
    return Refused(code="TooMany", because=because)


def page_of(folder: Folder, reader: Reader, markers: Mapping[str, str]) -> Mapping[str, Any] | Refused | NoData:
    """A page of its versions."""
    row = folder.row
    return reader.aws("s3", row.region, "list_object_versions", Bucket=row.bucket, Prefix=folder.prefix, **markers)


def mine(folder: Folder, found: Iterable[Entry]) -> list[Entry]:
    """Those that are the drill's, whatever else a listing has."""
    return [e for e in found if e.key.startswith(folder.prefix)]


def versions(folder: Folder, planned: Planned, found: Iterable[Entry]) -> list[Entry]:
    """Of one object, with its delete markers."""
    return [e for e in found if e.key == folder.key(planned)]


def written_by(folder: Folder, found: Iterable[Entry]) -> datetime | None:
    """When the last of what is there at the moment was first written; None while one is missing."""
    rows = tuple(found)
    first = [min((e.at for e in versions(folder, p, rows) if not e.marker), default=None) for p in PLANNED if p.there]
    known = [at for at in first if at is not None]
    return max(known) if len(known) == len(first) else None


def moment_in(folder: Folder, found: Iterable[Entry]) -> datetime | None:
    """The moment, in whole seconds of S3's clock; None while it is not marked. The first object that marks it counts:
    one whose answer was lost may come once more, and then changes were made already.
    """
    rows = tuple(found)
    last = written_by(folder, rows)
    if last is None:
        return None
    marks = [e.at for e in rows if e.key == folder.mark and not e.marker and e.at - last >= GAP]
    return min(marks) - SECOND if marks else None
