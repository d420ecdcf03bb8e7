"""The store in memory: for tests, for replaying saved events, and for dry runs. Same contract, same suite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.store.contract import Busy, Claimed, Saved, StoredBook, Superseded


@dataclass(slots=True)
class MemoryStore:
    """A `Store` whose single calls are atomic because nothing interrupts them."""

    lock_epoch: int = 0
    lock_holder: str = ""
    lock_until: datetime | None = None
    book: StoredBook = field(default_factory=lambda: StoredBook(0, 0, None))
    items: dict[str, str] = field(default_factory=dict)
    timelines: dict[str, dict[int, str]] = field(default_factory=dict)
    docs: dict[str, dict[str, str]] = field(default_factory=dict)
    times: dict[str, tuple[int, str]] = field(default_factory=dict)

    def put_inbox(self, key: str, item: Mapping[str, Any]) -> bool:
        if key in self.items:
            return False
        self.items[key] = json.dumps(item)
        return True

    def inbox(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return [(k, json.loads(v)) for k, v in sorted(self.items.items())]

    def inbox_empty(self) -> bool:
        return not self.items

    def delete_inbox(self, key: str) -> None:
        self.items.pop(key, None)

    def claim(self, me: str, *, now: datetime, until: datetime) -> Claimed | Busy:
        if self.lock_until is not None and self.lock_until >= now and self.lock_holder != me:
            return Busy(self.lock_holder, self.lock_until)
        self.lock_epoch += 1
        self.lock_holder, self.lock_until = me, until
        return Claimed(self.lock_epoch)

    def release(self, me: str, epoch: int) -> None:
        if self.lock_holder == me and self.lock_epoch == epoch:
            self.lock_until = None

    def stamp(self, epoch: int) -> StoredBook | Superseded:
        if self.book.epoch > epoch:
            return Superseded(f"the book has epoch {self.book.epoch}, mine is {epoch}")
        self.book = StoredBook(epoch, self.book.rev, self.book.body)
        return self.book

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        if self.book.epoch == epoch and self.book.rev == rev:
            self.book = StoredBook(epoch, rev + 1, body)
            return Saved(rev + 1)
        if self.book.epoch == epoch and self.book.rev == rev + 1:
            return Saved(rev + 1)
        return Superseded(f"the book has epoch {self.book.epoch} rev {self.book.rev}, mine is {epoch} rev {rev}")

    def read_book(self) -> StoredBook:
        return self.book

    def read_lock(self) -> Busy | None:
        return Busy(self.lock_holder, self.lock_until) if self.lock_until else None

    def put_timeline(self, incident: str, n: int, item: Mapping[str, Any]) -> None:
        self.timelines.setdefault(incident, {}).setdefault(n, json.dumps(item))

    def timeline(self, incident: str) -> Sequence[Mapping[str, Any]]:
        return [json.loads(v) for _, v in sorted(self.timelines.get(incident, {}).items())]

    def put_document(self, kind: str, key: str, body: str) -> None:
        self.docs.setdefault(kind, {}).setdefault(key, body)

    def document(self, kind: str, key: str) -> str | None:
        return self.docs.get(kind, {}).get(key)

    def documents(self, kind: str) -> Sequence[tuple[str, str]]:
        return sorted(self.docs.get(kind, {}).items())

    def measured(self, scenario: str) -> str | None:
        return self.times[scenario][1] if scenario in self.times else None

    def put_measured(self, scenario: str, body: str, epoch: int) -> None:
        if scenario not in self.times or self.times[scenario][0] <= epoch:
            self.times[scenario] = (epoch, body)

    def delete_document(self, kind: str, key: str) -> None:
        self.docs.get(kind, {}).pop(key, None)
