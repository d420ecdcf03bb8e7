"""Stores and desks with one safeguard left out, to show that it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.core.due import Do, Tell
from chalicelib.core.fold import Happened
from chalicelib.core.happened import Signal
from chalicelib.core.synthetic import Sound
from chalicelib.desk import LEASE_MARGIN, Desk, Worked
from chalicelib.shift import LostDeskError, Shift
from chalicelib.store.contract import Busy, Saved, StoredBook, Superseded
from chalicelib.store.memory import MemoryStore


class WithoutStamp(MemoryStore):
    """The book is read and not stamped; a save goes by the revision alone."""

    def stamp(self, epoch: int) -> StoredBook | Superseded:
        return StoredBook(epoch, self.book.rev, self.book.body)

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        if self.book.rev == rev:
            self.book = StoredBook(epoch, rev + 1, body)
        if self.book.rev == rev + 1:
            return Saved(rev + 1)
        return Superseded(f"the book has rev {self.book.rev}, mine is {rev}")


class StampsOverNewer(MemoryStore):
    """The stamp is put whatever epoch is there already."""

    def stamp(self, epoch: int) -> StoredBook | Superseded:
        self.book = StoredBook(epoch, self.book.rev, self.book.body)
        return self.book


class WithoutRevision(MemoryStore):
    """A save goes by the epoch alone."""

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        if self.book.epoch == epoch:
            self.book = StoredBook(epoch, rev + 1, body)
            return Saved(rev + 1)
        return Superseded(f"the book has epoch {self.book.epoch}, mine is {epoch}")


class DeletesOnReading(MemoryStore):
    """What is read from the inbox is gone from it, before any save."""

    def inbox(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        found = MemoryStore.inbox(self)
        self.items = {}
        return found


class LooksAway(MemoryStore):
    """A look at the inbox always finds it empty; only taking in finds what is there."""

    def inbox_empty(self) -> bool:
        return True


class Ignores(Shift):
    """A signal is folded as if nothing were known of its source."""

    def _fold(self, happened: Happened) -> None:
        if isinstance(happened, Signal):
            marks = {k: v for k, v in self._book.watermarks.items() if k != happened.source}
            self._book = replace(self._book, watermarks=marks)
        Shift._fold(self, happened)


class ActsFirst(Shift):
    """What is about to be done is saved only together with what came of it."""

    def _intend(self) -> list[Do | Tell | Sound]:
        self._fold_all([self._act_once(work) for work in Shift._intend(self) if not isinstance(work, Sound)])
        return []


class ActsUnlooked(Shift):
    """Goes from the save to the acts without a look into the inbox."""

    def _act(self, acts: list[Do | Tell]) -> int:
        self._fold_all([self._act_once(work) for work in acts])
        return len(acts)


class SameDesk(Desk):
    """The desk's own loop, written once more, so that the parts below can be put into it: nothing is left out here."""

    shift: type[Shift] = Shift
    looks_again = True

    def work(self, me: str, *, until: datetime, linger: bool = True) -> Worked:
        while True:
            claimed = self._store.claim(me, now=self._clock.now(), until=until + LEASE_MARGIN)
            if isinstance(claimed, Busy):
                return Worked(busy=True, because="busy")
            try:
                self.shift(self.tools, epoch=claimed.epoch, until=until).run(linger=linger)
            except LostDeskError as lost:
                return Worked(busy=True, because=str(lost))
            self._store.release(me, claimed.epoch)
            if not self.looks_again or self._store.inbox_empty():
                return Worked(busy=False, because="nothing more is due")


class LeavesAtOnce(SameDesk):
    """Does not look at the inbox again after the release."""

    looks_again = False


class IgnoresWatermarks(SameDesk):
    shift = Ignores


class ActsBeforeSaving(SameDesk):
    shift = ActsFirst


class ActsWithoutLooking(SameDesk):
    shift = ActsUnlooked
