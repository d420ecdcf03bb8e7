"""The two sides of the database as a failback sees them: which instance is whose, what it is called while it is kept
aside, and by which tag what was made anew is known.

RDS cannot make a primary a replica again. So the instance that stands in the way is renamed and kept aside, and a
replica of the other side is made under its name: the endpoint is made of the name, so the platform is as it was. The
name aside is made of the failover's id, so that whoever goes on after a crash, or with another failback of the same
failover, finds it. An instance that has replicas keeps them when it is renamed, so none that has any is.
Sources: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RenameInstance.html ("All read replicas associated
with a DB instance remain associated with that instance after it is renamed", "DB instance tags remain", "you cannot use
an existing DB instance name"), …/UserGuide/USER_ReadRepl.XRgn.html (a source in another region is named by its ARN).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from chalicelib.actions.contract import AwsOp, Reader, Target
from chalicelib.actions.fence_acl import Side
from chalicelib.actions.restore_instance import PASSING
from chalicelib.actions.restored import GONE, LONGEST, Absent, tags
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.platform import DatabaseSide

Described = Mapping[str, Any] | Absent | Refused | NoData
ASIDE: Final = "-aside-"
RETURNS: Final = "dr-responder/returns"
"""The tag of an instance that a failback made anew; its value is the failover that is taken back."""
BUSY: Final = PASSING | {"renaming", "starting", "stopping"}
PRIMARY: Final = "arn:aws:rds:{primary}:{account}:db:{primary_instance}"
STANDBY: Final = "arn:aws:rds:{standby}:{account}:db:{replica}"
PRIMARY_ASIDE: Final = f"arn:aws:rds:{{primary}}:{{account}}:db:{{primary_aside}}{ASIDE}*"
STANDBY_ASIDE: Final = f"arn:aws:rds:{{standby}}:{{account}}:db:{{replica_aside}}{ASIDE}*"
LOOK: Final = (
    AwsOp(service="rds", operation="describe_db_instances", resources=(PRIMARY, PRIMARY_ASIDE), where="primary"),
    AwsOp(service="rds", operation="describe_db_instances", resources=(STANDBY, STANDBY_ASIDE)),
)
_MOMENT: Final = re.compile(r"(\d{8})T(\d{6})(?:-(\d+))?$")


def side_of(target: Target) -> Side:
    """The side that the step's `with: {side: …}` names."""
    return "standby" if target.params["side"] == "standby" else "primary"


def other(side: Side) -> Side:
    """The other one."""
    return "primary" if side == "standby" else "standby"


def row_of(policy: Policy, side: Side) -> DatabaseSide:
    """What policy says of a side's instance."""
    database = policy.platform.database
    return database.replica if side == "standby" else database.primary


def arn_of(policy: Policy, side: Side) -> str:
    """By which an instance in another region is named as a source."""
    row = row_of(policy, side)
    return f"arn:aws:rds:{row.region}:{row.account or policy.platform.account}:db:{row.instance}"


def aside_base(instance: str) -> str:
    """What an instance that is kept aside is named after: of at most 63 characters with the moment, as RDS has it."""
    return instance[: LONGEST - len(ASIDE) - 17].rstrip("-")


def aside_of(target: Target, policy: Policy, side: Side) -> str:
    """`pg-aside-20261126030000`, after the moment in the failover's id."""
    failover = target.params["failover"]
    found = _MOMENT.search(failover)
    if found is None:
        raise KeyError(f"{failover!r} is no id of an incident, so nothing can be named after it")
    number = f"-{found[3]}" if found[3] else ""
    return f"{aside_base(row_of(policy, side).instance)}{ASIDE}{found[1]}{found[2]}{number}"


def described(policy: Policy, reader: Reader, side: Side, name: str) -> Described:
    """What RDS in a side's region says of an instance."""
    found = reader.aws("rds", row_of(policy, side).region, "describe_db_instances", DBInstanceIdentifier=name)
    if isinstance(found, Refused) and found.code in GONE:
        return Absent(found.because)
    if not isinstance(found, Mapping):
        return found
    one: Mapping[str, Any] = found["DBInstances"][0]
    return one


def instance_of(policy: Policy, reader: Reader, side: Side) -> Described:
    """The side's own instance."""
    return described(policy, reader, side, row_of(policy, side).instance)


def source(one: Mapping[str, Any]) -> str | None:
    """Whom it follows; None when it stands alone."""
    return one.get("ReadReplicaSourceDBInstanceIdentifier") or None


def made_anew(one: Mapping[str, Any], target: Target) -> bool:
    """Whether a failback of this failover made it."""
    return tags(one).get(RETURNS) == target.params["failover"]


def address(one: Mapping[str, Any]) -> tuple[str, int] | None:
    """Where it listens; None while RDS does not say."""
    endpoint = one.get("Endpoint") or {}
    return (str(endpoint["Address"]), int(endpoint["Port"])) if endpoint.get("Address") else None


def silent(*found: object) -> Refused | NoData | None:
    """The first of several looks that brought no answer, or a refusal."""
    return next((f for f in found if isinstance(f, Refused | NoData)), None)
