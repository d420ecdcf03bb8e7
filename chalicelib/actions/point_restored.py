"""Points the applications of the primary at the database that was restored beside the old one.

What was written to the old one since the chosen moment is not in the new one: it is left where it is, in the old
instance, which nobody asks any more. Only host and port travel in the call (point_application.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.point_application import Pointing, pointing, said
from chalicelib.actions.restored import DESCRIBE_PRIMARY, restored
from chalicelib.core.outcome import Next, NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.platform import ApplicationSecret

_SECRET: Final = ("arn:aws:secretsmanager:{primary}:{account}:secret:{primary_secret}-??????",)
READ_SECRET: Final = AwsOp(service="secretsmanager", operation="get_secret_value", resources=_SECRET, where="primary")


class PointRestored:
    """One new version of the secret; its host and port say whether it was done."""

    name: ClassVar[str] = "point-restored"
    reads: ClassVar[tuple[Op, ...]] = (READ_SECRET, DESCRIBE_PRIMARY)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="secretsmanager", operation="put_secret_value", resources=_SECRET, where="primary"),
        READ_SECRET,
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Pointing | Refused | NoData:
        where = restored(target, policy, reader)
        if isinstance(where, Refused | NoData):
            return where
        return pointing(_secret(policy), where, reader)

    def next(self, target: Target, policy: Policy, facts: Pointing | Refused | NoData, now: datetime) -> Next:
        return said(target, _secret(policy), facts, reversible=False)


def _secret(policy: Policy) -> ApplicationSecret:
    if policy.platform.primary_secret is None:
        raise KeyError("platform.yaml names no primary_secret, so nobody knows where the applications look")
    return policy.platform.primary_secret
