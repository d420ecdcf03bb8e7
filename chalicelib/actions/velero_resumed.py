"""Gives Velero back what was taken from it: schedules run again, a backup location takes backups again.

Only what was paused or made read-only for an incident, as the journal of a move has it (`names`, `mode`) or, where the
runbook names none, as the step that is gone back from has noted it: what somebody had paused beforehand stays paused.
Sources: https://velero.io/docs/v1.18/api-types/schedule/ (`spec.paused`), /api-types/backupstoragelocation/
(`spec.accessMode`); RFC 7386 (null takes a field away).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions import velero_location, velero_schedules
from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.places import cluster_of
from chalicelib.actions.velero_location import LOCATIONS, Location, location
from chalicelib.actions.velero_schedules import SCHEDULES, Schedules, schedules
from chalicelib.core.bounds import listed
from chalicelib.core.failback import BEFORE, NONE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)


class SchedulesResumed:
    """One merge patch a schedule, of those named in `names`, or noted."""

    name: ClassVar[str] = "velero-schedules-resumed"
    reads: ClassVar[tuple[Op, ...]] = velero_schedules.READS
    calls: ClassVar[tuple[Op, ...]] = velero_schedules.CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Schedules | Refused | NoData:
        return schedules(cluster_of(target, policy), reader)

    def next(self, target: Target, policy: Policy, facts: Schedules | Refused | NoData, now: datetime) -> Next:
        cluster, wanted = cluster_of(target, policy), listed(_before(target, "names"))
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
        if not wanted:
            return Done(because=f"no schedule of cluster {cluster.name!r} was paused")
        for name in wanted:
            if name in facts.paused:
                call = Call(
                    system="kubernetes",
                    service=cluster.name,
                    region=cluster.region,
                    operation=f"patch {SCHEDULES}",
                    params={"namespace": cluster.velero_namespace, "name": name, "body": {"spec": {"paused": None}}},
                    until="its spec.paused is not true",
                    reversible=True,
                )
                because = f"schedule {name!r} of cluster {cluster.name!r} is paused since then, and ran before"
                return Act(because=because, call=call, facts=target.facts)
        gone = [n for n in wanted if n not in facts.running]
        missing = f"; gone meanwhile: {', '.join(gone)}" if gone else ""
        running = ", ".join(n for n in wanted if n in facts.running) or "none"
        return Done(because=f"cluster {cluster.name!r}: running again are {running}{missing}")


class LocationOpened:
    """One merge patch to the access mode named in `mode`, or noted."""

    name: ClassVar[str] = "velero-location-opened"
    reads: ClassVar[tuple[Op, ...]] = velero_location.READS
    calls: ClassVar[tuple[Op, ...]] = velero_location.CALLS

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Location | Refused | NoData | None:
        return location(cluster_of(target, policy), reader)

    def next(self, target: Target, policy: Policy, facts: Location | Refused | NoData | None, now: datetime) -> Next:
        cluster, mode = cluster_of(target, policy), _before(target, "mode")
        named = f"backup location {cluster.backup_location!r} of cluster {cluster.name!r}"
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case _ if mode == NONE:
                return Done(because=f"{named} was not made read-only then: it is left as it is")
            case None:
                return Stuck(because=f"{named} does not exist; create it on the bucket that holds the backups")
            case Location(access_mode=found) if found == mode:
                return Done(because=f"{named} is {mode} again")
            case Location(access_mode=found):
                call = Call(
                    system="kubernetes",
                    service=cluster.name,
                    region=cluster.region,
                    operation=f"patch {LOCATIONS}",
                    params={
                        "namespace": cluster.velero_namespace,
                        "name": cluster.backup_location,
                        "body": {"spec": {"accessMode": mode}},
                    },
                    until=f"its accessMode is {mode}",
                    reversible=True,
                )
                return Act(because=f"{named} is {found}, and was {mode} before", call=call, facts=target.facts)


def _before(target: Target, named: str) -> str:
    """How it was before: as the runbook says it, or as the step that is gone back from has noted it."""
    return target.params[named] if named in target.params else str(target.facts.get(BEFORE, NONE))
