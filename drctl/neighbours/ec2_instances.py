"""EC2's instances, of which only what they are and in which state: for whoever asks, and for Karpenter.

Sources: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html (by InstanceIds, which must all be
known; by Filters; a terminated one is still shown for about an hour), .../API_InstanceState.html (codes),
.../errors-overview.html (InvalidInstanceID.NotFound, InvalidInstanceID.Malformed, InsufficientInstanceCapacity),
docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from drctl.neighbours.aws import AwsError
from drctl.neighbours.kubernetes.karpenter import NoCapacityError

State = Literal["pending", "running", "shutting-down", "terminated", "stopping", "stopped"]
CODES: Final[Mapping[State, int]] = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
_ID: Final = re.compile(r"i-[0-9a-f]{8}(?:[0-9a-f]{9})?")


@dataclass(slots=True)
class Instance:
    """One instance. `name` is its private DNS name."""

    identifier: str
    region: str
    account: str
    zone: str
    launched_at: datetime
    state: State = "running"

    @property
    def name(self) -> str:
        return f"{self.identifier}.ec2.internal"

    def shown(self) -> dict[str, Any]:
        """DescribeInstances' structure."""
        return {
            "InstanceId": self.identifier,
            "InstanceType": "m7i.xlarge",
            "PrivateDnsName": "" if self.state == "terminated" else self.name,
            "State": {"Code": CODES[self.state], "Name": self.state},
            "LaunchTime": self.launched_at,
            "Placement": {"AvailabilityZone": self.zone},
        }


class Instances:
    """Instances by region and account. `full` has the zones that have no capacity left."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.full: set[str] = set()
        self.every: dict[str, Instance] = {}
        self._numbers = itertools.count(1)

    def launch(self, region: str, account: str, zone: str) -> Instance:
        """A new one, running. Raises NoCapacityError in a zone that is full."""
        if zone in self.full or "*" in self.full:
            text = "We currently do not have sufficient m7i.xlarge capacity in the Availability Zone you requested"
            raise NoCapacityError(f"InsufficientInstanceCapacity: {text} ({zone}).")
        made = Instance(f"i-0{next(self._numbers):016x}", region, account, zone, self.clock())
        self.every[made.identifier] = made
        return made

    def turn(self, identifier: str, state: State) -> None:
        """Brings an instance into another state. KeyError when there is none."""
        self.every[identifier].state = state

    def describe_instances(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """By ids, or by the filters that are known here."""
        found = [i for i in self.every.values() if (i.region, i.account) == (region, account)]
        for identifier in params.get("InstanceIds") or ():
            if not _ID.fullmatch(identifier):
                raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{identifier}"')
            if not any(i.identifier == identifier for i in found):
                raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{identifier}' does not exist")
        if ids := params.get("InstanceIds"):
            found = [i for i in found if i.identifier in ids]
        for wanted in params.get("Filters") or ():
            values = set(wanted.get("Values") or ())
            match wanted["Name"]:
                case "private-dns-name":
                    found = [i for i in found if i.shown()["PrivateDnsName"] in values]
                case "instance-state-name":
                    found = [i for i in found if i.state in values]
                case other:
                    raise AwsError("InvalidParameterValue", f"The filter '{other}' is invalid")
        rows = [
            {"ReservationId": f"r-{i.identifier[2:]}", "OwnerId": account, "Groups": [], "Instances": [i.shown()]}
            for i in found
        ]
        return {"Reservations": rows}


@dataclass(frozen=True, slots=True)
class RegionFleet:
    """The instances of one cluster, for its Karpenter."""

    instances: Instances
    region: str
    account: str

    def launch(self, zone: str) -> tuple[str, str]:
        made = self.instances.launch(self.region, self.account, zone)
        return made.identifier, made.name

    def state(self, instance: str) -> str | None:
        found = self.instances.every.get(instance)
        return found.state if found else None

    def terminate(self, instance: str) -> None:
        self.instances.turn(instance, "terminated")
