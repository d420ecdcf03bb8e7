from __future__ import annotations

import pytest

from tests.policy.broken import Broken

VAULTS = "backups.yaml airgap.vaults[{}]"
AZURE = """    - kind: azure
      name: other-cloud
      host: drairgapped.blob.core.windows.net
      container: air-gapped
      dumps_container: air-gapped-dumps
      sas_secret: neurectomy/airgap/azure
      immutable_days: 90
"""


def test_two_vaults_of_one_name_are_told(broken: Broken) -> None:
    broken.edit("backups", "name: other-cloud", "name: other-account").says(
        "vault-is-single",
        f"{VAULTS.format(1)}.name",
        at=broken.line("backups.yaml", "- kind: azure") + 1,
        found="other-account",
        allowed="no other vault",
        because="vaults[0]",
    )


def test_a_vault_in_the_platform_s_own_account_is_told(broken: Broken) -> None:
    broken.edit("backups", '"888899990000"', '"111122223333"').says(
        "vault-is-out-of-reach",
        f"{VAULTS.format(0)}.account",
        at='account: "111122223333"',
        found="111122223333",
        allowed="no role in",
        because="holds vault 'other-account' with them",
    )


def test_a_lock_that_its_owner_can_bypass_is_told(broken: Broken) -> None:
    broken.edit("backups", "mode: COMPLIANCE", "mode: GOVERNANCE").says(
        "vault-is-out-of-reach",
        f"{VAULTS.format(0)}.lock.mode",
        at="mode: GOVERNANCE",
        found="GOVERNANCE",
        allowed="COMPLIANCE",
        because="BypassGovernanceRetention",
    )


def test_copies_that_lie_in_aws_alone_are_a_warning(broken: Broken) -> None:
    broken.edit("backups", AZURE, "").says(
        "air-gap-leaves-the-provider",
        "backups.yaml airgap.vaults",
        at="vaults:",
        found="other-account",
        allowed="another cloud",
        because="when AWS is gone",
        severity="warning",
    )


def test_copies_that_would_be_called_late_while_all_is_well_are_told(broken: Broken) -> None:
    broken.edit("backups", "rpo: 24h", "rpo: 12h").says(
        "copies-are-young-enough",
        "backups.yaml airgap.rpo",
        at="rpo: 12h",
        found="12h",
        allowed="at least 14h30m",
        because="the next begins after 6h",
    )


def test_a_source_in_the_region_that_fails_is_told(broken: Broken) -> None:
    broken.edit(
        "backups",
        "bucket: neurectomy-dumps-us-west-2\n    region: us-west-2",
        "bucket: neurectomy-dumps-us-east-1\n    region: us-east-1",
    ).says(
        "air-gap-asks-no-failed-region",
        "backups.yaml airgap.dump.region",
        at=broken.line("backups.yaml", "every: 6h") + 2,
        found="us-east-1",
        allowed="another region than us-east-1",
        because="while that region has failed",
    )


def test_dumps_beside_velero_s_backups_are_told(broken: Broken) -> None:
    broken.edit("backups", "bucket: neurectomy-dumps-us-west-2", "bucket: neurectomy-backups-us-west-2").says(
        "dumps-lie-apart",
        "backups.yaml airgap.dump.bucket",
        at=broken.line("backups.yaml", "every: 6h") + 1,
        found="neurectomy-backups-us-west-2",
        allowed="a bucket of their own",
        because="Velero",
    )


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("COMPLIANCE, days: 90", "COMPLIANCE, days: 6", "vaults[0].lock.days"),
        ("immutable_days: 90", "immutable_days: 6", "vaults[1].immutable_days"),
    ],
)
def test_copies_that_may_be_deleted_soon_are_told(broken: Broken, old: str, new: str, field: str) -> None:
    broken.edit("backups", old, new).says(
        "copies-outlive-their-rpo",
        f"backups.yaml airgap.{field}",
        at=new,
        found="6",
        allowed="at least 7d",
        because="waits until the copies",
    )


def test_a_vault_of_no_known_kind_is_told(broken: Broken) -> None:
    assert [f for f in broken.edit("backups", "kind: azure", "kind: floppy").findings() if "floppy" in f.found]
