"""What runs behind RDS: the databases themselves. RDS decides when something happens to one, an engine makes it so.

Two engines. `InMemoryEngine` here knows who may be written to, what was written, and how far a replica has followed;
it has no I/O and can be copied, for tests that stop the world between any two calls. `PostgresEngine`
(postgres.py) is the real thing.

Engines know a database by its resource id, which a rename does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

# SQLSTATE codes: www.postgresql.org/docs/current/errcodes-appendix.html.
READ_ONLY: Final = "25006"
UNDEFINED_TABLE: Final = "42P01"


class Address(NamedTuple):
    """Where a database listens."""

    host: str
    port: int


class SqlError(Exception):
    """PostgreSQL refuses a statement; `sqlstate` says why."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate


class Engine(Protocol):
    """What RDS asks of the databases. Each call is done when it returns; repeating one changes nothing."""

    def create(self, database: str, *, source: str | None = None) -> Address:
        """A new empty database, or one that follows `source` and is read-only."""

    def restore(self, database: str, *, source: str, at: datetime) -> Address:
        """A new database that holds what `source` held at `at`."""

    def promote(self, database: str) -> None:
        """Ends recovery: from here it takes writes and follows nobody. Cannot be undone."""

    def rename(self, database: str) -> Address:
        """Gives it another address; nothing answers at the former one. Whoever follows it goes on following."""

    def set_reachable(self, database: str, reachable: bool) -> None:
        """Whether connections to its address come through. Behind it the database goes on, and so does
        whoever is connected to it from inside its region: unreachable is not fenced.
        """

    def delete(self, database: str) -> None:
        """The database and everything in it is gone."""


class Proof(NamedTuple):
    """One row of the table that proofs are written into."""

    source: str
    written_at: datetime


@dataclass(slots=True)
class _Database:
    address: Address
    follows: str | None = None
    reachable: bool = True
    paused: bool = False
    beats: list[Proof] | None = None
    spoiled: list[tuple[str, int, datetime]] = field(default_factory=list)
    """(integrity check, what it counts from then on, when), oldest first."""
    counts: dict[str, tuple[int, datetime]] | None = None
    """The heartbeat's table: source → its newest row's number and time."""


class InMemoryEngine:
    """Databases that hold two tables, once somebody has prepared them: proofs and heartbeats. Replication is immediate
    while both ends can be reached, and stands still while one cannot.
    """

    def __init__(self, clock: Callable[[], datetime], *, host: str = "127.0.0.1", first_port: int = 5432) -> None:
        self.clock = clock
        self._host = host
        self._next_port = first_port
        self._databases: dict[str, _Database] = {}

    def create(self, database: str, *, source: str | None = None) -> Address:
        if database not in self._databases:
            self._databases[database] = _Database(Address(self._host, self._next_port), source)
            self._next_port += 1
            self._follow(database)
        return self._databases[database].address

    def restore(self, database: str, *, source: str, at: datetime) -> Address:
        if database in self._databases:
            return self._databases[database].address
        address = self.create(database)
        origin, copy = self._databases[source], self._databases[database]
        copy.beats = None if origin.beats is None else [beat for beat in origin.beats if beat.written_at <= at]
        copy.spoiled = [entry for entry in origin.spoiled if entry[2] <= at]
        copy.counts = None if origin.counts is None else {k: v for k, v in origin.counts.items() if v[1] <= at}
        return address

    def promote(self, database: str) -> None:
        self._databases[database].follows = None

    def rename(self, database: str) -> Address:
        kept = self._databases[database]
        kept.address = Address(self._host, self._next_port)
        self._next_port += 1
        return kept.address

    def spoil(self, database: str, check: str, count: int) -> None:
        """From now on an integrity check counts so many rows that must not be there; 0 mends it."""
        self._databases[database].spoiled.append((check, count, self.clock()))

    def set_reachable(self, database: str, reachable: bool) -> None:
        self._databases[database].reachable = reachable
        self._follow(database)
        for follower, kept in self._databases.items():
            if kept.follows == database:
                self._follow(follower)

    def pause(self, database: str, paused: bool) -> None:
        """Replay stands still while the connection to the source goes on: pg_wal_replay_pause().
        https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL
        """
        self._databases[database].paused = paused
        self._follow(database)

    def delete(self, database: str) -> None:
        self._databases.pop(database, None)

    def run(self, host: str, port: int, statement: str, arguments: Sequence[Any] = ()) -> list[list[Any]]:
        """Rows of one of the responder's named statements, as a client at this address would get them:
        `role` → [[in recovery]], `proof` (source) → [[seconds since its newest row]] or [], `prepare-heartbeat`,
        `write-heartbeat` (source); `beat` (source) → [[its newest row's number, when it was written in ms since 1970]]
        or [], `prepare-beat`, `write-beat` (source), which answers as `beat` does; `check` (name) → [[what the
        integrity check of that name counts]]; `clock` → [[ms since 1970]]; `proofs` and `beats` → [[source, rows, when
        its newest was written]] of either table; and `heartbeats` → every proof.
        ConnectionRefusedError when nothing answers there, `SqlError` when the database refuses.
        """
        name = next((n for n, d in self._databases.items() if d.address == (host, port)), None)
        if name is None or not self._databases[name].reachable:
            raise ConnectionRefusedError(f"nothing answers at {host}:{port}")
        return self.run_inside(name, statement, arguments)

    def run_inside(self, database: str, statement: str, arguments: Sequence[Any] = ()) -> list[list[Any]]:
        """As `run`, for a client inside the database's own region, whom no outage of the way there concerns."""
        kept = self._databases[database]
        match statement:
            case "role":
                return [[kept.follows is not None]]
            case "clock":
                return [[int(self.clock().timestamp() * 1000)]]
            case "check":
                return [[next((n for name, n, _ in reversed(kept.spoiled) if name == arguments[0]), 0)]]
            case "heartbeats":
                return [list(beat) for beat in _table(kept)]
            case "proof":
                at = [beat.written_at for beat in _table(kept) if beat.source == arguments[0]]
                return [[(self.clock() - at[-1]).total_seconds()]] if at else []
            case "proofs":
                times: dict[str, list[datetime]] = {}
                for beat in _table(kept):
                    times.setdefault(beat.source, []).append(beat.written_at)
                return [[name, len(at), int(max(at).timestamp() * 1000)] for name, at in sorted(times.items())]
            case "beats":
                return [[name, n, int(at.timestamp() * 1000)] for name, (n, at) in sorted(_counts(kept).items())]
            case "prepare-heartbeat":
                _refuse_in_recovery(kept, "CREATE TABLE")
                kept.beats = kept.beats if kept.beats is not None else []
            case "write-heartbeat":
                table = _table(kept)
                _refuse_in_recovery(kept, "INSERT")
                table.append(Proof(str(arguments[0]), self.clock()))
            case "beat":
                return _count(kept, str(arguments[0]))
            case "prepare-beat":
                _refuse_in_recovery(kept, "CREATE TABLE")
                kept.counts = kept.counts if kept.counts is not None else {}
            case "write-beat":
                _refuse_in_recovery(kept, "INSERT")
                counts = _counts(kept)
                counts[str(arguments[0])] = (counts.get(str(arguments[0]), (0, None))[0] + 1, self.clock())
            case _:
                raise ValueError(f"statement is {statement!r}, which is none that this engine knows")
        for follower, other in self._databases.items():
            if other.follows == database:
                self._follow(follower)
        return _count(kept, str(arguments[0])) if statement == "write-beat" else []

    def _follow(self, follower: str) -> None:
        """Takes in what the source has committed, if both can be reached; then its own followers do."""
        copy = self._databases[follower]
        origin = self._databases.get(copy.follows) if copy.follows is not None else None
        if origin is None or copy.paused or not (origin.reachable and copy.reachable):
            return
        copy.beats = None if origin.beats is None else list(origin.beats)
        copy.spoiled = list(origin.spoiled)
        copy.counts = None if origin.counts is None else dict(origin.counts)
        for name, other in self._databases.items():
            if other.follows == follower:
                self._follow(name)


def _counts(kept: _Database) -> dict[str, tuple[int, datetime]]:
    if kept.counts is None:
        raise SqlError(UNDEFINED_TABLE, 'relation "dr_heartbeat_beat" does not exist')
    return kept.counts


def _count(kept: _Database, source: str) -> list[list[Any]]:
    found = _counts(kept).get(source)
    return [] if found is None else [[found[0], int(found[1].timestamp() * 1000)]]


def _table(kept: _Database) -> list[Proof]:
    if kept.beats is None:
        raise SqlError(UNDEFINED_TABLE, 'relation "dr_heartbeat" does not exist')
    return kept.beats


def _refuse_in_recovery(kept: _Database, command: str) -> None:
    if kept.follows is not None:
        raise SqlError(READ_ONLY, f"cannot execute {command} in a read-only transaction")
