from __future__ import annotations

import pytest

from tests.policy.broken import Broken

WEST = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
EAST = "111122223333.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("old", "new", "place", "because"),
    [
        (f"to: {WEST}", f"to: {EAST}", 0, "would point at us-east-1, the region that failed"),
        ("to: gp3-us-west-2", "to: gp3-us-east-1-fast", 1, "would point at us-east-1, the region that failed"),
        ("to: us-west-2a", "to: eu-west-1a", 2, "would point at eu-west-1, which is not the standby"),
        ("hds.us-west-2.rds", "hds.us-east-1.rds", 8, "would point at us-east-1"),
    ],
)
def test_a_rewrite_that_does_not_lead_to_the_standby_is_told(
    broken: Broken, old: str, new: str, place: int, because: str
) -> None:
    broken.edit("rewrites", old, new)
    (finding,) = broken.findings("rewrite-leads-to-the-standby")
    assert (finding.file, finding.field) == ("rewrites.yaml", f"rewrites[{place}].to")
    assert because in finding.because
    assert finding.allowed == "a value in us-west-2"


def test_a_zone_of_the_failed_region_is_told_with_what_is_allowed(broken: Broken) -> None:
    broken.edit("rewrites", "to: us-west-2c", "to: us-east-1d").says(
        "rewrite-leads-to-the-standby",
        "rewrites.yaml rewrites[4].to",
        at="from: us-east-1c",
        found="us-east-1d",
        allowed="a value in us-west-2",
        because="the region that failed",
    )


def test_a_rewrite_of_an_unknown_service_is_told(broken: Broken) -> None:
    broken.edit("rewrites", "service: ml-service", "service: ml-servce").says(
        "rewrite-service-is-known",
        "rewrites.yaml rewrites[5].service",
        at="service: ml-servce",
        found="ml-servce",
        allowed="one of: api-gateway",
        because="did you mean 'ml-service'?",
    )


def test_a_rewrite_of_the_database_is_told_since_it_is_not_restored(broken: Broken) -> None:
    broken.edit("rewrites", "service: mlflow", "service: postgresql").says(
        "rewrite-service-is-known",
        "rewrites.yaml rewrites[6].service",
        at="service: postgresql",
        found="postgresql",
        allowed="one of: api-gateway",
    )


@pytest.mark.parametrize(
    ("old", "new", "place", "because"),
    [
        ("from: us-east-1b", "from: us-east-2b", 3, "stands in us-east-2b: this zone matches nothing"),
        (f"from: {EAST}", "from: 111122223333.dkr.ecr.eu-west-1.amazonaws.com", 0, "stands in eu-west-1"),
        (f"from: {EAST}", "from: 999999999999.dkr.ecr.us-east-1.amazonaws.com", 0, "stands in account 999999999999"),
        ('from: "arn:aws:acm:us-east-1', 'from: "arn:aws:acm:us-east-2', 7, "stands in us-east-2"),
    ],
)
def test_a_rewrite_that_matches_nothing_of_the_platform_is_told(
    broken: Broken, old: str, new: str, place: int, because: str
) -> None:
    broken.edit("rewrites", old, new)
    (finding,) = broken.findings("rewrite-matches-something")
    assert finding.field == f"rewrites[{place}].from"
    assert because in finding.because
    assert finding.allowed == "a value in us-east-1, account 111122223333"


def test_a_database_host_of_a_service_without_a_database_is_told(broken: Broken) -> None:
    broken.edit("rewrites", "service: grafana", "service: redis").says(
        "rewrite-matches-something",
        "rewrites.yaml rewrites[8].service",
        at="service: redis",
        found="redis",
        allowed="one of: ml-service, authentication, mlflow, grafana",
    )


def test_two_rewrites_of_one_value_are_told(broken: Broken) -> None:
    broken.edit("rewrites", "from: us-east-1b", "from: us-east-1a").says(
        "rewrite-is-single",
        "rewrites.yaml rewrites[3]",
        at="to: us-west-2b",
        found="zone us-east-1a",
        allowed="one rewrite of a value",
        because="rewrites[2]",
    )


def test_a_registry_that_holds_another_is_told_since_velero_takes_them_in_no_order(broken: Broken) -> None:
    more = f"rewrites:\n  - {{ kind: image-registry, from: {EAST}/team, to: {WEST}/crew }}\n"
    broken.edit("rewrites", "rewrites:\n", more).says(
        "rewrite-is-single",
        "rewrites.yaml rewrites[0].from",
        at="/team",
        found=f"{EAST}/team",
        allowed="none of which is a part of another",
        because="rewrites[1]",
    )


def test_a_value_that_becomes_itself_is_told(broken: Broken) -> None:
    broken.edit("rewrites", "from: gp3-us-east-1, to: gp3-us-west-2", "from: gp3, to: gp3").says(
        "rewrite-changes-something",
        "rewrites.yaml rewrites[1].to",
        at="kind: storage-class",
        found="gp3",
        allowed="another value",
    )


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (f"from: {EAST}", f"from: https://{EAST}", "rewrites[0].image-registry.from"),
        ("from: us-east-1a", "from: us-east-1", "rewrites[2].zone.from"),
        ("kind: storage-class", "kind: storage-clas", "rewrites[1]"),
    ],
)
def test_a_rewrite_without_its_shape_is_told(broken: Broken, old: str, new: str, field: str) -> None:
    broken.edit("rewrites", old, new)
    (finding,) = broken.findings()
    assert finding.rule in ("value-fits", "key-is-known", "kind-is-known")
    assert finding.file == "rewrites.yaml"
    assert finding.field.startswith(field.split(".", maxsplit=1)[0])
