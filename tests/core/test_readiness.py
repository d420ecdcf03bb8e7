"""What a round's word on a runbook lowers and lifts, what people are told of it, and what silence does not do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import gates
from chalicelib.core.book import Book
from chalicelib.core.findings import standing
from chalicelib.core.gates import Ask, Pass, Wanted, judge
from chalicelib.core.happened import Readiness, ReadinessJudged, RunbookJudged, Tick
from chalicelib.core.readiness import STALE, kind
from chalicelib.intake import codec
from chalicelib.store.codec import dump_book, read_book
from tests.core.stage import (
    POLICY,
    REGION,
    RULES,
    all_done_but,
    at,
    call,
    confirmed,
    empty,
    only,
    plan_of,
    policy_with,
    rules_for,
    take,
    wants,
)

PERIOD = POLICY.readiness.every.total_seconds()
BROKEN = "the replica is 'stopped'"


def round_(state: Readiness, seconds: float = -60, because: str = BROKEN, scenario: str = REGION) -> ReadinessJudged:
    return ReadinessJudged(at=at(seconds), runbooks=(RunbookJudged(scenario=scenario, state=state, because=because),))


def after(*rounds: ReadinessJudged) -> Book:
    book = empty()
    for one in rounds:
        book = take(book, one, seconds=(one.at - at(0)).total_seconds())
    return book


def verdict(book: Book, seconds: float = 20, rules: Any = RULES) -> gates.Verdict:
    """All gates on the traffic switch, which asks for nothing by itself."""
    book = all_done_but(book, "traffic")
    wanted = Wanted(
        incident=only(book), step=plan_of(REGION).step("traffic"), record=wants(10), call=call("put", reversible=True)
    )
    return judge(wanted, book, rules, at(seconds))


def test_a_runbook_that_is_not_ready_asks_before_each_step_and_says_since_when() -> None:
    book = after(round_(Readiness.NOT_READY, -3000), round_(Readiness.NOT_READY, -1200))
    found = verdict(confirmed(book))
    assert isinstance(found, Ask)
    assert BROKEN in found.because
    assert "not ready since 2026-11-23 02:10:00 UTC" in found.because


@pytest.mark.parametrize("state", [Readiness.READY, Readiness.WITH_FINDINGS, Readiness.UNKNOWN])
def test_every_other_word_leaves_the_runbook_as_automatic_as_policy_has_it(state: Readiness) -> None:
    assert isinstance(verdict(confirmed(after(round_(state)))), Pass)


def test_where_no_round_was_ever_made_nothing_is_lowered() -> None:
    assert isinstance(verdict(confirmed()), Pass)


def test_the_word_on_one_runbook_lowers_no_other() -> None:
    assert isinstance(verdict(confirmed(after(round_(Readiness.NOT_READY, scenario="pod-failure")))), Pass)


@pytest.mark.parametrize("state", [Readiness.READY, Readiness.WITH_FINDINGS])
def test_ready_again_lifts_it_and_settles_what_was_told(state: Readiness) -> None:
    book = after(round_(Readiness.NOT_READY, -3000), round_(state, -1200, "nothing stands against it"))
    assert isinstance(verdict(confirmed(book)), Pass)
    assert standing(book, kind(REGION)) is None
    assert book.readiness[REGION].since == at(-1200)


def test_what_is_unknown_neither_lifts_what_was_lowered_nor_settles_it() -> None:
    book = after(round_(Readiness.NOT_READY, -3000), round_(Readiness.UNKNOWN, -1200, "RDS did not answer"))
    assert isinstance(verdict(confirmed(book)), Ask)
    assert standing(book, kind(REGION)) is not None
    assert book.readiness[REGION].since == at(-3000)
    assert BROKEN in book.readiness[REGION].because


def test_a_runbook_that_becomes_not_ready_is_told_once_however_often_it_is_found_so() -> None:
    first = after(round_(Readiness.NOT_READY, -3000))
    again = take(first, round_(Readiness.NOT_READY, -1200), seconds=-1190)
    found = standing(again, kind(REGION))
    assert found is not None
    assert found == standing(first, kind(REGION))
    assert "each of its steps asks" in found.because


def test_of_two_runbooks_each_has_a_finding_of_its_own() -> None:
    rows = tuple(
        RunbookJudged(scenario=name, state=Readiness.NOT_READY, because=BROKEN) for name in (REGION, "pod-failure")
    )
    book = take(empty(), ReadinessJudged(at=at(0), runbooks=rows))
    assert standing(book, kind(REGION)) is not None
    assert standing(book, kind("pod-failure")) is not None


@pytest.mark.parametrize("seconds", [-60, -300])
def test_a_round_that_is_known_or_older_changes_nothing(seconds: float) -> None:
    book = after(round_(Readiness.READY, -60))
    assert take(book, round_(Readiness.NOT_READY, seconds), seconds=5) == book


def test_a_round_in_the_middle_of_the_recovery_may_lift_and_never_lowers() -> None:
    ready = confirmed(after(round_(Readiness.READY, -60)))
    assert take(ready, round_(Readiness.NOT_READY, 100), seconds=110) == ready
    lowered = confirmed(after(round_(Readiness.NOT_READY, -60)))
    lifted = take(lowered, round_(Readiness.READY, 100, "nothing stands against it"), seconds=110)
    assert isinstance(verdict(lowered), Ask)
    assert isinstance(verdict(lifted, 120), Pass)


def test_a_round_older_than_two_periods_at_the_incident_s_opening_lowers_as_policy_says() -> None:
    book = confirmed(after(round_(Readiness.READY, -2 * PERIOD - 1)))
    found = verdict(book)
    assert isinstance(found, Ask)
    assert "1h1s old when the incident opened, allowed are 1h" in found.because
    saying = rules_for(policy_with(lambda raw: raw["readiness"].update(stale="say")))
    assert isinstance(verdict(book, rules=saying), Pass)
    assert isinstance(verdict(confirmed(after(round_(Readiness.READY, -2 * PERIOD)))), Pass)


def test_a_round_that_grows_old_while_the_incident_is_open_holds_nothing_up() -> None:
    book = all_done_but(confirmed(after(round_(Readiness.READY, -60))), "traffic")
    wanted = Wanted(incident=only(book), step=plan_of(REGION).step("traffic"), record=wants(10), call=call())
    assert isinstance(gates.readiness(wanted, book, RULES, at(5 * PERIOD)), Pass)


def test_people_are_told_when_no_round_comes_any_more_and_when_one_does() -> None:
    book = after(round_(Readiness.READY, 0))
    assert standing(take(book, Tick(), seconds=2 * PERIOD), STALE) is None
    late = take(book, Tick(), seconds=2 * PERIOD + 1)
    found = standing(late, STALE)
    assert found is not None
    assert "every step of an incident that opens now asks" in found.because
    assert take(late, Tick(), seconds=2 * PERIOD + 60).findings == late.findings
    assert standing(take(late, round_(Readiness.READY, 3 * PERIOD), seconds=3 * PERIOD), STALE) is None
    assert standing(take(empty(), Tick(), seconds=99 * PERIOD), STALE) is None


def test_a_runbook_that_policy_has_no_more_leaves_the_book_and_its_finding_with_it() -> None:
    book = after(round_(Readiness.NOT_READY, -3000), round_(Readiness.NOT_READY, -1200, scenario="pod-failure"))
    gone = replace(book, readiness={**book.readiness, "meteor": book.readiness[REGION]})
    left = take(gone, round_(Readiness.READY, 0, scenario="pod-failure"))
    assert set(left.readiness) == {REGION, "pod-failure"}
    assert standing(left, kind("pod-failure")) is None
    assert standing(left, kind(REGION)) is not None


def test_a_book_keeps_what_is_known_and_an_older_one_is_read_without_it() -> None:
    book = after(round_(Readiness.NOT_READY))
    assert read_book(dump_book(book)) == (book, {})
    older = dump_book(empty()).replace(',"readiness":{}', "")
    assert "readiness" not in older
    assert read_book(older)[0].readiness == {}


def test_a_round_comes_through_the_inbox_as_itself_and_one_round_has_one_key() -> None:
    told = round_(Readiness.UNKNOWN, because="nobody answered")
    assert codec.read(codec.dump(told)) == told
    assert codec.key(told) == codec.key(round_(Readiness.READY))
    assert codec.key(told) != codec.key(replace(told, at=told.at + timedelta(seconds=1)))
