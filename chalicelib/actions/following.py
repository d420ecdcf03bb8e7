"""Waits until a replica that was made anew holds what its source holds: while that is written to, and once it is not.

Both count rows of the heartbeat, which an agent writes as any application would: the standby's into the standby's
database while that takes writes, the primary's into the primary's. `replica-following` asks the source and then the
replica, so that what was written between the two looks counts against it; it is held up by a lag and says how long
that is. `primary-caught-up` comes after the standby's writes were stopped: its agent's newest row is the last there is.
A database that cannot be asked has not caught up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.fence_primary import READ_BEAT, read_beat
from chalicelib.actions.sides import (
    LOOK,
    address,
    arn_of,
    instance_of,
    made_anew,
    other,
    row_of,
    side_of,
    silent,
    source,
)
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat

AGAIN: Final = timedelta(seconds=5)
Row = tuple[int, int]
"""The number of a row of the heartbeat, and when it was written, in ms since 1970."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Whom the replica follows (None once it stands alone), and the newest row of the source's agent on both sides."""

    follows: str | None
    source: Row | None
    replica: Row | None


@dataclass(frozen=True, slots=True)
class Drained:
    """What the standby's agent last met, and the newest of its rows that the primary's database holds."""

    written: Beat
    replayed: int | None
    alone: bool


class ReplicaFollowing:
    """As many rows as the source, or as close as policy's lag threshold."""

    name: ClassVar[str] = "replica-following"
    reads: ClassVar[tuple[Op, ...]] = LOOK
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Followed | Refused | NoData:
        side = side_of(target)
        here, there = instance_of(policy, reader, side), instance_of(policy, reader, other(side))
        if none := silent(here, there):
            return none
        if not isinstance(here, Mapping) or not isinstance(there, Mapping):
            return NoData(because="one of the two databases is not there")
        follows = source(here)
        if follows is None and made_anew(here, target):
            return Followed(None, None, None)
        newest = [_newest(reader, one, other(side)) for one in (there, here)]
        if none := silent(*newest):
            return none
        rows = [row if isinstance(row, tuple) else None for row in newest]
        return Followed(follows, rows[0], rows[1])

    def next(self, target: Target, policy: Policy, facts: Followed | Refused | NoData, now: datetime) -> Next:
        side = side_of(target)
        row, writer = row_of(policy, side), row_of(policy, other(side))
        named = f"{row.instance!r} in {row.region}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Followed(follows=None, source=None):
                return Done(because=f"{named} has followed, and takes writes itself")
        if facts.follows != arn_of(policy, other(side)):
            return Stuck(because=f"{named} follows {facts.follows or 'nobody'}, expected {writer.instance!r}")
        if facts.source is None:
            because = f"no row of the {other(side)}'s agent is in {writer.instance!r} yet"
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        behind = facts.source[0] - (facts.replica[0] if facts.replica else 0)
        lag = timedelta(milliseconds=max(0, facts.source[1] - facts.replica[1])) if facts.replica else None
        if behind > 0 and (lag is None or lag > policy.platform.database.lag_threshold):
            said = f"{policy.real(lag)} and " if lag is not None else ""
            because = f"{named} is {said}{behind} row{'' if behind == 1 else 's'} behind {writer.instance!r}"
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        return Done(because=f"{named} follows {writer.instance!r}, up to row {facts.source[0]} of the heartbeat")


class PrimaryCaughtUp:
    """The last row of the standby's agent, and that nobody can write another."""

    name: ClassVar[str] = "primary-caught-up"
    reads: ClassVar[tuple[Op, ...]] = (*LOOK, READ_BEAT)
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Drained | Refused | NoData:
        # The agent's word comes first: what it wrote between the two looks counts against us, never for us.
        written, here = read_beat(policy, reader, "standby"), instance_of(policy, reader, "primary")
        if none := silent(written, here):
            return none
        if not isinstance(here, Mapping) or not isinstance(written, Beat):
            return NoData(because=f"there is no {policy.platform.database.primary.instance!r}")
        found = _newest(reader, here, "standby")
        if isinstance(found, Refused | NoData):
            return found
        alone = source(here) is None and made_anew(here, target)
        return Drained(written, found[0] if found else None, alone)

    def next(self, target: Target, policy: Policy, facts: Drained | Refused | NoData, now: datetime) -> Next:
        side = policy.platform.database.primary
        named = f"{side.instance!r} in {side.region}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Drained(alone=True):
                return Done(because=f"{named} was promoted, after it held everything", facts={"loss_rows": 0.0})
        last, held = facts.written.number("n"), facts.replayed or 0
        if last is None:
            return Wait(because="no row of the standby's agent is known; looking again in 5 s", again_in=AGAIN)
        if facts.written.text("write") == "ok":
            because = f"the standby still writes (row {last}), and {named} holds row {held}; waiting for the end"
            return Wait(because=because, again_in=AGAIN)
        if held < last:
            behind = last - held
            because = f"{named} is {behind} row{'' if behind == 1 else 's'} of the heartbeat behind row {last}"
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        because = f"{named} holds row {held} of the heartbeat, the last that the standby wrote: nothing is lost"
        return Done(because=because, facts={"loss_rows": 0.0})


def _newest(reader: Reader, one: Mapping[str, Any], agent: str) -> Row | Refused | NoData | None:
    """The newest row of an agent's heartbeat in a database; None while it has none."""
    where = address(one)
    if where is None:
        return NoData(because=f"RDS gives no endpoint for {one['DBInstanceIdentifier']!r} yet")
    rows = reader.sql(*where, "beat", [agent])
    if isinstance(rows, Refused | NoData):
        return rows
    return (int(rows[0][0]), int(rows[0][1])) if rows else None
