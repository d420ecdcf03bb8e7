"""Versions as the tests write them, and a model of a bucket that remembers everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.spans import Span, read_span
from chalicelib.core.versions import (
    Aim,
    Entry,
    Verdict,
)

T0 = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
BEGUN = T0 + timedelta(hours=2)
AIM = Aim(as_of=T0, begun=BEGUN)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def version(name: str, minutes: float, *, key: str = "k", **more: Any) -> Entry:
    made = Entry(key, name, at(minutes), marker=False, latest=False, etag=f'"{name}"', size=3)
    return replace(made, **more)


def marker(name: str, minutes: float, *, key: str = "k", latest: bool = False) -> Entry:
    return Entry(key, name, at(minutes), marker=True, latest=latest)


REMOVE = replace(AIM, newer="remove")
KMS = replace(AIM, digests=False)


# A model that remembers everything: puts and deletions in an order, each stamped in whole seconds.


@dataclass(frozen=True)
class Event:
    key: str
    deletes: bool
    second: int
    content: int


EVENTS = st.lists(
    st.builds(
        Event,
        key=st.sampled_from(["a", "a/b", "\U0001f600"]),
        deletes=st.booleans(),
        second=st.integers(0, 5),
        content=st.integers(0, 2),
    ),
    max_size=30,
)


class Bucket:
    """What S3 would keep. `listed` gives pages of `size` of what is there now, as two lists each, in S3's order."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.history: dict[str, list[Entry]] = {}
        self.made = 0
        for event in sorted(events, key=lambda e: e.second):
            self.put(event.key, at(event.second), None if event.deletes else event.content)

    def put(self, key: str, when: datetime, content: int | None) -> None:
        """Puts, or with None deletes."""
        self.made += 1
        name, etag, size = f"v{self.made}", f'"{content}"', 0 if content is None else content
        entry = Entry(key, name, when, content is None, True, "" if content is None else etag, size)
        older = [replace(e, latest=False) for e in self.history.get(key, [])]
        self.history[key] = [entry, *older]

    def current(self) -> dict[str, str]:
        """Key → ETag of what is there."""
        return {k: h[0].etag for k, h in self.history.items() if h and not h[0].marker}

    def as_of(self, when: datetime) -> dict[str, set[str | None]]:
        """Key → what it may have been then: two of one second and neither the latest can have come either way round,
        and then a version counts.
        """
        found: dict[str, set[str | None]] = {}
        for key, history in self.history.items():
            then = [e for e in history if e.at <= when]
            if not then:
                found[key] = {None}
                continue
            second = [e for e in then if e.at == then[0].at]
            versions = [e.etag for e in second if not e.marker]
            found[key] = {versions[0]} if versions and not (then[0].latest and then[0].marker) else {None}
        return found

    def rows(self) -> list[Entry]:
        return [e for key in sorted(self.history, key=str.encode) for e in self.history[key]]

    def listed(self, size: int) -> Any:
        rows = self.rows()

        def page(markers: Mapping[str, str]) -> Mapping[str, Any]:
            key, name = markers.get("KeyMarker"), markers.get("VersionIdMarker")
            start = 0
            if key is not None:
                places = [i for i, e in enumerate(rows) if e.key == key and name in (None, e.version)]
                start = places[-1] + 1
            shown = rows[start : start + size]
            more = start + size < len(rows)
            ends = {"NextKeyMarker": shown[-1].key, "NextVersionIdMarker": shown[-1].version} if more else {}
            return {"IsTruncated": more, "Versions": raw(shown, False), "DeleteMarkers": raw(shown, True), **ends}

        return page

    def do(self, verdict: Verdict, when: datetime) -> None:
        """What carrying a verdict out makes of the bucket."""
        history = self.history[verdict.key]
        match verdict.kind:
            case "unmark":
                assert all(e.marker for e in history if e.version in verdict.markers)
                left = [e for e in history if e.version not in verdict.markers]
                self.history[verdict.key] = [replace(left[0], latest=True), *left[1:]]
            case "copy":
                assert verdict.wanted
                self.put(verdict.key, when, int(verdict.wanted.etag.strip('"')))
            case "remove":
                self.put(verdict.key, when, None)
            case _:
                pass


def raw(rows: Sequence[Entry], markers: bool) -> list[dict[str, Any]]:
    return [
        {"Key": e.key, "VersionId": e.version, "LastModified": e.at, "IsLatest": e.latest}
        | ({} if markers else {"ETag": e.etag, "Size": e.size, "StorageClass": e.storage})
        for e in rows
        if e.marker is markers
    ]


def spans(bucket: Bucket, size: int, aim: Aim) -> Iterator[Span]:
    """All spans of a bucket, each read from where the one before it ended."""
    after: str | None = ""
    while after is not None:
        span = read_span(bucket.listed(size), after, aim)
        assert not isinstance(span, Refused | NoData)
        yield span
        assert span.end is None or span.end > after
        after = span.end
