"""What ARC says of the resources that traffic is shifted by, and the calls that shift it. Shared by leaving a zone and
by taking it back.

A zone is named by its id. Of one resource one shift of ours is active at a time; an autoshift of AWS's stays behind it.
Sources: https://docs.aws.amazon.com/arc-zonal-shift/latest/api/API_GetManagedResource.html,
https://docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-autoshift.how-it-works.precedence.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.actions.contract import AwsOp, Reader
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.platform import Shiftable

SERVICE: Final = "arc-zonal-shift"
RESOURCES: Final = ("{zonal_shifts}",)
OURS: Final = "ZONAL_SHIFT"
GET: Final = AwsOp(service=SERVICE, operation="get_managed_resource", resources=RESOURCES, where="primary")
START: Final = AwsOp(service=SERVICE, operation="start_zonal_shift", resources=RESOURCES, where="primary")
UPDATE: Final = AwsOp(service=SERVICE, operation="update_zonal_shift", resources=RESOURCES, where="primary")
CANCEL: Final = AwsOp(service=SERVICE, operation="cancel_zonal_shift", resources=RESOURCES, where="primary")


@dataclass(frozen=True, slots=True)
class Standing:
    """A shift that somebody of the platform has started: its id, the id of the zone, and when it ends by itself."""

    id: str
    away: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Resource:
    """`open` are the zones that traffic goes to, of `zones`; `automatic` the zone that AWS itself shifts away from."""

    row: Shiftable
    zones: tuple[str, ...]
    open: tuple[str, ...]
    shift: Standing | None = None
    automatic: str = ""


Look = tuple[Resource, ...] | Refused | NoData


def look(policy: Policy, reader: Reader) -> Look:
    """Every resource of policy, or the first word against one."""
    if policy.platform.zones is None:
        return Refused(code="NoZones", because="platform.yaml has no zones, so nothing says what to shift")
    rows, region = policy.platform.zones.shifts, policy.platform.regions.primary
    found = []
    for row in rows:
        answer = reader.aws(SERVICE, region, "get_managed_resource", resourceIdentifier=row.arn)
        if isinstance(answer, NoData):
            return answer
        if isinstance(answer, Refused):
            because = f"{row.display} ({row.arn}) cannot be shifted: {answer.because}"
            return Refused(code=answer.code, because=because)
        found.append(_resource(row, answer))
    return tuple(found)


def _resource(row: Shiftable, answer: Mapping[str, Any]) -> Resource:
    weights = answer["appliedWeights"]
    # What names no type is of before types were told, and a person's or ours.
    ours = [s for s in answer.get("zonalShifts") or () if s.get("shiftType", OURS) == OURS]
    automatic = [a["awayFrom"] for a in answer.get("autoshifts") or ()]
    return Resource(
        row=row,
        zones=tuple(sorted(weights)),
        open=tuple(sorted(zone for zone, weight in weights.items() if weight > 0)),
        shift=Standing(ours[0]["zonalShiftId"], ours[0]["awayFrom"], ours[0]["expiryTime"]) if ours else None,
        automatic=automatic[0] if automatic else "",
    )
