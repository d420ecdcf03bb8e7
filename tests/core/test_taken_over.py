"""What an incident owes that a wider one took over: what it began is taken back once the wider one is closed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.answers import Archived
from chalicelib.core.book import Book, Debt
from chalicelib.core.due import Look, due
from chalicelib.core.happened import Declare, Raise
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.incidents import put, put_step
from tests.core.stage import PRIMARY, REGION, RULES, at, empty, reread, said, take

ZONE, PLATFORM = f"{PRIMARY}/{PRIMARY}b", RULES.policy.platform.name
DONE = StepState.DONE


def declare(book: Book, scenario: str, scope: str, seconds: float) -> Book:
    return take(book, Declare(said=said(f"{scenario}-{seconds:g}"), scenario=scenario, scope=scope), seconds=seconds)


def raised(book: Book, incident: str, scenario: str, seconds: float) -> Book:
    word = said(f"raise-{seconds:g}", seconds, note="it is worse")
    return take(book, Raise(said=word, incident=incident, scenario=scenario, scope=None), seconds=seconds)


def at_scope(book: Book, scope: str) -> Incident:
    return next(i for i in book.incidents.values() if i.scope == scope)


def left_zone(**states: StepState) -> Book:
    """A zone's failure of which these steps are so far."""
    book = declare(empty(), "az-failure", ZONE, 0)
    steps = {n: StepRecord(state=s, because="so it is", calls=1, facts={"was": n}) for n, s in states.items()}
    return put(book, replace(at_scope(book, ZONE), steps=steps))


def taken_over(book: Book) -> Book:
    """The region's failure is declared, and the zone's archive is written."""
    zone = at_scope(book, ZONE).id
    return take(declare(book, REGION, PRIMARY, 60), Archived(incident=zone), seconds=61)


def owed(book: Book) -> dict[str, Debt]:
    return {d.case.id.rpartition("/")[2]: d for d in book.debts if d.case}


def looked_at(book: Book, seconds: float) -> set[str]:
    found = due(book, rules=RULES, now=at(seconds))
    return {w.incident.rpartition("/")[2] for w in found if isinstance(w, Look) and "/" in w.incident}


def test_what_a_zone_s_failure_began_is_owed_with_what_was_noted_of_it() -> None:
    book = reread(taken_over(left_zone(away=DONE, pods=StepState.RUNNING)))
    found = owed(book)
    assert set(found) == {"open-zone", "open-nodes"}
    case = found["open-nodes"].case
    assert case is not None
    assert case.step("open-nodes").facts == {"was": "pods"}
    assert case.scope == ZONE


def test_of_what_had_not_begun_nothing_is_owed() -> None:
    assert set(owed(taken_over(left_zone(away=DONE)))) == {"open-zone"}
    assert not owed(taken_over(left_zone()))


def test_it_is_owed_when_the_archive_is_written_since_until_then_a_call_may_be_on_its_way() -> None:
    assert not owed(declare(left_zone(away=StepState.ACTING), REGION, PRIMARY, 60))


def test_it_rests_until_the_region_s_failure_is_closed() -> None:
    book = taken_over(left_zone(away=DONE, pods=DONE))
    region = at_scope(book, PRIMARY)
    assert looked_at(book, 62) == set()
    assert looked_at(book, 3 * 3600) == set()
    assert f"once {region.id} is closed" in owed(book)["open-zone"].because
    over = take(book, Archived(incident=region.id), seconds=900)
    assert looked_at(over, 901) == {"open-zone", "open-nodes"}


def test_the_wider_one_s_timeline_says_what_is_owed_and_the_archived_one_stays_as_it_was() -> None:
    book = taken_over(left_zone(away=DONE))
    region = at_scope(book, PRIMARY).id
    (said_once,) = [e for e in book.outbox if e.kind == "debt"]
    assert said_once.incident == region
    assert "Send traffic to the zone again is owed once" in said_once.text


def test_it_rests_on_when_that_one_is_taken_over_too() -> None:
    book = taken_over(left_zone(away=DONE))
    region = at_scope(book, PRIMARY).id
    book = raised(book, region, "provider-outage", 120)
    book = take(book, Archived(incident=region), seconds=121)
    assert looked_at(book, 122) == set()
    outage = at_scope(book, PLATFORM)
    assert len(outage.absorbed) == 2
    over = take(book, Archived(incident=outage.id), seconds=900)
    assert looked_at(over, 901) == {"open-zone"}


def test_a_primary_that_was_fenced_is_not_opened_because_a_wider_incident_took_its_failover_over() -> None:
    """Where the database takes writes is that one's to say: to open it beside it would be a split brain."""
    book = declare(empty(), REGION, PRIMARY, 0)
    region = at_scope(book, PRIMARY).id
    book = put_step(book, region, "fence", StepRecord(state=DONE, because="so it is", calls=1))
    book = raised(book, region, "provider-outage", 60)
    assert not owed(take(book, Archived(incident=region), seconds=61))


@pytest.mark.parametrize("state", [StepState.PENDING, StepState.RUNNING])
def test_a_fence_that_was_left_does_not_rest_when_its_failover_is_taken_over(state: StepState) -> None:
    book = declare(empty(), REGION, PRIMARY, 0)
    region = at_scope(book, PRIMARY)
    case = replace(
        region,
        id=f"{region.id}/fence",
        steps={"fence": StepRecord(state=state, because="dark", look_at=at(0) if state is StepState.RUNNING else None)},
    )
    debt = Debt(kind="step", what="the fence", incident=region.id, since=at(0), because="dark", case=case)
    book = raised(replace(book, debts=(debt,)), region.id, "provider-outage", 60)
    assert region.id in at_scope(book, PLATFORM).absorbed
    assert "fence" in looked_at(book, 61)
