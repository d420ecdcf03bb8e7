"""The database's replica, and the rows by which a promotion can say what would be lost.

`ReplicaLag` is no measure of a loss: it grows while nobody writes, and with the outage. What is measured is the
heartbeat: the newest row that the primary is known to have written, less the newest one that the replica has replayed.
Both are noted beside the desk while all is well, so that they are known when the primary can no longer be asked; if
one of them is not noted any more, a promotion can only say that the loss is not known, and that is told beforehand.

StatusInfos: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstanceStatusInfo.html (of StatusType
`read replication` the Status is `replicating`, `replication stop point set`, `replication stop point reached`, `error`,
`stopped` or `terminated`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib import names
from chalicelib.account.verdicts import NotSeen, Row, Subject
from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.fence_primary import read_beat
from chalicelib.actions.promote_replica import PromoteReplica, Replica, loss
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.store.beat import Beat

READS: Final[tuple[Op, ...]] = PromoteReplica.reads
AT_LEAST: Final = timedelta(minutes=2)
"""Real time: what the replica has replayed is noted by the watch, which begins once a minute."""
_PASSES: Final = frozenset({"available", "backing-up", "maintenance", "configuring-log-exports"})
"""What a promotion goes on from, or waits for within its step."""
_DARK: Final = "the primary's heartbeat is silent, and that explains it"


def replica(policy: Policy, reader: Reader, serving: str, now: datetime) -> Iterator[Row]:
    """Its state, its replication, and whether a loss could be told now; nothing once the standby serves."""
    side = policy.platform.database.replica
    if serving == side.region:
        return
    subject = Subject(f"replica {side.instance} in {side.region}", "platform.database.replica")
    target = Target(step="look", incident="look", opened_at=now, at=now)
    match PromoteReplica().observe(target, policy, reader):
        case NoData(because=because):
            yield subject.unseen("state", "available", NotSeen(because))
        case Refused(code="DBInstanceNotFound" | "DBInstanceNotFoundFault"):
            yield subject.missing()
        case Refused(because=because, code=code):
            yield subject.unseen("state", "available", NotSeen(f"{because} ({code})"))
        case Replica() as seen:
            heartbeat = read_beat(policy, reader, "primary")
            heard = _age(heartbeat, now)
            allowed = max(AT_LEAST, policy.signals.heartbeats.silent_after * policy.speed)
            # A replica whose source is dark does not replicate: that is what it is there for, and no finding.
            dark = heard is None or heard > allowed
            yield from _state(subject, seen, policy, dark=dark)
            if seen.source is not None:
                yield _written(subject, policy, heartbeat, dark=dark)
                yield _replayed(subject, policy, reader, allowed, now, dark=dark)
                yield _loss(subject, seen, policy, dark=dark)


def _state(subject: Subject, seen: Replica, policy: Policy, *, dark: bool) -> Iterator[Row]:
    side = policy.platform.database.replica
    where = f"--region {side.region} --db-instance-identifier {side.instance}"
    found = "available" if seen.status in _PASSES else seen.status
    events = f"--region {side.region} --source-type db-instance --source-identifier {side.instance}"
    primary = policy.platform.database.primary.instance
    verb = "start-db-instance" if seen.status == "stopped" else "describe-db-instances"
    yield replace(subject.row("state", "available", found), mend=f"aws rds {verb} {where}")
    if seen.source is None:
        # Never a command that deletes it: somebody may have promoted it, and it may hold what is nowhere else.
        yield replace(subject.row("replicates from", primary, None), mend=f"aws rds describe-events {events}")
    elif not seen.replicating:
        yield subject.unseen("replication", "replicating", NotSeen("RDS says nothing of it in StatusInfos"))
    elif "replicating" not in seen.replicating and dark:
        yield subject.unseen("replication", "replicating", NotSeen(f"{seen.replicating}; {_DARK}"))
    else:
        said = "replicating" if "replicating" in seen.replicating else seen.replicating
        yield replace(subject.row("replication", "replicating", said), mend=f"aws rds describe-events {events}")


def _written(subject: Subject, policy: Policy, heartbeat: Beat | NoData | Refused, *, dark: bool) -> Row:
    what, wanted = "the primary's rows are noted", "lately"
    if not isinstance(heartbeat, Beat):
        return subject.unseen(what, wanted, NotSeen(heartbeat.because))
    ever = heartbeat.moment("at") is not None
    if ever and dark:
        return subject.unseen(what, wanted, NotSeen(_DARK))
    heart = names.function(policy, names.HEART)
    mend = f"aws logs tail /aws/lambda/{heart} --region {policy.platform.regions.primary} --since 15m"
    return replace(subject.row(what, wanted, wanted if ever else "never"), mend=mend)


def _replayed(
    subject: Subject, policy: Policy, reader: Reader, allowed: timedelta, now: datetime, *, dark: bool
) -> Row:
    what, wanted = "what the replica has replayed is noted", "lately"
    beat = read_beat(policy, reader, "replica")
    if not isinstance(beat, Beat):
        return subject.unseen(what, wanted, NotSeen(beat.because))
    age = _age(beat, now)
    if dark and (age is None or age > allowed):
        return subject.unseen(what, wanted, NotSeen(_DARK))
    found = "never" if age is None else wanted if age <= allowed else "no more"
    watch = names.function(policy, "probe")
    mend = f"aws logs tail /aws/lambda/{watch} --region {policy.platform.responder.region} --since 15m"
    return replace(subject.row(what, wanted, found), mend=mend)


def _loss(subject: Subject, seen: Replica, policy: Policy, *, dark: bool) -> Row:
    what, rpo = "what a promotion would lose", policy.platform.database.rpo
    allowed = f"{policy.real(rpo)} or less"
    known: Mapping[str, Any] = loss(seen.written, seen.replayed)
    if "loss_unknown" in known:
        return subject.unseen(what, allowed, NotSeen(str(known["loss_unknown"])))
    lost = timedelta(seconds=float(known["loss_seconds"]))
    if lost > rpo and dark:
        return subject.unseen(what, allowed, NotSeen(f"{policy.real(lost)} of writes; {_DARK}"))
    return subject.row(what, allowed, allowed if lost <= rpo else f"{policy.real(lost)} of writes")


def _age(beat: Beat | NoData | Refused, now: datetime) -> timedelta | None:
    at = beat.moment("at") if isinstance(beat, Beat) else None
    return None if at is None else now - at
