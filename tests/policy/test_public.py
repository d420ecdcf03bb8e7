from __future__ import annotations

import pytest

from tests.policy.broken import Broken


@pytest.mark.parametrize(
    ("leak", "kind"),
    [
        ("us-east-1", "a region"),
        ("eu-central-1b", "an AWS region or zone"),
        ("neurectomy-usw2", "a cluster"),
        ("neurectomy-pg-west", "a database instance"),
        ("ml-service", "a service's internal name"),
        ("Redis", "a service's internal name"),
        ("111122223333", "an account"),
        ("444455556666", "an account"),
        ("10.0.3.7", "an IP address"),
        ("api.internal.neurectomy.io", "a host"),
        ("arn:aws:rds:eu-west-1:444455556666:db:x", "an ARN"),
        ("ClusterHealth", "an alarm"),
    ],
)
def test_a_customer_text_that_holds_something_internal_is_told(broken: Broken, leak: str, kind: str) -> None:
    broken.edit("scenarios", "A component is being restarted.", f"Restarting {leak} now.")
    findings = broken.findings("public-text-names-nothing-internal")
    assert leak.lower() in {f.found.lower() for f in findings}
    assert {f.field for f in findings} == {"scenarios[0].customer_text"}
    assert {f.line for f in findings} == {11}
    assert any(f.because.endswith(kind) for f in findings)


def test_a_region_inside_a_bucket_is_told_as_the_bucket_alone(broken: Broken) -> None:
    broken.edit("scenarios", "A component is being", "neurectomy-backups-us-east-1 is being").says(
        "public-text-names-nothing-internal",
        "scenarios.yaml scenarios[0].customer_text",
        at="neurectomy-backups-us-east-1",
        found="neurectomy-backups-us-east-1",
        allowed="no internal name",
        because="which is a bucket",
    )


def test_a_component_that_holds_something_internal_is_told(broken: Broken) -> None:
    broken.edit("services", "component: API", "component: API in us-west-2").says(
        "public-text-names-nothing-internal",
        "services.yaml services[0].component",
        at="component: API in",
        found="us-west-2",
        allowed="no internal name",
    )


def test_a_customer_text_that_says_nothing_is_told(broken: Broken) -> None:
    broken.edit("scenarios", "A component is being restarted.", '" "').says(
        "public-text-names-nothing-internal",
        "scenarios.yaml scenarios[0].customer_text",
        at=11,
        found="nothing",
        allowed="a sentence",
    )
