"""That nobody can take the newest air-gapped copy away: the lock of its manifest, in each vault, as the vault says it.

Whether there is a copy, and how old it is, the desk looks at itself (core/copies.py). Here only what stands is judged:
under which lock, and until when. S3: HeadObject's ObjectLockMode and ObjectLockRetainUntilDate
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html); COMPLIANCE can be shortened by nobody, GOVERNANCE
by whoever has s3:BypassGovernanceRetention. Azure: the ImmutabilityPolicyMode and ImmutabilityPolicyUntilDate of a
listing (https://learn.microsoft.com/rest/api/storageservices/list-blobs), `locked` or `unlocked`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from chalicelib.account.verdicts import NotSeen, Row, Subject
from chalicelib.actions.contract import Op, Reader
from chalicelib.actions.vault_copied import LOOKS, newest_copy
from chalicelib.core.airgap import MANIFESTS
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.airgap import AzureVault, S3Vault

READS: Final[tuple[Op, ...]] = LOOKS
TOLERANCE: Final = timedelta(hours=1)
"""A lock counts from when it was asked for, or from when the object stood: an upload may lie between them."""


def locks(policy: Policy, reader: Reader) -> Iterator[Row]:
    """Two rows a vault that has a copy."""
    airgap = policy.backups.airgap
    for i, row in enumerate(airgap.vaults if airgap else ()):
        subject = Subject(f"newest copy in vault {row.name!r}", f"backups.airgap.vaults[{i}]")
        yield from _locked(subject, row, reader)


def _locked(subject: Subject, row: S3Vault | AzureVault, reader: Reader) -> Iterator[Row]:
    mode, days = (row.lock.mode, row.lock.days) if isinstance(row, S3Vault) else ("locked", row.immutable_days)
    newest = newest_copy(reader, row.name)
    if isinstance(newest, NoData | Refused):
        yield subject.unseen("lock", mode, NotSeen(newest.because))
        return
    if not newest:
        yield subject.unseen("lock", mode, NotSeen("there is no whole copy yet"))
        return
    stands = reader.vault_stands(row.name, f"{MANIFESTS}{newest}.json")
    if isinstance(stands, NoData | Refused) or stands is None:
        why = "its manifest was there a moment ago, and is not now" if stands is None else stands.because
        yield subject.unseen("lock", mode, NotSeen(why))
        return
    found = stands.lock.lower() if isinstance(row, AzureVault) else stands.lock
    yield subject.row("lock", mode, found or None)
    promised = f"{days} days or more"
    held = stands.locked_until - stands.at if stands.locked_until else timedelta()
    enough = held + TOLERANCE >= timedelta(days=days)
    yield subject.row("held after it was made for", promised, promised if enough else f"{held.days} days")
