from __future__ import annotations

import pytest

from tests.policy.broken import Broken

METRIC = """    kind: metric
    region: us-west-2
    namespace: NeurectomyDR
    metric: StandbyTakesOver
    alarm: neurectomy-traffic-switch
    health_check: neurectomy-traffic-switch
    insufficient_data: LastKnownStatus
"""
OBJECT = """    kind: object
    region: us-west-2
    bucket: neurectomy-switch
    key: standby-takes-over
    health_check: neurectomy-traffic-switch
    deletion_denied: true
    primary_ingress_closed: true
"""
ARC = """    kind: arc
    endpoints: [https://one.example, https://two.example, https://three.example, https://four.example]
    primary_control: primary
    standby_control: standby
"""


def test_a_pair_without_a_secondary_is_told(broken: Broken) -> None:
    broken.edit("platform", "role: SECONDARY", "role: PRIMARY, health_check: switch").says(
        "records-are-a-pair",
        "platform.yaml traffic.records",
        at="  records:",
        found="PRIMARY, PRIMARY",
        allowed="one PRIMARY and one SECONDARY",
    )


def test_a_record_outside_its_zone_is_told(broken: Broken) -> None:
    broken.edit("platform", "zone: neurectomy.io", "zone: tomy.io").says(
        "records-are-a-pair",
        "platform.yaml traffic.record",
        at="  record: api",
        found="api.neurectomy.io",
        allowed="a name in tomy.io",
    )


@pytest.mark.parametrize(
    ("new", "found", "because"),
    [
        ("role: PRIMARY, health_check: endpoint }", "endpoint", "before the database is there"),
        ("role: PRIMARY }", "nothing", "throwing the switch would move nothing"),
    ],
)
def test_a_primary_record_that_does_not_hang_on_the_switch_is_told(
    broken: Broken, new: str, found: str, because: str
) -> None:
    broken.edit("platform", "role: PRIMARY, health_check: switch }", new).says(
        "record-hangs-on-the-switch-alone",
        "platform.yaml traffic.records[0].health_check",
        at="- { identifier: primary",
        found=found,
        allowed="switch",
        because=because,
    )


def test_a_secondary_record_with_a_check_is_told(broken: Broken) -> None:
    broken.edit("platform", "role: SECONDARY }", "role: SECONDARY, health_check: endpoint }").says(
        "record-hangs-on-the-switch-alone",
        "platform.yaml traffic.records[1].health_check",
        at="- { identifier: standby",
        found="endpoint",
        allowed="nothing",
        because="sends everyone back",
    )


@pytest.mark.parametrize(("value", "moved"), [("Healthy", "back to the primary"), ("Unhealthy", "to the standby")])
def test_a_metric_switch_that_moves_without_data_is_told(broken: Broken, value: str, moved: str) -> None:
    broken.edit("platform", "data: LastKnownStatus", f"data: {value}").says(
        "metric-switch-keeps-its-position",
        "platform.yaml traffic.switch.insufficient_data",
        at="insufficient_data",
        found=value,
        allowed="LastKnownStatus",
        because=moved,
    )


@pytest.mark.parametrize("field", ["deletion_denied", "primary_ingress_closed"])
def test_an_object_switch_that_can_fall_back_is_told(broken: Broken, field: str) -> None:
    broken.edit("platform", METRIC, OBJECT)
    assert not broken.findings("object-switch-cannot-fall-back")
    broken.edit("platform", f"{field}: true", f"{field}: false").says(
        "object-switch-cannot-fall-back",
        f"platform.yaml traffic.switch.{field}",
        at=field,
        found="false",
        allowed="true",
    )


def test_an_arc_switch_with_fewer_than_five_endpoints_is_told(broken: Broken) -> None:
    broken.edit("platform", METRIC, ARC).says(
        "arc-switch-has-five-endpoints",
        "platform.yaml traffic.switch.endpoints",
        at="endpoints: [",
        found="4 of them",
        allowed="five endpoints",
    )


@pytest.mark.parametrize(("region", "severity"), [("us-east-1", "error"), ("us-east-2", "warning")])
def test_a_switch_outside_the_standby_is_told(broken: Broken, region: str, severity: str) -> None:
    broken.edit("platform", "kind: metric\n    region: us-west-2", f"kind: metric\n    region: {region}").says(
        "switch-stands-in-the-standby",
        "platform.yaml traffic.switch.region",
        at=47,
        found=region,
        allowed="us-west-2",
        severity=severity,
    )
