"""What the desk asks of a store. One contract suite runs against every implementation.

Every read is strongly consistent. Every write is tried once; one whose answer is lost raises
`StoreUnavailableError`, and may have had its effect. No transactions, no TTL, no index: the same protocol holds on
a multi-Region strongly consistent global table, which has none of the three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class StoreUnavailableError(Exception):
    """The store did not answer, or refused for a reason of its own; whoever called tries again later."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The desk is held, with this epoch; epochs only grow."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else holds the desk until then."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True)
class StoredBook:
    """The book as stored: `rev` 0 and `body` None when none was ever saved."""

    epoch: int
    rev: int
    body: str | None


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer epoch has been at the book: this worker must stop."""

    because: str


@dataclass(frozen=True, slots=True)
class Saved:
    """The book is saved under this revision."""

    rev: int


class Store(Protocol):
    """The desk's store, for one platform."""

    def put_inbox(self, key: str, item: Mapping[str, Any]) -> bool:
        """Puts it if absent; False when it was there already."""
        ...

    def inbox(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Everything that waits, by key."""
        ...

    def inbox_empty(self) -> bool:
        """Whether nothing waits; cheaper than `inbox`."""
        ...

    def delete_inbox(self, key: str) -> None:
        """Removes what was folded and saved; absent is fine."""
        ...

    def claim(self, me: str, *, now: datetime, until: datetime) -> Claimed | Busy:
        """`epoch+1` for me if the lock is absent, expired or mine."""
        ...

    def release(self, me: str, epoch: int) -> None:
        """Gives the lock back if it is still mine; the epoch stays."""
        ...

    def stamp(self, epoch: int) -> StoredBook | Superseded:
        """Marks the book with my epoch if it has no newer one, and returns it."""
        ...

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        """Saves as `rev+1` if the book still has my epoch and `rev`; my own lost answer counts as saved."""
        ...

    def read_book(self) -> StoredBook:
        """The book, without claiming anything."""
        ...

    def read_lock(self) -> Busy | None:
        """Who holds the desk; None when it was never held or was released."""
        ...

    def put_timeline(self, incident: str, n: int, item: Mapping[str, Any]) -> None:
        """Puts entry `n` if absent."""
        ...

    def timeline(self, incident: str) -> Sequence[Mapping[str, Any]]:
        """All entries by number."""
        ...

    def put_document(self, kind: str, key: str, body: str) -> None:
        """Puts an immutable document (`plan`, `policy`, `closed`, `dead`) if absent."""
        ...

    def document(self, kind: str, key: str) -> str | None:
        """Its body; None when there is none."""
        ...

    def documents(self, kind: str) -> Sequence[tuple[str, str]]:
        """All of a kind, by key."""
        ...

    def measured(self, scenario: str) -> str | None:
        """How long recoveries of that scenario took (core/times.py); None when none was measured."""
        ...

    def put_measured(self, scenario: str, body: str, epoch: int) -> None:
        """In the place of what was there; nothing is put where a newer epoch has."""
        ...

    def delete_document(self, kind: str, key: str) -> None:
        """Removes a dead letter that was replayed; absent is fine."""
        ...
