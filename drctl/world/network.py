"""The primary's database network: ACLs on its subnets, and what they do to whoever asks the database."""

from __future__ import annotations

from chalicelib.policy import Policy
from drctl.neighbours.ec2 import Acl, Ec2
from drctl.neighbours.rds.service import Rds


def network(policy: Policy, rds: Rds) -> Ec2:
    """EC2 with one ACL a subnet of the old primary's database. The port is closed when all of them deny it."""
    platform = policy.platform
    region = platform.database.primary.region
    owner = platform.fence.account or platform.database.primary.account or platform.account

    def changed(acl: Acl) -> None:
        acls = [a for a in ec2.acls if a.region == acl.region]
        rds.deny(acl.region, denied=not any(a.lets_in(platform.database.port) for a in acls))

    ec2 = Ec2(on_change=changed)
    for n, subnet in enumerate(platform.fence.subnets):
        ec2.add(region, f"acl-{n:017x}", (subnet,), account=owner, vpc="vpc-0a1b2c3d4e5f60000")
    return ec2
