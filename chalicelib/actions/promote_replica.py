"""Makes the standby's replica the primary. Cannot be undone, so it comes after everything that can.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
DESCRIBE: Final = AwsOp(
    service="rds", operation="describe_db_instances", resources=("arn:aws:rds:{standby}:{account}:db:{replica}",)
)
_PASSING: Final = frozenset(
    {"backing-up", "modifying", "rebooting", "maintenance", "configuring-log-exports", "creating"}
)


@dataclass(frozen=True, slots=True)
class Replica:
    """The instance as RDS sees it; `source` is None once it stands alone."""

    status: str
    source: str | None
    replicating: str


class PromoteReplica:
    """One promotion; the instance without a source says whether it was done."""

    name: ClassVar[str] = "promote-replica"
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE,)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="rds", operation="promote_read_replica", resources=("arn:aws:rds:{standby}:{account}:db:{replica}",)
        ),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Replica | Refused | NoData:
        side = policy.platform.database.replica
        found = reader.aws("rds", side.region, "describe_db_instances", DBInstanceIdentifier=side.instance)
        if not isinstance(found, Mapping):
            return found
        instance = found["DBInstances"][0]
        infos = instance.get("StatusInfos") or []
        return Replica(
            status=instance["DBInstanceStatus"],
            source=instance.get("ReadReplicaSourceDBInstanceIdentifier") or None,
            replicating="; ".join(f"{i.get('StatusType')} {i.get('Status')}" for i in infos),
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
                return Act(because=f"{named} still replicates from {source!r}{said}", call=call)
