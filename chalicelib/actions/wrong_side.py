"""Lists what was written on the wrong side: rows that the old primary has, kept aside, and the promoted one has not.

It counts what it can count by name: the rows of the heartbeat's two tables, which are written as applications write.
Between the newest that both have and the newest of the old one applications may have written as well, and that is said.
Nothing is thrown away here; but what comes after goes on without it, so people give it up by name before that, and
nobody is asked where nothing was written. A database that cannot be asked has told nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.restored import Absent
from chalicelib.actions.sides import LOOK, address, aside_of, described, instance_of, silent
from chalicelib.actions.verify_write import TABLE_MISSING
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
ASKED_AGAIN: Final = timedelta(minutes=5)
TABLES: Final = ("beats", "proofs")


@dataclass(frozen=True, slots=True)
class Only:
    """Rows of one source that only the old primary has; the newest that both have (None: none), and its newest."""

    name: str
    rows: int
    both_until: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class WrongSide:
    """`aside` is what the old primary is called now."""

    aside: str
    only: tuple[Only, ...]


class WrongSideListed:
    """Looks, and is done where nothing differs, or when people have given it up."""

    name: ClassVar[str] = "wrong-side-listed"
    reads: ClassVar[tuple[Op, ...]] = LOOK
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> WrongSide | Absent | Refused | NoData:
        name = aside_of(target, policy, "primary")
        old, writer = described(policy, reader, "primary", name), instance_of(policy, reader, "standby")
        if none := silent(old, writer):
            return none
        if not isinstance(old, Mapping):
            return Absent(because=f"there is no {name!r} any more")
        if not isinstance(writer, Mapping):
            return NoData(because=f"there is no {policy.platform.database.replica.instance!r}")
        found: list[Only] = []
        for table in TABLES:
            theirs, ours = _rows(reader, old, table), _rows(reader, writer, table)
            if none := silent(theirs, ours):
                return none
            if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
                found += _only(theirs, ours)
        return WrongSide(name, tuple(found))

    def next(self, target: Target, policy: Policy, facts: WrongSide | Absent | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Absent(because=because):
                return Done(because=f"{because}: nothing of it is left to be listed")
            case WrongSide(only=()):
                same = f"{facts.aside!r} holds no row that the standby's database has not"
                return Done(because=f"{same}: nothing was written on the wrong side", facts={"rows": 0.0})
        said = "; ".join(_words(one, policy) for one in facts.only)
        rows, seconds = sum(o.rows for o in facts.only), max(_seconds(o) for o in facts.only)
        kept: dict[str, str | float] = {
            "rows": float(rows),
            "seconds": seconds,
            "names": ", ".join(o.name for o in facts.only),
        }
        because = (
            f"written on the wrong side, and only in {facts.aside!r}: {said}; what applications wrote in that time is "
            "there as well and nowhere else"
        )
        if target.approved_by is None:
            return Wait(because=because, again_in=ASKED_AGAIN, facts=kept)
        return Done(because=f"given up by {target.approved_by}: {because}", facts=kept)


def _rows(reader: Reader, one: Mapping[str, Any], table: str) -> Mapping[str, tuple[int, int]] | Refused | NoData:
    """Source → how many rows it has, and when the newest was written, in ms since 1970."""
    where = address(one)
    if where is None:
        return NoData(because=f"RDS gives no endpoint for {one['DBInstanceIdentifier']!r}")
    rows: Sequence[Sequence[Any]] | Refused | NoData = reader.sql(*where, table)
    if isinstance(rows, Refused) and rows.code == TABLE_MISSING:
        return {}
    if isinstance(rows, Refused | NoData):
        return rows
    return {str(name): (int(n), int(at)) for name, n, at in rows}


def _only(theirs: Mapping[str, tuple[int, int]], ours: Mapping[str, tuple[int, int]]) -> list[Only]:
    return [
        Only(name, n - ours.get(name, (0, 0))[0], _moment(ours[name][1]) if name in ours else None, _moment(at))
        for name, (n, at) in sorted(theirs.items())
        if n > ours.get(name, (0, 0))[0]
    ]


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _seconds(one: Only) -> float:
    return (one.until - one.both_until).total_seconds() if one.both_until else 0.0


def _words(one: Only, policy: Policy) -> str:
    rows = f"{one.rows} row{'' if one.rows == 1 else 's'} of {one.name!r}"
    if one.both_until is None:
        return f"{rows}, the newest of {one.until:%Y-%m-%d %H:%M:%S} UTC"
    span = policy.real(one.until - one.both_until)
    return f"{rows} in {span} until {one.until:%Y-%m-%d %H:%M:%S} UTC"
