from __future__ import annotations

import pytest

from tests.policy.broken import Broken
from tests.policy.switches import ARC, METRIC, OBJECT


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


def test_a_whole_arc_switch_has_no_flaw(broken: Broken) -> None:
    broken.edit("platform", METRIC, ARC)
    assert [str(f) for f in broken.findings() if f.severity == "error"] == []


def test_an_arc_switch_with_fewer_than_five_endpoints_is_told(broken: Broken) -> None:
    fewer = "".join(row for row in ARC.splitlines(keepends=True) if "eu-west-1" not in row)
    broken.edit("platform", METRIC, fewer).says(
        "arc-switch-has-five-endpoints",
        "platform.yaml traffic.switch.endpoints",
        at="    endpoints:",
        found="4 of them",
        allowed="five endpoints",
    )


def test_an_arc_switch_that_is_reached_through_the_failed_region_alone_is_told(broken: Broken) -> None:
    alone = "".join(row for row in ARC.splitlines(keepends=True) if "url:" not in row or "us-east-1" in row)
    broken.edit("platform", METRIC, alone).says(
        "arc-endpoints-outlive-the-primary",
        "platform.yaml traffic.switch.endpoints",
        at="    endpoints:",
        found="us-east-1",
        allowed="outside us-east-1",
        because="the region that failed",
    )


def test_two_arc_endpoints_in_one_region_are_told(broken: Broken) -> None:
    broken.edit("platform", METRIC, ARC.replace("region: eu-west-1", "region: us-west-2")).says(
        "arc-endpoints-outlive-the-primary",
        "platform.yaml traffic.switch.endpoints[2].region",
        at="9c0d1e2f",
        found="us-west-2",
        allowed="one endpoint a region",
        because="endpoints[1]",
    )


@pytest.mark.parametrize(
    "control", ["standby", "arn:aws:route53-recovery-control::999999999999:controlpanel/0f/routingcontrol/b2"]
)
def test_an_unknown_routing_control_is_told(broken: Broken, control: str) -> None:
    rows = [f"    standby_control: {control}" if "standby_control" in row else row for row in ARC.splitlines()]
    broken.edit("platform", METRIC, "\n".join(rows) + "\n").says(
        "arc-controls-are-known",
        "platform.yaml traffic.switch.standby_control",
        at="standby_control",
        found=control,
        allowed="arn:aws:route53-recovery-control::111122223333:controlpanel/",
        because="nothing can be thrown by it",
    )


@pytest.mark.parametrize(
    ("old", "new", "because"),
    [
        ("b2c3d4e5f6071829", "a1b2c3d4e5f60718", "one control cannot be Off"),
        ("c3d2e1f0/routingcontrol/b2", "c3d2e1f1/routingcontrol/b2", "two panels"),
    ],
)
def test_two_controls_that_are_no_pair_are_told(broken: Broken, old: str, new: str, because: str) -> None:
    broken.edit("platform", METRIC, ARC.replace(old, new))
    (finding,) = broken.findings("arc-controls-are-known")
    assert finding.field == "traffic.switch.standby_control"
    assert because in finding.because


@pytest.mark.parametrize(
    ("new", "field", "found"),
    [
        ("[]", "", "none"),
        ("[ns-1.example]", "", "ns-1.example"),
        ("[a.example, b.example, A.example.]", "[2]", "a.example"),
    ],
)
def test_too_few_name_servers_are_told(broken: Broken, new: str, field: str, found: str) -> None:
    listed = "[ns-101.awsdns-12.com, ns-713.awsdns-25.net, ns-1290.awsdns-33.org, ns-1875.awsdns-42.co.uk]"
    broken.edit("platform", listed, new).says(
        "name-servers-are-written-down",
        f"platform.yaml traffic.name_servers{field}",
        at="  name_servers:",
        found=found,
        allowed="once",
    )


def test_a_move_that_nobody_asks_the_name_servers_about_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "action: verify-traffic", "action: person").says(
        "moved-traffic-is-asked-for",
        "runbooks.yaml runbooks[0].steps[9].action",
        at="action: switch-traffic",
        found="switch-traffic",
        allowed="needs 'traffic'",
        severity="warning",
    )


@pytest.mark.parametrize(("region", "severity"), [("us-east-1", "error"), ("us-east-2", "warning")])
def test_a_switch_outside_the_standby_is_told(broken: Broken, region: str, severity: str) -> None:
    broken.edit("platform", "kind: metric\n    region: us-west-2", f"kind: metric\n    region: {region}").says(
        "switch-stands-in-the-standby",
        "platform.yaml traffic.switch.region",
        at=48,
        found=region,
        allowed="us-west-2",
        severity=severity,
    )
