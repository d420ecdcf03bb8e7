"""Zones, what is shifted, and what watches them."""

from __future__ import annotations

import pytest

from tests.policy.broken import Broken

CLUSTER = '    - { arn: "arn:aws:eks:us-east-1:111122223333:cluster/neurectomy-use1", display: the cluster }\n'
THIRD = "    - { name: us-east-1c, id: use1-az4 }\n"


@pytest.mark.parametrize(
    ("old", "new", "field", "found", "allowed"),
    [
        ("name: us-east-1b, id", "name: us-west-2b, id", "zones[1].name", "us-west-2b", "a zone of us-east-1"),
        ("id: use1-az2", "id: use1-az1", "zones[1].id", "use1-az1", "no other zone here has"),
    ],
)
def test_a_zone_of_another_region_and_an_id_that_stands_twice_are_told(
    broken: Broken, old: str, new: str, field: str, found: str, allowed: str
) -> None:
    broken.edit("platform", old, new)
    at = broken.line("platform.yaml", new if "name" in new else "name: us-east-1b, id")
    broken.says("zone-is-of-the-primary", f"platform.yaml zones.{field}", at=at, found=found, allowed=allowed)


def test_two_zones_are_told_for_one_is_left(broken: Broken) -> None:
    broken.edit("platform", THIRD, "").edit("platform", "needed: 2", "needed: 1").says(
        "zones-can-bear-one-less",
        "platform.yaml zones.zones",
        at=broken.line("platform.yaml", "id: use1-az1") - 1,
        found="2",
        allowed="three zones or more",
        because="the next failure ends it",
    )


def test_a_capacity_that_wants_every_zone_is_told(broken: Broken) -> None:
    broken.edit("platform", "needed: 2", "needed: 3").says(
        "zones-can-bear-one-less",
        "platform.yaml zones.needed",
        at="needed: 3",
        found="3",
        allowed="at most 2",
        because="so none can be left",
    )


@pytest.mark.parametrize("lasts", ["73h", "5m", "90s"])
def test_an_expiry_that_arc_does_not_take_is_told(broken: Broken, lasts: str) -> None:
    broken.edit("platform", "expires_in: 2h", f"expires_in: {lasts}").says(
        "zonal-shift-ends-in-its-limits",
        "platform.yaml zones.expires_in",
        at=f"expires_in: {lasts}",
        found={"73h": "3d1h", "5m": "5m", "90s": "1m30s"}[lasts],
        allowed="whole minutes, from 20m to 72h",
    )


@pytest.mark.parametrize(
    ("arn", "allowed"),
    [
        ("arn:aws:eks:us-west-2:111122223333:cluster/neurectomy-use1", "a resource in us-east-1, of account 1111"),
        ("arn:aws:eks:us-east-1:444455556666:cluster/neurectomy-use1", "of account 111122223333"),
        ("arn:aws:eks:us-east-1:111122223333:cluster/another", "cluster/neurectomy-use1"),
        ("arn:aws:rds:us-east-1:111122223333:db:neurectomy-pg", "an EKS cluster, an Application or Network"),
    ],
)
def test_a_shift_resource_that_does_not_exist_is_told(broken: Broken, arn: str, allowed: str) -> None:
    field = "zones.shifts[1].arn"
    broken.edit("platform", CLUSTER, CLUSTER.replace("arn:aws:eks:us-east-1:111122223333:cluster/neurectomy-use1", arn))
    broken.says(
        "shifted-resource-is-in-the-primary",
        f"platform.yaml {field}",
        at=arn,
        found=arn.rpartition(":")[2] if arn.endswith("another") else arn,
        allowed=allowed,
    )


def test_a_cluster_that_is_not_shifted_is_a_warning(broken: Broken) -> None:
    broken.edit("platform", CLUSTER, "")
    (found,) = broken.findings("shifted-resource-is-in-the-primary")
    assert (found.severity, "EKS cordons no node" in found.because) == ("warning", True)


def test_a_scope_whose_zone_is_unknown_is_told_and_so_is_a_zone_that_nothing_watches(broken: Broken) -> None:
    broken.edit("signals", "scope: us-east-1/us-east-1b", "scope: us-east-1/us-east-1d")
    broken.says(
        "watched-zone-is-known",
        "signals.yaml rules[6].scope",
        at="us-east-1/us-east-1d",
        found="us-east-1/us-east-1d",
        allowed="one of: us-east-1/us-east-1a, us-east-1/us-east-1b",
    )
    broken.says(
        "watched-zone-is-known",
        "platform.yaml zones.zones[1].name",
        at="name: us-east-1b",
        found="us-east-1/us-east-1b",
        allowed="a zone that a rule",
        severity="warning",
    )


def test_a_runbook_that_leaves_zones_wants_to_know_them(broken: Broken) -> None:
    path = broken.folder / "platform.yaml"
    text = path.read_text()
    begin, end = text.index("zones:\n  zones:"), text.index("# yaml-language-server")
    path.write_text(text[:begin] + text[end:])
    assert "leaving-a-zone-needs-zones" in {f.rule for f in broken.findings() if f.severity == "error"}


def test_a_shift_that_nobody_looks_at_again_is_a_warning(broken: Broken) -> None:
    broken.edit("runbooks", "        fresh_for: 5m\n", "").says(
        "leaving-a-zone-needs-zones",
        "runbooks.yaml runbooks[3].steps[0].action",
        at="action: zone-shifted",
        found="away",
        allowed="fresh_for, and a zone-returned step",
        severity="warning",
    )


WAITS = "    waits: { scenario: az-failure, at_most: 3m, listens: 75s }\n"


@pytest.mark.parametrize("service", ["api-gateway", "postgresql"])
def test_a_wait_that_the_tightest_promise_cannot_bear_is_told_with_the_sum(broken: Broken, service: str) -> None:
    broken.edit("signals", WAITS, WAITS.replace("3m", "7m"))
    found = [f for f in broken.findings("rto-can-be-kept") if f.because.startswith(f"{service!r} in a region-failure")]
    assert [f.severity for f in found] == ["error"]
    assert "waiting for an az-failure at most 7m" in found[0].found
    assert "more than its RTO of 15m" in found[0].because


def test_the_wait_that_is_shipped_is_in_the_sum_and_leaves_the_promise_kept(broken: Broken) -> None:
    found = [f for f in broken.findings("rto-can-be-kept") if " in a region-failure" in f.because]
    assert found
    assert {f.severity for f in found} == {"note"}
    assert all("waiting for an az-failure at most 3m" in f.found for f in found)


def test_a_wait_for_a_scenario_that_is_not_there_is_told(broken: Broken) -> None:
    broken.edit("signals", WAITS, WAITS.replace("az-failure", "az-failures")).says(
        "wait-is-for-somebody",
        "signals.yaml rules[0].waits.scenario",
        at="scenario: az-failures",
        found="az-failures",
        allowed="one of:",
        because="did you mean 'az-failure'?",
    )


def test_a_wait_for_what_is_watched_in_one_place_only_is_told(broken: Broken) -> None:
    broken.edit("signals", WAITS, WAITS.replace("az-failure", "node-failure")).says(
        "wait-is-for-somebody",
        "signals.yaml rules[0].waits.scenario",
        at="waits: { scenario: node-failure",
        found="node-failure, watched in us-east-1/cluster",
        allowed="watch in 2 places or more below us-east-1",
        because="so it never would",
    )


def test_a_wait_that_is_over_before_the_evidence_has_held_is_told(broken: Broken) -> None:
    broken.edit("signals", WAITS, WAITS.replace("3m", "10s")).says(
        "wait-is-for-somebody",
        "signals.yaml rules[0].waits.at_most",
        at="waits: { scenario: az-failure, at_most: 10s",
        found="10s",
        allowed="more than 10s, its hold",
    )


def test_listening_for_longer_than_the_whole_wait_is_told(broken: Broken) -> None:
    broken.edit("signals", WAITS, WAITS.replace("75s", "4m")).says(
        "wait-is-for-somebody",
        "signals.yaml rules[0].waits.listens",
        at="waits: { scenario: az-failure",
        found="4m",
        allowed="at most 3m, the whole wait",
    )


def test_an_incident_explains_what_another_rule_watches_and_nothing_else(broken: Broken) -> None:
    line = "    speaks_for: [us-east-1/cluster, us-east-1/cluster/deployments/pods]\n"
    broken.edit("signals", line, line.replace("/deployments/pods", "/pods")).says(
        "explained-scope-is-watched",
        "signals.yaml rules[5].speaks_for[1]",
        at="us-east-1/cluster/pods",
        found="us-east-1/cluster/pods",
        allowed="us-east-1/cluster/deployments/pods",
    )
