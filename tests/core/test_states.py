"""The table of an incident's states."""

from __future__ import annotations

import pytest

from chalicelib.core.incidents import moved
from chalicelib.core.states import TABLE, Event, IncidentState, Row, allowed, drawing, move
from tests.core.stage import at, in_state, only

ENDINGS = {Event.CLEARED, Event.RECOVERED, Event.ABORTED, Event.RESOLVED, Event.ABSORBED}
LEGAL = {(row.source, row.event) for row in TABLE}
ILLEGAL = [(s, e) for s in IncidentState for e in Event if (s, e) not in LEGAL]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.source}-{row.event}")
def test_a_legal_move_leads_where_its_row_says_and_says_why(row: Row) -> None:
    before = in_state(row.source)
    after = only(moved(before, only(before).id, row.event, "a reason", at(20)))
    assert after.state is row.target
    assert after.because == f"{row.sentence}: a reason"
    assert (after.ending != "") is (row.target is IncidentState.CLOSING)
    assert (after.ended_at is not None) is (row.target is IncidentState.CLOSING)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.source}-{row.event}")
def test_a_legal_move_leaves_one_entry_on_the_timeline(row: Row) -> None:
    before = in_state(row.source)
    after = moved(before, only(before).id, row.event, "a reason", at(20))
    assert [e.kind for e in after.outbox[len(before.outbox) :]] == [row.event]


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_an_illegal_move_returns_the_book_unchanged(state: IncidentState, event: Event) -> None:
    before = in_state(state)
    assert move(state, event) is None
    assert moved(before, only(before).id, event, "a reason", at(20)) is before


def test_every_pair_of_state_and_event_has_at_most_one_row() -> None:
    assert len(LEGAL) == len(TABLE)


def test_every_row_has_a_sentence() -> None:
    assert all(row.sentence.strip() for row in TABLE)


def test_closing_is_the_only_state_without_a_way_out() -> None:
    assert [s for s in IncidentState if not allowed(s)] == [IncidentState.CLOSING]


def test_every_state_but_the_first_two_is_reached_by_a_row() -> None:
    begun = {IncidentState.SUSPECTING, IncidentState.RESPONDING}
    assert begun | {row.target for row in TABLE} == set(IncidentState)


@pytest.mark.parametrize("state", [s for s in IncidentState if s is not IncidentState.CLOSING])
def test_a_person_can_end_every_open_incident(state: IncidentState) -> None:
    assert {Event.ABORTED, Event.RESOLVED, Event.ABSORBED, Event.CLEARED} <= set(allowed(state))


def test_exactly_the_endings_lead_to_closing() -> None:
    assert {row.event for row in TABLE if row.target is IncidentState.CLOSING} == ENDINGS
    assert all(row.target is IncidentState.CLOSING for row in TABLE if row.event in ENDINGS)


def test_the_drawing_contains_each_row() -> None:
    lines = drawing().splitlines()
    for row in TABLE:
        (line,) = [x for x in lines if x.strip().startswith(f"{row.source} --> {row.target}:")]
        assert row.event in line.split(": ", 1)[1].split(", ")


def test_the_drawing_contains_nothing_else() -> None:
    arrows = [x for x in drawing().splitlines() if "-->" in x and "[*]" not in x]
    assert sum(len(x.split(": ", 1)[1].split(", ")) for x in arrows) == len(TABLE)
