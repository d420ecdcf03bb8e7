"""AWS's own word as evidence: bad, good, no data; how long it counts; and how it folds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core import evidence
from chalicelib.core.book import Book
from chalicelib.core.evidence import Verdict
from chalicelib.core.happened import AlarmState, HealthEvent, SecurityFinding, Signal, SignalKind, Tick
from chalicelib.core.service_events import KEPT
from chalicelib.core.states import IncidentState
from chalicelib.policy import Policy
from chalicelib.store.codec import dump_book, read_book
from tests.core.stage import (
    POLICY,
    PRIMARY,
    REGION,
    STANDBY,
    alarm,
    at,
    empty,
    heartbeat,
    only,
    policy_with,
    probe,
    rules_for,
    suspected,
    take,
)

HOUR = 3600.0
SCOPE = f"{PRIMARY}/identities"


def watched(raw: dict[str, Any]) -> None:
    """An example of findings as evidence, in the place of the shipped policy's."""
    rules = raw["signals"]["rules"]
    rules[:] = [r for r in rules if not any(o.get("findings") for o in r["observers"])]
    raw["signals"]["findings"] = [
        {
            "name": "takeover",
            "regions": [PRIMARY],
            "types": ["UnauthorizedAccess:IAMUser/*", "Backdoor:EC2/C&CActivity.B"],
            "severity": 7.0,
            "counts_for": "24h",
        }
    ]
    raw["signals"]["rules"].append(
        {
            "scenario": "data-corruption",
            "scope": SCOPE,
            "observers": [{"name": "guardduty", "findings": "takeover"}],
            "quorum": 2,
            "hold": "0s",
            "clear_after": "1m",
        }
    )


WATCHED = policy_with(watched)
FOUND = rules_for(WATCHED)


def health(
    state: AlarmState = AlarmState.ALARM,
    seconds: float = 0,
    *,
    name: str = "1",
    service: str = "EC2",
    region: str = PRIMARY,
    category: str = "issue",
    communication: str = "",
) -> Signal:
    return Signal(
        source=f"arn:aws:health:{region}::event/{service}/{name}",
        name=f"AWS_{service}_OPERATIONAL_ISSUE",
        kind=SignalKind.HEALTH_EVENT,
        state=state,
        changed_at=at(seconds),
        reason="AWS says so",
        region=region,
        account="111122223333",
        event=HealthEvent(service=service, category=category, communication=communication),
    )


def finding(
    kind: str = "UnauthorizedAccess:IAMUser/MaliciousIPCaller",
    *,
    severity: float = 8.0,
    seconds: float = 0,
    state: AlarmState = AlarmState.ALARM,
    name: str = "1",
    region: str = PRIMARY,
) -> Signal:
    return Signal(
        source=f"guardduty:{region}:111122223333:{name}",
        name=kind,
        kind=SignalKind.SECURITY_FINDING,
        state=state,
        changed_at=at(seconds),
        reason="GuardDuty says so",
        region=region,
        event=SecurityFinding(type=kind, severity=severity),
    )


def verdict(book: Book, seconds: float, policy: Policy = POLICY, observer: str = "aws-health") -> Verdict:
    rules = [r for r in policy.signals.rules if any(o.name == observer for o in r.observers)]
    return next(o for o in evidence.observations(book, rules[0], policy, at(seconds)) if o.observer == observer).verdict


def test_without_an_event_there_is_no_data() -> None:
    assert verdict(empty(), 0) is Verdict.NO_DATA


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (AlarmState.ALARM, Verdict.BAD),
        (AlarmState.OK, Verdict.GOOD),
        (AlarmState.INSUFFICIENT_DATA, Verdict.NO_DATA),
    ],
)
def test_open_is_bad_closed_is_good_and_upcoming_is_no_data(state: AlarmState, said: Verdict) -> None:
    assert verdict(take(empty(), health(state)), 0) is said


@pytest.mark.parametrize("state", [AlarmState.ALARM, AlarmState.OK])
def test_a_word_counts_for_as_long_as_policy_says_and_then_there_is_no_data(state: AlarmState) -> None:
    book = take(empty(), health(state))
    assert verdict(book, 6 * HOUR) is not Verdict.NO_DATA
    assert verdict(book, 6 * HOUR + 1) is Verdict.NO_DATA


def test_an_update_of_an_open_event_makes_it_count_anew() -> None:
    book = take(take(empty(), health()), health(seconds=5 * HOUR), seconds=5 * HOUR)
    assert verdict(book, 10 * HOUR) is Verdict.BAD


def test_a_word_that_came_too_late_to_count_is_not_taken_in() -> None:
    book = take(empty(), health(), seconds=7 * HOUR)
    assert book == empty()


@pytest.mark.parametrize(
    "other",
    [
        health(region=STANDBY),
        health(service="IOT"),
        health(category="scheduledChange"),
        replace(finding(), event=SecurityFinding(type="Recon:EC2/Portscan", severity=8.0)),
    ],
)
def test_an_event_that_policy_does_not_name_changes_nothing(other: Signal) -> None:
    assert take(empty(), other) == empty()


def test_one_open_event_among_closed_ones_is_bad() -> None:
    book = take(empty(), health(AlarmState.OK, name="1"), health(name="2", service="RDS"))
    assert verdict(book, 0) is Verdict.BAD


def test_the_same_communication_by_two_regions_folds_once() -> None:
    first, second = health(communication="c1"), health(seconds=2, communication="c1")
    book = take(empty(), first)
    assert take(book, second, seconds=2) == book
    assert take(book, replace(second, state=AlarmState.OK), seconds=2) != book


def opening(raw: dict[str, Any]) -> None:
    """As shipped, but AWS's word alone opens an incident."""
    rule = next(r for r in raw["signals"]["rules"] if r["scenario"] == REGION)
    next(o for o in rule["observers"] if o["name"] == "aws-health")["opens"] = True


OPENING = rules_for(policy_with(opening))


def test_the_shipped_policy_lets_an_event_open_nothing_and_the_timeline_says_so() -> None:
    book = take(empty(), health(), Tick(), seconds=60)
    assert not book.incidents
    assert [(e.incident, e.kind) for e in book.outbox] == [("platform", "quiet")]
    assert book.outbox[0].text.endswith("AWS says so; it opens no region-failure by itself")


def test_what_an_event_said_before_counts_when_another_opens_and_does_not_say_since_when_it_fails() -> None:
    book = take(take(empty(), health()), heartbeat(seconds=600), seconds=600)
    assert "2 of 6 observers are bad" in evidence.sentence(
        evidence.observations(book, next(r for r in POLICY.signals.rules if r.scenario == REGION), POLICY, at(600))
    )
    assert only(book).failed_at == at(600)
    assert only(take(book, health(seconds=500, name="2"), seconds=600)).failed_at == at(600)


def test_where_policy_lets_it_an_event_alone_opens_a_suspicion_and_confirms_nothing() -> None:
    book = take(empty(), health(), rules=OPENING)
    assert only(book).scenario == REGION
    assert "1 of 6 observers is bad: aws-health" in only(book).because
    assert only(take(book, Tick(), seconds=HOUR, rules=OPENING)).state is IncidentState.SUSPECTING


def test_an_event_is_one_voice_of_the_quorum() -> None:
    two = take(suspected(), probe())
    assert only(take(two, Tick(), seconds=120)).state is IncidentState.SUSPECTING
    three = take(two, health(seconds=5), seconds=5)
    assert only(take(three, Tick(), seconds=120)).state is IncidentState.RESPONDING
    assert only(take(two, health(AlarmState.INSUFFICIENT_DATA), Tick(), seconds=120)).state is IncidentState.SUSPECTING


def test_many_events_are_one_voice() -> None:
    book = take(suspected(), *(health(name=str(n), service=s) for n, s in enumerate(("EC2", "RDS", "EKS"))))
    assert only(take(book, Tick(), seconds=HOUR)).state is IncidentState.SUSPECTING


def test_an_alarm_below_the_region_belongs_to_the_incident_that_an_event_opened_and_the_timeline_says_so() -> None:
    book = take(empty(), health(), probe(), heartbeat())
    book = take(book, Tick(), seconds=120)
    taken = take(book, alarm("PodAvailability", seconds=130), seconds=130)
    assert [i.scope for i in taken.incidents.values() if i.state is not IncidentState.CLOSING] == [PRIMARY]
    assert "PodAvailability is ALARM" in taken.outbox[-1].text


def test_an_event_that_is_closed_clears_what_only_it_had_opened() -> None:
    book = take(take(empty(), health(), rules=OPENING), health(AlarmState.OK, 60), seconds=60, rules=OPENING)
    assert only(take(book, Tick(), seconds=119, rules=OPENING)).state is IncidentState.SUSPECTING
    assert only(take(book, Tick(), seconds=120, rules=OPENING)).ending == "cleared"


def test_an_event_named_like_an_alarm_is_no_alarm() -> None:
    named = replace(health(region=STANDBY), name="ClusterHealth")
    assert take(empty(), named) == empty()


def test_a_finding_of_policy_s_types_and_severity_is_evidence_for_its_case() -> None:
    book = take(empty(), finding(), rules=FOUND)
    assert only(book).scope == SCOPE
    assert verdict(book, 0, WATCHED, "guardduty") is Verdict.BAD


@pytest.mark.parametrize(
    "other",
    [
        finding(severity=6.9),
        finding("Backdoor:EC2/C&CActivity.B!DNS"),
        finding("UnauthorizedAccess:EC2/SSHBruteForce"),
        finding(region=STANDBY),
        health(service="RISK"),
    ],
)
def test_a_finding_that_policy_does_not_name_is_none(other: Signal) -> None:
    assert take(empty(), other, rules=FOUND) == empty()


def test_a_finding_that_occurs_again_is_the_same_one() -> None:
    book = take(take(empty(), finding(), rules=FOUND), finding(seconds=900), seconds=900, rules=FOUND)
    assert len([m for m in book.watermarks.values() if m.event]) == 1
    assert only(book).failed_at == at(0)


def test_an_archived_finding_is_no_data_so_its_suspicion_never_clears_by_itself() -> None:
    put_away = finding(state=AlarmState.INSUFFICIENT_DATA, seconds=60)
    book = take(take(empty(), finding(), rules=FOUND), put_away, seconds=60, rules=FOUND)
    assert verdict(book, 60, WATCHED, "guardduty") is Verdict.NO_DATA
    assert only(take(book, Tick(), seconds=HOUR, rules=FOUND)).state is IncidentState.SUSPECTING


def test_a_burst_of_findings_does_not_fill_the_book_and_stays_bad() -> None:
    book = take(empty(), *(finding(name=str(n), seconds=n) for n in range(KEPT + 20)), seconds=100, rules=FOUND)
    marks = [m for m in book.watermarks.values() if m.event]
    assert len(marks) == KEPT
    assert min(m.changed_at for m in marks) == at(20)
    assert verdict(book, 100, WATCHED, "guardduty") is Verdict.BAD


def test_what_counts_no_more_is_forgotten_when_the_next_is_heard_and_alarms_are_not() -> None:
    book = take(empty(), health(name="old"), alarm("ClusterHealth", AlarmState.OK))
    book = take(book, health(name="new", seconds=7 * HOUR), seconds=7 * HOUR)
    assert sorted(m.name for m in book.watermarks.values()) == ["AWS_EC2_OPERATIONAL_ISSUE", "ClusterHealth"]


def test_a_book_keeps_what_was_said_and_an_older_one_is_still_read() -> None:
    book = take(empty(), health(), finding(), rules=FOUND)
    assert read_book(dump_book(book)) == (book, {})
    older = take(empty(), alarm("ClusterHealth"))
    raw = json.loads(dump_book(older))
    for mark in raw["watermarks"].values():
        del mark["event"]
    assert read_book(json.dumps(raw)) == (older, {})
