"""What a Schedule must be by policy, and how one that stands differs, field by field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.core.schedules import drifts, mend, spec, unknown
from tests.actions.backups import ALL, schedule
from tests.actions.stage import POLICY

HOURLY = POLICY.backups.schedules[0]


def said(stands: dict[str, Any], **more: bool) -> list[str]:
    return [d.sentence() for d in drifts(POLICY, "primary", (stands, *ALL[1:]), **more)]


def test_schedules_as_policy_writes_them_have_no_drift() -> None:
    assert drifts(POLICY, "primary", ALL) == ()


def test_the_scope_of_policy_is_in_the_template() -> None:
    assert spec(HOURLY, POLICY, "primary") == {
        "schedule": "0 * * * *",
        "template": {
            "includedNamespaces": ["*"],
            "storageLocation": "default",
            "ttl": "24h0m0s",
            "defaultVolumesToFsBackup": True,
            "snapshotVolumes": False,
            "snapshotMoveData": False,
        },
    }


@pytest.mark.parametrize(
    "same",
    [
        {"includedNamespaces": None},
        {"includedNamespaces": []},
        {"ttl": "1440m"},
        {"ttl": "24h"},
        {"storageLocation": ""},
        {"snapshotMoveData": None},
        {"csiSnapshotTimeout": "10m0s"},
        {"hooks": {}},
    ],
)
def test_another_way_of_writing_the_same_is_no_drift(same: dict[str, Any]) -> None:
    assert said(schedule("hourly", template=same)) == []


@pytest.mark.parametrize(
    ("field", "stands", "told"),
    [
        ("ttl", "12h0m0s", "is '12h0m0s', policy says '24h0m0s'"),
        ("ttl", "three days", "is 'three days', policy says '24h0m0s'"),
        ("ttl", None, "is nothing, policy says '24h0m0s'"),
        ("includedNamespaces", ["shop"], "is ['shop'], policy says ['*']"),
        ("excludedNamespaces", ["cache"], "is ['cache'], policy says nothing"),
        ("excludedResources", ["secrets"], "is ['secrets'], policy says nothing"),
        ("labelSelector", {"matchLabels": {"a": "b"}}, "is {'matchLabels': {'a': 'b'}}, policy says nothing"),
        ("includeClusterResources", False, "is False, policy says nothing"),
        ("storageLocation", "other", "is 'other', policy says 'default'"),
        ("defaultVolumesToFsBackup", False, "is False, policy says True"),
        ("snapshotVolumes", None, "is nothing, policy says False"),
    ],
)
def test_each_field_that_differs_is_one_sentence_and_is_put_right(field: str, stands: Any, told: str) -> None:
    adrift = schedule("hourly", template={field: stands})
    assert said(adrift) == [f"schedule 'hourly': spec.template.{field} {told}"]
    patch = mend(HOURLY, POLICY, "primary", adrift)
    assert set(patch) == {"spec"}
    assert list(patch["spec"]["template"]) == [field]
    merged = {**adrift["spec"]["template"], **patch["spec"]["template"]}
    adrift["spec"]["template"] = {k: v for k, v in merged.items() if v is not None}
    assert said(adrift) == []


def test_since_when_is_told_where_the_server_kept_it() -> None:
    adrift = schedule("hourly", template={"ttl": "1h0m0s"})
    adrift["metadata"]["managedFields"] = [
        {
            "manager": "kubectl-edit",
            "operation": "Update",
            "time": "2026-11-24T02:10:00Z",
            "fieldsV1": {"f:spec": {"f:template": {"f:ttl": {}}}},
        },
        {"manager": "velero", "time": "2026-11-24T02:59:00Z", "fieldsV1": {"f:status": {"f:lastBackup": {}}}},
    ]
    (drift,) = drifts(POLICY, "primary", (adrift, *ALL[1:]))
    assert drift.since == datetime(2026, 11, 24, 2, 10, tzinfo=UTC)
    assert "is '1h0m0s' since 2026-11-24 02:10:00 UTC, policy says" in drift.sentence()


def test_a_schedule_that_failed_validation_is_told_and_looked_at_again_by_a_mend() -> None:
    failed = schedule("hourly", schedule="every hour")
    failed["status"] = {"phase": "FailedValidation", "validationErrors": ["no"]}
    assert said(failed) == [
        "schedule 'hourly': spec.schedule is 'every hour', policy says '0 * * * *'",
        "schedule 'hourly': status.phase is 'FailedValidation', policy says 'Enabled'",
    ]
    patch = mend(HOURLY, POLICY, "primary", failed)
    assert patch == {"spec": {"schedule": "0 * * * *"}, "status": {"phase": "New", "validationErrors": None}}


def test_a_pause_is_drift_that_is_never_mended_and_none_while_somebody_rightly_holds_it() -> None:
    paused = schedule("hourly", paused=True, template={"ttl": "1h0m0s"})
    assert [d.mended for d in drifts(POLICY, "primary", (paused, *ALL[1:]))] == [True, False]
    assert "paused" not in mend(HOURLY, POLICY, "primary", paused)["spec"]
    assert said(schedule("hourly", paused=True), pause_is_drift=False) == []


def test_what_policy_does_not_know_is_told_and_is_no_drift() -> None:
    own = {"metadata": {"name": "mine"}, "spec": {}}
    assert drifts(POLICY, "primary", (*ALL, own)) == ()
    assert unknown(POLICY, "primary", (*ALL, own)) == ("mine",)
