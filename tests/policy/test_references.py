from __future__ import annotations

from tests.policy.broken import Broken


def test_a_scenario_that_stands_twice_is_told(broken: Broken) -> None:
    broken.edit("scenarios", "- name: node-failure", "- name: pod-failure").says(
        "scenario-is-single",
        "scenarios.yaml scenarios[1].name",
        at=12,
        found="pod-failure",
        allowed="no other scenario",
    )


def test_a_scenario_without_a_runbook_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "- scenario: az-failure", "- scenario: node-failure").says(
        "scenario-has-a-runbook",
        "scenarios.yaml scenarios[2].name",
        at="- name: az-failure",
        found="az-failure",
        allowed="region-failure, pod-failure",
    )


def test_an_automatic_scenario_that_nothing_recovers_is_told(broken: Broken) -> None:
    broken.edit("scenarios", "by: Karpenter", 'by: ""').says(
        "automatic-recovery-is-by-something",
        "scenarios.yaml scenarios[1].by",
        at=16,
        found="nothing",
        allowed="what recovers it",
    )


def test_a_case_of_an_unknown_scenario_is_told(broken: Broken) -> None:
    broken.edit("scenarios", "scenario: security-breach", "scenario: security-breech").says(
        "case-scenario-is-known",
        "scenarios.yaml cases[6].scenario",
        at="security-breech",
        found="security-breech",
        allowed="one of: pod-failure",
        because="did you mean 'security-breach'?",
    )


def test_a_runbook_of_an_unknown_scenario_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "- scenario: az-failure", "- scenario: zone-failure").says(
        "runbook-scenario-is-known",
        "runbooks.yaml runbooks[3].scenario",
        at="zone-failure",
        found="zone-failure",
        allowed="one of: pod-failure",
    )


def test_an_action_that_is_not_there_is_told_with_the_one_that_was_meant(broken: Broken) -> None:
    broken.edit("runbooks", "action: verify-write", "action: verify-writes").says(
        "action-is-known",
        "runbooks.yaml runbooks[0].steps[7].action",
        at="action: verify-writes",
        found="verify-writes",
        allowed="one of: application-rolled-back, auto-sync-given-back, canary-aborted, fence-acl, fence-primary",
        because="did you mean 'verify-write'?",
    )


def test_a_step_aimed_at_a_cluster_that_is_not_there_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "with: { cluster: standby }", "with: { cluster: stand-by }").says(
        "step-target-is-known",
        "runbooks.yaml runbooks[0].steps[0].with.cluster",
        at="cluster: stand-by",
        found="stand-by",
        allowed="one of: primary, standby, tertiary",
        because="did you mean 'standby'?",
    )


def test_a_database_that_is_no_database_of_the_table_is_told(broken: Broken) -> None:
    broken.edit("platform", "service: postgresql", "service: redis").says(
        "database-is-a-service",
        "platform.yaml database.service",
        at="service: redis",
        found="redis",
        allowed="one of: postgresql",
    )


def test_a_case_of_no_row_of_the_matrix_is_told(broken: Broken) -> None:
    broken.edit("scenarios", "belongs_to: region-failure", "belongs_to: region-failur").says(
        "scenario-belongs-to-a-row",
        "scenarios.yaml scenarios[7].belongs_to",
        at="belongs_to: region-failur",
        found="region-failur",
        allowed="pod-failure, node-failure",
        because="did you mean 'region-failure'?",
    )
