"""What must be done to each key of a bucket so that it is as it was at a moment, from a listing of its versions.

Rules. The listing is read as a stream: keys in order, the versions of a key newest first, and one key's versions may
span pages, so all that is kept between two pages is the one key that is not finished. A key is judged by what the
listing says and by nothing that was done before: whoever is stopped half way finds the rest by looking again.
What becomes current again is made so by a new copy, or by taking away the delete markers above it, which is cheaper
and keeps the version's id. A version is never deleted, and what the moment did not have is hidden by a delete marker
at most. What was written since the restore began is nobody's accident and stays. Never ask a clock or S3 here.

S3 stamps versions to the second, and its two lists (versions, delete markers) do not say which of two stamps of one
second came first, unless one of them is the latest. Then a version counts as there: to bring one too many back loses
nothing. A version that was uploaded in parts bears the moment at which its upload began, not ended.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManagingDelMarkers.html, .../UsingMetadata.html (Last-Modified).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

Kind = Literal["copy", "unmark", "remove", "right", "newer", "since", "archived", "large", "many"]
"""The first three are changes. `newer`: it was not there then, and stays. `since`: it was written after the restore
began, and stays. `archived`, `large`, `many`: it should be put back, and is not, because of what the name says."""
CHANGES: Final[frozenset[Kind]] = frozenset({"copy", "unmark", "remove"})
UNRESTORABLE: Final[frozenset[Kind]] = frozenset({"archived", "large", "many"})
ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that cannot be read, nor copied, before RestoreObject has made a copy that can
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html). GLACIER_IR is read at once."""
LARGEST: Final = 10 * 1024**3
"""Bytes that one call can copy within its time, in parts side by side; what is larger is told, and not attempted."""
MARKERS: Final = 50
"""More delete markers than this above a version are not taken away; it is copied over them."""
MARK: Final = "restored-from-version"
"""The user metadata of a copy whose ETag cannot show what it is a copy of."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version, or one delete marker, as a listing has it."""

    key: str
    version: str
    at: datetime
    marker: bool
    latest: bool
    etag: str = ""
    size: int = 0
    storage: str = "STANDARD"
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is to be reached. `as_of` and `begun` are whole seconds in UTC; `newer` says what becomes of keys that were
    not there; `digests`: ETags of whole objects are digests of their bytes (not so with SSE-KMS), so that two that
    differ are of different bytes.
    """

    as_of: datetime
    begun: datetime
    newer: Literal["keep", "remove"] = "keep"
    digests: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one key needs. `wanted` was current then; `current` is now, a marker too; `doubtful`: the current version
    may already be a copy of the wanted one, and only its metadata can tell.
    """

    kind: Kind
    key: str
    wanted: Entry | None = None
    current: Entry | None = None
    markers: tuple[str, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A key of which not all versions have been seen. `settled`: what it was is known. `versions_above`: a version, not
    only markers, stands above what it was; `maybe` is the second of a delete marker that a version may share.
    """

    current: Entry
    wanted: Entry | None = None
    settled: bool = False
    versions_above: bool = False
    markers: tuple[str, ...] = ()
    maybe: datetime | None = None


def entries(page: Mapping[str, Any]) -> Iterator[Entry]:
    """The two lists of a ListObjectVersions answer as one, in order. KeyError when a field is missing."""
    versions = [_version(v) for v in page.get("Versions") or ()]
    markers = [_marker(m) for m in page.get("DeleteMarkers") or ()]
    i = j = 0
    while i < len(versions) and j < len(markers):
        if _stands_before(markers[j], versions[i]):
            yield markers[j]
            j += 1
        else:
            yield versions[i]
            i += 1
    yield from versions[i:]
    yield from markers[j:]


def fold(opened: Key | None, page: Iterable[Entry], aim: Aim) -> tuple[Key | None, list[Verdict]]:
    """Takes a page in: the key that is not finished, and the verdicts of those that are, `right` among them."""
    found: list[Verdict] = []
    for entry in page:
        if opened is not None and opened.current.key != entry.key:
            found.append(judge(opened, aim))
            opened = None
        if opened is None:
            opened = Key(entry)
        if not opened.settled:
            opened = _seen(opened, entry, aim)
    return opened, found


def judge(key: Key, aim: Aim) -> Verdict:
    """What a key needs whose versions have all been seen."""
    wanted, current = key.wanted, key.current
    name, since = current.key, current.at >= aim.begun
    if wanted is None:
        if current.marker:
            return Verdict("right", name)
        kind: Kind = "newer" if aim.newer == "keep" else "since" if since else "remove"
        return Verdict(kind, name, None, current)
    if current == wanted or _alike(current, wanted):
        return Verdict("right", name)
    doubtful = not current.marker and _may_be_copy(current, wanted, aim)
    if since and not doubtful:
        return Verdict("since", name, wanted, current)
    if not key.versions_above and len(key.markers) <= MARKERS:
        return Verdict("unmark", name, wanted, current, key.markers)
    if not wanted.readable:
        return Verdict("archived", name, wanted, current)
    if wanted.size > LARGEST:
        return Verdict("large", name, wanted, current)
    return Verdict("copy", name, wanted, current, doubtful=doubtful)


def cleared(verdict: Verdict, metadata: Mapping[str, str] | None, aim: Aim) -> Verdict:
    """A doubtful verdict without its doubt, by the metadata of the current version; None when that is gone."""
    if not verdict.doubtful or verdict.wanted is None or verdict.current is None:
        return verdict
    if metadata is not None and metadata.get(MARK) == verdict.wanted.version:
        return Verdict("right", verdict.key)
    if verdict.current.at >= aim.begun:
        return Verdict("since", verdict.key, verdict.wanted, verdict.current)
    return replace(verdict, doubtful=False)


def sizes(verdicts: Sequence[Verdict]) -> int:
    """The bytes that copying them moves."""
    return sum(v.wanted.size for v in verdicts if v.kind == "copy" and v.wanted)


def _seen(key: Key, entry: Entry, aim: Aim) -> Key:
    """The unsettled key with the next older entry seen."""
    if key.maybe is not None:
        if not entry.marker and entry.at == key.maybe:
            return replace(key, wanted=entry, settled=True, maybe=None)
        if entry.at == key.maybe:
            return replace(key, markers=_more(key.markers, entry))
        return replace(key, settled=True, maybe=None)
    if entry.at <= aim.as_of:
        if not entry.marker:
            return replace(key, wanted=entry, settled=True)
        if entry.latest:
            return replace(key, settled=True)
        return replace(key, maybe=entry.at, markers=_more(key.markers, entry))
    if entry.marker:
        return replace(key, markers=_more(key.markers, entry))
    return replace(key, versions_above=True)


def _more(markers: tuple[str, ...], entry: Entry) -> tuple[str, ...]:
    """One marker more than are taken away is kept, so that it is known that there are too many."""
    return (*markers, entry.version) if len(markers) <= MARKERS else markers


def _stands_before(marker: Entry, version: Entry) -> bool:
    if marker.key != version.key:
        return marker.key < version.key
    if marker.latest or version.latest:
        return marker.latest
    return marker.at >= version.at


def _alike(a: Entry, b: Entry) -> bool:
    """Whether two versions hold the same bytes: nothing else gives them one ETag and one size."""
    return not a.marker and not b.marker and a.size == b.size and bool(a.etag) and a.etag == b.etag


def _may_be_copy(current: Entry, wanted: Entry, aim: Aim) -> bool:
    """Of one size, and at least one ETag is no digest of the bytes: of KMS, or of an upload in parts (`…-3`)."""
    return current.size == wanted.size and (not aim.digests or "-" in current.etag or "-" in wanted.etag)


def _version(row: Mapping[str, Any]) -> Entry:
    storage = row.get("StorageClass") or "STANDARD"
    # Listed when asked for: a copy that RestoreObject made and that has not expired.
    restored = (row.get("RestoreStatus") or {}).get("RestoreExpiryDate") is not None
    return Entry(
        key=row["Key"],
        version=row["VersionId"],
        at=row["LastModified"],
        marker=False,
        latest=bool(row.get("IsLatest")),
        etag=row.get("ETag", ""),
        size=int(row.get("Size", 0)),
        storage=storage,
        readable=storage not in ARCHIVES or restored,
    )


def _marker(row: Mapping[str, Any]) -> Entry:
    return Entry(row["Key"], row["VersionId"], row["LastModified"], True, bool(row.get("IsLatest")))
