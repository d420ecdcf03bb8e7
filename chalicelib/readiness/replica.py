"""The database's replica: there, promotable, replicating, and not behind by more than may be lost.

Source: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstanceStatusInfo.html: of StatusType `read
replication` the status is `replicating`, `replication stop point set`, `replication stop point reached`, `error`,
`stopped` or `terminated`; Normal is false when the instance is in an error state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Target, Where
from chalicelib.actions.promote_replica import PromoteReplica, Replica, loss
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said

PRIMARY: Final = AwsOp(
    service="rds",
    operation="describe_db_instances",
    resources=("arn:aws:rds:{primary}:{account}:db:{primary_instance}",),
    where="primary",
)
_PASSES: Final = frozenset({"backing-up", "maintenance", "configuring-log-exports"})
"""What ends by itself within the step's deadline; the step waits for it."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The replica, whether the primary's RDS answers, and whether the standby serves (then there is no replica)."""

    replica: Replica | Refused | NoData
    primary: str | NoData
    standby_serves: bool


class ReplicaJudge:
    """Four things of one instance."""

    name: ClassVar[str] = "replica"
    actions: ClassVar[frozenset[str]] = frozenset({"promote-replica"})
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (*PromoteReplica.reads, PRIMARY)
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "aws rds describe-db-instances, then start, reboot or make the replica anew"

    def look(self, around: Around) -> Sides:
        policy, side = around.policy, around.policy.platform.database.primary
        target = Target(step=self.name, incident=self.name, opened_at=around.now, at=around.now)
        found = around.reader.aws("rds", side.region, "describe_db_instances", DBInstanceIdentifier=side.instance)
        primary: str | NoData
        if isinstance(found, NoData):
            primary = found
        else:
            primary = found.because if isinstance(found, Refused) else str(found["DBInstances"][0]["DBInstanceStatus"])
        return Sides(
            PromoteReplica().observe(target, policy, around.reader),
            primary,
            around.serving == policy.platform.regions.standby,
        )

    def judge(self, facts: Sides, policy: Policy, now: datetime) -> Iterator[Said]:
        side = policy.platform.database.replica
        named = f"replica {side.instance!r} in {side.region}"
        match facts.replica:
            case NoData() as silent:
                yield "replica", silent
                return
            case Refused(code=code, because=because):
                yield "replica", Lacking(because=f"{named} cannot be described: {because} ({code})")
                return
            case Replica() as replica:
                yield from self._of(replica, facts, named, policy)

    @staticmethod
    def _of(replica: Replica, facts: Sides, named: str, policy: Policy) -> Iterator[Said]:
        if replica.status == "available" or replica.status in _PASSES:
            yield "replica's state", Ready(because=f"{named} is {replica.status!r}")
        else:
            yield "replica's state", Lacking(because=f"{named} is {replica.status!r}, expected 'available'")
        if replica.source is None:
            yield "replication", Lacking(because=f"{named} replicates from nobody: there is no replica to promote")
            return
        yield "replication", _replication(replica, facts.primary, named)
        known = loss(replica.written, replica.replayed)
        if "loss_unknown" in known:
            yield "possible loss", NoData(because=str(known["loss_unknown"]))
            return
        lost, rpo = timedelta(seconds=float(known["loss_seconds"])), policy.platform.database.rpo
        said = f"{named} is {policy.real(lost)} of writes behind, allowed are {policy.real(rpo)}"
        yield "possible loss", Ready(because=said) if lost <= rpo else Lacking(because=said)


def _replication(replica: Replica, primary: str | NoData, named: str) -> Ready | Lacking | NoData:
    said = replica.replicating
    if "replicating" in said:
        return Ready(because=f"{named}: {said}")
    if isinstance(primary, NoData):
        # A replica whose source is dark cannot replicate, and that is what it is there for.
        return NoData(because=f"{named} says {said or 'nothing'}, and its source does not answer: {primary.because}")
    if not said:
        return NoData(because=f"RDS says nothing of the replication of {named}")
    return Lacking(because=f"{named} does not replicate although its source is {primary!r}: {said}")
