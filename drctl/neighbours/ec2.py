"""Amazon EC2, of which only instances (ec2_instances.py), their interfaces (ec2_interfaces.py), snapshots
(ec2_snapshots.py), capacity reservations (ec2_reservations.py) and network ACLs: what they are, what they let through,
and who is told when they change.

Sources, named below by their short names:
- *rules*: docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html (lowest number first, the first match decides, what
  nothing matches is denied; 1 to 32766 are ours, 32767 is shown for the default denial)
- *create*: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
- *replace*: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclAssociation.html (it gets a new id;
  both ACLs are of one VPC)
- *errors*: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidNetworkAclID.NotFound,
  NetworkAclEntryAlreadyExists, InvalidNetworkAclEntry.NotFound, NetworkAclEntryLimitExceeded,
  InvalidAssociationID.NotFound)
- *quotas*: docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html (20 rules an ACL and direction)
- *observed*: the text of a real NetworkAclEntryAlreadyExists, quoted in ansible-collections/amazon.aws#2592
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from drctl.neighbours.aws import DEFAULT_ACCOUNT, AwsError
from drctl.neighbours.ec2_instances import Instances
from drctl.neighbours.ec2_reservations import Reservations
from drctl.neighbours.ec2_snapshots import Snapshots

LARGEST: Final = 32_766
DEFAULT_DENIAL: Final = 32_767
RULES_AT_MOST: Final = 20
TCP: Final = "6"
UDP: Final = "17"
ALL: Final = "-1"
ANYWHERE: Final = "0.0.0.0/0"

Params = Mapping[str, Any]


@dataclass(slots=True)
class Acl:
    """One network ACL. `entries` by (egress, rule number)."""

    identifier: str
    region: str
    account: str
    vpc: str
    subnets: tuple[str, ...]
    entries: dict[tuple[bool, int], dict[str, Any]] = field(default_factory=dict)
    associations: dict[str, str] = field(default_factory=dict)
    """Subnet → the id of its association, where that is not the first one."""

    def lets_in(self, port: int) -> bool:
        """Whether a TCP connection from anywhere comes through to this port (*rules*)."""
        for (egress, _), entry in sorted(self.entries.items()):
            ports = entry.get("PortRange")
            if egress or entry["Protocol"] not in (TCP, ALL) or entry["CidrBlock"] != ANYWHERE:
                continue
            if ports is None or ports["From"] <= port <= ports["To"]:
                return bool(entry["RuleAction"] == "allow")
        return False

    def shown(self) -> dict[str, Any]:
        """DescribeNetworkAcls' structure, with the denial that stands behind every ACL."""
        last = [
            {
                "CidrBlock": ANYWHERE,
                "Egress": egress,
                "Protocol": ALL,
                "RuleAction": "deny",
                "RuleNumber": DEFAULT_DENIAL,
            }
            for egress in (True, False)
        ]
        number = self.identifier.removeprefix("acl-")
        return {
            "NetworkAclId": self.identifier,
            "VpcId": self.vpc,
            "OwnerId": self.account,
            "IsDefault": False,
            "Tags": [],
            "Associations": [
                {
                    "NetworkAclAssociationId": self.associations.get(subnet, f"aclassoc-{number}{i}"),
                    "NetworkAclId": self.identifier,
                    "SubnetId": subnet,
                }
                for i, subnet in enumerate(self.subnets)
            ],
            "Entries": [*self.entries.values(), *last],
        }


class Ec2:
    """Network ACLs by region. `on_change` is told of an ACL whose rules have changed."""

    def __init__(
        self,
        on_change: Callable[[Acl], None] = lambda _: None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        speed: float = 1.0,
    ) -> None:
        self.on_change = on_change
        self.instances = Instances(clock)
        self.snapshots = Snapshots(clock, speed)
        self.reservations = Reservations(clock)
        self.acls: list[Acl] = []
        self._replaced = 0

    def add(
        self, region: str, identifier: str, subnets: tuple[str, ...], *, account: str = DEFAULT_ACCOUNT, vpc: str
    ) -> Acl:
        """An ACL that is there from the start, and lets everything through as a VPC's first one does."""
        acl = self.add_closed(region, identifier, subnets, account=account, vpc=vpc)
        for egress in (True, False):
            rule = {"CidrBlock": ANYWHERE, "Egress": egress, "Protocol": ALL, "RuleAction": "allow", "RuleNumber": 100}
            acl.entries[egress, 100] = rule
        return acl

    def add_closed(self, region: str, identifier: str, subnets: tuple[str, ...] = (), *, account: str, vpc: str) -> Acl:
        """An ACL that somebody has made, and that lets nothing through until it has rules (*rules*)."""
        acl = Acl(identifier, region, account, vpc, subnets)
        self.acls.append(acl)
        return acl

    def describe_instances(self, region: str, account: str, params: Params) -> dict[str, Any]:
        return self.instances.describe_instances(region, account, params)

    def describe_instance_attribute(self, region: str, account: str, params: Params) -> dict[str, Any]:
        return self.instances.describe_instance_attribute(region, account, params)

    def modify_instance_attribute(self, region: str, account: str, params: Params) -> None:
        self.instances.modify_instance_attribute(region, account, params)

    def describe_security_groups(self, region: str, account: str, params: Params) -> dict[str, Any]:
        return self.instances.interfaces.describe_security_groups(region, account, params)

    def modify_network_interface_attribute(self, region: str, account: str, params: Params) -> None:
        self.instances.interfaces.modify_network_interface_attribute(region, account, params)

    def create_snapshots(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """Of every volume of an instance, which here is its root."""
        instance = self.instances.known(region, account, params["InstanceSpecification"]["InstanceId"])
        volumes = [] if instance.state == "terminated" else [f"vol-{instance.identifier[2:]}"]
        if not volumes:
            raise AwsError(
                "InvalidParameterValue", f"instance {instance.identifier} has no volume to take a snapshot of"
            )
        return self.snapshots.take(region, account, volumes, params)

    def describe_snapshots(self, region: str, account: str, params: Params) -> dict[str, Any]:
        return self.snapshots.describe_snapshots(region, account, params)

    def lock_snapshot(self, region: str, account: str, params: Params) -> dict[str, Any]:
        return self.snapshots.lock_snapshot(region, account, params)

    def describe_locked_snapshots(self, region: str, account: str, params: Params) -> dict[str, Any]:
        return self.snapshots.describe_locked_snapshots(region, account, params)

    def describe_capacity_reservations(self, region: str, account: str, params: Params) -> dict[str, Any]:
        return self.reservations.describe_capacity_reservations(region, account, params)

    def describe_network_acls(self, region: str, account: str, params: Params) -> dict[str, Any]:
        found = [a for a in self.acls if (a.region, a.account) == (region, account)]
        for wanted in params.get("Filters", ()):
            values = set(wanted.get("Values", ()))
            match wanted["Name"]:
                case "association.subnet-id":
                    found = [a for a in found if values & set(a.subnets)]
                case "vpc-id":
                    found = [a for a in found if a.vpc in values]
                case other:
                    raise AwsError("InvalidParameterValue", f"The filter '{other}' is invalid")
        if ids := params.get("NetworkAclIds"):
            found = [self._known(region, account, name) for name in ids]
        return {"NetworkAcls": [a.shown() for a in found]}

    def create_network_acl_entry(self, region: str, account: str, params: Params) -> dict[str, Any]:
        acl = self._known(region, account, params["NetworkAclId"])
        number, egress = params["RuleNumber"], params["Egress"]
        entry = _entry(params)
        if (egress, number) in acl.entries:
            text = f"The network acl entry identified by {number} already exists."
            raise AwsError("NetworkAclEntryAlreadyExists", text)
        if sum(e == egress for e, _ in acl.entries) >= RULES_AT_MOST:
            text = f"The maximum number of network acl entries has been reached for {acl.identifier}."
            raise AwsError("NetworkAclEntryLimitExceeded", text)
        acl.entries[egress, number] = entry
        self.on_change(acl)
        return {}

    def delete_network_acl_entry(self, region: str, account: str, params: Params) -> dict[str, Any]:
        acl = self._known(region, account, params["NetworkAclId"])
        key = (params["Egress"], params["RuleNumber"])
        if key not in acl.entries:
            text = f"The network acl entry identified by {key[1]} does not exist."
            raise AwsError("InvalidNetworkAclEntry.NotFound", text)
        del acl.entries[key]
        self.on_change(acl)
        return {}

    def replace_network_acl_association(self, region: str, account: str, params: Params) -> dict[str, Any]:
        """*replace*: the subnet of the association gets this ACL, and the association a new id."""
        to = self._known(region, account, params["NetworkAclId"])
        for acl in self.acls:
            if (acl.region, acl.account) != (region, account):
                continue
            for row in acl.shown()["Associations"]:
                if row["NetworkAclAssociationId"] == params["AssociationId"]:
                    return {"NewAssociationId": self._associate(acl, to, row["SubnetId"])}
        text = f"The association ID '{params['AssociationId']}' does not exist"
        raise AwsError("InvalidAssociationID.NotFound", text)

    def _associate(self, former: Acl, to: Acl, subnet: str) -> str:
        if former.vpc != to.vpc:
            raise AwsError("InvalidParameterValue", f"{to.identifier} and {subnet} belong to different networks")
        self._replaced += 1
        identifier = f"aclassoc-{self._replaced:017x}"
        # The order of what is left must not give another subnet another id.
        former.associations |= {r["SubnetId"]: r["NetworkAclAssociationId"] for r in former.shown()["Associations"]}
        to.associations |= {r["SubnetId"]: r["NetworkAclAssociationId"] for r in to.shown()["Associations"]}
        former.subnets = tuple(s for s in former.subnets if s != subnet)
        former.associations.pop(subnet, None)
        to.subnets, to.associations[subnet] = (*to.subnets, subnet), identifier
        self.on_change(former)
        self.on_change(to)
        return identifier

    def acl_of(self, region: str, subnet: str) -> Acl | None:
        """The ACL that a subnet is associated with."""
        return next((a for a in self.acls if a.region == region and subnet in a.subnets), None)

    def _known(self, region: str, account: str, identifier: str) -> Acl:
        for acl in self.acls:
            if (acl.region, acl.account, acl.identifier) == (region, account, identifier):
                return acl
        raise AwsError("InvalidNetworkAclID.NotFound", f"The networkAcl ID '{identifier}' does not exist")


def _entry(params: Params) -> dict[str, Any]:
    """One entry, as *create* wants it."""
    number, protocol, action = params["RuleNumber"], str(params["Protocol"]), params["RuleAction"]
    if not 1 <= number <= LARGEST:
        raise AwsError("InvalidParameterValue", f"Value ({number}) for parameter ruleNumber is invalid.")
    if action not in ("allow", "deny"):
        raise AwsError("InvalidParameterValue", f"Value ({action}) for parameter ruleAction is invalid.")
    blocks = [name for name in ("CidrBlock", "Ipv6CidrBlock") if name in params]
    if not blocks:
        raise AwsError("MissingParameter", "The request must contain the parameter cidrBlock or ipv6CidrBlock.")
    if len(blocks) > 1:
        raise AwsError("InvalidParameterCombination", "The parameters cidrBlock and ipv6CidrBlock exclude each other.")
    try:
        ipaddress.ip_network(params[blocks[0]])
    except ValueError as error:
        raise AwsError("InvalidParameterValue", f"Value ({params[blocks[0]]}) is no CIDR block: {error}") from error
    if protocol in (TCP, UDP) and "PortRange" not in params:
        raise AwsError("MissingParameter", "The request must contain the parameter portRange for TCP and UDP.")
    kept = ("RuleAction", "Egress", "CidrBlock", "Ipv6CidrBlock", "PortRange")
    return {"RuleNumber": number, "Protocol": protocol, **{k: params[k] for k in kept if k in params}}
