from __future__ import annotations

import pytest

from tests.policy.broken import Broken

STANDBY = (
    "name: neurectomy-usw2\n    region: us-west-2\n    node_group: { name: workers, failover_size: 6, max_size: 12 }"
)


@pytest.mark.parametrize(
    ("sizes", "field", "found", "allowed"),
    [
        ("warm_size: 7, failover_size: 6, max_size: 12", "warm_size", "7", "at most failover_size, which is 6"),
        ("failover_size: 13, max_size: 12", "failover_size", "13", "at most max_size, which is 12"),
    ],
)
def test_what_stands_warm_is_a_part_of_what_a_failover_needs(
    broken: Broken, sizes: str, field: str, found: str, allowed: str
) -> None:
    broken.edit("platform", STANDBY, STANDBY.replace("failover_size: 6, max_size: 12", sizes))
    broken.says(
        "node-group-sizes-rise",
        f"platform.yaml clusters.standby.node_group.{field}",
        at=18,
        found=found,
        allowed=allowed,
        because="node group 'workers' would need more nodes",
    )


def reserved(broken: Broken, zones: str, more: str = "") -> None:
    kept = f"reserved: {{ instance_type: m7g.large, zones: [{zones}]{more} }}"
    kept = f"failover_size: 6, max_size: 12, warm_size: 3, {kept}"
    broken.edit("platform", STANDBY, STANDBY.replace("failover_size: 6, max_size: 12", kept))


A, B = "{ zone: us-west-2a, count: 1 }", "{ zone: us-west-2b, count: 2 }"


def test_what_is_reserved_in_the_standbys_zones_for_tier_one_is_in_order(broken: Broken) -> None:
    reserved(broken, f"{A}, {B}")
    assert broken.findings("reserved-is-usable") == []


@pytest.mark.parametrize(
    ("zones", "more", "field", "found", "allowed"),
    [
        (f"{A}, {{ zone: us-west-2b, count: 3 }}", "", "zones", "4", "at most warm_size of 'workers', which is 3"),
        ("{ zone: us-east-1a, count: 1 }", "", "zones[0].zone", "us-east-1a", "a zone of us-west-2"),
        (f"{A}, {A}", "", "zones[1].zone", "us-west-2a", "a zone that no other row has"),
        (A, ", margin: 30m", "margin", "30m", "at least two rounds of readiness, 1h"),
    ],
)
def test_what_is_reserved_and_of_no_use_is_told(
    broken: Broken, zones: str, more: str, field: str, found: str, allowed: str
) -> None:
    reserved(broken, zones, more)
    (told,) = broken.findings("reserved-is-usable")
    assert str(told).startswith("platform.yaml")
    assert f"clusters.standby.node_group.reserved.{field}" in str(told)
    assert allowed in str(told)
    assert found in str(told)


def test_what_is_reserved_for_the_primary_is_told(broken: Broken) -> None:
    primary = "region: us-east-1\n    node_group: { name: workers, failover_size: 6, max_size: 12"
    kept = f"{primary}, reserved: {{ instance_type: m7g.large, zones: [{{ zone: us-east-1a, count: 1 }}] }}"
    broken.edit("platform", primary, kept)
    broken.says(
        "reserved-is-usable",
        "platform.yaml clusters.primary.node_group.reserved",
        at="reserved:",
        found="m7g.large",
        allowed="the standby's node group alone",
    )
