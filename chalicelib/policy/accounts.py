"""The other accounts that hold parts of the platform, and by which role each is entered.

Rules. The list is an allow-list: a part may name no account that is not in it, and a role may be of no other account
than its row's. What a call names (an instance, a cluster, a secret) decides in whose name it is made; the same table
decides which role is granted it, so that what is granted and what is used cannot drift apart. A part that names no
account is in the responder's own, and then nobody is asked for anything.

Never add here what the responder keeps for itself (its table, its channels' secrets, the status page): it has to do
without another account's word.

ExternalId, RoleSessionName and DurationSeconds: docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html. A
function's role is itself assumed, and a role assumed by one ends after an hour at most (role chaining, the same page).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from chalicelib.policy.base import Name, Row

if TYPE_CHECKING:
    from chalicelib.policy.platform import Platform

AccountId = Annotated[str, Field(pattern=r"^\d{12}$")]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}$")]
ROLE: Final = re.compile(r"arn:(?P<partition>[a-z-]+):iam::(?P<account>\d{12}):role(?P<path>/(?:.+/)?)(?P<name>[^/]+)")
EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_NAMED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "rds": ("DBInstanceIdentifier", "SourceIdentifier"),
    "eks": ("name", "clusterName"),
    "secretsmanager": ("SecretId",),
}
"""Service → the parameters that name what a call is about."""


class Account(Row):
    """An account beside the responder's own. `role` looks, and changes too where no `write_role` is named."""

    name: Name
    id: AccountId
    external_id: str = Field(description="what the roles' trust asks for: 2 to 1224 of letters, digits, _+=,.@:/-")
    role: RoleArn
    write_role: RoleArn | None = None
    session_minutes: Annotated[int, Field(ge=15, le=60)] = Field(
        default=60, description="how long an assumed role lasts; STS's time, so no speed divides it"
    )

    def role_for(self, *, writes: bool) -> str:
        """The ARN of the role that a call is made as."""
        return self.write_role or self.role if writes else self.role


def holder(platform: Platform, service: str, region: str, name: str) -> Account | None:
    """The account that holds what is named; None for the responder's own."""
    found = _held(platform).get((service, region, name)) or _held(platform).get((service, region, ""))
    if found is None or found == platform.account:
        return None
    return next((row for row in platform.accounts if row.id == found), None)


def named(service: str, params: Mapping[str, Any]) -> str:
    """What a boto3 call is about, as `holder` knows it; empty when it names nothing."""
    return next((str(params[key]) for key in _NAMED_BY.get(service, ()) if key in params), "")


def named_by(arn: str) -> tuple[str, str, str]:
    """(service, region, name) of the resource of an IAM statement, as `holder` knows it. For `*` all are empty."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return "", "", ""
    service, region, resource = parts[2], parts[3], parts[5]
    match service:
        case "rds":
            name = resource.removeprefix("db:") if resource.startswith("db:") else ""
        case "eks":
            # `cluster/<name>`, `nodegroup/<cluster>/<group>/<id>`
            name = resource.split("/")[1]
        case "secretsmanager":
            name = resource.removeprefix("secret:").removesuffix("-??????")
        case _:
            name = ""
    return service, region, name


def _held(platform: Platform) -> Mapping[tuple[str, str, str], str | None]:
    """(service, region, name) → the account of policy's row. An empty name: everything of that service there."""
    clusters, database, secret = platform.clusters, platform.database, platform.application_secret
    found: dict[tuple[str, str, str], str | None] = {
        ("rds", side.region, side.instance): side.account for side in (database.primary, database.replica)
    }
    found |= {("eks", row.region, row.name): row.account for row in (clusters.primary, clusters.standby)}
    found["secretsmanager", secret.region, secret.name] = secret.account
    if own := platform.primary_secret:
        found["secretsmanager", own.region, own.name] = own.account
    # EC2 there is asked for the fence, whose ACLs are of the VPC's owner: with a shared VPC not the database's. In an
    # account that is not the cluster's it knows none of its instances, and then no volume is released.
    # What is restored beside the primary database is in its account, with the groups that it is given.
    found["rds", database.primary.region, ""] = database.primary.account
    found["ec2", database.primary.region, ""] = platform.fence.account or database.primary.account
    # So is what a failback keeps aside, and makes anew, on the standby's side.
    found["rds", database.replica.region, ""] = database.replica.account
    found["ec2", database.replica.region, ""] = database.replica.account
    # Of events RDS knows no resource, so their right is the region's.
    found["rds", database.primary.region, ""] = database.primary.account
    # A zonal shift is named by its own id once it stands: all of them are the cluster's account's, by whose resources'
    # ARNs they are granted.
    for service in ("arc-zonal-shift", "elasticloadbalancing", "autoscaling"):
        found[service, clusters.primary.region, ""] = clusters.primary.account
    return found
