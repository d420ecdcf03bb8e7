"""Takes a zone back when a person says so: the shifts are canceled, and nodes that are back take pods again.

Nobody is asked while nodes of the zone are dead: there is nothing to come back to. The database stays where it is; it
is no better off in its old zone. A shift that has ended by itself, or that somebody canceled, is not started again.
Source: https://docs.aws.amazon.com/arc-zonal-shift/latest/api/API_CancelZonalShift.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions import nodes, zonal_shifts, zone_nodes
from chalicelib.actions.contract import KubeOp, Op, Reader, Target
from chalicelib.actions.nodes import NODES
from chalicelib.actions.places import cluster_of, zone_of
from chalicelib.actions.zonal_shifts import SERVICE, Resource
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Back:
    """The resources, and the zone's nodes: `ready` how many are well, `dead` a sentence for each that is not, `left`
    those that are well and still bear our taint.
    """

    resources: tuple[Resource, ...]
    ready: int = 0
    dead: tuple[str, ...] = ()
    left: tuple[Mapping[str, Any], ...] = ()


class ZoneReturned:
    """One call for each resource, then one for each node."""

    name: ClassVar[str] = "zone-returned"
    reads: ClassVar[tuple[Op, ...]] = (
        zonal_shifts.GET,
        KubeOp(verb="list", group="", resource="nodes", where="primary"),
    )
    calls: ClassVar[tuple[Op, ...]] = (
        zonal_shifts.CANCEL,
        KubeOp(verb="patch", group="", resource="nodes", where="primary"),
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Back | Refused | NoData:
        zone, resources = zone_of(target, policy), zonal_shifts.look(policy, reader)
        if isinstance(resources, NoData | Refused):
            return resources
        found = reader.kube(cluster_of(target, policy).name, NODES)
        if isinstance(found, NoData | Refused):
            return found
        every = [f for f in found if isinstance(f, Mapping)] if isinstance(found, Sequence) else []
        here = [n for n in every if zone and zone_nodes.in_zone(n, zone.name)]
        well = [n for n in here if nodes.is_ready(n)]
        return Back(
            resources=resources,
            ready=len(well),
            dead=tuple(nodes.silence(n) for n in here if not nodes.is_ready(n)),
            left=tuple(n for n in well if zone_nodes.is_left(n, policy)),
        )

    def next(self, target: Target, policy: Policy, facts: Back | Refused | NoData, now: datetime) -> Next:
        zone = zone_of(target, policy)
        if isinstance(facts, NoData):
            return Wait(because=f"{facts.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if isinstance(facts, Refused):
            return Stuck(because=f"{facts.because} ({facts.code})")
        if zone is None:
            return Stuck(because=f"{target.scope!r} names no zone of platform.yaml, so nothing is taken back")
        standing = [r for r in facts.resources if r.shift and r.shift.away == zone.id]
        if facts.dead and standing:
            because = f"{zone.name} is not back: {facts.dead[0]}"
            more = f", and {len(facts.dead) - 1} more" if len(facts.dead) > 1 else ""
            return Wait(because=f"{because}{more}; it stays away, looking again in {AGAIN.seconds} s", again_in=AGAIN)
        seen = f"{facts.ready} nodes of {zone.name} are Ready" if facts.ready else f"{zone.name} has no node now"
        for resource in standing:
            if resource.shift:
                call = Call(
                    system="aws",
                    service=SERVICE,
                    region=policy.platform.regions.primary,
                    operation="cancel_zonal_shift",
                    params={"zonalShiftId": resource.shift.id},
                    until=f"{resource.row.display} sends traffic to {zone.id} again",
                    reversible=True,
                )
                return Act(because=f"{seen}, and {resource.row.display} goes around it", call=call)
        for node in facts.left:
            because = f"node {node['metadata']['name']!r} of {zone.name} is Ready again, and takes no pod yet"
            return Act(because=because, call=zone_nodes.take_back(node, cluster_of(target, policy), policy))
        return Done(because=f"traffic goes to {zone.name} ({zone.id}) as to the others; {seen}")
