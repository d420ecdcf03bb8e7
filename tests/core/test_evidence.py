"""What the observers say, and whether that is enough."""

from __future__ import annotations

import pytest

from chalicelib.core import evidence
from chalicelib.core.book import Book
from chalicelib.core.evidence import Verdict
from chalicelib.core.happened import AlarmState, Declare, Signal, Tick
from chalicelib.core.states import IncidentState
from tests.core.stage import (
    POLICY,
    PRIMARY,
    REGION,
    ROUTE53,
    STANDBY,
    alarm,
    at,
    confirmed,
    empty,
    heartbeat,
    only,
    probe,
    said,
    suspected,
    take,
)

RULE = next(r for r in POLICY.signals.rules if r.scenario == REGION)
NO_DATA = AlarmState.INSUFFICIENT_DATA


def verdicts(*signals: Signal) -> dict[str, Verdict]:
    book = take(empty(), *signals, seconds=100)
    return {o.observer: o.verdict for o in evidence.observations(book, RULE, POLICY, at(600))}


def test_who_never_spoke_has_no_data() -> None:
    assert set(verdicts().values()) == {Verdict.NO_DATA}


@pytest.mark.parametrize(
    ("state", "verdict"),
    [(AlarmState.ALARM, Verdict.BAD), (AlarmState.OK, Verdict.GOOD), (NO_DATA, Verdict.NO_DATA)],
)
def test_each_state_of_an_alarm_is_one_verdict(state: AlarmState, verdict: Verdict) -> None:
    assert verdicts(alarm(ROUTE53, state))["route53"] is verdict
    assert verdicts(probe(state))["standby-probe"] is verdict


def test_several_alarms_of_one_observer_are_one_voice_and_bad_when_any_is() -> None:
    both = verdicts(alarm("ClusterHealth"), alarm("DatabaseConnectivity"))
    assert [o for o, v in both.items() if v is Verdict.BAD] == ["cluster"]
    mixed = verdicts(alarm("ClusterHealth", AlarmState.OK), alarm("DatabaseConnectivity"))
    assert mixed["cluster"] is Verdict.BAD


def test_an_observer_with_one_good_and_one_silent_alarm_is_good() -> None:
    assert verdicts(alarm("ClusterHealth", AlarmState.OK), alarm("DatabaseConnectivity", NO_DATA))["cluster"] == "good"


def test_every_observation_says_why() -> None:
    book = take(empty(), alarm(ROUTE53), probe(AlarmState.OK))
    found = evidence.observations(book, RULE, POLICY, at(0))
    assert all(o.because for o in found)
    assert "route53 is bad" in found[0].because
    assert evidence.sentence(found) == (
        "1 of 6 observers is bad: route53; "
        "standby-probe is good, cluster has no data, witness-probe has no data, heartbeat has no data, "
        "aws-health has no data"
    )


def test_one_bad_observer_opens_a_suspicion_and_confirms_nothing() -> None:
    book = suspected()
    for seconds in (10, 100, 3600):
        book = take(book, Tick(), seconds=seconds)
        assert only(book).state is IncidentState.SUSPECTING
    assert only(book).confirmed_at is None


def test_all_the_alarms_of_one_observer_do_not_make_a_quorum() -> None:
    book = take(empty(), alarm("ClusterHealth"), alarm("DatabaseConnectivity"))
    assert only(take(book, Tick(), seconds=600)).state is IncidentState.SUSPECTING


@pytest.mark.parametrize("state", [NO_DATA, AlarmState.OK])
def test_no_data_and_good_never_count_towards_a_quorum(state: AlarmState) -> None:
    book = take(suspected(), heartbeat(), probe(state), alarm("ClusterHealth", NO_DATA))
    assert only(take(book, Tick(), seconds=600)).state is IncidentState.SUSPECTING


def test_no_data_alone_opens_nothing() -> None:
    book = take(empty(), alarm(ROUTE53, NO_DATA), probe(NO_DATA), alarm("ClusterHealth", NO_DATA))
    assert not take(book, Tick(), seconds=600).incidents


@pytest.mark.parametrize(("seconds", "state"), [(9.9, IncidentState.SUSPECTING), (10, IncidentState.RESPONDING)])
def test_a_quorum_confirms_when_it_has_held_for_as_long_as_policy_says(seconds: float, state: IncidentState) -> None:
    book = take(suspected(), probe(), heartbeat())
    assert only(take(book, Tick(), seconds=seconds)).state is state


def test_a_quorum_that_breaks_before_the_hold_starts_to_count_anew() -> None:
    book = take(suspected(), probe(), heartbeat())
    book = take(book, probe(AlarmState.OK, 5), seconds=5)
    book = take(book, probe(AlarmState.ALARM, 8), seconds=8)
    assert only(take(book, Tick(), seconds=17)).state is IncidentState.SUSPECTING
    assert only(take(book, Tick(), seconds=18)).state is IncidentState.RESPONDING


def test_an_observer_that_falls_silent_does_not_hold_a_quorum() -> None:
    book = take(take(suspected(), probe(), heartbeat()), probe(NO_DATA, 5), seconds=5)
    assert only(take(book, Tick(), seconds=60)).state is IncidentState.SUSPECTING


def test_the_primarys_heartbeat_is_an_observer_of_its_own() -> None:
    for state, verdict in {AlarmState.ALARM: "bad", AlarmState.OK: "good", NO_DATA: "no data"}.items():
        assert verdicts(heartbeat(state))["heartbeat"] == verdict


def _flapping(times: int) -> Book:
    """Three are bad, of which the probe has changed its mind so often, five seconds apart."""
    book = take(suspected(), heartbeat(), probe())
    states = [AlarmState.OK, AlarmState.ALARM]
    for n in range(times):
        book = take(book, probe(states[n % 2], 5 * (n + 1)), seconds=5 * (n + 1))
    return book


def test_an_observer_that_flaps_confirms_nothing_and_that_is_said() -> None:
    book = _flapping(4)
    assert only(take(book, Tick(), seconds=60)).state is IncidentState.SUSPECTING
    entries = [e.text for e in book.outbox if e.kind == "flapping"]
    assert len(entries) == 1
    assert "held, since observers change their mind" in entries[0]
    assert "standby-probe (flapping, held)" in entries[0]


def test_two_changes_of_mind_are_no_flapping() -> None:
    assert only(take(_flapping(2), Tick(), seconds=30)).state is IncidentState.RESPONDING


def test_an_observer_that_has_been_steady_for_long_enough_counts_again() -> None:
    book = take(_flapping(4), Tick(), seconds=606)
    assert only(take(book, Tick(), seconds=620)).state is IncidentState.RESPONDING


def test_silence_between_two_bad_words_is_no_change_of_mind() -> None:
    book = take(suspected(), heartbeat(), probe())
    for n in range(1, 9):
        book = take(book, probe(NO_DATA if n % 2 else AlarmState.ALARM, n), seconds=n)
    assert only(take(book, Tick(), seconds=20)).state is IncidentState.RESPONDING


def test_a_suspicion_is_cleared_when_all_have_been_good_for_long_enough() -> None:
    book = take(suspected(), alarm(ROUTE53, AlarmState.OK, 20), seconds=20)
    assert only(take(book, Tick(), seconds=79)).state is IncidentState.SUSPECTING
    cleared = only(take(book, Tick(), seconds=80))
    assert (cleared.state, cleared.ending) == (IncidentState.CLOSING, "cleared")


def test_silence_never_clears_a_suspicion() -> None:
    book = take(suspected(), alarm(ROUTE53, NO_DATA, 20), seconds=20)
    assert only(take(book, Tick(), seconds=9000)).state is IncidentState.SUSPECTING


def test_a_relapse_before_it_is_cleared_starts_the_clock_anew() -> None:
    book = take(suspected(), alarm(ROUTE53, AlarmState.OK, 20), seconds=20)
    book = take(book, alarm(ROUTE53, AlarmState.ALARM, 70), seconds=70)
    book = take(book, alarm(ROUTE53, AlarmState.OK, 75), seconds=75)
    assert only(take(book, Tick(), seconds=134)).state is IncidentState.SUSPECTING
    assert only(take(book, Tick(), seconds=135)).ending == "cleared"


def test_what_a_person_declared_is_not_cleared_by_observers() -> None:
    book = take(suspected(), Declare(said=said("d"), scenario=REGION, scope=PRIMARY))
    book = take(book, alarm(ROUTE53, AlarmState.OK, 20), seconds=20)
    assert only(take(book, Tick(), seconds=900)).state is IncidentState.RESPONDING


@pytest.mark.parametrize("region", [STANDBY, "eu-west-1"])
def test_an_alarm_of_the_same_name_in_another_region_is_no_evidence(region: str) -> None:
    stranger = alarm(ROUTE53, region=region)
    assert take(empty(), stranger) == empty()
    assert only(take(take(suspected(), stranger), Tick(), seconds=600)).state is IncidentState.SUSPECTING


def test_an_alarm_that_no_rule_reads_changes_nothing() -> None:
    assert take(empty(), alarm("somebody-elses-alarm")) == empty()


def test_a_region_that_does_not_serve_has_no_failure_of_its_own() -> None:
    book = take(empty(serving=STANDBY), alarm(ROUTE53), probe())
    assert not book.incidents
    assert "does not serve" in book.outbox[-1].text


def test_the_failure_began_with_the_earliest_bad_observation_however_late_it_comes() -> None:
    book = take(empty(), alarm(ROUTE53, seconds=-20))
    assert only(book).failed_at == at(-20)
    assert only(take(book, probe(seconds=-45), seconds=5)).failed_at == at(-45)


def test_signals_lead_to_the_same_state_in_whatever_order_they_come() -> None:
    signals = [alarm(ROUTE53, AlarmState.ALARM, 1), alarm(ROUTE53, AlarmState.OK, 2), probe(AlarmState.ALARM, 3)]

    def heard(order: list[int]) -> object:
        book = empty()
        for i in order:
            book = take(book, signals[i], seconds=5)
        return {s: (m.state, m.changed_at) for s, m in book.watermarks.items()}

    assert heard([0, 1, 2]) == heard([1, 0, 2]) == heard([2, 1, 0]) == heard([2, 0, 1])


# Wider incidents take over smaller ones


def test_a_wider_incident_absorbs_the_smaller_ones_below_it() -> None:
    book = take(empty(), alarm("NodeReadiness"))
    small = only(book).id
    book = take(book, alarm(ROUTE53), seconds=5)
    assert book.incidents[small].ending == "absorbed"
    wide = next(i for i in book.incidents.values() if i.scenario == REGION)
    assert wide.absorbed == (small,)


def test_a_smaller_failure_below_an_open_incident_is_noted_there_and_opens_nothing() -> None:
    book = take(suspected(), alarm("NodeReadiness", seconds=3), seconds=3)
    assert only(book).scenario == REGION
    assert "NodeReadiness is ALARM" in book.outbox[-1].text


def test_a_pod_alarm_belongs_to_its_node_s_incident_and_to_its_region_s_whichever_comes_first() -> None:
    book = take(take(empty(), alarm("PodAvailability")), alarm("NodeReadiness", seconds=5), seconds=5)
    assert [i.scenario for i in book.incidents.values() if not i.ending] == ["node-failure"]
    book = take(book, alarm(ROUTE53, seconds=9), seconds=9)
    assert [i.scenario for i in book.incidents.values() if not i.ending] == [REGION]
    later = take(take(suspected(), alarm("PodAvailability", seconds=3), seconds=3), Tick(), seconds=200)
    assert only(later).scenario == REGION


def test_pods_that_are_back_in_time_were_no_incident_and_late_ones_are() -> None:
    book = take(empty(), alarm("PodAvailability"))
    assert only(book).state is IncidentState.SUSPECTING
    in_time = take(book, alarm("PodAvailability", AlarmState.OK, 60), seconds=60)
    in_time = take(take(in_time, Tick(), seconds=90), Tick(), seconds=91)
    assert {i.ending for i in in_time.incidents.values()} <= {"cleared"}
    late = take(book, Tick(), seconds=90)
    assert only(late).confirmed_at == at(90)


def test_a_node_that_is_replaced_in_time_was_no_incident_and_one_that_is_not_is() -> None:
    book = take(empty(), alarm("NodeReadiness"))
    in_time = take(book, alarm("NodeReadiness", AlarmState.OK, 100), seconds=100)
    in_time = take(take(in_time, Tick(), seconds=161), Tick(), seconds=180)
    assert {i.ending for i in in_time.incidents.values()} <= {"cleared"}
    assert only(take(book, Tick(), seconds=180)).confirmed_at == at(180)


def _nodes_and_a_false_alarm(order: str) -> Book:
    node, region = alarm("NodeReadiness"), probe()
    book = take(empty(), *((node, region) if order == "before" else (region, node)))
    book = take(book, probe(AlarmState.OK, 20), seconds=20)
    return take(take(book, Tick(), seconds=81), Tick(), seconds=82)


@pytest.mark.parametrize("order", ["before", "during"])
def test_a_failure_that_outlives_the_false_alarm_above_it_is_answered(order: str) -> None:
    book = _nodes_and_a_false_alarm(order)
    assert [i.scenario for i in book.incidents.values() if i.state is not IncidentState.CLOSING] == ["node-failure"]


def test_evidence_that_weakens_after_confirmation_leaves_it_confirmed() -> None:
    book = take(confirmed(), probe(NO_DATA, 20), seconds=20)
    assert only(take(book, Tick(), seconds=600)).state is not IncidentState.SUSPECTING
