"""Pauses Velero's schedules, so that no backup of a broken state is taken, and none that is good expires for it.

Which of them ran before is noted, and those are let run again by the second action where a runbook names it.
Source: https://velero.io/docs/v1.18/api-types/schedule/ (`spec.paused`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

SCHEDULES: Final = "velero.io/v1 schedules"
AGAIN: Final = timedelta(seconds=10)
RAN: Final = "ran"
"""The fact of which schedules ran before, by commas."""
_READS: Final = (
    KubeOp(verb="list", group="velero.io", resource="schedules"),
    KubeOp(verb="list", group="velero.io", resource="schedules", where="primary"),
)
_CALLS: Final = (
    KubeOp(verb="patch", group="velero.io", resource="schedules"),
    KubeOp(verb="patch", group="velero.io", resource="schedules", where="primary"),
)


@dataclass(frozen=True, slots=True)
class Schedules:
    """The names of those that run, and of those that are paused."""

    running: tuple[str, ...]
    paused: tuple[str, ...]


class SchedulesPaused:
    """One merge patch a schedule; its own `paused` says whether it was done."""

    name: ClassVar[str] = "velero-schedules-paused"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Schedules | Refused | NoData:
        return _schedules(target, policy, reader)

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
        ran = sorted({*_ran(target), *facts.running})
        return Act(
            because=f"schedule {first!r} of cluster {cluster.name!r} runs, expected paused",
            call=_patched(target, policy, first, paused=True),
            facts={**target.facts, RAN: ",".join(ran)},
        )


class SchedulesResumed:
    """Lets run again what the other step has paused, and leaves paused what was so before."""

    name: ClassVar[str] = "velero-schedules-resumed"
    reads: ClassVar[tuple[Op, ...]] = _READS
    calls: ClassVar[tuple[Op, ...]] = _CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Schedules | Refused | NoData:
        return _schedules(target, policy, reader)

    def next(self, target: Target, policy: Policy, facts: Schedules | Refused | NoData, now: datetime) -> Next:
        cluster = cluster_of(target, policy)
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if first := next((name for name in facts.paused if name in _ran(target)), None):
            return Act(
                because=f"schedule {first!r} of cluster {cluster.name!r} is paused, and ran before this incident",
                call=_patched(target, policy, first, paused=False),
                facts=target.facts,
            )
        return Done(because=f"cluster {cluster.name!r}: running are {', '.join(facts.running) or 'no schedules'}")


def _ran(target: Target) -> tuple[str, ...]:
    return tuple(filter(None, str(target.facts.get(RAN, "")).split(",")))


def _schedules(target: Target, policy: Policy, reader: Reader) -> Schedules | Refused | NoData:
    cluster = cluster_of(target, policy)
    found = reader.kube(cluster.name, SCHEDULES, namespace=cluster.velero_namespace)
    if isinstance(found, Refused | NoData):
        return found
    rows = [] if found is None or isinstance(found, Mapping) else list(found)
    named = {str(r["metadata"]["name"]): bool(r["spec"].get("paused")) for r in rows}
    return Schedules(
        running=tuple(sorted(n for n, paused in named.items() if not paused)),
        paused=tuple(sorted(n for n, paused in named.items() if paused)),
    )


def _patched(target: Target, policy: Policy, name: str, *, paused: bool) -> Call:
    cluster = cluster_of(target, policy)
    return Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"patch {SCHEDULES}",
        params={"namespace": cluster.velero_namespace, "name": name, "body": {"spec": {"paused": paused}}},
        until=f"its spec.paused is {'true' if paused else 'false'}",
        reversible=True,
    )
