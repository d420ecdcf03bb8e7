from __future__ import annotations

from tests.policy.broken import Broken


def test_two_alarms_of_one_name_are_told(broken: Broken) -> None:
    broken.edit("signals", "- name: NodeReadiness", "- name: ClusterHealth").says(
        "signal-name-is-single",
        "signals.yaml alarms[2].name",
        at=32,
        found="ClusterHealth",
        allowed="no other row",
    )


def test_an_alarm_that_no_rule_reads_is_a_warning(broken: Broken) -> None:
    broken.edit("signals", "alarms: [ClusterHealth, DatabaseConnectivity]", "alarms: [ClusterHealth]").says(
        "signal-is-read",
        "signals.yaml alarms[4].name",
        at="- name: DatabaseConnectivity",
        found="DatabaseConnectivity",
        allowed="an observer of a rule names",
        severity="warning",
    )


def test_a_rule_of_an_unknown_scenario_is_told(broken: Broken) -> None:
    broken.edit("signals", "- scenario: pod-failure", "- scenario: pods-failure").says(
        "rule-scenario-is-known",
        "signals.yaml rules[2].scenario",
        at="pods-failure",
        found="pods-failure",
        allowed="one of: pod-failure",
        because="did you mean 'pod-failure'?",
    )


def test_an_observer_of_an_unknown_alarm_is_told(broken: Broken) -> None:
    broken.edit("signals", "alarms: [NodeReadiness]", "alarms: [NodesReadiness]").says(
        "observer-source-is-known",
        "signals.yaml rules[1].observers[0].alarms[0]",
        at="NodesReadiness",
        found="NodesReadiness",
        allowed="one of: neurectomy-endpoint-health, ClusterHealth",
        because="did you mean 'NodeReadiness'?",
    )


def test_an_observer_of_an_unknown_probe_is_told(broken: Broken) -> None:
    broken.edit("signals", "probe: standby-probe", "probe: stand-probe").says(
        "observer-source-is-known",
        "signals.yaml rules[0].observers[1].probe",
        at="stand-probe",
        found="stand-probe",
        allowed="one of: standby-probe",
    )


def test_one_alarm_that_two_observers_hear_is_told(broken: Broken) -> None:
    broken.edit("signals", "[ClusterHealth, DatabaseConnectivity]", "[neurectomy-endpoint-health]").says(
        "observers-are-independent",
        "signals.yaml rules[0].observers[2].alarms[0]",
        at="- { name: cluster",
        found="neurectomy-endpoint-health",
        allowed="no other observer",
        because="already speaks through 'route53'",
    )


def test_a_quorum_that_is_never_met_is_told(broken: Broken) -> None:
    broken.edit("signals", "quorum: 3\n    hold: 10s", "quorum: 6\n    hold: 10s").says(
        "quorum-can-be-met",
        "signals.yaml rules[0].quorum",
        at="quorum: 6",
        found="6",
        allowed="at most 5",
        because="never becomes certain",
    )


def test_a_quorum_that_is_never_met_where_people_confirm_is_a_note(broken: Broken) -> None:
    broken.says(
        "quorum-can-be-met",
        "signals.yaml rules[8].quorum",
        at="quorum: 2",
        found="2",
        allowed="at most 1",
        because="only a person confirms it",
        severity="note",
    )


def test_a_rule_that_opens_later_than_it_confirms_is_told(broken: Broken) -> None:
    broken.edit("signals", "opens: 1", "opens: 4").says(
        "quorum-can-be-met",
        "signals.yaml rules[0].opens",
        at="opens: 4",
        found="4",
        allowed="at most 3",
    )


def test_a_quorum_that_the_failed_region_silences_is_a_warning_until_there_are_observers_outside(
    broken: Broken,
) -> None:
    assert not broken.findings("quorum-survives-the-failed-region")
    broken.edit("signals", "      - { name: heartbeat, heartbeat: primary }\n", "").says(
        "quorum-survives-the-failed-region",
        "signals.yaml rules[0].quorum",
        at="quorum: 3",
        found="3",
        allowed="at most 2, the observers outside us-east-1",
        because="route53, cluster may have no data",
        severity="warning",
    )


def test_a_heartbeat_whose_first_miss_would_count_is_told(broken: Broken) -> None:
    broken.edit("signals", "silent_after: 40s", "silent_after: 20s").says(
        "heartbeats-bear-a-miss",
        "signals.yaml heartbeats.silent_after",
        at="silent_after: 20s",
        found="20s",
        allowed="at least 30s, three heartbeats",
        because="one that is lost would count",
    )


def test_an_alarm_over_route_53_outside_us_east_1_is_told(broken: Broken) -> None:
    broken.edit("signals", "region: us-east-1\n    namespace: AWS/R", "region: us-west-2\n    namespace: AWS/R").says(
        "route53-alarm-stands-in-us-east-1",
        "signals.yaml alarms[0].region",
        at=11,
        found="us-west-2",
        allowed="us-east-1",
    )


def test_a_probe_inside_the_region_that_it_looks_at_is_told(broken: Broken) -> None:
    broken.edit("signals", "region: us-west-2, target", "region: us-east-1, target").says(
        "probe-looks-from-outside",
        "signals.yaml probes[0].region",
        at="name: standby-probe, region",
        found="us-east-1",
        allowed="other than its target, us-east-1",
    )


def test_a_region_failure_that_nothing_watches_for_is_told(broken: Broken) -> None:
    broken.edit("signals", "- scenario: region-failure", "- scenario: az-failure").says(
        "scenario-is-watched",
        "scenarios.yaml scenarios[3].name",
        at="- name: region-failure",
        found="region-failure",
        allowed="az-failure, backup-drift, backup-failure, bad-deployment, configuration-error",
        because="nothing wakes the responder",
    )
