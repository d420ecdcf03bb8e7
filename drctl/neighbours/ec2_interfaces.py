"""EC2's network interfaces, of which only what stands before an instance: its security groups, and its subnet.

Sources, named below by their short names:
- *modify*: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html (one attribute at a
  time; Groups replaces the whole set, and must hold one at least)
- *describe*: …/API_InstanceNetworkInterface.html, …/API_DescribeSecurityGroups.html (InvalidGroup.NotFound)
- *errors*: …/errors-overview.html (InvalidNetworkInterfaceID.NotFound, InvalidNetworkInterfaceId.Malformed,
  InvalidSecurityGroupID.NotFound, SecurityGroupsPerInterfaceLimitExceeded, MissingParameter)
- *quotas*: docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html (five security groups an interface)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from drctl.neighbours.aws import AwsError

GROUPS_AT_MOST: Final = 5
_ID: Final = re.compile(r"eni-[0-9a-f]{8}(?:[0-9a-f]{9})?")
_ATTRIBUTES: Final = ("Groups", "Description", "SourceDestCheck", "Attachment")


@dataclass(slots=True)
class Interface:
    """One interface that is attached to an instance."""

    identifier: str
    region: str
    account: str
    instance: str
    subnet: str
    vpc: str
    address: str
    groups: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """As DescribeInstances has it (*describe*)."""
        return {
            "NetworkInterfaceId": self.identifier,
            "OwnerId": self.account,
            "SubnetId": self.subnet,
            "VpcId": self.vpc,
            "PrivateIpAddress": self.address,
            "Status": "in-use",
            "Groups": [{"GroupId": g, "GroupName": g} for g in self.groups],
        }


class Interfaces:
    """Interfaces by id. `known` are the security groups that there are, by region, `rules` and `egress` what they let
    in and out. `on_change` hears of new groups.
    """

    def __init__(self) -> None:
        self.every: dict[str, Interface] = {}
        self.known: set[tuple[str, str]] = set()
        self.rules: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.egress: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.on_change: Callable[[Interface], None] = lambda _: None

    def attach(self, instance: str, region: str, account: str, *, subnet: str, vpc: str, group: str) -> Interface:
        """The first interface of a new instance."""
        number = instance.removeprefix("i-")
        low = int(number[-4:], 16)
        made = Interface(
            f"eni-{number}", region, account, instance, subnet, vpc, f"10.0.{low // 256}.{low % 256}", (group,)
        )
        self.known.add((region, group))
        self.egress.setdefault((region, group), [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        self.every[made.identifier] = made
        return made

    def of(self, instance: str) -> list[Interface]:
        """Those of one instance."""
        return [i for i in self.every.values() if i.instance == instance]

    def detach(self, instance: str) -> None:
        """A terminated instance's are gone with it."""
        for found in self.of(instance):
            del self.every[found.identifier]

    def describe_security_groups(self, region: str, _account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """By ids, which must all be known; each with its rules."""
        ids = params.get("GroupIds") or sorted(g for where, g in self.known if where == region)
        for group in ids:
            if (region, group) not in self.known:
                raise AwsError("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        rows = [
            {
                "GroupId": group,
                "GroupName": group,
                "Description": "in the local world",
                "IpPermissions": self.rules.get((region, group), []),
                "IpPermissionsEgress": self.egress.get((region, group), []),
            }
            for group in ids
        ]
        return {"SecurityGroups": rows}

    def modify_network_interface_attribute(self, region: str, account: str, params: Mapping[str, Any]) -> None:
        """*modify*: the whole set of groups."""
        found = self._known(region, account, params["NetworkInterfaceId"])
        given = [name for name in _ATTRIBUTES if name in params]
        if len(given) > 1:
            raise AwsError("InvalidParameterCombination", "Fields for multiple attribute types specified.")
        groups = tuple(params.get("Groups") or ())
        if not groups:
            raise AwsError("MissingParameter", "The request must contain the parameter SecurityGroupId.")
        if len(groups) > GROUPS_AT_MOST:
            text = "The maximum number of security groups per interface has been reached."
            raise AwsError("SecurityGroupsPerInterfaceLimitExceeded", text)
        for group in groups:
            if (region, group) not in self.known:
                raise AwsError("InvalidSecurityGroupID.NotFound", f"The security group '{group}' does not exist")
        found.groups = groups
        self.on_change(found)

    def _known(self, region: str, account: str, identifier: str) -> Interface:
        if not _ID.fullmatch(identifier):
            raise AwsError("InvalidNetworkInterfaceId.Malformed", f'Invalid id: "{identifier}"')
        found = self.every.get(identifier)
        if found is None or (found.region, found.account) != (region, account):
            text = f"The networkInterface ID '{identifier}' does not exist"
            raise AwsError("InvalidNetworkInterfaceID.NotFound", text)
        return found
