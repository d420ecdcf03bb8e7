"""What the quarantine of a network leans on: what stands ready for it, and that it lets nothing through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from chalicelib.actions.contract import AwsOp, Reader
from chalicelib.core.outcome import Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.containment import Containment

AGAIN: Final = timedelta(seconds=10)
DEFAULT_DENIAL: Final = 32_767
"""The number under which EC2 shows the denial that stands behind every network ACL's rules."""
WAS: Final = "was."
"""A step's fact of how a thing was before: `was.eni-0a1b…`. What takes the step back reads it."""
DESCRIBE_GROUPS: Final = AwsOp(service="ec2", operation="describe_security_groups", resources=("*",), where="primary")
DESCRIBE_ACLS: Final = AwsOp(service="ec2", operation="describe_network_acls", resources=("*",), where="primary")


def containment_of(policy: Policy) -> Containment:
    """KeyError where policy has none; the linter says so before."""
    if policy.platform.containment is None:
        raise KeyError("platform.yaml has no containment: nothing stands ready for a quarantine")
    return policy.platform.containment


def group_holds(policy: Policy, reader: Reader) -> str | Refused | NoData:
    """Why the quarantine's security group would let something through; '' when it has no rule."""
    group, region = containment_of(policy).quarantine_group, policy.platform.regions.primary
    found = reader.aws("ec2", region, "describe_security_groups", GroupIds=[group])
    if not isinstance(found, Mapping):
        return found
    row = found["SecurityGroups"][0]
    rules = len(row.get("IpPermissions") or ()) + len(row.get("IpPermissionsEgress") or ())
    return f"security group {group} has {rules} rules, and a quarantine has none: take them away" if rules else ""


def acl_holds(policy: Policy, reader: Reader) -> str | Refused | NoData:
    """Why the quarantine's network ACL would let something through; '' when it denies everything."""
    acl, region = containment_of(policy).quarantine_acl, policy.platform.regions.primary
    found = reader.aws("ec2", region, "describe_network_acls", NetworkAclIds=[acl])
    if not isinstance(found, Mapping):
        return found
    entries = found["NetworkAcls"][0]["Entries"]
    allows = [str(e["RuleNumber"]) for e in entries if e["RuleAction"] == "allow"]
    return f"network ACL {acl} allows by rule {', '.join(allows)}, and a quarantine denies all" if allows else ""


def silent(facts: Refused | NoData) -> Next:
    """What is said of a look that brought nothing."""
    match facts:
        case NoData(because=because):
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        case Refused(because=because, code=code):
            return Stuck(because=f"{because} ({code})")
