from __future__ import annotations

import pytest

from chalicelib.policy.load import load
from tests.policy.broken import SHIPPED, Broken

EBS = ", type: ebs-volume, checks: [bound, attached], way_back: [volumes-attached, velero-restore, velero-missing]"


def row(broken: Broken, text: str) -> Broken:
    """The first row, of EBS volumes, with other text."""
    return broken.edit("services", EBS, text)


def test_an_unknown_type_is_told(broken: Broken) -> None:
    broken.edit("services", "type: ebs-volume", "type: ebs-volumes").says(
        "value-fits",
        "services.yaml infrastructure[0].type",
        at="type: ebs-volumes",
        found="'ebs-volumes'",
        allowed="one of: ebs-volume, persistent-volume-claim, s3-bucket",
        because="did you mean 'ebs-volume'?",
    )


def test_infrastructure_without_a_type_is_told_and_an_older_policy_that_had_none_is_still_read(broken: Broken) -> None:
    row(broken, "").says(
        "infrastructure-has-a-type",
        "services.yaml infrastructure[0].type",
        at="name: ebs-volumes",
        found="nothing",
        allowed="one of: ebs-volume",
        because="it can be neither checked nor brought back",
    )
    assert load(broken.folder).services.infrastructure[0].type is None


def test_infrastructure_that_nobody_looks_at_is_told(broken: Broken) -> None:
    row(broken, EBS.replace(", checks: [bound, attached]", "")).says(
        "infrastructure-is-checked",
        "services.yaml infrastructure[0].checks",
        at="name: ebs-volumes",
        found="nothing",
        allowed="at least one of: bound, attached",
    )


def test_a_check_that_does_not_fit_the_type_is_told(broken: Broken) -> None:
    row(broken, EBS.replace("[bound, attached]", "[versioned]")).says(
        "infrastructure-is-checked",
        "services.yaml infrastructure[0].checks[0]",
        at="checks: [versioned]",
        found="versioned",
        allowed="one of: bound, attached",
    )


def test_infrastructure_without_a_way_back_is_told(broken: Broken) -> None:
    row(broken, EBS.replace(", way_back: [volumes-attached, velero-restore, velero-missing]", "")).says(
        "infrastructure-has-a-way-back",
        "services.yaml infrastructure[0].way_back",
        at="name: ebs-volumes",
        found="nothing",
        allowed="at least one of: volumes-attached",
    )


@pytest.mark.parametrize("way", ["s3-restore", "workload-ready", "velero-restored"])
def test_a_way_back_that_brings_nothing_of_the_kind_back_is_told(broken: Broken, way: str) -> None:
    row(broken, EBS.replace("[volumes-attached, velero-restore, velero-missing]", f"[{way}]")).says(
        "infrastructure-has-a-way-back",
        "services.yaml infrastructure[0].way_back[0]",
        at=f"way_back: [{way}]",
        found=way,
        allowed="volumes-attached",
        because="does not bring a ebs-volume back",
    )


def test_a_way_back_that_no_runbook_takes_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "action: volumes-attached", "action: nodes-replaced").says(
        "infrastructure-has-a-way-back",
        "services.yaml infrastructure[0].way_back[0]",
        at="way_back: [volumes-attached",
        found="volumes-attached",
        allowed="velero-restore",
        because="no runbook takes 'volumes-attached'",
    )


@pytest.mark.parametrize(
    ("buckets", "field", "found"),
    [("[]", "buckets", "nothing"), ("[neurectomy-mlflow]", "buckets[0]", "neurectomy-mlflow")],
)
def test_a_bucket_that_nothing_puts_back_is_told(broken: Broken, buckets: str, field: str, found: str) -> None:
    broken.edit("services", "buckets: [neurectomy-mlflow-us-east-1]", f"buckets: {buckets}").says(
        "infrastructure-buckets-are-restorable",
        f"services.yaml infrastructure[1].{field}",
        at=f"buckets: {buckets}",
        found=found,
        allowed="one of: neurectomy-mlflow-us-east-1",
    )


def test_infrastructure_that_no_service_leans_on_is_a_warning(broken: Broken) -> None:
    broken.edit("services", "depends_on: [storage]", "depends_on: [pvc]").says(
        "infrastructure-is-leaned-on",
        "services.yaml infrastructure[3].name",
        at="name: storage",
        found="storage",
        allowed="one of: ebs-volumes",
        severity="warning",
    )


STEP = """      - id: volumes-there
        title: See that the volumes are there
        action: infrastructure-sound
        with: { infrastructure: INFRASTRUCTURE, cluster: primary }
        automatic: true
        reversible: true
        expected: 30s
        deadline: 5m
      - id: volumes
"""


def with_step(broken: Broken, name: str) -> Broken:
    """A look at infrastructure before the volumes are released, which waits for it."""
    broken.edit("runbooks", "      - id: volumes\n", STEP.replace("INFRASTRUCTURE", name))
    return broken.edit(
        "runbooks", "needs: [nodes]\n        automatic: false", "needs: [volumes-there]\n        automatic: false"
    )


def test_a_look_at_infrastructure_may_be_what_another_step_needs(broken: Broken) -> None:
    assert [str(f) for f in with_step(broken, "ebs-volumes").findings() if f.severity == "error"] == []


def test_a_look_at_infrastructure_that_is_not_there_is_told(broken: Broken) -> None:
    (finding,) = with_step(broken, "ebs-volume").findings("checked-infrastructure-is-known")
    broken.says(
        "checked-infrastructure-is-known",
        f"runbooks.yaml {finding.field}",
        at="infrastructure: ebs-volume,",
        found="ebs-volume",
        allowed="infrastructure: one of: ebs-volumes",
        because="did you mean 'ebs-volumes'?",
    )


def test_a_database_of_rds_has_no_claim_in_the_cluster() -> None:
    assert [s.name for s in load(SHIPPED).services.leaning_on("ebs-volumes")] == ["redis"]
