"""ARC's zonal shifts: resources that are registered, and at most one shift of each in effect.

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/arc-zonal-shift/latest/api (operations, errors, their reasons; shapes are botocore's)
- *works*: docs.aws.amazon.com/r53recovery/latest/dg/arc-zonal-shift.how-it-works.html and …/arc-zonal-shift.html: every
  shift expires, at first after one minute to three days, and can be given a new expiry while it is active
- *components*: …/dg/introduction-components-zonal.html: a resource with an active shift gets no other one
- *precedence*: …/dg/arc-zonal-autoshift.how-it-works.precedence.html: a customer's shift goes before an autoshift,
  which stays and is NOT_APPLIED, and interrupts a practice run
- *eks*: …/dg/arc-zonal-shift.resource-types.eks.html: what a shift of a cluster does inside it (`on_weights`)

A zone is named by its id (`use1-az1`), never by its name, which means another place in another account
(docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html). Regional: who asks another region finds nothing.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from drctl.neighbours.aws import DEFAULT_ACCOUNT, AwsError

EXPIRES_IN: Final = re.compile(r"([1-9][0-9]*)(m|h)")
"""*api*, ExpiresIn: one number and one unit, so `1h30m` is `90m`."""
LONGEST: Final = timedelta(hours=72)
COMMENT: Final = 128


@dataclass(slots=True)
class Shift:
    """One shift of one resource. `kind` is botocore's ShiftType."""

    id: str
    resource: str
    away: str
    started: datetime
    expires: datetime
    comment: str
    status: Literal["ACTIVE", "EXPIRED", "CANCELED"] = "ACTIVE"
    kind: Literal["ZONAL_SHIFT", "PRACTICE_RUN"] = "ZONAL_SHIFT"


@dataclass(slots=True)
class Managed:
    """A registered resource, the ids of its zones, and the zone that AWS has shifted it away from by itself."""

    arn: str
    region: str
    account: str
    zones: tuple[str, ...]
    autoshift: tuple[str, datetime] | None = None
    told: dict[str, float] = field(default_factory=dict)


class ZonalShifts:
    """The model: `clock` gives aware UTC; an expiry is a moment of the real clock, and `speed` brings it nearer.
    `on_weights` is told a resource's ARN and its weights by zone id whenever they have changed.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        *,
        on_weights: Callable[[str, Mapping[str, float]], None] = lambda _arn, _weights: None,
    ) -> None:
        self.clock, self.speed, self.on_weights = clock, speed, on_weights
        self._resources: dict[str, Managed] = {}
        self._shifts: list[Shift] = []

    # What the local world does to it

    def add(self, arn: str, zones: tuple[str, ...], *, account: str = DEFAULT_ACCOUNT) -> None:
        """A resource that has been opted in."""
        made = Managed(arn, arn.split(":")[3], account, zones)
        made.told = dict.fromkeys(zones, 1.0)
        self._resources[arn] = made

    def autoshift(self, arn: str, zone: str | None) -> None:
        """AWS shifts it away from a zone by itself; None when it ends that."""
        self._resources[arn].autoshift = None if zone is None else (zone, self.clock())
        self.settle()

    def practise(self, arn: str, zone: str) -> None:
        """A practice run of 30 minutes begins."""
        self._start(self._resources[arn], zone, timedelta(minutes=30), "practice run", "PRACTICE_RUN")

    def settle(self) -> None:
        """Ends the shifts whose time has come. All operations begin with it; the local world calls it now and then."""
        for shift in self._shifts:
            if shift.status == "ACTIVE" and shift.expires <= self.clock():
                shift.status = "EXPIRED"
        for managed in self._resources.values():
            weights = self.weights(managed.arn)
            if weights != managed.told:
                managed.told = weights
                self.on_weights(managed.arn, weights)

    def weights(self, arn: str) -> dict[str, float]:
        """1 for each zone that traffic goes to, 0 for the one that it is shifted away from."""
        managed, applied = self._resources[arn], self._applied(arn)
        away = applied.away if applied else managed.autoshift[0] if managed.autoshift else None
        return {zone: 0.0 if zone == away else 1.0 for zone in managed.zones}

    # ARC's operations

    def start_zonal_shift(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """StartZonalShift, for a resource that has none in effect but AWS's own."""
        self.settle()
        managed = self._managed(region, account, params["resourceIdentifier"])
        zone = params["awayFrom"]
        if zone not in managed.zones:
            raise _invalid("InvalidAz", f"The Availability Zone {zone} isn't one of {', '.join(managed.zones)}.")
        lasts, comment = _lasts(params["expiresIn"]), _comment(params["comment"])
        active = self._applied(managed.arn)
        if active is not None and active.kind == "ZONAL_SHIFT":
            message = f"There's already an active zonal shift for {managed.arn}, away from {active.away}."
            raise _conflict("ZonalShiftAlreadyExists", message, active.id)
        if active is not None:
            active.status = "CANCELED"
        return self._shown(self._start(managed, zone, lasts, comment, "ZONAL_SHIFT"))

    def update_zonal_shift(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateZonalShift: a new expiry counts from now (*api*)."""
        self.settle()
        shift = self._active(region, account, params["zonalShiftId"])
        if "expiresIn" in params:
            shift.expires = self.clock() + _lasts(params["expiresIn"]) / self.speed
        shift.comment = _comment(params.get("comment", shift.comment))
        return self._shown(shift)

    def cancel_zonal_shift(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """CancelZonalShift."""
        self.settle()
        shift = self._active(region, account, params["zonalShiftId"])
        shift.status = "CANCELED"
        self.settle()
        return self._shown(shift)

    def get_managed_resource(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetManagedResource: only what is active."""
        self.settle()
        return self._summary(self._managed(region, account, params["resourceIdentifier"]), "DISABLED")

    def list_managed_resources(self, region: str, account: str, _: Mapping[str, Any]) -> dict[str, Any]:
        """ListManagedResources, in one page."""
        self.settle()
        here = [m for m in self._resources.values() if (m.region, m.account) == (region, account)]
        return {"items": [self._summary(m, "DISABLED") | {"availabilityZones": list(m.zones)} for m in here]}

    def list_zonal_shifts(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListZonalShifts, newest first, in one page."""
        self.settle()
        status, arn = params.get("status"), params.get("resourceIdentifier")
        mine = [s for s in self._shifts if self._is_of(s, region, account) and arn in (None, s.resource)]
        return {"items": [self._shown(s) for s in reversed(mine) if status in (None, s.status)]}

    def _start(self, managed: Managed, zone: str, lasts: timedelta, comment: str, kind: Any) -> Shift:
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{managed.arn}/{len(self._shifts)}"))
        now = self.clock()
        made = Shift(name, managed.arn, zone, now, now + lasts / self.speed, comment, kind=kind)
        self._shifts.append(made)
        self.settle()
        return made

    def _applied(self, arn: str) -> Shift | None:
        active = [s for s in self._shifts if s.resource == arn and s.status == "ACTIVE"]
        return next((s for s in active if s.kind == "ZONAL_SHIFT"), None) or next(iter(active), None)

    def _summary(self, managed: Managed, autoshift: str) -> dict[str, Any]:
        applied = self._applied(managed.arn)
        found: dict[str, Any] = {
            "arn": managed.arn,
            "name": managed.arn.rpartition("/")[2],
            "appliedWeights": self.weights(managed.arn),
            "zonalShifts": [],
            "autoshifts": [],
            "zonalAutoshiftStatus": "ENABLED" if managed.autoshift else autoshift,
        }
        if applied is not None:
            row = {k: v for k, v in self._shown(applied).items() if k != "status"}
            found["zonalShifts"] = [row | {"appliedStatus": "APPLIED"}]
        if managed.autoshift is not None:
            zone, at = managed.autoshift
            status = "NOT_APPLIED" if applied is not None else "APPLIED"
            found["autoshifts"] = [{"appliedStatus": status, "awayFrom": zone, "startTime": at}]
        return found

    def _managed(self, region: str, account: str, arn: str) -> Managed:
        found = self._resources.get(arn)
        if found is None or (found.region, found.account) != (region, account):
            raise AwsError("ResourceNotFoundException", f"The resource {arn} wasn't found.", 404)
        return found

    def _active(self, region: str, account: str, name: str) -> Shift:
        found = next((s for s in self._shifts if s.id == name and self._is_of(s, region, account)), None)
        if found is None:
            raise AwsError("ResourceNotFoundException", f"The zonal shift {name} wasn't found.", 404)
        if found.status != "ACTIVE":
            message = f"The zonal shift {name} is {found.status}, not ACTIVE."
            raise _conflict("ZonalShiftStatusNotActive", message, name)
        return found

    def _is_of(self, shift: Shift, region: str, account: str) -> bool:
        managed = self._resources[shift.resource]
        return (managed.region, managed.account) == (region, account)

    def _shown(self, shift: Shift) -> dict[str, Any]:
        return {
            "zonalShiftId": shift.id,
            "resourceIdentifier": shift.resource,
            "awayFrom": shift.away,
            "startTime": shift.started,
            "expiryTime": shift.expires,
            "status": shift.status,
            "comment": shift.comment,
            "shiftType": shift.kind,
        }


def _lasts(text: str) -> timedelta:
    found = EXPIRES_IN.fullmatch(text)
    if found is None or not 2 <= len(text) <= 5:
        raise _invalid("InvalidExpiresIn", f"expiresIn {text!r} must be a number and one of m and h, such as 90m.")
    lasts = timedelta(**{"minutes" if found[2] == "m" else "hours": int(found[1])})
    if lasts > LONGEST:
        raise _invalid("InvalidExpiresIn", f"expiresIn {text!r} is longer than 72 hours.")
    return lasts


def _comment(text: str) -> str:
    if len(text) > COMMENT:
        raise _invalid("MissingValue", f"The comment has {len(text)} characters, allowed are {COMMENT}.")
    return text


def _invalid(reason: str, message: str) -> AwsError:
    return AwsError("ValidationException", message, 400, reason=reason)


def _conflict(reason: str, message: str, shift: str) -> AwsError:
    return AwsError("ConflictException", message, 409, reason=reason, zonalShiftId=shift)
