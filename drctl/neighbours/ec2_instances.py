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
from drctl.neighbours.ec2_interfaces import Interfaces
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
NODES: Final = "sg-00000000000000001"
VPC: Final = "vpc-0a1b2c3d4e5f60000"
"""What every instance here has before anybody changes it: its security group, and its VPC."""


def subnet_in(zone: str) -> str:
    """The subnet of the nodes in a zone: one each, and none of the database's."""
    return f"subnet-0{zone.encode().hex()[-16:]:0>16}"


@dataclass(slots=True)
class Instance:
    """One instance. `name` is its private DNS name."""

    identifier: str
    region: str
    account: str
    zone: str
    launched_at: datetime
    state: State = "running"
    protected: bool = False
    """Whether TerminateInstances is refused (DisableApiTermination)."""

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
        self.interfaces = Interfaces()
        self.every: dict[str, Instance] = {}
        self._numbers = itertools.count(1)

    def launch(self, region: str, account: str, zone: str) -> Instance:
        """A new one, running. Raises NoCapacityError in a zone that is full."""
        if zone in self.full or "*" in self.full:
            text = "We currently do not have sufficient m7i.xlarge capacity in the Availability Zone you requested"
            raise NoCapacityError(f"InsufficientInstanceCapacity: {text} ({zone}).")
        made = Instance(f"i-0{next(self._numbers):016x}", region, account, zone, self.clock())
        self.every[made.identifier] = made
        self.interfaces.attach(made.identifier, region, account, subnet=subnet_in(zone), vpc=VPC, group=NODES)
        return made

    def turn(self, identifier: str, state: State) -> None:
        """Brings an instance into another state. KeyError when there is none."""
        self.every[identifier].state = state
        if state == "terminated":
            self.interfaces.detach(identifier)

    def describe_instances(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """By ids, or by the filters that are known here."""
        found = [i for i in self.every.values() if (i.region, i.account) == (region, account)]
        for identifier in params.get("InstanceIds") or ():
            self.known(region, account, identifier)
        if ids := params.get("InstanceIds"):
            found = [i for i in found if i.identifier in ids]
        for wanted in params.get("Filters") or ():
            values = set(wanted.get("Values") or ())
            match wanted["Name"]:
                case "private-dns-name":
                    found = [i for i in found if i.shown()["PrivateDnsName"] in values]
                case "instance-id":
                    found = [i for i in found if i.identifier in values]
                case "instance-state-name":
                    found = [i for i in found if i.state in values]
                case other:
                    raise AwsError("InvalidParameterValue", f"The filter '{other}' is invalid")
        rows = [
            {"ReservationId": f"r-{i.identifier[2:]}", "OwnerId": account, "Groups": [], "Instances": [self._shown(i)]}
            for i in found
        ]
        return {"Reservations": rows}

    def _shown(self, instance: Instance) -> dict[str, Any]:
        """With what stands before it: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html."""
        interfaces = self.interfaces.of(instance.identifier)
        where = {"SubnetId": interfaces[0].subnet, "VpcId": interfaces[0].vpc} if interfaces else {}
        groups = interfaces[0].shown()["Groups"] if interfaces else []
        shown = [i.shown() for i in interfaces]
        return {**instance.shown(), **where, "NetworkInterfaces": shown, "SecurityGroups": groups}

    def describe_instance_attribute(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DisableApiTermination, and no other attribute.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html
        """
        found = self.known(region, account, params["InstanceId"])
        if params["Attribute"] != "disableApiTermination":
            raise AwsError("InvalidParameterValue", f"attribute {params['Attribute']} is not kept here")
        return {"InstanceId": found.identifier, "DisableApiTermination": {"Value": found.protected}}

    def modify_instance_attribute(self, region: str, account: str, params: Mapping[str, Any]) -> None:
        """DisableApiTermination, and no other attribute.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
        """
        found = self.known(region, account, params["InstanceId"])
        if "DisableApiTermination" not in params:
            raise AwsError("InvalidParameterCombination", "No attributes specified.")
        if found.state == "terminated":
            text = f"The instance '{found.identifier}' is not in a state from which its attributes can be modified."
            raise AwsError("IncorrectInstanceState", text)
        found.protected = bool(params["DisableApiTermination"].get("Value"))

    def known(self, region: str, account: str, identifier: str) -> Instance:
        if not _ID.fullmatch(identifier):
            raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{identifier}"')
        found = self.every.get(identifier)
        if found is None or (found.region, found.account) != (region, account):
            raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{identifier}' does not exist")
        return found


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
