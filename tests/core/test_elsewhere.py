"""The marker that an operator's engine leaves, and what each look for it does to the book."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.core.book import Book, Pause, Yielded
from chalicelib.core.elsewhere import Absent, Heeded, Marker, MarkerSeen, heeded, marker_text, read_marker
from chalicelib.core.outcome import NoData
from chalicelib.policy.platform import Mode
from chalicelib.store.codec import dump_book, read_book

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
BOOK = Book(mode=Mode.AUTOMATIC, serving="us-east-1")
MARKER = Marker(incident="shop-provider-outage-1", by="an operator", at="2026-11-26T02:00:00Z")
SILENT = NoData(because="nobody answered")
ABSENT = Absent(because="ns has none")


def seen(book: Book, found: Heeded) -> Book:
    return heeded(book, MarkerSeen(found=found), NOW)


def test_a_marker_is_read_as_it_was_written() -> None:
    text = marker_text(incident=MARKER.incident, by=MARKER.by, at=datetime(2026, 11, 26, 2, 0, tzinfo=UTC))
    assert read_marker(text) == read_marker(f'"{text}"') == MARKER
    assert len(text.encode()) <= 255


@pytest.mark.parametrize("text", ["", "v=spf1 -all", "dr-responder: acts", "dr-responder: a acts for b since c; d"])
def test_another_text_is_no_marker(text: str) -> None:
    assert read_marker(text) is None


def test_a_marker_pauses_and_says_what_comes_next() -> None:
    book = seen(BOOK, MARKER)
    assert book.paused == Pause(
        by="the marker",
        at=NOW,
        because="an operator acts for shop-provider-outage-1 from outside since 2026-11-26T02:00:00Z",
    )
    assert "until a person has compared both sides and says resume" in book.outbox[-1].text


def test_a_marker_pauses_once_and_another_one_pauses_again() -> None:
    resumed = replace(seen(BOOK, MARKER), paused=None)
    assert seen(resumed, MARKER) == resumed
    assert seen(resumed, replace(MARKER, incident="shop-provider-outage-2")).paused is not None


def test_a_person_s_pause_stays_theirs() -> None:
    mine = replace(BOOK, paused=Pause(by="ana", at=NOW, because="x"))
    assert seen(mine, MARKER).paused == mine.paused


def test_silence_is_neither_a_marker_nor_its_absence() -> None:
    book = seen(BOOK, SILENT)
    assert book.paused is None
    assert book.yielded == Yielded(since=NOW, because="nobody answered")
    assert seen(book, SILENT) == book
    assert seen(book, ABSENT).yielded is None
    assert seen(book, MARKER).paused is not None


def test_silence_after_a_marker_takes_nothing_back() -> None:
    book = seen(BOOK, MARKER)
    assert seen(book, SILENT) == book


def test_that_it_is_gone_lifts_no_pause() -> None:
    book = seen(seen(BOOK, MARKER), ABSENT)
    assert book.yielded is None
    assert book.paused is not None
    assert "it stays paused until a person resumes" in book.outbox[-1].text


def test_an_absent_one_changes_nothing() -> None:
    assert seen(BOOK, ABSENT) == BOOK


def test_the_book_keeps_it_and_an_older_book_is_still_read() -> None:
    book = seen(BOOK, MARKER)
    assert read_book(dump_book(book))[0] == book
    older = dump_book(BOOK).replace(',"yielded":null', "")
    assert "yielded" not in older
    assert read_book(older)[0] == BOOK
