"""Makes the primary's database, rebuilt as a replica of the standby's, the primary again. Cannot be undone.

With it come the settings that RDS takes of a promotion alone: for how long backups are retained, and when they are
made, as the instance that is kept aside has them. What would be lost is measured as by promote_replica.py, of the
standby's agent: after the drain, nothing. Source:
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_primary import READ_BEAT, read_beat
from chalicelib.actions.promote_replica import Side as Heard
from chalicelib.actions.promote_replica import loss
from chalicelib.actions.restored import USABLE
from chalicelib.actions.sides import (
    BUSY,
    LOOK,
    PRIMARY,
    address,
    aside_of,
    described,
    instance_of,
    made_anew,
    silent,
    source,
)
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat

AGAIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Home:
    """The primary's instance, the one kept aside (None when it is gone), and the newest rows of the heartbeat."""

    here: Mapping[str, Any] | None
    aside: Mapping[str, Any] | None
    ours: bool
    written: Heard = None
    replayed: Heard = None


class PromotePrimary:
    """One promotion; the instance without a source says whether it was done."""

    name: ClassVar[str] = "promote-primary"
    reads: ClassVar[tuple[Op, ...]] = (*LOOK, READ_BEAT)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="rds", operation="promote_read_replica", resources=(PRIMARY,), where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Home | Refused | NoData:
        here = instance_of(policy, reader, "primary")
        aside = described(policy, reader, "primary", aside_of(target, policy, "primary"))
        if none := silent(here, aside):
            return none
        kept = aside if isinstance(aside, Mapping) else None
        if not isinstance(here, Mapping):
            return Home(None, kept, ours=False)
        if source(here) is None:
            return Home(here, kept, made_anew(here, target))
        where, written = address(here), read_beat(policy, reader, "standby")
        rows = reader.sql(*where, "beat", ["standby"]) if where else ()
        replayed: Heard = rows if isinstance(rows, Refused | NoData) else None
        if not isinstance(rows, Refused | NoData) and rows:
            replayed = Beat({"n": int(rows[0][0]), "written_at": int(rows[0][1])})
        return Home(here, kept, made_anew(here, target), written, replayed)

    def next(self, target: Target, policy: Policy, facts: Home | Refused | NoData, now: datetime) -> Next:
        side = policy.platform.database.primary
        named = f"{side.instance!r} in {side.region}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        here = facts.here
        if here is None:
            return Stuck(because=f"there is no {named}: it must be made anew first")
        status, follows = str(here["DBInstanceStatus"]), source(here)
        if status in BUSY:
            because = f"{named} is {status!r}, expected 'available'; looking again in {AGAIN.seconds} s"
            return Wait(because=because, again_in=AGAIN)
        if status not in USABLE:
            return Stuck(because=f"{named} is {status!r}, expected 'available'; RDS must bring it back first")
        if follows is None and facts.ours:
            return Done(because=f"{named} is the primary again: it replicates from nobody")
        if not facts.ours or follows is None:
            return Stuck(because=f"{named} was not made anew by this return: it is the old one, or somebody else's")
        kept = {
            name: facts.aside[name]
            for name in ("BackupRetentionPeriod", "PreferredBackupWindow")
            if facts.aside is not None and facts.aside.get(name)
        }
        call = Call(
            system="aws",
            service="rds",
            region=side.region,
            operation="promote_read_replica",
            params={"DBInstanceIdentifier": side.instance, **kept},
            until="it is 'available' and replicates from nobody",
            reversible=False,
        )
        because = f"{named} still replicates from {follows!r}"
        return Act(because=because, call=call, facts=loss(facts.written, facts.replayed))
