"""Waits until the replica holds everything that the primary wrote before it was fenced: a switchover loses nothing.

It counts rows of the heartbeat, which the primary's agent writes as any application would. While that agent can still
write, the count runs on and nothing is proven; once a write of its was refused, its newest row is the last one there
is. A replica that cannot be asked has not caught up, and neither has one whose rows are only known from earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.fence_primary import READ_BEAT, read_beat
from chalicelib.actions.promote_replica import DESCRIBE, describe
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat

AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Replay:
    """`written` is what the primary's agent said last; `replayed` is the number of the replica's newest row."""

    written: Beat
    replayed: int


class ReplicaCaughtUp:
    """Changes nothing."""

    name: ClassVar[str] = "replica-caught-up"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE, READ_BEAT)
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Replay | Refused | NoData:
        side, replica = policy.platform.database.replica, describe(policy, reader)
        if not isinstance(replica, Mapping):
            return replica
        # The primary's word comes first: what it wrote between the two looks counts against us, never for us.
        written = read_beat(policy, reader, "primary")
        if not isinstance(written, Beat):
            return written
        endpoint = replica.get("Endpoint") or {}
        if not endpoint:
            return NoData(because=f"{side.instance!r} in {side.region} has no endpoint")
        rows = reader.sql(endpoint["Address"], int(endpoint["Port"]), "beat", ["primary"])
        if isinstance(rows, Refused | NoData):
            return rows
        if not rows:
            return NoData(because=f"{side.instance!r} in {side.region} holds no row of the heartbeat")
        return Replay(written, int(rows[0][0]))

    def next(self, target: Target, policy: Policy, facts: Replay | Refused | NoData, now: datetime) -> Next:
        side = policy.platform.database.replica
        named = f"{side.instance!r} in {side.region}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        last = facts.written.number("n")
        if last is None:
            return Wait(because="no row of the primary's agent is known; looking again in 5 s", again_in=AGAIN)
        if facts.written.text("write") == "ok":
            because = (
                f"the primary still writes (row {last}), and {named} holds row {facts.replayed}; waiting for the end"
            )
            return Wait(because=because, again_in=AGAIN)
        if facts.replayed < last:
            behind = last - facts.replayed
            because = f"{named} is {behind} row{'' if behind == 1 else 's'} of the heartbeat behind row {last}"
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        because = (
            f"{named} holds row {facts.replayed} of the heartbeat, the last that the primary wrote: nothing is lost"
        )
        return Done(because=because, facts={"loss_rows": 0.0})
