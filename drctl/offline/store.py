"""The desk's store in one SQLite file: for the night in which DynamoDB is gone. Same contract, same suite.

Several processes of one machine may work at it: every write is a transaction that takes the write lock at its start
(`BEGIN IMMEDIATE`), so a condition is judged on what is stored and not on what was read a moment ago, and a commit has
reached the disk before it is answered (`synchronous=FULL`). A file on a network disk is no place for it: SQLite's locks
are not to be relied on there. Sources: https://www.sqlite.org/lang_transaction.html#immediate, /isolation.html,
/wal.html, /pragma.html#pragma_synchronous, /howtocorrupt.html#_filesystems_with_broken_or_missing_lock_implementations.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from chalicelib.store.contract import Busy, Claimed, Saved, StoredBook, StoreUnavailableError, Superseded

T = TypeVar("T")
BUSY_S: Final = 30.0
"""How long a write waits for other processes': SQLite's waiting is not fair, so with many it can take some rounds."""
_MADE: Final = """
CREATE TABLE IF NOT EXISTS lock
    (platform TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL, until INTEGER);
CREATE TABLE IF NOT EXISTS book (platform TEXT PRIMARY KEY, epoch INTEGER NOT NULL, rev INTEGER NOT NULL, body TEXT);
CREATE TABLE IF NOT EXISTS item
    (platform TEXT, family TEXT, key TEXT, body TEXT NOT NULL, PRIMARY KEY (platform, family, key)) WITHOUT ROWID;
"""
_PUT: Final = "INSERT INTO item VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_DROP: Final = "DELETE FROM item WHERE platform = ? AND family = ? AND key = ?"
_ONE: Final = "SELECT body FROM item WHERE platform = ? AND family = ? AND key = ?"
_ALL: Final = "SELECT key, body FROM item WHERE platform = ? AND family = ? ORDER BY key"


class SqliteStore:
    """A `Store` in the file `path`, which is made when it is missing, for its owner's eyes only."""

    def __init__(self, path: Path, *, platform: str) -> None:
        self._platform = platform
        self._path = path
        # Looks run side by side in threads of their own; one connection, one statement at a time.
        self._turn = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            self._file = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            # One write to the disk a commit, and whoever reads keeps nobody from writing.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.executescript(f"BEGIN IMMEDIATE; {_MADE} COMMIT;")
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailableError(f"the file {str(path)!r} cannot be opened as a store: {error}") from error

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()

    def put_inbox(self, key: str, item: Mapping[str, Any]) -> bool:
        return self._put("inbox", key, json.dumps(item))

    def inbox(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return [(key, json.loads(body)) for key, body in self._all("inbox")]

    def inbox_empty(self) -> bool:
        found = self._read("SELECT 1 FROM item WHERE platform = ? AND family = ? LIMIT 1", self._platform, "inbox")
        return not found

    def delete_inbox(self, key: str) -> None:
        self._drop("inbox", key)

    def claim(self, me: str, *, now: datetime, until: datetime) -> Claimed | Busy:
        def claimed(file: sqlite3.Cursor) -> Claimed | Busy:
            row = file.execute("SELECT epoch, holder, until FROM lock WHERE platform = ?", (self._platform,)).fetchone()
            epoch, holder, held_until = row or (0, "", None)
            # The lock is free when nobody ever held it, when the holder's time is over, or when I am the holder.
            if held_until is not None and held_until >= _ms(now) and holder != me:
                return Busy(holder=holder, until=_time(held_until))
            wanted = (self._platform, epoch + 1, me, _ms(until))
            file.execute("INSERT OR REPLACE INTO lock VALUES (?, ?, ?, ?)", wanted)
            return Claimed(epoch + 1)

        return self._change(claimed)

    def release(self, me: str, epoch: int) -> None:
        given_back = "UPDATE lock SET until = NULL WHERE platform = ? AND holder = ? AND epoch = ?"
        self._change(lambda file: file.execute(given_back, (self._platform, me, epoch)))

    def stamp(self, epoch: int) -> StoredBook | Superseded:
        def stamped(file: sqlite3.Cursor) -> StoredBook | Superseded:
            book = self._book(file)
            if book.epoch > epoch:
                return Superseded(f"the book has epoch {book.epoch}, mine is {epoch}")
            self._write_book(file, StoredBook(epoch, book.rev, book.body))
            return StoredBook(epoch, book.rev, book.body)

        return self._change(stamped)

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        def saved(file: sqlite3.Cursor) -> Saved | Superseded:
            book = self._book(file)
            if (book.epoch, book.rev) == (epoch, rev):
                self._write_book(file, StoredBook(epoch, rev + 1, body))
                return Saved(rev + 1)
            if (book.epoch, book.rev) == (epoch, rev + 1):
                # Nobody else can save under my epoch: this is my own save, whose answer was lost.
                return Saved(rev + 1)
            return Superseded(f"the book has epoch {book.epoch} rev {book.rev}, mine is {epoch} rev {rev}")

        return self._change(saved)

    def read_book(self) -> StoredBook:
        rows = self._read("SELECT epoch, rev, body FROM book WHERE platform = ?", self._platform)
        return StoredBook(*rows[0]) if rows else StoredBook(0, 0, None)

    def read_lock(self) -> Busy | None:
        rows = self._read("SELECT holder, until FROM lock WHERE platform = ? AND until NOT NULL", self._platform)
        return Busy(holder=rows[0][0], until=_time(rows[0][1])) if rows else None

    def put_timeline(self, incident: str, n: int, item: Mapping[str, Any]) -> None:
        self._put(f"timeline#{incident}", f"{n:08d}", json.dumps(item))

    def timeline(self, incident: str) -> Sequence[Mapping[str, Any]]:
        return [json.loads(body) for _, body in self._all(f"timeline#{incident}")]

    def put_document(self, kind: str, key: str, body: str) -> None:
        self._put(f"doc#{kind}", key, body)

    def document(self, kind: str, key: str) -> str | None:
        rows = self._read(_ONE, self._platform, f"doc#{kind}", key)
        return str(rows[0][0]) if rows else None

    def documents(self, kind: str) -> Sequence[tuple[str, str]]:
        return self._all(f"doc#{kind}")

    def measured(self, scenario: str) -> str | None:
        rows = self._read(_ONE, self._platform, "measured", scenario)
        return str(json.loads(rows[0][0])["body"]) if rows else None

    def put_measured(self, scenario: str, body: str, epoch: int) -> None:
        def put(file: sqlite3.Cursor) -> None:
            row = file.execute(_ONE, (self._platform, "measured", scenario)).fetchone()
            if row is None or int(json.loads(row[0])["epoch"]) <= epoch:
                whole = json.dumps({"epoch": epoch, "body": body})
                file.execute(
                    "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)", (self._platform, "measured", scenario, whole)
                )

        self._change(put)

    def delete_document(self, kind: str, key: str) -> None:
        self._drop(f"doc#{kind}", key)

    def _put(self, family: str, key: str, body: str) -> bool:
        return self._change(lambda file: file.execute(_PUT, (self._platform, family, key, body)).rowcount == 1)

    def _drop(self, family: str, key: str) -> None:
        self._change(lambda file: file.execute(_DROP, (self._platform, family, key)))

    def _all(self, family: str) -> Sequence[tuple[str, str]]:
        return [(str(key), str(body)) for key, body in self._read(_ALL, self._platform, family)]

    def _book(self, file: sqlite3.Cursor) -> StoredBook:
        row = file.execute("SELECT epoch, rev, body FROM book WHERE platform = ?", (self._platform,)).fetchone()
        return StoredBook(*row) if row else StoredBook(0, 0, None)

    def _write_book(self, file: sqlite3.Cursor, book: StoredBook) -> None:
        whole = (self._platform, book.epoch, book.rev, book.body)
        file.execute("INSERT OR REPLACE INTO book VALUES (?, ?, ?, ?)", whole)

    def _read(self, query: str, *values: str) -> list[Any]:
        with self._asked() as file:
            return file.execute(query, values).fetchall()

    def _change(self, change: Callable[[sqlite3.Cursor], T]) -> T:
        """One transaction, which has the write lock before it looks."""
        with self._asked() as file:
            file.execute("BEGIN IMMEDIATE")
            try:
                found = change(file)
            except BaseException:
                file.execute("ROLLBACK")
                raise
            file.execute("COMMIT")
            return found

    @contextmanager
    def _asked(self) -> Iterator[sqlite3.Cursor]:
        with self._turn:
            try:
                yield self._file.cursor()
            except sqlite3.Error as error:
                raise StoreUnavailableError(f"the store {str(self._path)!r} did not do it: {error}") from error


def _ms(value: datetime) -> int:
    return int(value.timestamp() * 1000)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
