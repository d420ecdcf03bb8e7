"""A vault of air-gapped copies in one process, with a whole copy of some minutes before in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from chalicelib.clients.vaults import Content, Kept
from chalicelib.core.airgap import METADATA, Copy, Held, Part, Set, manifest
from chalicelib.policy import Policy
from chalicelib.policy.airgap import S3Vault

LOCKED_FOR: Final = timedelta(days=90)
AGE: Final = timedelta(minutes=10)
SETS: Final[tuple[tuple[Set, tuple[str, ...]], ...]] = (
    ("volumes", ("velero/kopia/p0", "velero/kopia/p1")),
    ("dump", ("dumps/orders.dump",)),
    ("backup", tuple(f"velero/backups/daily/{n}" for n in ("daily-volumeinfo.json.gz", "daily.tar.gz", METADATA))),
)


class MemoryVault:
    """Names, texts and locks. `locked_until` is of everything in it."""

    def __init__(self, lock: str, at: datetime) -> None:
        self.lock, self.at, self.locked_until = lock, at, at + LOCKED_FOR
        self.texts: dict[str, str] = {}

    def top(self, prefix: str) -> tuple[str, ...]:
        """See Vault: the names right below, and the folders."""
        rest = (name.removeprefix(prefix) for name in self.texts if name.startswith(prefix))
        return tuple(dict.fromkeys(prefix + (r.partition("/")[0] + "/" if "/" in r else r) for r in rest))

    def document(self, name: str) -> str | None:
        """See Vault."""
        return self.texts.get(name)

    def stands(self, name: str) -> Kept | None:
        """See Vault."""
        if name not in self.texts:
            return None
        return Kept(name=name, size=1, at=self.at, lock=self.lock, locked_until=self.locked_until)

    def create(self, name: str, content: Content) -> bool:
        """See Vault."""
        raise NotImplementedError(f"nobody creates {name} ({content.size}) here")


def vaults(policy: Policy, now: datetime) -> Mapping[str, MemoryVault]:
    """One a row of policy's, each with the same copy."""
    rows = policy.backups.airgap.vaults if policy.backups.airgap else ()
    return {row.name: _filled(row.lock.mode if isinstance(row, S3Vault) else "locked", now - AGE) for row in rows}


def _filled(lock: str, at: datetime) -> MemoryVault:
    vault, copy = MemoryVault(lock, at), Copy(backup="daily", dump="orders.dump", holds_at=at.replace(microsecond=0))
    parts = [
        Part(
            number=n,
            set=of,
            after="",
            through=names[-1],
            last=True,
            objects=tuple(Held(name=name, size=1, sha256=hashlib.sha256(b"x").hexdigest()) for name in names),
        )
        for n, (of, names) in enumerate(SETS)
    ]
    for part in parts:
        vault.texts.update({held.name: "x" for held in part.objects})
        vault.texts[copy.record(part.number)] = part.text(copy)
    records = [
        (copy.record(p.number), hashlib.sha256(vault.texts[copy.record(p.number)].encode()).hexdigest()) for p in parts
    ]
    vault.texts[copy.manifest] = manifest(copy, at, records, parts, vault="memory", at=at)
    return vault
