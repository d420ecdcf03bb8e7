from __future__ import annotations

import pytest

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
    broken.edit("scenarios", "scenario: ransomware", "scenario: ransomwares").says(
        "case-scenario-is-known",
        "scenarios.yaml cases[6].scenario",
        at="scenario: ransomwares",
        found="ransomwares",
        allowed="one of: pod-failure",
        because="did you mean 'ransomware'?",
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
        allowed="one of: application-rolled-back, auto-sync-given-back, backup-now, breach-found, canary-aborted, ",
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


@pytest.mark.parametrize(("place", "row"), [(7, "data-corruption"), (9, "region-failure")])
def test_a_case_of_no_row_of_the_matrix_is_told(broken: Broken, place: int, row: str) -> None:
    broken.edit("scenarios", f"belongs_to: {row}", f"belongs_to: {row}s").says(
        "scenario-belongs-to-a-row",
        f"scenarios.yaml scenarios[{place}].belongs_to",
        at=f"belongs_to: {row}s",
        found=f"{row}s",
        allowed="pod-failure, node-failure",
        because=f"did you mean '{row}'?",
    )


def test_a_database_that_is_restored_without_anywhere_to_put_it_is_told(broken: Broken) -> None:
    broken.edit("platform", "primary_secret: { region: us-east-1, name: neurectomy/database }\n", "").says(
        "restored-database-can-be-used",
        "runbooks.yaml runbooks[5].steps[3].action",
        at="action: point-restored",
        found="point-restored",
        allowed="primary_secret in platform.yaml",
    )


def test_a_restored_database_that_nobody_can_check_is_told(broken: Broken) -> None:
    text = (broken.folder / "platform.yaml").read_text()
    start = text.index("integrity:\n")
    broken.edit("platform", text[start : text.index("# yaml-language-server")], "")
    found = broken.findings("restored-database-can-be-used")
    # A corruption, a breach and ransomware each restore one.
    assert [f.found for f in found] == ["integrity-check"] * 3
