from __future__ import annotations

from tests.policy.broken import Broken


def test_two_services_of_one_name_are_told(broken: Broken) -> None:
    broken.edit("services", "- name: redis", "- name: mlflow").says(
        "service-name-is-single",
        "services.yaml services[5].name",
        at=66,
        found="mlflow",
        allowed="no other service",
        because="already is services[4]",
    )


def test_two_services_of_one_order_are_told(broken: Broken) -> None:
    broken.edit("services", "order: 6", "order: 5").says(
        "service-order-is-single",
        "services.yaml services[5].order",
        at=69,
        found="5",
        allowed="no other service",
        because="'redis' and 'mlflow'",
    )


def test_a_tier_that_promises_more_than_a_more_critical_one_is_told(broken: Broken) -> None:
    broken.edit("services", "rto: 4h", "rto: 30m").says(
        "tiers-loosen",
        "services.yaml tiers[2].rto",
        at="rto: 30m",
        found="30m",
        allowed="at least 1h, the RTO of tier 2",
    )


def test_a_service_of_a_tier_without_a_row_is_told(broken: Broken) -> None:
    broken.edit("services", "  - { tier: 3, name: medium, rto: 4h }\n", "")
    for i in (6, 7, 8):
        broken.says(
            "service-tier-is-known",
            f"services.yaml services[{i}].tier",
            at=77 + 10 * (i - 6) + (i == 8),
            found="3",
            allowed="one of: 1, 2, 4",
        )


def test_a_dependency_that_is_no_row_is_told_with_the_name_that_was_meant(broken: Broken) -> None:
    broken.edit("services", "depends_on: [postgresql, s3]", "depends_on: [postgresq, s3]").says(
        "dependency-is-known",
        "services.yaml services[4].depends_on[0]",
        at="depends_on: [postgresq, s3]",
        found="postgresq",
        allowed="one of: api-gateway, ml-service",
        because="did you mean 'postgresql'?",
    )


def test_services_that_lean_on_each_other_in_a_circle_are_told_once(broken: Broken) -> None:
    broken.edit("services", "depends_on: [ebs-volumes]", "depends_on: [mlflow]").says(
        "dependencies-make-no-circle",
        "services.yaml services[3].depends_on",
        at="depends_on: [mlflow]",
        found="postgresql → mlflow → postgresql",
        allowed="do not lean back",
    )
    assert len(broken.findings("dependencies-make-no-circle")) == 1


def test_a_tier_1_service_on_a_tier_2_database_is_a_warning_with_the_rto_that_is_inherited(broken: Broken) -> None:
    broken.says(
        "dependency-is-as-tight",
        "services.yaml services[1].depends_on[0]",
        at=28,
        found="postgresql, of tier 2 with an RTO of 1h",
        allowed="an RTO of at most 15m",
        because="'postgresql' inherits 15m",
        severity="warning",
    )


def test_a_workload_without_deployments_is_told(broken: Broken) -> None:
    broken.edit("services", "    deployments: [redis]\n", "").says(
        "workload-can-be-found",
        "services.yaml services[5].deployments",
        at="- name: redis",
        found="nothing",
        allowed="at least one deployment",
    )
