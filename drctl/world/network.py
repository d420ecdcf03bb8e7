"""The databases' networks: ACLs on their subnets, and what they do to whoever asks a database."""

from __future__ import annotations

from chalicelib.policy import Policy
from drctl.neighbours.ec2 import Acl, Ec2
from drctl.neighbours.rds.service import Rds


def network(policy: Policy, rds: Rds) -> Ec2:
    """EC2 with one ACL a subnet of each side's database. A side's port is closed when all of its ACLs deny it."""
    platform = policy.platform
    region = platform.database.primary.region
    owner = platform.fence.account or platform.database.primary.account or platform.account

    def changed(acl: Acl) -> None:
        acls = [a for a in ec2.acls if a.region == acl.region]
        rds.deny(acl.region, denied=not any(a.lets_in(platform.database.port) for a in acls))

    ec2 = Ec2(on_change=changed)
    for n, subnet in enumerate(platform.fence.subnets):
        ec2.add(region, f"acl-{n:017x}", (subnet,), account=owner, vpc="vpc-0a1b2c3d4e5f60000")
    replica = platform.database.replica
    for n, subnet in enumerate(platform.fence.standby_subnets):
        here, whose = f"acl-{n + 256:017x}", replica.account or platform.account
        ec2.add(replica.region, here, (subnet,), account=whose, vpc="vpc-0a1b2c3d4e5f70000")
    return ec2
