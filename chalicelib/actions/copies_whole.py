"""Whether each vault holds a copy that is whole by its records, locked and older than the breach: looks only.

Of the newest copy from before the moment: its manifest stands; every part's record stands, is the one that the manifest
has the digest of, and they join without a gap; and the manifest, the dump and every file of the backup itself stand
under the lock that policy wants, which ends in the future. The volumes' data is trusted by the records, since there may
be millions of objects of it, and none is read: how many were looked at and how many were not is told. A gap is named.
A vault that nobody heard is no vault that is whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Locked, Op, Reader, Target
from chalicelib.actions.restored import as_of
from chalicelib.actions.vault_copied import LOOKS
from chalicelib.core.airgap import MANIFESTS, METADATA, Part, copies, gap, held_at
from chalicelib.core.bounds import spelled
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.airgap import S3Vault, Vault

AGAIN: Final = timedelta(seconds=30)
LATER: Final = timedelta(minutes=5)
LOOKED: Final = (
    "manifest, dump and the backup's own files are there and locked; that the volumes' data is there, "
    "and that anything holds what it should, nobody looked at"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A vault's newest copy from before, and what is wrong with it ('' for nothing). Of its objects so many were
    `looked` at, and so many are `trusted` by its records.
    """

    vault: str
    copy: str
    wrong: str
    looked: int = 0
    trusted: int = 0

    @property
    def told(self) -> str:
        """As a person reads it, of one with nothing wrong."""
        return f"{self.copy} in vault {self.vault!r} ({self.looked} objects looked at, {self.trusted} not)"


class CopiesWhole:
    """`with: {as_of: …}`. One vault that holds one is enough to restore from; the gaps of the others are told."""

    name: ClassVar[str] = "copies-whole"
    reads: ClassVar[tuple[Op, ...]] = LOOKS
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[Judged, ...] | Refused | NoData:
        airgap, found = policy.backups.airgap, []
        for vault in airgap.vaults if airgap else ():
            judged = _judged(vault, target, reader)
            if isinstance(judged, Refused | NoData):
                return judged
            found.append(judged)
        return tuple(found)

    def next(self, target: Target, policy: Policy, facts: tuple[Judged, ...] | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        moment = spelled(as_of(target))
        gaps = "; ".join(f"vault {j.vault!r}: {j.wrong}" for j in facts if j.wrong)
        whole = ", ".join(j.told for j in facts if not j.wrong)
        if not whole:
            because = gaps or "policy names no vault of air-gapped copies"
            return Stuck(because=f"no copy of before {moment} is known to be whole: {because}", again_in=LATER)
        kept: dict[str, str | float] = {f"copy.{j.vault}": j.copy for j in facts if not j.wrong}
        because = f"of before {moment}, and whole by its records: {whole}; {LOOKED}"
        return Done(because=because + (f"; {gaps}" if gaps else ""), facts=kept)


def _judged(vault: Vault, target: Target, reader: Reader) -> Judged | Refused | NoData:
    names = reader.vault_top(vault.name, MANIFESTS)
    if isinstance(names, Refused | NoData):
        return names
    before = [c for c in copies(names) if held_at(c) <= as_of(target)]
    if not before:
        newer = f", and {len(copies(names))} that are newer" if copies(names) else ""
        return Judged(vault.name, "", f"there is no whole copy of before {spelled(as_of(target))}{newer}")
    copy = before[-1]
    text = reader.vault_document(vault.name, f"{MANIFESTS}{copy}.json")
    if isinstance(text, Refused | NoData):
        return text
    if text is None:
        return Judged(vault.name, copy, f"the manifest of {copy} was there a moment ago, and is not now")
    parts = _parts(vault, copy, text, reader)
    if not isinstance(parts, tuple):
        return parts if isinstance(parts, Refused | NoData) else Judged(vault.name, copy, parts)
    if wrong := gap(parts):
        return Judged(vault.name, copy, f"{copy} is not whole: {wrong}")
    kept = _looked_at(copy, text, parts)
    for name in kept:
        stands = reader.vault_stands(vault.name, name)
        if isinstance(stands, Refused | NoData):
            return stands
        if wrong := _unlocked(vault, name, stands, target.at):
            return Judged(vault.name, copy, wrong)
    objects = sum(len(p.objects) + p.earlier + p.stays for p in parts)
    return Judged(vault.name, copy, "", looked=len(kept), trusted=objects + 1 - len(kept))


def _looked_at(copy: str, text: str, parts: tuple[Part, ...]) -> tuple[str, ...]:
    """What is small and everything else hangs on. A backup or a dump that an earlier copy has written is in no record
    of this one, and is known by its name.
    """
    of = json.loads(text)["of"]
    backup = f"velero/backups/{of['backup']}/"
    named = (f"{MANIFESTS}{copy}.json", f"dumps/{of['dump']}", f"{backup}{of['backup']}.tar.gz", f"{backup}{METADATA}")
    written = (o.name for p in parts for o in p.objects if p.set != "volumes")
    return tuple(dict.fromkeys((*named, *written)))


def _parts(vault: Vault, copy: str, text: str, reader: Reader) -> tuple[Part, ...] | str | Refused | NoData:
    """The parts by their records; a text when one of them is not there, or not the one of the manifest."""
    found = []
    for row in json.loads(text)["parts"]:
        record = reader.vault_document(vault.name, row["name"])
        if isinstance(record, Refused | NoData):
            return record
        if record is None:
            return f"{copy} is not whole: the record {row['name']} is not there"
        if hashlib.sha256(record.encode()).hexdigest() != row["sha256"]:
            return f"{copy} is not what it was: the record {row['name']} has another digest than its manifest says"
        found.append(Part.of(record))
    return tuple(found)


def _unlocked(vault: Vault, name: str, stands: Locked | None, at: datetime) -> str:
    """Why an object could be taken away now; '' when it cannot."""
    if stands is None:
        return f"{name} is not there"
    wanted = vault.lock.mode if isinstance(vault, S3Vault) else "locked"
    found = stands.lock if isinstance(vault, S3Vault) else stands.lock.lower()
    if found != wanted:
        return f"{name} is {found or 'not locked'}, expected {wanted}"
    if stands.locked_until is None or stands.locked_until <= at:
        return f"the lock of {name} ended {stands.locked_until or 'never having begun'}"
    return ""
