"""Keeps Velero's schedules as policy writes them: one that is missing is made, a field that differs is put right.

Never lets a paused schedule run: one that is made where others are paused is made paused, and a patch holds no
`paused`. Whether an open incident holds the schedules is a gate's question (core/gates.py, `schedules_held`). Sources:
https://velero.io/docs/v1.18/api-types/schedule/; pkg/controller/schedule_controller.go at v1.18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, cast

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.core.schedules import MISSING, PAUSED, Drift, Place, drifts, mend, spec
from chalicelib.policy import Policy

SCHEDULES: Final = "velero.io/v1 schedules"
AGAIN: Final = timedelta(seconds=10)
LIST: Final = (KubeOp(verb="list", group="velero.io", resource="schedules", where="primary"),)


@dataclass(frozen=True, slots=True)
class Standing:
    """The cluster's Schedule objects, as they are."""

    schedules: tuple[Mapping[str, Any], ...]


def standing(policy: Policy, place: Place, reader: Reader) -> Standing | Refused | NoData:
    """What stands in the cluster of a place. A list that did not come is no empty list."""
    cluster = policy.platform.cluster(place)
    found = reader.kube(cluster.name, SCHEDULES, namespace=cluster.velero_namespace)
    if isinstance(found, Refused | NoData):
        return found
    if found is None or isinstance(found, Mapping) or not isinstance(found, Sequence):
        return NoData(because=f"cluster {cluster.name!r} did not list its schedules")
    return Standing(tuple(found))


class SchedulesKept:
    """One create or one merge patch a schedule."""

    name: ClassVar[str] = "velero-schedules-kept"
    reads: ClassVar[tuple[Op, ...]] = LIST
    calls: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="create", group="velero.io", resource="schedules", where="primary"),
        KubeOp(verb="patch", group="velero.io", resource="schedules", where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Standing | Refused | NoData:
        return standing(policy, cast("Place", target.params["cluster"]), reader)

    def next(self, target: Target, policy: Policy, facts: Standing | Refused | NoData, now: datetime) -> Next:
        cluster, place = cluster_of(target, policy), cast("Place", target.params["cluster"])
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        found = drifts(policy, place, facts.schedules)
        for drift in found:
            if drift.mended:
                return _put_right(target, policy, facts, drift)
        told = tuple(d for d in found if d.field != PAUSED)
        if told:
            return Stuck(because=f"{_listed(told)}; policy says that this is reported, so a person puts it right")
        if found:
            names = ", ".join(repr(d.schedule) for d in found)
            because = f"paused are {names}, and nothing that is mended lets a schedule run again; unpause it by hand"
            return Stuck(because=f"cluster {cluster.name!r}: {because}")
        count = len(policy.backups.on(place))
        return Done(because=f"cluster {cluster.name!r}: all {count} schedules stand as policy says")


def _put_right(target: Target, policy: Policy, facts: Standing, drift: Drift) -> Next:
    cluster, place = cluster_of(target, policy), cast("Place", target.params["cluster"])
    row = next(s for s in policy.backups.on(place) if s.name == drift.schedule)
    where = {"namespace": cluster.velero_namespace, "name": row.name}
    if drift.field == MISSING:
        paused = any((s.get("spec") or {}).get("paused") for s in facts.schedules)
        body: dict[str, Any] = {
            "apiVersion": "velero.io/v1",
            "kind": "Schedule",
            "metadata": {"name": row.name, "namespace": cluster.velero_namespace},
            "spec": {**spec(row, policy, place), **({"paused": True} if paused else {})},
        }
        because = f"{drift.sentence()}; it is made" + (", paused as the others are" if paused else "")
        verb, until = "create", f"it stands ({drift.sentence()})"
    else:
        stands = next(s for s in facts.schedules if s["metadata"]["name"] == row.name)
        body = mend(row, policy, place, stands)
        every = [d for d in drifts(policy, place, facts.schedules) if d.schedule == row.name and d.mended]
        because, verb = f"{_listed(every)}; it is put right", "patch"
        # What stood there is overwritten, so the record of the call says it.
        until = f"it is as policy says again ({_listed(every)})"
    call = Call(
        system="kubernetes",
        service=cluster.name,
        region=cluster.region,
        operation=f"{verb} {SCHEDULES}",
        params={**where, "body": body},
        until=until,
        reversible=True,
    )
    return Act(because=f"cluster {cluster.name!r}: {because}", call=call)


def _listed(found: Sequence[Drift]) -> str:
    """Three of them, and how many more there are."""
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(d.sentence() for d in found[:3]) + more
