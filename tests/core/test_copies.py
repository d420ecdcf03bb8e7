"""The age of the air-gapped copies: late is told once, silence is neither late nor well."""

from __future__ import annotations

import json
from typing import Final

from chalicelib.core.book import Book
from chalicelib.core.copies import LATE, LOOK_EVERY, CopiesSeen, LookAtCopies, Seen, alike, look_due, seen
from chalicelib.core.findings import standing
from chalicelib.core.outcome import NoData, Refused
from chalicelib.store.codec import dump_book, read_book
from tests.core.stage import RULES, at, empty, reread

AIRGAP = RULES.policy.backups.airgap
assert AIRGAP is not None
FIRST, SECOND = (row.name for row in AIRGAP.vaults)
DAY: Final = AIRGAP.rpo.total_seconds()
SILENT: Final = NoData(because="it was not answered")


def copy(seconds: float) -> str:
    """A whole copy of that moment."""
    return f"{at(seconds):%Y%m%dT%H%M%SZ}-hourly-1"


def looked(book: Book, seconds: float, first: Seen, second: Seen) -> Book:
    answer = CopiesSeen(at=at(seconds), found={FIRST: first, SECOND: second})
    return reread(seen(book, answer, RULES, at(seconds)))


def test_young_copies_are_nothing_to_tell() -> None:
    book = looked(empty(), 0, copy(-60), copy(-120))
    assert standing(book, LATE) is None


def test_a_copy_older_than_policy_allows_is_told_and_settled_by_a_new_one() -> None:
    book = looked(empty(), 0, copy(-60), copy(-DAY - 60))
    late = standing(book, LATE)
    assert late is not None
    assert SECOND in late.because
    assert FIRST not in late.because
    book = looked(book, 600, copy(-60), copy(500))
    assert standing(book, LATE) is None


def test_the_same_lateness_is_one_finding_with_one_sentence() -> None:
    once = looked(empty(), 0, copy(-DAY - 60), copy(0))
    again = looked(once, 600, copy(-DAY - 60), copy(0))
    assert standing(once, LATE) == standing(again, LATE)


def test_a_vault_that_is_silent_keeps_what_was_seen_which_grows_older() -> None:
    book = looked(empty(), 0, copy(-60), copy(-60))
    book = looked(book, 600, SILENT, SILENT)
    assert standing(book, LATE) is None, "silence is not late"
    book = looked(book, DAY, SILENT, copy(DAY - 60))
    late = standing(book, LATE)
    assert late is not None
    assert "what it holds now is not known" in late.because
    book = looked(book, DAY + 600, SILENT, copy(DAY))
    assert standing(book, LATE) is not None, "nor does silence settle anything"


def test_a_vault_that_never_held_a_copy_is_late_when_it_had_its_time() -> None:
    book = looked(empty(), 0, "", copy(0))
    assert standing(book, LATE) is None
    book = looked(book, DAY + 1, "", copy(DAY))
    late = standing(book, LATE)
    assert late is not None
    assert "has held no whole copy since" in late.because


def test_a_refusal_is_told_with_its_code_once_the_copy_is_too_old() -> None:
    refused = Refused(code="AccessDenied", because="not for you")
    book = looked(looked(empty(), 0, copy(0), copy(0)), DAY + 1, refused, copy(DAY))
    late = standing(book, LATE)
    assert late is not None
    assert "AccessDenied" in late.because


def test_each_vault_is_looked_at_every_ten_minutes() -> None:
    (work,) = look_due(empty(), RULES, at(0))
    assert work == LookAtCopies(vaults=(FIRST, SECOND), at=at(0), because=work.because)
    book = looked(empty(), 0, copy(0), copy(0))
    assert list(look_due(book, RULES, at(LOOK_EVERY.total_seconds() - 1))) == []
    assert list(look_due(book, RULES, at(LOOK_EVERY.total_seconds())))


def test_a_vault_that_a_look_left_out_is_not_looked_at_again_at_once() -> None:
    book = seen(empty(), CopiesSeen(at=at(0), found={FIRST: copy(0)}), RULES, at(0))
    assert book.copies[SECOND].silent
    assert list(look_due(book, RULES, at(1))) == []


def test_a_look_that_saw_the_same_is_worth_no_write() -> None:
    once = looked(empty(), 0, copy(0), copy(0))
    again = looked(once, 600, copy(0), copy(0))
    assert alike(once, again)
    assert not alike(once, looked(once, 600, copy(500), copy(0)))


def test_an_older_book_without_the_field_is_read() -> None:
    older = json.loads(dump_book(looked(empty(), 0, copy(0), copy(0))))
    del older["copies"]
    book, aside = read_book(json.dumps(older))
    assert (book.copies, aside) == ({}, {})
