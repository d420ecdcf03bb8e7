"""STS's AssumeRole, for a platform that stands in several accounts.

The key that it gives is the role's account number, by which the models know an account (drctl/neighbours/aws.py). What
it refuses, in STS's words:
- a role that does not trust the caller, or another ExternalId: AccessDenied, 403
  (docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html)
- more than an hour for a caller whose role is assumed itself: ValidationError, 400
  (docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html, role chaining)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.policy import Policy
from drctl.neighbours.aws import AwsError

HOUR_S: Final = 3600


class AssumeRole:
    """`silent_until` is until when it answers 503. `asked` is (region, role) of each request that it answered."""

    def __init__(self, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._policy = policy
        self._clock = clock
        self.asked: list[tuple[str, str]] = []
        self.silent_until: datetime | None = None

    def trusts(self, policy: Policy) -> None:
        """From now on the roles are as this policy has them."""
        self._policy = policy

    def assume_role(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Keys of the role, for as long as is asked."""
        now, arn = self._clock(), params["RoleArn"]
        if self.silent_until and now < self.silent_until:
            raise AwsError("ServiceUnavailable", "Service is unable to handle request.")
        row = next((a for a in self._policy.platform.accounts if arn in (a.role, a.write_role)), None)
        if row is None or account != self._policy.platform.account or params.get("ExternalId") != row.external_id:
            caller = f"arn:aws:sts::{account}:assumed-role/responder/responder"
            raise AwsError("AccessDenied", f"User: {caller} is not authorized to perform: sts:AssumeRole on: {arn}")
        if params.get("DurationSeconds", HOUR_S) > HOUR_S:
            limit = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            raise AwsError("ValidationError", limit)
        self.asked.append((region, arn))
        name = params["RoleSessionName"]
        return {
            "Credentials": {
                "AccessKeyId": row.id,
                "SecretAccessKey": "assumed",
                "SessionToken": "assumed",
                "Expiration": now + timedelta(seconds=params.get("DurationSeconds", HOUR_S)),
            },
            "AssumedRoleUser": {
                "AssumedRoleId": f"AROA:{name}",
                "Arn": f"{arn}/{name}".replace(":role/", ":assumed-role/"),
            },
        }
