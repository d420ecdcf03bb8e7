"""Rules about the air-gapped copies: that they are out of reach, young enough, and where a restore looks for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from chalicelib.policy.airgap import AzureVault, S3Vault
from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, repeats, warning

PATH: Final = ("backups", "airgap")
COPYING: Final = timedelta(hours=2)
"""What a copy is given from its beginning to its manifest."""


def vault_is_single(whole: Whole) -> Iterator[Flaw]:
    """Progress and records go by a vault's name."""
    airgap = whole.policy.backups.airgap
    for i, first, name in repeats(v.name for v in airgap.vaults) if airgap else ():
        yield error(
            *(*PATH, "vaults", i, "name"),
            allowed="a name that no other vault has",
            found=name,
            because=f"{name!r} already is vaults[{first}]; what is under way in one would be taken for the other's",
        )


def vault_is_out_of_reach(whole: Whole) -> Iterator[Flaw]:
    """Who holds the platform's account holds whatever is in it, and may shorten or bypass what is not COMPLIANCE
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html).
    """
    airgap, platform = whole.policy.backups.airgap, whole.policy.platform
    if airgap is None:
        return
    ours = {platform.account, *(row.id for row in platform.accounts)}
    for i, row in enumerate(airgap.vaults):
        if not isinstance(row, S3Vault):
            continue
        if row.account in ours:
            yield error(
                *(*PATH, "vaults", i, "account"),
                allowed="an account that the platform has no role in",
                found=row.account,
                because=f"whoever holds the platform's accounts holds vault {row.name!r} with them",
            )
        if row.lock.mode != "COMPLIANCE":
            yield error(
                *(*PATH, "vaults", i, "lock", "mode"),
                allowed="COMPLIANCE",
                found=row.lock.mode,
                because="a GOVERNANCE lock is bypassed by whoever has s3:BypassGovernanceRetention, as an owner has",
            )


def air_gap_leaves_the_provider(whole: Whole) -> Iterator[Flaw]:
    """The night in which the provider is gone begins from a copy that lies elsewhere."""
    airgap = whole.policy.backups.airgap
    if airgap and not any(isinstance(v, AzureVault) for v in airgap.vaults):
        yield warning(
            *(*PATH, "vaults"),
            allowed="a vault in another cloud among them",
            found=", ".join(v.name for v in airgap.vaults),
            because="when AWS is gone none of these copies can be read",
        )


def copies_are_young_enough(whole: Whole) -> Iterator[Flaw]:
    """At worst a copy is as old as what it is made of when it begins, waits, and is made, and a newer one is not."""
    backups = whole.policy.backups
    airgap = backups.airgap
    if airgap is None:
        return
    settled = max((r.objective for r in backups.replication), default=timedelta(0))
    oldest = max(airgap.dump.every, backups.rpo) + settled
    worst = oldest + airgap.new_copy_after + airgap.every + COPYING
    if worst > airgap.rpo:
        yield error(
            *(*PATH, "rpo"),
            allowed=f"at least {show_duration(worst)}",
            found=airgap.rpo,
            because=(
                f"a copy holds what is up to {show_duration(oldest)} old, the next begins after"
                f" {show_duration(airgap.new_copy_after)}, is looked at every {show_duration(airgap.every)} and takes"
                f" up to {show_duration(COPYING)}: it would be called late while all is well"
            ),
        )


def air_gap_asks_no_failed_region(whole: Whole) -> Iterator[Flaw]:
    """Copies go on while the primary region is dark."""
    airgap, regions = whole.policy.backups.airgap, whole.policy.platform.regions
    if airgap is None:
        return
    for name, region in (("source", airgap.source.region), ("dump", airgap.dump.region)):
        if region == regions.primary:
            yield error(
                *(*PATH, name, "region"),
                allowed=f"another region than {regions.primary}, such as {regions.standby}",
                found=region,
                because="no copy would be made while that region has failed",
            )


def dumps_lie_apart(whole: Whole) -> Iterator[Flaw]:
    """Velero calls a location with a folder or file of others invalid (pkg/persistence/object_store.go, IsValid)."""
    airgap = whole.policy.backups.airgap
    if airgap is None:
        return
    if airgap.dump.bucket == airgap.source.bucket:
        yield error(
            *(*PATH, "dump", "bucket"),
            allowed="a bucket of their own",
            found=airgap.dump.bucket,
            because="Velero keeps its backups there",
        )
    for i, row in enumerate(airgap.vaults):
        if isinstance(row, AzureVault) and row.container == row.dumps_container:
            yield error(
                *(*PATH, "vaults", i, "dumps_container"),
                allowed="a container of their own",
                found=row.dumps_container,
                because="the dumps' container is mounted whole where a restore looks for them",
            )


def copies_outlive_their_rpo(whole: Whole) -> Iterator[Flaw]:
    """What nobody may delete must be kept until long after a newer one is there."""
    airgap = whole.policy.backups.airgap
    for i, row in enumerate(airgap.vaults if airgap else ()):
        days = row.lock.days if isinstance(row, S3Vault) else row.immutable_days
        field = ("lock", "days") if isinstance(row, S3Vault) else ("immutable_days",)
        if airgap and timedelta(days=days) < 7 * airgap.rpo:
            yield error(
                *(*PATH, "vaults", i, *field),
                allowed=f"at least {show_duration(7 * airgap.rpo)}",
                found=days,
                because="who encrypts the platform waits until the copies from before it may be deleted",
            )
