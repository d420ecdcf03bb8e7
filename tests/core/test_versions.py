"""What a listing of versions says of each key, against a model that remembers everything."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.restoring import Restoring, moment_of, written
from chalicelib.core.spans import ENOUGH, PAGES, PAGES_OF_ONE_KEY, Span, read_span
from chalicelib.core.versions import (
    LARGEST,
    MARK,
    MARKERS,
    Aim,
    Entry,
    Kind,
    Verdict,
    cleared,
    entries,
    fold,
    judge,
    sizes,
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


def of(*history: Entry, aim: Aim = AIM) -> Verdict:
    """The verdict of one key, its entries newest first, the first being the latest."""
    opened, found = fold(None, [replace(history[0], latest=True), *history[1:]], aim)
    assert opened is not None
    assert not found
    return judge(opened, aim)


REMOVE = replace(AIM, newer="remove")
KMS = replace(AIM, digests=False)
ROWS: list[tuple[str, Sequence[Entry], Aim, Kind]] = [
    ("untouched", [version("a", -5)], AIM, "right"),
    ("stamped in the very second counts as there", [version("a", 0)], AIM, "right"),
    ("overwritten", [version("b", 5), version("a", -5)], AIM, "copy"),
    ("overwritten by the same bytes", [version("b", 5, etag='"a"'), version("a", -5)], AIM, "right"),
    ("overwritten by other bytes of one size and no ETag", [version("b", 5, etag=""), version("a", -5)], AIM, "copy"),
    ("deleted", [marker("m", 5), version("a", -5)], AIM, "unmark"),
    ("deleted twice", [marker("n", 6), marker("m", 5), version("a", -5)], AIM, "unmark"),
    ("overwritten and deleted", [marker("m", 6), version("b", 5), version("a", -5)], AIM, "copy"),
    ("deleted, put and deleted", [marker("n", 7), version("b", 6), marker("m", 5), version("a", -5)], AIM, "copy"),
    ("deleted before", [marker("m", -1), version("a", -5)], AIM, "right"),
    ("deleted before, and again", [marker("n", 5), marker("m", -1), version("a", -5)], AIM, "right"),
    ("not there then", [version("a", 5)], AIM, "newer"),
    ("not there then, to be hidden", [version("a", 5)], REMOVE, "remove"),
    ("deleted then, there now, to be hidden", [version("b", 5), marker("m", -1), version("a", -5)], REMOVE, "remove"),
    ("not there then nor now", [marker("m", 6), version("a", 5)], REMOVE, "right"),
    ("written since the restore began", [version("b", 121), version("a", -5)], AIM, "since"),
    ("written in the second in which it began", [version("b", 120), version("a", -5)], AIM, "since"),
    ("deleted since the restore began", [marker("m", 121), version("a", -5)], AIM, "since"),
    ("new since the restore began, to be hidden", [version("a", 121)], REMOVE, "since"),
    ("put back already", [version("c", 121, etag='"a"'), version("b", 5), version("a", -5)], AIM, "right"),
    ("empty, overwritten by something", [version("b", 5), version("a", -5, size=0, etag='"0"')], AIM, "copy"),
    ("empty, overwritten by nothing", [version("b", 5, size=0, etag='"0"'), version("a", -5, size=0, etag='"0"')], AIM,
     "right"),
    ("the null version of a time before versioning", [version("b", 5), version("null", -5)], AIM, "copy"),
    ("a null delete marker of a time of suspension", [marker("null", 5), version("a", -5)], AIM, "unmark"),
    ("archived and overwritten", [version("b", 5), version("a", -5, storage="GLACIER", readable=False)], AIM,
     "archived"),
    ("archived and deleted comes back archived", [marker("m", 5), version("a", -5, readable=False)], AIM, "unmark"),
    ("too large for one call", [version("b", 5), version("a", -5, size=LARGEST + 1)], AIM, "large"),
    ("large and deleted needs no copy", [marker("m", 5), version("a", -5, size=LARGEST + 1)], AIM, "unmark"),
    ("more markers than are taken away", [*(marker(f"m{i}", 60 - i) for i in range(MARKERS + 1)), version("a", -5)],
     AIM, "copy"),
    ("as many as are taken away", [*(marker(f"m{i}", 60 - i) for i in range(MARKERS)), version("a", -5)], AIM,
     "unmark"),
    # Of one second and neither the latest: what came first is not said, and a version counts as there.
    ("deleted in the second in which it was put", [marker("n", 5), marker("m", -1), version("a", -1)], AIM, "unmark"),
    ("put in the second in which it was deleted", [marker("n", 5), version("a", -1), marker("m", -1)], AIM, "unmark"),
    ("the latest is a marker of the version's own second", [marker("m", -1), version("a", -1)], AIM, "right"),
]  # fmt: skip


@pytest.mark.parametrize(("history", "aim", "kind"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_key_needs_what_its_versions_say(history: Sequence[Entry], aim: Aim, kind: Kind) -> None:
    assert of(*history, aim=aim).kind == kind


def test_undeleting_takes_away_every_marker_above_the_version_and_none_below() -> None:
    found = of(marker("n", 6), marker("m", 5), version("a", -5), marker("old", -9), version("z", -20))
    assert found.markers == ("n", "m")
    assert found.wanted == version("a", -5)


@pytest.mark.parametrize(
    ("current", "wanted", "aim", "doubtful"),
    [
        (version("b", 5), version("a", -5), AIM, False),
        (version("b", 5), version("a", -5), KMS, True),
        (version("b", 5, etag='"9-2"'), version("a", -5), AIM, True),
        (version("b", 5), version("a", -5, etag='"9-2"'), AIM, True),
        (version("b", 5, size=4), version("a", -5), KMS, False),
    ],
)
def test_only_what_no_etag_can_tell_apart_is_doubtful(current: Entry, wanted: Entry, aim: Aim, doubtful: bool) -> None:
    found = of(current, wanted, aim=aim)
    assert (found.kind, found.doubtful) == ("copy", doubtful)


@pytest.mark.parametrize(
    ("written_at", "metadata", "kind"),
    [
        (5, {MARK: "a"}, "right"),
        (5, {MARK: "z"}, "copy"),
        (5, {}, "copy"),
        (5, None, "copy"),
        (121, {MARK: "a"}, "right"),
        (121, {"x": "y"}, "since"),
    ],
)
def test_the_metadata_of_the_current_version_clears_a_doubt(
    written_at: float, metadata: Mapping[str, str] | None, kind: Kind
) -> None:
    found = of(version("b", written_at), version("a", -5), aim=KMS)
    assert found.doubtful
    settled = cleared(found, metadata, KMS)
    assert (settled.kind, settled.doubtful) == (kind, False)


def test_a_verdict_without_doubt_stays_as_it_is() -> None:
    found = of(version("b", 5), version("a", -5))
    assert cleared(found, {MARK: "a"}, AIM) is found


def test_bytes_are_those_that_are_copied() -> None:
    copied, undeleted = of(version("b", 5), version("a", -5, size=7)), of(marker("m", 5), version("a", -5, size=9))
    assert sizes([copied, undeleted]) == 7


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
    """What S3 would keep. `listed` gives pages of `size`, as two lists each, in S3's order."""

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
        def page(markers: Mapping[str, str]) -> Mapping[str, Any]:
            rows = self.rows()
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


@settings(max_examples=2000, deadline=None)
@given(EVENTS, st.integers(0, 5), st.integers(1, 7), st.sampled_from(["keep", "remove"]))
def test_a_random_history_becomes_what_it_was_and_a_second_run_finds_nothing(
    events: list[Event], minute: int, size: int, newer: Any
) -> None:
    bucket, aim = Bucket(events), Aim(as_of=at(minute), begun=BEGUN, newer=newer)
    was, now = bucket.as_of(at(minute)), bucket.current()
    found = list(spans(bucket, size, aim))
    assert sum(s.examined for s in found) == len(bucket.rows())
    versions = {e.version for e in bucket.rows() if not e.marker}
    for span in found:
        for verdict in span.changes:
            bucket.do(verdict, BEGUN + timedelta(minutes=1))
    for key, expected in was.items():
        there = bucket.current().get(key)
        if expected == {None} and newer == "keep":
            assert there == now.get(key)
        else:
            assert there in expected
    assert versions <= {e.version for e in bucket.rows()}  # nothing but markers is ever gone
    assert not [v for span in spans(bucket, size, aim) for v in span.changes]


@settings(max_examples=500, deadline=None)
@given(EVENTS, st.integers(0, 5), st.integers(1, 7), st.integers(1, 7))
def test_where_pages_are_cut_changes_nothing(events: list[Event], minute: int, one: int, other: int) -> None:
    bucket, aim = Bucket(events), Aim(as_of=at(minute), begun=BEGUN, newer="remove")
    kinds = [
        [(v.key, v.kind) for span in spans(bucket, size, aim) for v in span.verdicts] for size in (one, other, 1000)
    ]
    assert kinds[0] == kinds[1] == kinds[2]


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.integers(0, 5), st.integers(1, 7))
def test_a_span_read_again_through_its_last_change_has_the_same_changes(
    events: list[Event], minute: int, size: int
) -> None:
    bucket, aim = Bucket(events), Aim(as_of=at(minute), begun=BEGUN, newer="remove")
    after = ""
    for span in spans(bucket, size, aim):
        if span.changes:
            through = span.changes[-1].key
            again = read_span(bucket.listed(size), after, aim, through=through)
            assert isinstance(again, Span)
            assert again.changes == span.changes
            assert again.end in (through, None)
        after = span.end or ""


def test_two_lists_become_one_in_the_order_of_time_with_the_latest_first() -> None:
    rows = [marker("m", 5, latest=True), version("b", 5), version("a", 4), marker("n", 3)]
    page = {"Versions": raw(rows, False), "DeleteMarkers": raw(rows, True)}
    assert [e.version for e in entries(page)] == ["m", "b", "a", "n"]


def test_the_latest_stands_first_whatever_its_stamp_says() -> None:
    for first, second in (
        (marker("m", 4, latest=True), version("b", 5)),
        (version("b", 4, latest=True), marker("m", 5)),
    ):
        rows = [first, second]
        page = {"Versions": raw(rows, False), "DeleteMarkers": raw(rows, True)}
        assert [e.version for e in entries(page)] == [first.version, second.version]


def test_a_marker_of_a_version_s_own_second_is_taken_away_with_those_above_it() -> None:
    bucket = Bucket([Event("k", False, 1, 1), Event("k", True, 1, 0), Event("k", True, 3, 0)])
    aim = replace(AIM, as_of=at(2))
    (span,) = spans(bucket, 1000, aim)
    assert [v.kind for v in span.changes] == ["unmark"]
    bucket.do(span.changes[0], BEGUN)
    assert bucket.current() == {"k": '"1"'}
    assert [s.changes for s in spans(bucket, 1000, aim)] == [()]


def test_a_restored_archive_can_be_read() -> None:
    row = {"Key": "k", "VersionId": "a", "LastModified": T0, "StorageClass": "GLACIER", "Size": 1}
    archived, restored = (
        next(entries({"Versions": [row | more]}))
        for more in ({}, {"RestoreStatus": {"IsRestoreInProgress": False, "RestoreExpiryDate": at(9)}})
    )
    assert (archived.readable, restored.readable) == (False, True)
    assert next(entries({"Versions": [row | {"StorageClass": "GLACIER_IR"}]})).readable


# Many.


class Long:
    """A listing of `keys` keys with `each` versions that is made while it is read."""

    def __init__(self, keys: int, each: int, size: int = 1000) -> None:
        self.keys, self.each, self.size, self.pages = keys, each, size, 0

    def __call__(self, markers: Mapping[str, str]) -> Mapping[str, Any]:
        self.pages += 1
        start = 0
        if "KeyMarker" in markers:
            start = int(markers["KeyMarker"]) * self.each + int(markers.get("VersionIdMarker", self.each - 1)) + 1
        end = min(start + self.size, self.keys * self.each)
        rows = [
            {
                "Key": f"{i // self.each:09}",
                "VersionId": str(i % self.each),
                "LastModified": at(5 if i % self.each < self.each - 1 else -5),
                "IsLatest": i % self.each == 0,
                "ETag": f'"{i}"',
                "Size": 1,
            }
            for i in range(start, end)
        ]
        more = end < self.keys * self.each
        ends = {"NextKeyMarker": rows[-1]["Key"], "NextVersionIdMarker": rows[-1]["VersionId"]} if more else {}
        return {"IsTruncated": more, "Versions": rows, **ends}


def heaviest(listing: Long, after: str) -> int:
    """The most bytes that reading one span takes at a time, the made-up page among them."""
    tracemalloc.start()
    try:
        read_span(listing, after, AIM)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_300_000_versions_go_by_in_bounded_memory() -> None:
    listing, after, examined, changes, spans_read = Long(100_000, 3), "", 0, 0, 0
    first = heaviest(Long(100_000, 3), "")
    while True:
        span = read_span(listing, after, AIM)
        assert isinstance(span, Span)
        examined, changes, spans_read = examined + span.examined, changes + len(span.changes), spans_read + 1
        if span.end is None:
            break
        after = span.end
        if spans_read % 20 == 0:
            assert heaviest(Long(100_000, 3), after) < first * 1.1
    assert (examined, changes) == (300_000, 100_000)
    assert first < 8_000_000
    # A page ends within a key at most once a span, and is then read again from that key on.
    assert listing.pages < 300 * 1.5


def test_a_span_ends_with_the_page_that_brings_enough_to_do() -> None:
    span = read_span(Long(100_000, 2), "", AIM)
    assert isinstance(span, Span)
    assert ENOUGH <= len(span.changes) <= ENOUGH + 500


def test_a_span_in_which_nothing_is_missing_ends_after_its_pages() -> None:
    listing = Long(100_000, 1)
    span = read_span(listing, "", AIM)
    assert isinstance(span, Span)
    assert (listing.pages, span.changes) == (PAGES, ())


def test_one_key_with_very_many_versions_is_passed_over_and_told_and_the_next_is_reached() -> None:
    listing = Long(2, PAGES_OF_ONE_KEY * 100 + 1, size=100)
    span = read_span(listing, "", AIM)
    assert isinstance(span, Span)
    assert [(v.kind, v.key) for v in span.verdicts] == [("many", "000000000")]
    assert span.end == "000000000"
    assert listing.pages == PAGES_OF_ONE_KEY


def test_a_listing_that_has_the_key_it_starts_after_in_it_is_read_all_the_same() -> None:
    bucket = Bucket([Event("a", False, 1, 1), Event("b", False, 1, 1)])
    whole = bucket.listed(1000)
    span = read_span(lambda _: whole({}), "a", replace(AIM, as_of=at(0)))
    assert isinstance(span, Span)
    assert [v.key for v in span.verdicts] == ["b"]
    assert span.examined == 1


@pytest.mark.parametrize("answer", [NoData(because="silence"), Refused(code="AccessDenied", because="no")])
def test_a_page_that_does_not_come_is_no_empty_page(answer: Any) -> None:
    assert read_span(lambda _: answer, "", AIM) is answer


# The call's words.


def test_a_call_reads_back_as_what_it_was_made_of() -> None:
    asked = Restoring(
        bucket="b", region="us-east-1", prefix="p/", aim=replace(KMS, newer="remove"), after="", through="z"
    )
    call = asked.call("nothing is missing")
    assert Restoring.of(call) == asked
    assert all(isinstance(v, str) for v in call.params.values())
    assert call.reversible
    assert "AsOf=2026-11-24T03:00:00Z" in call.sentence()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "is no moment"),
        ("", "is no moment"),
        ("2026-11-24T03:00:00", "time zone"),
        ("2026-11-24", "time zone"),
        ("2026-11-24T03:00:00.5Z", "part of a second"),
    ],
)
def test_a_moment_that_could_be_read_in_two_ways_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        moment_of(text)
    assert "2026-11-24T03:00:00Z" in str(refused.value)


@pytest.mark.parametrize("text", ["2026-11-24T03:00:00Z", "2026-11-24T04:00:00+01:00", "2026-11-24 03:00+00:00"])
def test_a_moment_is_read_in_whatever_zone_it_names(text: str) -> None:
    assert written(moment_of(text)) == "2026-11-24T03:00:00Z"


def test_the_rows_of_the_table_are_of_different_names() -> None:
    assert [name for name, rows in groupby(sorted(r[0] for r in ROWS)) if len(list(rows)) > 1] == []
