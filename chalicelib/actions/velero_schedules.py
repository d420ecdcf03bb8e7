"""Pauses Velero's schedules, so that no backup of a broken state is taken, and none that is good expires for it.

Source: https://velero.io/docs/v1.18/api-types/schedule/ (`spec.paused`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.core.bounds import NONE, listed
from chalicelib.core.failback import BEFORE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import Cluster

SCHEDULES: Final = "velero.io/v1 schedules"
AGAIN: Final = timedelta(seconds=10)
READS: Final = (
    KubeOp(verb="list", group="velero.io", resource="schedules"),
    KubeOp(verb="list", group="velero.io", resource="schedules", where="primary"),
)
CALLS: Final = (
    KubeOp(verb="patch", group="velero.io", resource="schedules"),
    KubeOp(verb="patch", group="velero.io", resource="schedules", where="primary"),
)


@dataclass(frozen=True, slots=True)
class Schedules:
    """The names of those that run, and of those that are paused."""

    running: tuple[str, ...]
    paused: tuple[str, ...]


def schedules(cluster: Cluster, reader: Reader) -> Schedules | Refused | NoData:
    """The schedules of a cluster, as they are."""
    found = reader.kube(cluster.name, SCHEDULES, namespace=cluster.velero_namespace)
    if isinstance(found, Refused | NoData):
        return found
    rows = [] if found is None or isinstance(found, Mapping) else list(found)
    named = {str(r["metadata"]["name"]): bool(r["spec"].get("paused")) for r in rows}
    return Schedules(
        running=tuple(sorted(n for n, paused in named.items() if not paused)),
        paused=tuple(sorted(n for n, paused in named.items() if paused)),
    )


class SchedulesPaused:
    """One merge patch a schedule; its own `paused` says whether it was done."""

    name: ClassVar[str] = "velero-schedules-paused"
    reads: ClassVar[tuple[Op, ...]] = READS
    calls: ClassVar[tuple[Op, ...]] = CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Schedules | Refused | NoData:
        cluster = cluster_of(target, policy)
        return schedules(cluster, reader)

    def next(self, target: Target, policy: Policy, facts: Schedules | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case Schedules(running=(), paused=()):
                return Done(because=f"cluster {cluster.name!r} has no schedules")
            case Schedules(running=()):
                return Done(because=f"cluster {cluster.name!r}: paused are {', '.join(facts.paused)}")
        first = facts.running[0]
        call = Call(
            system="kubernetes",
            service=cluster.name,
            region=cluster.region,
            operation=f"patch {SCHEDULES}",
            params={"namespace": cluster.velero_namespace, "name": first, "body": {"spec": {"paused": True}}},
            until="its spec.paused is true",
            reversible=True,
        )
        # What ran when it was first looked at, whichever of them are paused by now.
        ran = sorted({*listed(str(target.facts.get(BEFORE, NONE))), *facts.running})
        because = f"schedule {first!r} of cluster {cluster.name!r} runs, expected paused"
        return Act(because=because, call=call, facts={**target.facts, BEFORE: ",".join(ran)})
