"""A step that takes longer than a yes lasts: begun with it, it goes on; not begun, it asks again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import pytest

from chalicelib.core.answers import Called, Decided, Looked, Withdrawn
from chalicelib.core.book import Book
from chalicelib.core.due import Do, Held, Look, due
from chalicelib.core.happened import Declare
from chalicelib.core.incident import StepRecord
from chalicelib.core.outcome import Act, Call, Done, Doubtful, Made, Outcome, Refused, Wait
from chalicelib.store.codec import dump_book, read_book
from tests.core.stage import PRIMARY, RULES, approve, at, done, empty, only, reread, said, take, with_step

STEP: Final = "restore"
LATE: Final = 2700
"""Three quarters of an hour: what a restore is expected to take, and more than a yes lasts."""
RESTORE: Final = Call(
    system="aws", service="rds", region=PRIMARY, operation="restore", until="it is there", reversible=True
)
MODIFY: Final = replace(RESTORE, operation="modify")


def approved(call: Call = RESTORE) -> Book:
    """Everything is chosen, the restore asked and was approved, at 20 s; its call is decided, at 21 s."""
    choices = {"as_of": "2026-11-23T02:00:00Z", "namespaces": "none", "folder": "none"}
    declare = Declare(said=said("d"), scenario="data-corruption", scope=f"{PRIMARY}/database", choices=choices)
    book = with_step(take(empty(), declare), "point", done(1))
    book = looked(book, call, 10)
    (held,) = [w for w in due(book, rules=RULES, now=at(10)) if isinstance(w, Held) and w.step == STEP]
    book = take(book, held.answer, seconds=11)
    book = take(book, approve(book, "yes", 20, STEP), seconds=20)
    book = looked(book, call, 20)
    assert isinstance(wanted(book, 21), Do)
    return take(book, Decided(incident=only(book).id, step=STEP, because="approved"), seconds=21)


def looked(book: Book, call: Call, seconds: float) -> Book:
    found = Act(because="it is missing", call=call)
    return take(book, Looked(incident=only(book).id, step=STEP, next=found), seconds=seconds)


def called(book: Book, outcome: Outcome, seconds: float = 22) -> Book:
    return take(book, Called(incident=only(book).id, step=STEP, outcome=outcome), seconds=seconds)


def wanted(book: Book, seconds: float) -> Do | Held:
    (found,) = [
        w
        for w in due(book, rules=RULES, now=at(seconds))
        if (isinstance(w, Do) and w.step.id == STEP) or (isinstance(w, Held) and w.step == STEP)
    ]
    assert isinstance(found, Do | Held)
    return found


def restoring(book: Book) -> Book:
    creating = Wait(because="it is 'creating'", again_in=at(15) - at(0))
    return reread(take(book, Looked(incident=only(book).id, step=STEP, next=creating), seconds=60))


@pytest.mark.parametrize("answer", [Made(because="accepted"), Doubtful(because="no answer within 5 s"), None])
def test_what_was_begun_by_a_yes_is_ended_by_it(answer: Outcome | None) -> None:
    book = approved()
    # None: the worker was stopped at its call, and the next one finds the step acting.
    book = restoring(called(book, answer) if answer else reread(book))
    later = wanted(looked(book, MODIFY, LATE), LATE)
    assert isinstance(later, Do)
    assert "approved by ana at 03:00:20 UTC" in later.because


@pytest.mark.parametrize("refused", [True, False])
def test_what_was_not_begun_is_asked_for_again(refused: bool) -> None:
    book = approved()
    if refused:
        book = called(book, Refused(code="InvalidRestoreFault", because="not now"))
    else:
        book = take(book, Withdrawn(incident=only(book).id, step=STEP), seconds=22)
    later = wanted(looked(restoring(book), RESTORE, LATE), LATE)
    assert isinstance(later, Held)
    assert "the approval by ana expired at 03:30:20 UTC" in later.because


def test_what_cannot_be_undone_is_asked_for_again_though_the_step_was_begun() -> None:
    book = restoring(called(approved(), Made(because="accepted")))
    later = wanted(looked(book, replace(MODIFY, reversible=False), LATE), LATE)
    assert isinstance(later, Held)
    assert "the approval by ana expired" in later.because


def test_a_yes_of_an_older_book_is_read_as_not_begun() -> None:
    book = called(approved(), Made(because="accepted"))
    stored = json.loads(dump_book(book))
    record = next(iter(stored["incidents"].values()))["steps"][STEP]
    del record["approval"]["begun_at"]
    again, aside = read_book(json.dumps(stored))
    assert not aside
    given: StepRecord = only(again).step(STEP)
    assert given.approval is not None
    assert given.approval.begun_at is None


def test_a_step_that_is_done_asks_for_nothing_more() -> None:
    book = called(approved(), Made(because="accepted"))
    book = take(book, Looked(incident=only(book).id, step=STEP, next=Done(because="it is there")), seconds=LATE)
    assert not [w for w in due(book, rules=RULES, now=at(LATE)) if isinstance(w, Look) and w.step.id == STEP]
