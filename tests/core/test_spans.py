"""A listing read span by span: against the model, and with very many versions."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.spans import ENOUGH, PAGES, PAGES_OF_ONE_KEY, Span, read_span
from chalicelib.core.versions import (
    Aim,
)
from tests.core.versions_model import (
    AIM,
    BEGUN,
    EVENTS,
    Bucket,
    Event,
    at,
    spans,
)


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


def test_a_marker_of_a_version_s_own_second_is_taken_away_with_those_above_it() -> None:
    bucket = Bucket([Event("k", False, 1, 1), Event("k", True, 1, 0), Event("k", True, 3, 0)])
    aim = replace(AIM, as_of=at(2))
    (span,) = spans(bucket, 1000, aim)
    assert [v.kind for v in span.changes] == ["unmark"]
    bucket.do(span.changes[0], BEGUN)
    assert bucket.current() == {"k": '"1"'}
    assert [s.changes for s in spans(bucket, 1000, aim)] == [()]


# Many.


AFTER, BEFORE = at(5), at(-5)


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
                "LastModified": AFTER if i % self.each < self.each - 1 else BEFORE,
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
