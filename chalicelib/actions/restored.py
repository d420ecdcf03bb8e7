"""What the steps of a restore beside the old database share: its name, and what RDS says of it.

The instance is named after the old one and the moment, so that whoever restores the same again finds it there; a tag
says which incident made it, so that an instance of that name that somebody else made is never taken for it. Source:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.actions.contract import AwsOp, Reader, Target
from chalicelib.core.bounds import moment
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy

LONGEST: Final = 63
RESTORED: Final = "-at-"
"""Between the old instance's name and the moment."""
TAG: Final = "dr-responder/incident"
SOURCE: Final = "arn:aws:rds:{primary}:{account}:db:{primary_instance}"
RESTORED_ONES: Final = f"arn:aws:rds:{{primary}}:{{account}}:db:{{restored_instances}}{RESTORED}*"
DESCRIBE_PRIMARY: Final = AwsOp(
    service="rds", operation="describe_db_instances", resources=(SOURCE, RESTORED_ONES), where="primary"
)
USABLE: Final = frozenset({"available", "storage-initialization", "storage-optimization"})
"""The instance is operational in these, and may stand in the last two for hours after a restore
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html).
"""
GONE: Final = frozenset({"DBInstanceNotFound", "DBInstanceNotFoundFault"})
"""The second is how RDS's documentation calls it, the first what it answers (botocore's description)."""


@dataclass(frozen=True, slots=True)
class Absent:
    """RDS knows no instance of that name."""

    because: str


def as_of(target: Target) -> datetime:
    """The moment of the step's `with: {as_of: …}`, which is a choice, so it was read before."""
    return moment(target.params["as_of"])


def name_of(policy: Policy, at: datetime) -> str:
    """`pg-at-20261126030000`, of at most 63 characters as RDS has it."""
    return f"{base_of(policy)}{RESTORED}{at:%Y%m%d%H%M%S}"


def base_of(policy: Policy) -> str:
    """What every instance restored beside the primary is named after."""
    return policy.platform.database.primary.instance[: LONGEST - len(RESTORED) - 14].rstrip("-")


def instance(policy: Policy, reader: Reader, name: str) -> Mapping[str, Any] | Absent | Refused | NoData:
    """What RDS in the primary region says of an instance."""
    region = policy.platform.database.primary.region
    found = reader.aws("rds", region, "describe_db_instances", DBInstanceIdentifier=name)
    if isinstance(found, Refused) and found.code in GONE:
        return Absent(found.because)
    if not isinstance(found, Mapping):
        return found
    described: Mapping[str, Any] = found["DBInstances"][0]
    return described


def restored(target: Target, policy: Policy, reader: Reader) -> tuple[str, int] | Refused | NoData:
    """Where the instance restored to the step's moment listens."""
    name = name_of(policy, as_of(target))
    found = instance(policy, reader, name)
    if isinstance(found, Absent):
        return Refused(code="NotRestored", because=f"there is no instance {name!r}: it must be restored first")
    if not isinstance(found, Mapping):
        return found
    endpoint = found.get("Endpoint") or {}
    if found["DBInstanceStatus"] not in USABLE or not endpoint.get("Address"):
        return NoData(because=f"instance {name!r} is {found['DBInstanceStatus']!r}, expected 'available'")
    return str(endpoint["Address"]), int(endpoint["Port"])


def tags(described: Mapping[str, Any]) -> dict[str, str]:
    """An instance's tags."""
    return {t["Key"]: t.get("Value", "") for t in described.get("TagList") or ()}
