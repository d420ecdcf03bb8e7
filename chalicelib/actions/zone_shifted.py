"""Shifts traffic away from a zone that fails, and keeps it away for as long as the incident lasts.

A shift ends by itself, and is given new time when half of it is over. Nothing is shifted when too few zones would be
left, or when the resource is away from another zone already: then it is a person's matter, for two zones are no zone
failure any more.
Sources: https://docs.aws.amazon.com/arc-zonal-shift/latest/api/API_StartZonalShift.html (`expiresIn` is one number and
one unit), https://docs.aws.amazon.com/r53recovery/latest/dg/route53-arc-best-practices.zonal-shifts.html (capacity
first).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions import zonal_shifts
from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.places import zone_of
from chalicelib.actions.zonal_shifts import SERVICE, Look, Resource
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import Zone, Zones

AGAIN: Final = timedelta(seconds=10)
COMMENT: Final = 128


class ZoneShifted:
    """One shift for each resource."""

    name: ClassVar[str] = "zone-shifted"
    reads: ClassVar[tuple[Op, ...]] = (zonal_shifts.GET,)
    calls: ClassVar[tuple[Op, ...]] = (zonal_shifts.START, zonal_shifts.UPDATE)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Look:
        return zonal_shifts.look(policy, reader)

    def next(self, target: Target, policy: Policy, facts: Look, now: datetime) -> Next:
        if isinstance(facts, NoData):
            return Wait(because=f"{facts.because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        if isinstance(facts, Refused):
            return Stuck(because=f"{facts.because} ({facts.code})")
        zone, zones = zone_of(target, policy), policy.platform.zones
        if zone is None or zones is None:
            return Stuck(because=f"{target.scope!r} names no zone of platform.yaml, so nothing is shifted")
        for resource in facts:
            if (missing := _missing(resource, zone, zones, target, policy, now)) is not None:
                return missing
        until = min(r.shift.expires_at for r in facts if r.shift)
        shown = ", ".join(r.row.display for r in facts)
        because = f"traffic of {shown} goes around {zone.name} ({zone.id}) until {until:%H:%M:%S} UTC"
        because += ", and longer while this lasts"
        return Done(because=because, facts={"zone": zone.id, "until": until.timestamp()})


def _missing(
    resource: Resource, zone: Zone, zones: Zones, target: Target, policy: Policy, now: datetime
) -> Next | None:
    what, shift = resource.row.display, resource.shift
    if zone.id not in resource.zones:
        stands = ", ".join(resource.zones)
        return Stuck(because=f"{what} does not stand in {zone.id} ({zone.name}) but in {stands}; nothing is shifted")
    lasts = f"{round((zones.expires_in * policy.speed).total_seconds() / 60)}m"
    comment = f"{target.incident}: {zone.name} fails"[:COMMENT]
    if shift is not None and shift.away == zone.id:
        if shift.expires_at - now > zones.expires_in / 2:
            return None
        call = _call(
            "update_zonal_shift",
            policy,
            {"zonalShiftId": shift.id, "expiresIn": lasts, "comment": comment},
            f"the shift away from {zone.id} ends no earlier than in {lasts}",
        )
        return Act(
            because=f"the shift of {what} ends at {shift.expires_at:%H:%M:%S} UTC, and the zone is away", call=call
        )
    if shift is not None:
        because = f"{what} is shifted away from {shift.away} until {shift.expires_at:%H:%M:%S} UTC, one zone at a time"
        return Stuck(because=f"{because}; end that shift, or declare the region's failure")
    left = [z for z in resource.open if z != zone.id]
    if len(left) < zones.needed:
        why = f"; AWS itself has shifted it away from {resource.automatic}" if resource.automatic else ""
        because = f"without {zone.id} {what} would have {', '.join(left) or 'no zone'} left, {zones.needed} are needed"
        return Stuck(because=f"{because}{why}; nothing is shifted")
    call = _call(
        "start_zonal_shift",
        policy,
        {"resourceIdentifier": resource.row.arn, "awayFrom": zone.id, "expiresIn": lasts, "comment": comment},
        f"{what} sends nothing to {zone.id}",
    )
    # AWS's own shift ends when AWS says so, and this one when a person does: so it is started beside that.
    beside = "; AWS itself has shifted it away for now" if resource.automatic == zone.id else ""
    because = f"{what} sends traffic to {zone.name} ({zone.id}){beside}; {', '.join(left)} are left"
    return Act(because=because, call=call)


def _call(operation: str, policy: Policy, params: dict[str, str], until: str) -> Call:
    region = policy.platform.regions.primary
    return Call(
        system="aws", service=SERVICE, region=region, operation=operation, params=params, until=until, reversible=True
    )
