"""The databases' networks: ACLs on their subnets, and what they do to whoever asks a database."""

from __future__ import annotations

from chalicelib.policy import Policy
from drctl.neighbours.ec2 import Acl, Ec2
from drctl.neighbours.ec2_instances import VPC, subnet_in
from drctl.neighbours.rds.service import Rds

STANDBY_VPC = "vpc-0a1b2c3d4e5f70000"


def network(policy: Policy, rds: Rds) -> Ec2:
    """EC2 with one ACL a subnet of each side's database. A side's port is closed when all of its ACLs deny it."""
    platform = policy.platform
    region = platform.database.primary.region
    replica = platform.database.replica
    sides = {region: platform.fence.subnets, replica.region: platform.fence.standby_subnets}
    owner = platform.fence.account or platform.database.primary.account or platform.account

    def changed(acl: Acl) -> None:
        acls = [ec2.acl_of(acl.region, subnet) for subnet in sides.get(acl.region, ())]
        rds.deny(acl.region, denied=not any(a.lets_in(platform.database.port) for a in acls if a))

    ec2 = Ec2(on_change=changed, clock=rds.clock, speed=policy.speed)
    for n, subnet in enumerate(platform.fence.subnets):
        ec2.add(region, f"acl-{n:017x}", (subnet,), account=owner, vpc=VPC)
    for n, subnet in enumerate(platform.fence.standby_subnets):
        here, whose = f"acl-{n + 256:017x}", replica.account or platform.account
        ec2.add(replica.region, here, (subnet,), account=whose, vpc=STANDBY_VPC)
    _reserved(policy, ec2)
    if platform.containment:
        _quarantine(policy, ec2, owner)
    return ec2


def _reserved(policy: Policy, ec2: Ec2) -> None:
    """What policy has reserved for the standby's nodes, without an end."""
    cluster, account = policy.platform.clusters.standby, policy.platform.account
    reserved = cluster.node_group.reserved if cluster.node_group else None
    if reserved is None:
        return
    for zone in reserved.zones:
        whose = cluster.account or account
        ec2.reservations.add(cluster.region, zone.zone, reserved.instance_type, zone.count, account=whose)


def _quarantine(policy: Policy, ec2: Ec2, owner: str) -> None:
    """What is made beforehand, and used by nobody yet; and the ACL of the nodes' subnets, one for all of them."""
    platform, region = policy.platform, policy.platform.regions.primary
    if platform.containment is None:
        return
    ec2.instances.interfaces.known.add((region, platform.containment.quarantine_group))
    ec2.add_closed(region, platform.containment.quarantine_acl, account=owner, vpc=VPC)
    names = [z.name for z in platform.zones.zones] if platform.zones else []
    ec2.add(region, f"acl-{0xAAAA:017x}", tuple(subnet_in(name) for name in names), account=owner, vpc=VPC)
