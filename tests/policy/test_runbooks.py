from __future__ import annotations

from tests.policy.broken import Broken


def test_two_steps_of_one_id_are_told(broken: Broken) -> None:
    broken.edit("runbooks", "- id: repoint", "- id: promote").says(
        "step-id-is-single",
        "runbooks.yaml runbooks[0].steps[6].id",
        at=62,
        found="promote",
        allowed="no other step",
    )


def test_a_family_without_service_in_its_id_is_told_once(broken: Broken) -> None:
    broken.edit("runbooks", "- id: restore-{service}", "- id: restore-it").says(
        "step-id-is-single",
        "runbooks.yaml runbooks[0].steps[3].id",
        at="restore-it",
        found="restore-it",
        allowed="with for_each it holds {service}",
    )


def test_a_placeholder_in_a_step_that_is_for_no_service_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "title: Promote the database replica", "title: Promote {display}").says(
        "placeholder-is-filled",
        "runbooks.yaml runbooks[0].steps[5].title",
        at="title: Promote {display}",
        found="Promote {display}",
        allowed="only beside for_each",
    )


def test_a_need_that_is_no_step_is_told_with_the_one_that_was_meant(broken: Broken) -> None:
    broken.edit("runbooks", "needs: [ready-api-gateway]", "needs: [ready-api-gatway]").says(
        "step-need-is-known",
        "runbooks.yaml runbooks[0].steps[5].needs[0]",
        at="ready-api-gatway",
        found="ready-api-gatway",
        allowed="one of: protect-backups, rewrites, capacity, restore-{service}",
        because="did you mean 'ready-api-gateway'?",
    )
    assert not broken.findings("runbook-gives-a-plan")


def test_steps_that_need_each_other_in_a_circle_are_told(broken: Broken) -> None:
    broken.edit("runbooks", "needs: [ready-api-gateway]", "needs: [verify-database]")
    found = "the steps of 'region-failure' need each other in a circle: "
    (finding,) = broken.findings("runbook-gives-a-plan")
    assert finding.found.startswith(found + "promote, repoint, verify-database")
    broken.says(
        "runbook-gives-a-plan",
        "runbooks.yaml runbooks[0].steps",
        at=5,
        found=finding.found,
        allowed="each needs only steps that can be done before it",
    )


def test_a_step_that_asks_without_a_reason_is_told(broken: Broken) -> None:
    why = "a volume that is taken from a node that still writes is damaged, so a person makes sure that it is dead"
    broken.edit("runbooks", f"        asks_because: {why}\n", "").says(
        "asking-step-says-why",
        "runbooks.yaml runbooks[2].steps[1].asks_because",
        at="- id: volumes",
        found="nothing",
        allowed="where automatic is false",
    )


def test_a_step_that_cannot_be_undone_and_comes_first_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "        needs: [ready-api-gateway]\n", "").says(
        "irreversible-step-comes-late",
        "runbooks.yaml runbooks[0].steps[5].needs",
        at="- id: promote",
        found="nothing",
        allowed="at least one reversible step",
    )


def test_an_automatic_step_in_a_scenario_that_is_for_people_is_told(broken: Broken) -> None:
    broken.edit("scenarios", "automatic: partial", 'automatic: "no"').says(
        "person-decides-where-policy-says-so",
        "runbooks.yaml runbooks[0].steps[0].automatic",
        at=10,
        found="true",
        allowed="false",
    )


def test_a_switch_that_leans_on_no_written_proof_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "needs: [verify-database, verify-api-gateway,", "needs: [verify-api-gateway,").says(
        "switch-wants-fresh-proof",
        "runbooks.yaml runbooks[0].steps[9].needs",
        at="needs: [verify-api-gateway,",
        found="verify-api-gateway, verify-ml-service, verify-authentication",
        allowed="verify-write",
    )


def test_a_switch_that_leans_on_a_stale_proof_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "fresh_for: 2m", "fresh_for: 5m").says(
        "switch-wants-fresh-proof",
        "runbooks.yaml runbooks[0].steps[9].needs[0]",
        at="needs: [verify-database, verify-api-gateway",
        found="verify-database with fresh_for 5m",
        allowed="at most 2m",
    )
