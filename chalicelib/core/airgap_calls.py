"""The words of the two calls that make an air-gapped copy, written by the action and read by whoever carries them out.

Rules. A call names a stretch of the source and where it goes, never the objects: those are found again when it is made,
so that a call that was made twice, late or half has less to do and nothing to undo. All of it is text, so that a person
can read it. Nothing in it may say how to delete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from chalicelib.core.airgap import Copy, Progress, Set
from chalicelib.core.outcome import Call

COPY_SPAN: Final = "copy_span_to_vault"
WRITE_MANIFEST: Final = "write_vault_manifest"
"""No operations of boto3's, but many of them."""
TAKES: Final = timedelta(minutes=9)
"""A call begins no further object after that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Where a part comes from and goes: source keys below `prefix` become the vault's names below `to`. `through` is
    the last of them, and `last` says that the set ends there.
    """

    vault: str
    region: str
    bucket: str
    prefix: str
    to: str
    progress: Progress
    through: str
    last: bool

    def call(self, until: str) -> Call:
        """As a call."""
        params = {
            "Vault": self.vault,
            "Bucket": self.bucket,
            "Prefix": self.prefix,
            "To": self.to,
            "Through": self.through,
            "Last": "yes" if self.last else "no",
        }
        return _call(self.region, COPY_SPAN, {**params, **_told(self.progress)}, until)

    @classmethod
    def of(cls, call: Call) -> Stretch:
        """From a call; KeyError or ValueError when it is not one of these."""
        params = cast("Mapping[str, str]", call.params)
        return cls(
            vault=params["Vault"],
            region=call.region,
            bucket=params["Bucket"],
            prefix=params["Prefix"],
            to=params["To"],
            progress=_progress(params),
            through=params["Through"],
            last=params["Last"] == "yes",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The manifest of a copy of which every part is recorded."""

    vault: str
    region: str
    progress: Progress

    def call(self, until: str) -> Call:
        """As a call."""
        return _call(self.region, WRITE_MANIFEST, {"Vault": self.vault, **_told(self.progress)}, until)

    @classmethod
    def of(cls, call: Call) -> Ending:
        """From a call; KeyError or ValueError when it is not one of these."""
        params = cast("Mapping[str, str]", call.params)
        return cls(vault=params["Vault"], region=call.region, progress=_progress(params))


def _call(region: str, operation: str, params: Mapping[str, str], until: str) -> Call:
    return Call(
        system="aws",
        service="s3",
        region=region,
        operation=operation,
        params=params,
        until=until,
        # What is created stays for as long as its lock says: that is what it is for.
        reversible=False,
        timeout=TAKES,
    )


def _told(progress: Progress) -> dict[str, str]:
    return {
        "Backup": progress.copy.backup,
        "Dump": progress.copy.dump,
        "HoldsAt": progress.copy.holds_at.isoformat(),
        "Begun": progress.begun.isoformat(),
        "Part": str(progress.number),
        "Set": progress.set,
        "After": progress.after,
    }


def _progress(params: Mapping[str, str]) -> Progress:
    copy = Copy(backup=params["Backup"], dump=params["Dump"], holds_at=datetime.fromisoformat(params["HoldsAt"]))
    return Progress(
        copy=copy,
        begun=datetime.fromisoformat(params["Begun"]),
        number=int(params["Part"]),
        set=cast("Set", params["Set"]),
        after=params["After"],
    )
