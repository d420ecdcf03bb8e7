"""A zone's incident: what belongs to it, what it belongs to, and what it may leave when another zone fails too."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import gates
from chalicelib.core.book import Book
from chalicelib.core.gates import Ask, Pass, Wanted
from chalicelib.core.happened import AlarmState, Tick
from chalicelib.core.incident import Incident, StepRecord
from chalicelib.core.outcome import Call
from chalicelib.core.states import IncidentState
from tests.core.stage import POLICY, PRIMARY, ROUTE53, RULES, alarm, at, empty, heartbeat, probe, take

ZONE, SECOND = f"{PRIMARY}/{PRIMARY}a", f"{PRIMARY}/{PRIMARY}b"
SHIFT = Call(
    system="aws",
    service="arc-zonal-shift",
    region=PRIMARY,
    operation="start_zonal_shift",
    until="it is away",
    reversible=True,
)


def zone(letter: str = "a", state: AlarmState = AlarmState.ALARM, seconds: float = 0) -> Book:
    return take(empty(), alarm(f"ZoneHealth-{letter}", state), seconds=seconds)


def opened(book: Book) -> dict[str, Incident]:
    return {i.scope: i for i in book.incidents.values() if i.state is not IncidentState.CLOSING}


def texts(book: Book) -> str:
    return " | ".join(e.text for e in book.outbox)


def verdict(book: Book, scope: str, record: StepRecord = StepRecord()) -> gates.Verdict:  # noqa: B008  # frozen
    incident = opened(book)[scope]
    step = RULES.plan_of(incident.plan, incident.scenario).step("away")
    wanted = Wanted(incident=incident, step=step, record=record, call=SHIFT)
    return gates.zones_left(wanted, book, RULES, at(40))


def test_the_zone_that_fails_is_the_alarm_s_and_is_confirmed_when_it_has_held() -> None:
    book = zone("b")
    assert list(opened(book)) == [SECOND]
    book = take(book, Tick(), seconds=19)
    assert opened(book)[SECOND].state is IncidentState.SUSPECTING
    book = take(book, Tick(), seconds=21)
    assert opened(book)[SECOND].state is IncidentState.RESPONDING


def test_what_the_cluster_says_belongs_to_the_zone_that_is_open() -> None:
    book = take(zone(), alarm("NodeReadiness"), alarm("PodAvailability"), seconds=1)
    assert list(opened(book)) == [ZONE]
    assert "NodeReadiness is ALARM" in texts(book)
    assert "PodAvailability is ALARM" in texts(book)


def test_a_deployment_or_a_configuration_that_is_bad_while_a_zone_is_away_is_an_incident_of_its_own() -> None:
    book = take(zone(), alarm("DeploymentHealth"), alarm("ConfigurationHealth"), seconds=1)
    below = {f"{PRIMARY}/cluster/deployments", f"{PRIMARY}/cluster/configuration"}
    assert set(opened(book)) == {ZONE, *below}
    book = take(book, alarm("PodAvailability", seconds=2), seconds=2)
    assert set(opened(book)) == {ZONE, *below}


def test_a_deployment_that_is_answered_already_is_not_taken_over_by_a_zone() -> None:
    book = take(empty(), alarm("DeploymentHealth"))
    book = take(book, alarm("ZoneHealth-a"), seconds=1)
    assert set(opened(book)) == {ZONE, f"{PRIMARY}/cluster/deployments"}


def test_what_the_cluster_said_before_is_taken_over_and_the_timeline_says_so() -> None:
    book = take(empty(), alarm("PodAvailability"), alarm("NodeReadiness"))
    assert list(opened(book)) == [f"{PRIMARY}/cluster"]
    book = take(book, alarm("ZoneHealth-a"), seconds=1)
    assert list(opened(book)) == [ZONE]
    assert "belongs to this one now" in texts(book)


def test_a_zone_that_was_suspected_in_error_gives_back_what_it_had_swallowed() -> None:
    book = take(empty(), alarm("NodeReadiness"), alarm("ZoneHealth-a"))
    book = take(book, alarm("ZoneHealth-a", AlarmState.OK, seconds=5), seconds=5)
    book = take(book, Tick(), seconds=66)
    assert list(opened(book)) == [f"{PRIMARY}/cluster"]


def test_a_region_s_incident_takes_the_zone_s_over_and_keeps_it_from_opening_again() -> None:
    book = take(zone(), probe(), alarm(ROUTE53), seconds=2)
    assert list(opened(book)) == [ZONE, PRIMARY]
    book = take(take(book, heartbeat(), seconds=2), Tick(), seconds=12)
    assert list(opened(book)) == [PRIMARY]
    book = take(book, alarm("ZoneHealth-b", seconds=13), seconds=13)
    assert list(opened(book)) == [PRIMARY]


def test_one_zone_that_fails_is_left_without_asking() -> None:
    found = verdict(zone(), ZONE)
    assert found == Pass("2 of 3 zones are left")


def test_two_zones_that_fail_ask_for_either_and_say_what_would_be_left() -> None:
    book = take(zone(), alarm("ZoneHealth-b"), seconds=1)
    assert set(opened(book)) == {ZONE, SECOND}
    for one, other in ((ZONE, SECOND), (SECOND, ZONE)):
        found = verdict(book, one)
        assert isinstance(found, Ask)
        assert f"{other} (suspecting) fails too: without {one} as well 1 of 3 zones would be left" in found.because
        assert "declare that instead" in found.because


def test_what_is_away_already_stays_away_when_another_zone_fails() -> None:
    book = take(zone(), alarm("ZoneHealth-b"), seconds=1)
    found = verdict(book, ZONE, StepRecord(first_done_at=at(0)))
    assert found == Pass("the zone is left already")


def test_an_incident_of_another_kind_leaves_no_zone() -> None:
    book = take(empty(), probe(), alarm(ROUTE53))
    incident = opened(book)[PRIMARY]
    step = RULES.plan_of(incident.plan, incident.scenario).step("traffic")
    wanted = Wanted(incident=incident, step=step, record=StepRecord(), call=SHIFT)
    assert gates.zones_left(wanted, book, RULES, at(1)) == Pass("leaves no zone")


def test_the_rules_hold_long_enough_for_a_second_zone_to_be_heard() -> None:
    """Both zones of one failure are told of within a period of their alarms, more or less the publisher's."""
    rows = [r for r in POLICY.signals.rules if r.scenario == "az-failure"]
    assert {r.hold for r in rows} == {timedelta(seconds=20)}
