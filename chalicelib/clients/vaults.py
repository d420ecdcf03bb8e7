"""A vault as the platform sees it: it lists, reads, and creates what is not there. There is no other verb.

What is created carries its SHA-256 as metadata, and the service itself compares the bytes with a checksum that is sent
along, so a torn object is never there. A name that is taken stays as it is: creating it again answers False.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

PART: Final = 8 * 1024**2
"""What is held in memory of one object at a time, in bytes."""
SHA256: Final = "sha256"
"""The metadata's name."""


class VaultError(Exception):
    """A vault that said no, or nothing: `silent` when it did not answer, or may answer otherwise in a moment."""

    def __init__(self, code: str, because: str, *, silent: bool = False) -> None:
        super().__init__(f"{code}: {because}")
        self.code = code
        self.because = because
        self.silent = silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One object of a vault. `sha256` is '' where a listing does not say it; `lock` and `locked_until` likewise."""

    name: str
    size: int
    at: datetime
    sha256: str = ""
    lock: str = ""
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is to be created: its digests, and the bytes, which may be asked for more than once."""

    size: int
    sha256: bytes
    md5: bytes
    pieces: Callable[[], Iterator[bytes]]
    """In pieces of PART bytes, the last one shorter."""

    @classmethod
    def of(cls, body: bytes) -> Content:
        """From bytes that are here."""
        return cls(
            size=len(body),
            sha256=hashlib.sha256(body).digest(),
            md5=hashlib.md5(body, usedforsecurity=False).digest(),
            pieces=lambda: iter([body] if body else []),
        )

    @classmethod
    def read(cls, pieces: Callable[[], Iterator[bytes]]) -> Content:
        """From what is read twice: once for its digests, and again when it is sent."""
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        kept: list[bytes] = []
        for piece in pieces():
            sha256.update(piece)
            md5.update(piece)
            size += len(piece)
            kept = [piece] if size == len(piece) else []
        again = (lambda: iter(kept)) if kept or not size else pieces
        return cls(size=size, sha256=sha256.digest(), md5=md5.digest(), pieces=again)


class Vault(Protocol):
    """One vault. Every method raises VaultError."""

    def names(self, prefix: str, *, after: str = "", through: str = "") -> Iterator[Kept]:
        """Everything below a prefix in the order of its names, behind `after` and up to `through`."""
        ...

    def top(self, prefix: str) -> tuple[str, ...]:
        """The names right below a prefix, without those in folders, and the folders, which end with a slash."""
        ...

    def document(self, name: str) -> str | None:
        """A text; None when there is none of that name."""
        ...

    def stands(self, name: str) -> Kept | None:
        """One object with its digest and its lock; None when there is none of that name."""
        ...

    def create(self, name: str, content: Content) -> bool:
        """Creates it under the vault's lock; False when the name is taken."""
        ...


Vaults = Mapping[str, Vault]
"""By policy's names."""


def tokens(secret: Mapping[str, object], verb: str, container: str, name: str) -> str:
    """A SAS from the secret of an Azure vault; VaultError says what is not there, and never what is."""
    held = secret.get(verb)
    if isinstance(held, str):
        held = json.loads(held)
    token = held.get(container) if isinstance(held, Mapping) else None
    if not isinstance(token, str) or "sig=" not in token:
        raise VaultError("NoToken", f"secret {name!r} has no SAS at {verb}.{container}")
    return token.lstrip("?")
