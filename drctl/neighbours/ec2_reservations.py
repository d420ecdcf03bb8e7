"""On-Demand Capacity Reservations: who has how many instances of a type in a zone kept free, and until when.

Simplified: no instance that starts here runs in one by itself.

Sources, named below by their short names:
- *describe*: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeCapacityReservations.html (filters)
- *shape*: …/APIReference/API_CapacityReservation.html (states; EndDate with EndDateType `limited` only)
- *uses*: docs.aws.amazon.com/AWSEC2/latest/UserGuide/capacity-reservations-using.html (an instance that matches an
  `open` one runs in it, and one fewer is available)
- *expires*: …/UserGuide/capacity-reservations-create.html (at its end it is `expired`, and what it kept is released)
- *errors*: …/APIReference/errors-overview.html (InvalidCapacityReservationId.NotFound, InvalidParameterValue)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from drctl.neighbours.aws import DEFAULT_ACCOUNT, AwsError

FILTERS: Final[Mapping[str, str]] = {
    "instance-type": "InstanceType",
    "owner-id": "OwnerId",
    "instance-platform": "InstancePlatform",
    "availability-zone": "AvailabilityZone",
    "tenancy": "Tenancy",
    "state": "State",
    "end-date-type": "EndDateType",
    "instance-match-criteria": "InstanceMatchCriteria",
}


@dataclass(slots=True, kw_only=True)
class Reservation:
    """One reservation. `used` instances run in it."""

    identifier: str
    region: str
    account: str
    zone: str
    instance_type: str
    total: int
    made: datetime
    used: int = 0
    state: str = "active"
    ends: datetime | None = None
    match: str = "open"
    platform: str = "Linux/UNIX"
    tenancy: str = "default"


class Reservations:
    """By region and account, in the order in which they were made."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.every: list[Reservation] = []

    def add(
        self,
        region: str,
        zone: str,
        instance_type: str,
        total: int,
        *,
        account: str = DEFAULT_ACCOUNT,
        ends: datetime | None = None,
    ) -> Reservation:
        """One that is there from the start."""
        made = Reservation(
            identifier=f"cr-{len(self.every) + 1:017x}",
            region=region,
            account=account,
            zone=zone,
            instance_type=instance_type,
            total=total,
            made=self.clock(),
            ends=ends,
        )
        self.every.append(made)
        return made

    def describe_capacity_reservations(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """*describe*: those of the asking account in the asked region."""
        rows = {r.identifier: self._shown(r) for r in self.every if (r.region, r.account) == (region, account)}
        for identifier in params.get("CapacityReservationIds") or ():
            if identifier not in rows:
                message = f"The capacity reservation ID '{identifier}' does not exist"
                raise AwsError("InvalidCapacityReservationId.NotFound", message)
        wanted = params.get("CapacityReservationIds") or list(rows)
        found = [rows[identifier] for identifier in wanted]
        for asked in params.get("Filters") or ():
            if asked["Name"] not in FILTERS:
                raise AwsError("InvalidParameterValue", f"The filter '{asked['Name']}' is invalid")
            found = [row for row in found if row[FILTERS[asked["Name"]]] in asked["Values"]]
        return {"CapacityReservations": found}

    def _shown(self, row: Reservation) -> dict[str, Any]:
        """*shape*; *expires*: from its end on nothing of it is available."""
        over = row.state == "active" and row.ends is not None and self.clock() >= row.ends
        state = "expired" if over else row.state
        return {
            "CapacityReservationId": row.identifier,
            "OwnerId": row.account,
            "CapacityReservationArn": f"arn:aws:ec2:{row.region}:{row.account}:capacity-reservation/{row.identifier}",
            "InstanceType": row.instance_type,
            "InstancePlatform": row.platform,
            "AvailabilityZone": row.zone,
            "Tenancy": row.tenancy,
            "TotalInstanceCount": row.total if state == "active" else 0,
            "AvailableInstanceCount": max(0, row.total - row.used) if state == "active" else 0,
            "State": state,
            "StartDate": row.made,
            "CreateDate": row.made,
            **({"EndDate": row.ends} if row.ends else {}),
            "EndDateType": "limited" if row.ends else "unlimited",
            "InstanceMatchCriteria": row.match,
            "ReservationType": "default",
        }
