"""Looks, before the first copy is made, that nothing stands where the copies will: what does is nobody's to delete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.copies import drill_namespaces
from chalicelib.actions.places import cluster_of
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
NAMESPACES: Final = "v1 namespaces"


class DrillClear:
    """Looks only."""

    name: ClassVar[str] = "drill-clear"
    reads: ClassVar[tuple[Op, ...]] = (KubeOp(verb="get", group="", resource="namespaces", only="drills"),)
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> tuple[str, ...] | Refused | NoData:
        cluster, there = cluster_of(target, policy), []
        for name in drill_namespaces(policy):
            found = reader.kube(cluster.name, NAMESPACES, name=name)
            if isinstance(found, Refused | NoData):
                return found
            if isinstance(found, Mapping):
                there.append(name)
        return tuple(there)

    def next(self, target: Target, policy: Policy, facts: tuple[str, ...] | Refused | NoData, now: datetime) -> Next:
        match facts:
            case NoData(because=because):
                return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
            case Refused(because=because, code=code):
                return Stuck(because=f"{because} ({code})")
            case ():
                return Done(because="nothing stands where the copies will")
        there = ", ".join(repr(name) for name in facts)
        return Stuck(because=f"namespace {there} is there, and this drill has not made it; look whose it is, delete it")
