"""Makes the standby's replica the primary. Cannot be undone, so it comes after everything that can.

What would be lost is measured by the heartbeat: the last row that the old primary is known to have written, less the
last one that the replica has replayed. `ReplicaLag` is no measure of it: it grows while nothing is written, and with
the outage. A replica that cannot be asked counts with what it was last seen to have replayed; a primary whose
heartbeat was never heard leaves the loss unknown.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, TypeVar

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.fence_primary import READ_BEAT, read_beat
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat

AGAIN: Final = timedelta(seconds=10)
DESCRIBE: Final = AwsOp(
    service="rds", operation="describe_db_instances", resources=("arn:aws:rds:{standby}:{account}:db:{replica}",)
)
_PASSING: Final = frozenset(
    {"backing-up", "modifying", "rebooting", "maintenance", "configuring-log-exports", "creating"}
)
T = TypeVar("T")

Side = Beat | Refused | NoData | None
"""One side's newest row of the heartbeat, or why it is not known."""


@dataclass(frozen=True, slots=True)
class Replica:
    """The instance as RDS sees it; `source` is None once it stands alone."""

    status: str
    source: str | None
    replicating: str
    written: Side = None
    replayed: Side = None


class PromoteReplica:
    """One promotion; the instance without a source says whether it was done."""

    name: ClassVar[str] = "promote-replica"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE, READ_BEAT)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="rds", operation="promote_read_replica", resources=("arn:aws:rds:{standby}:{account}:db:{replica}",)
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Replica | Refused | NoData:
        instance = describe(policy, reader)
        if not isinstance(instance, Mapping):
            return instance
        infos = instance.get("StatusInfos") or []
        seen = Replica(
            status=instance["DBInstanceStatus"],
            source=instance.get("ReadReplicaSourceDBInstanceIdentifier") or None,
            replicating="; ".join(f"{i.get('StatusType')} {i.get('Status')}" for i in infos),
        )
        if seen.source is None:
            return seen
        return replace(
            seen,
            written=_asked(lambda: read_beat(policy, reader, "primary")),
            replayed=_replayed(policy, reader, instance.get("Endpoint") or {}),
        )

    def next(self, target: Target, policy: Policy, facts: Replica | Refused | NoData, now: datetime) -> Next:
        side = policy.platform.database.replica
        named = f"replica {side.instance!r}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Replica(status=status) if status in _PASSING:
                because = f"{named} is {status!r}, expected 'available'; looking again in {AGAIN.seconds} s"
                return Wait(because=because, again_in=AGAIN)
            case Replica(status=status) if status != "available":
                return Stuck(because=f"{named} is {status!r}, expected 'available'; RDS must bring it back first")
            case Replica(source=None):
                return Done(because=f"{side.instance!r} in {side.region} is the primary: it replicates from nobody")
            case Replica(source=source, replicating=replicating):
                call = Call(
                    system="aws",
                    service="rds",
                    region=side.region,
                    operation="promote_read_replica",
                    params={"DBInstanceIdentifier": side.instance},
                    until="it is 'available' and replicates from nobody",
                    reversible=False,
                )
                said = f" ({replicating})" if replicating else ""
                facts_ = loss(facts.written, facts.replayed)
                return Act(because=f"{named} still replicates from {source!r}{said}", call=call, facts=facts_)


def describe(policy: Policy, reader: Reader) -> Mapping[str, Any] | Refused | NoData:
    """The replica's instance, as DescribeDBInstances shows it."""
    side = policy.platform.database.replica
    found = reader.aws("rds", side.region, "describe_db_instances", DBInstanceIdentifier=side.instance)
    return found["DBInstances"][0] if isinstance(found, Mapping) else found


def loss(
    written: Beat | Refused | NoData | None, replayed: Beat | Refused | NoData | None
) -> Mapping[str, str | float]:
    """`loss_seconds`, `loss_rows` and `known_until` (ms since 1970: what was written later is not known), as far as
    they are known; `loss_unknown` says why they are not.
    """
    for side in (written, replayed):
        if isinstance(side, Refused | NoData):
            return {"loss_unknown": side.because}
    last, there = _row(written), _row(replayed)
    if last is None:
        return {"loss_unknown": "the primary's heartbeat was never heard"}
    if there is None:
        return {"loss_unknown": "the replica is not known to have replayed any heartbeat"}
    lost_rows, lost_ms = max(0, last[0] - there[0]), max(0, last[1] - there[1])
    return {"loss_seconds": lost_ms / 1000, "loss_rows": float(lost_rows), "known_until": float(last[1])}


def _row(beat: Side) -> tuple[int, int] | None:
    if not isinstance(beat, Beat):
        return None
    n, written_at = beat.number("n"), beat.number("written_at")
    return None if n is None or written_at is None else (n, written_at)


def _replayed(policy: Policy, reader: Reader, endpoint: Mapping[str, Any]) -> Beat | Refused | NoData:
    """The replica's own answer, or what it was last seen to have replayed."""
    rows = (
        _asked(lambda: reader.sql(endpoint["Address"], int(endpoint["Port"]), "beat", ["primary"])) if endpoint else ()
    )
    if not isinstance(rows, Refused | NoData) and rows:
        return Beat({"n": int(rows[0][0]), "written_at": int(rows[0][1])})
    return _asked(lambda: read_beat(policy, reader, "replica"))


def _asked(ask: Callable[[], T]) -> T:
    """The answer; asked once more when there is none, since a single lost one must not make the loss unknown."""
    found = ask()
    return ask() if isinstance(found, NoData) else found
