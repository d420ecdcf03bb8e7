"""A region's suspicion waits for the zone that may be all of it: for a time, while the others are known to be well."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.core.answers import AlarmsAsked
from chalicelib.core.book import Book
from chalicelib.core.due import AskAlarms, due, wake_at
from chalicelib.core.happened import AlarmState, Declare, Raise, Tick
from chalicelib.core.incident import Incident
from chalicelib.core.states import IncidentState
from tests.core.stage import (
    PRIMARY,
    REGION,
    ROUTE53,
    RULES,
    alarm,
    at,
    declared,
    empty,
    heartbeat,
    policy_with,
    probe,
    reread,
    rules_for,
    said,
    take,
)

A, B, C = (f"{PRIMARY}/{PRIMARY}{letter}" for letter in "abc")
OK = AlarmState.OK
SUSPECTING, RESPONDING = IncidentState.SUSPECTING, IncidentState.RESPONDING


def opened(book: Book) -> dict[str, Incident]:
    return {i.scope: i for i in book.incidents.values() if i.state is not IncidentState.CLOSING}


def texts(book: Book, kind: str) -> list[str]:
    return [e.text for e in book.outbox if e.kind == kind]


def well(*letters: str) -> Book:
    """A book in which these zones have said that they are good."""
    return take(empty(), *(alarm(f"ZoneHealth-{letter}", OK, -60) for letter in letters), seconds=-60)


def all_bad(book: Book, seconds: float) -> Book:
    """Three of the region's five observers."""
    return take(
        book, alarm(ROUTE53, seconds=seconds), probe(seconds=seconds), heartbeat(seconds=seconds), seconds=seconds
    )


def waiting() -> Book:
    """Zone b failed at 0 s, the region's observers at 5 s; it is 21 s, and both have held."""
    book = take(well("a", "c"), alarm("ZoneHealth-b"))
    return take(all_bad(book, 5), Tick(), seconds=21)


def test_the_region_waits_for_the_zone_and_says_for_whom_and_until_when() -> None:
    book = waiting()
    assert {s: i.state for s, i in opened(book).items()} == {B: RESPONDING, PRIMARY: SUSPECTING}
    (said_once,) = texts(book, "waiting")
    zone, region = opened(book)[B], opened(book)[PRIMARY]
    assert said_once == region.because
    assert f"{zone.id} may be all of it while {A}, {C} are good" in said_once
    assert "waiting for that until 03:03:00 UTC" in said_once
    assert texts(take(book, Tick(), seconds=60), "waiting") == [said_once]


def test_the_zone_is_left_meanwhile_by_the_steps_of_its_own_plan() -> None:
    assert opened(waiting())[B].ending == ""
    assert texts(waiting(), "absorbed") == []


def test_the_desk_comes_back_when_the_wait_ends() -> None:
    book = waiting()
    quiet = replace(book, incidents={i.id: i for i in book.incidents.values() if i.scope == PRIMARY})
    assert wake_at(quiet, rules=RULES, now=at(21)) is None, "nobody waits for a zone that is not there"
    region = opened(book)[PRIMARY]
    zone = replace(opened(book)[B], state=SUSPECTING, bad_since=None)
    both = replace(book, incidents={region.id: region, zone.id: zone})
    assert wake_at(both, rules=RULES, now=at(30)) == at(180)


def test_a_region_that_is_still_bad_when_the_bound_has_passed_is_confirmed_and_takes_the_zone_over() -> None:
    book = take(waiting(), Tick(), seconds=179)
    assert opened(book)[PRIMARY].state is SUSPECTING
    zone = opened(book)[B].id
    book = take(book, Tick(), seconds=180)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: RESPONDING}
    region = opened(book)[PRIMARY]
    assert region.absorbed == (zone,)
    assert book.incidents[zone].ending == "absorbed"
    assert f"it has waited for {zone} until 03:03:00 UTC" in region.because
    assert "3 of 6 observers are bad" in region.because
    assert texts(book, "absorbed")[-1] == f"incident {zone} belongs to this one now"


def test_a_second_zone_that_fails_too_confirms_the_region_at_once() -> None:
    book = take(waiting(), alarm("ZoneHealth-c", seconds=30), seconds=30)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: RESPONDING}
    assert len(opened(book)[PRIMARY].absorbed) == 2
    assert "which are 2" in opened(book)[PRIMARY].because


def test_a_second_zone_whose_incident_a_person_ended_still_is_bad() -> None:
    book = take(well("a", "c"), alarm("ZoneHealth-b"), alarm("ZoneHealth-c"))
    ended = opened(book)[C]
    closing = replace(ended, state=IncidentState.CLOSING, ending="resolved", ended_at=at(1))
    book = replace(book, incidents={**book.incidents, ended.id: closing})
    book = take(all_bad(book, 5), Tick(), seconds=15)
    assert opened(book)[PRIMARY].state is RESPONDING
    assert f"{C} fails too (zone-nodes)" in opened(book)[PRIMARY].because


def test_a_zone_that_recovers_lets_the_region_s_suspicion_clear_and_is_open_until_it_is_taken_back() -> None:
    back = (alarm(ROUTE53, OK, 100), probe(OK, 100), heartbeat(OK, 100))
    book = take(waiting(), *back, seconds=100)
    assert opened(book)[PRIMARY].state is SUSPECTING
    book = take(book, Tick(), seconds=161)
    assert {s: i.state for s, i in opened(book).items()} == {B: RESPONDING}
    assert [i.ending for i in book.incidents.values() if i.scope == PRIMARY] == ["cleared"]
    book = take(book, Tick(), seconds=300)
    assert list(opened(book)) == [B]


@pytest.mark.parametrize("silent", ["a", "c"])
def test_no_data_of_another_zone_does_not_make_it_wait(silent: str) -> None:
    book = take(well(*{"a", "c"} - {silent}), alarm("ZoneHealth-b"))
    book = take(all_bad(book, 5), Tick(), seconds=15)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: RESPONDING}
    assert f"of {PRIMARY}/{PRIMARY}{silent} there is no data" in opened(book)[PRIMARY].because


def test_another_zone_that_falls_silent_ends_the_wait() -> None:
    book = take(waiting(), alarm("ZoneHealth-a", AlarmState.INSUFFICIENT_DATA, 40), seconds=40)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: RESPONDING}
    assert f"of {A} there is no data" in opened(book)[PRIMARY].because


def test_a_region_listens_for_a_zone_s_alarm_that_comes_later_than_its_own_evidence_and_then_is_confirmed() -> None:
    book = take(all_bad(well("a", "b", "c"), 5), Tick(), seconds=15)
    assert opened(book)[PRIMARY].state is SUSPECTING
    assert "listening for one until 03:01:20 UTC" in opened(book)[PRIMARY].because
    assert wake_at(book, rules=RULES, now=at(16)) is not None
    assert opened(take(book, Tick(), seconds=79))[PRIMARY].state is SUSPECTING
    assert opened(take(book, Tick(), seconds=80))[PRIMARY].state is RESPONDING


def test_a_suspicion_asks_at_once_how_the_zones_are_for_an_ok_of_long_ago_told_nobody() -> None:
    book = take(empty(), probe())
    (asked,) = [w for w in due(book, rules=RULES, now=at(0)) if isinstance(w, AskAlarms)]
    assert {name for name, _ in asked.alarms} >= {"ZoneHealth-a", "ZoneHealth-b", "ZoneHealth-c", ROUTE53}
    book = take(book, AlarmsAsked(incident=asked.incident, because=asked.because), seconds=1)
    assert not [w for w in due(book, rules=RULES, now=at(1)) if isinstance(w, AskAlarms)]


def test_a_zone_that_is_told_of_while_the_region_listens_is_waited_for() -> None:
    book = take(all_bad(well("a", "b", "c"), 5), Tick(), seconds=15)
    book = take(take(book, alarm("ZoneHealth-b", seconds=70), seconds=70), Tick(), seconds=91)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: SUSPECTING, B: RESPONDING}
    assert "waiting for that until 03:03:05 UTC" in opened(book)[PRIMARY].because


@pytest.mark.parametrize("silent", ["a", "b", "c"])
def test_a_region_of_which_a_zone_says_nothing_listens_for_nobody(silent: str) -> None:
    book = take(all_bad(well(*{"a", "b", "c"} - {silent}), 5), Tick(), seconds=15)
    assert opened(book)[PRIMARY].state is RESPONDING
    assert texts(book, "waiting") == []


def test_a_zone_that_has_been_away_for_hours_makes_no_region_wait() -> None:
    book = take(take(well("a", "c"), alarm("ZoneHealth-b")), Tick(), seconds=7200)
    assert opened(book)[B].state is RESPONDING
    book = take(all_bad(book, 7205), Tick(), seconds=7215)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: RESPONDING}


def test_one_zone_after_the_other_does_not_prolong_the_wait() -> None:
    """Counted from the region's own evidence where that is older than the zone's."""
    book = take(waiting(), alarm("ZoneHealth-b", OK, 100), seconds=100)
    book = take(book, alarm("ZoneHealth-c", seconds=170), seconds=170)
    assert list(opened(book)) == [PRIMARY, C], "the first was cleared, and the second opened"
    assert "until 03:03:05 UTC" in opened(book)[PRIMARY].because
    assert opened(take(book, Tick(), seconds=184))[PRIMARY].state is SUSPECTING
    assert opened(take(book, Tick(), seconds=185))[PRIMARY].state is RESPONDING
    late = take(all_bad(well("a", "b"), 0), Tick(), seconds=5)
    late = take(late, alarm("ZoneHealth-c", seconds=6), seconds=6)
    assert opened(take(late, Tick(), seconds=179))[PRIMARY].state is SUSPECTING
    assert opened(take(late, Tick(), seconds=180))[PRIMARY].state is RESPONDING


def test_a_zone_opens_beside_a_region_that_is_only_suspected() -> None:
    """One flapping observer suspects the region; it may not keep the zone from being left."""
    book = take(take(well("a", "c"), probe()), alarm("ZoneHealth-b", seconds=1), seconds=1)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: SUSPECTING, B: SUSPECTING}
    book = take(book, Tick(), seconds=21)
    assert opened(book)[B].state is RESPONDING


def test_a_region_that_is_confirmed_keeps_zones_from_opening_again() -> None:
    book = take(all_bad(well("a", "c"), 0), Tick(), seconds=10)
    book = take(book, alarm("ZoneHealth-b", seconds=11), seconds=11)
    assert list(opened(book)) == [PRIMARY]


def test_a_person_who_declares_the_region_waits_for_nobody() -> None:
    command = Declare(said=said("declare", 30), scenario=REGION, scope=PRIMARY)
    book = take(waiting(), command, seconds=30)
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: RESPONDING}
    assert len(opened(book)[PRIMARY].absorbed) == 1
    book = declared(REGION, PRIMARY, seconds=1, book=take(well("a", "c"), alarm("ZoneHealth-b")))
    assert {s: i.state for s, i in opened(book).items()} == {PRIMARY: RESPONDING}


def test_who_would_raise_the_zone_to_the_region_that_waits_is_told_to_declare_it() -> None:
    book = waiting()
    command = Raise(said=said("raise", 30), incident=opened(book)[B].id, scenario=REGION)
    with pytest.raises(Exception, match=f"declare {REGION} of {PRIMARY} to confirm it"):
        take(book, command, seconds=30)


def test_a_rule_without_a_wait_is_confirmed_as_before_and_takes_over_at_once() -> None:
    def without(raw: dict[str, object]) -> None:
        rules = raw["signals"]["rules"]  # type: ignore[index]
        next(r for r in rules if r["scenario"] == REGION).pop("waits")

    rules = rules_for(policy_with(without))
    book = take(well("a", "c"), alarm("ZoneHealth-b"), probe(), rules=rules)
    assert list(opened(book)) == [PRIMARY]


def test_the_next_worker_waits_as_long() -> None:
    book = reread(waiting())
    assert opened(take(book, Tick(), seconds=179))[PRIMARY].state is SUSPECTING
    assert opened(take(book, Tick(), seconds=180))[PRIMARY].state is RESPONDING


def test_the_bound_is_what_policy_says() -> None:
    def longer(raw: dict[str, object]) -> None:
        rules = raw["signals"]["rules"]  # type: ignore[index]
        next(r for r in rules if r["scenario"] == REGION)["waits"]["at_most"] = "4m"

    policy = policy_with(longer)
    rule = next(r for r in policy.signals.rules if r.scenario == REGION)
    assert rule.waits is not None
    assert rule.waits.at_most == timedelta(minutes=4)
    rules = rules_for(policy)
    book = take(well("a", "c"), alarm("ZoneHealth-b"), rules=rules)
    for one in (alarm(ROUTE53), probe(), heartbeat()):
        book = take(book, one, rules=rules)
    assert opened(take(book, Tick(), seconds=239, rules=rules))[PRIMARY].state is SUSPECTING
    assert opened(take(book, Tick(), seconds=240, rules=rules))[PRIMARY].state is RESPONDING
