"""Points the applications of a side at the primary's database again, and proves that database with a write.

The endpoint of an instance is made of its name, so where only the name was taken over nothing is to be written. Host
and port alone travel in the call (point_application.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.credentials import READ_CREDENTIALS
from chalicelib.actions.point_application import READ_SECRET as READ_STANDBY
from chalicelib.actions.point_application import Pointing, pointing, said
from chalicelib.actions.point_restored import READ_SECRET as READ_PRIMARY
from chalicelib.actions.sides import LOOK, address, instance_of, side_of, silent
from chalicelib.actions.verify_write import Proof, looked, proven
from chalicelib.core.outcome import Done, Next, NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.platform import ApplicationSecret


class PointHome:
    """One new version of the side's secret; its host and port say whether it was done."""

    name: ClassVar[str] = "point-home"
    reads: ClassVar[tuple[Op, ...]] = (*LOOK, READ_PRIMARY, READ_STANDBY)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="secretsmanager", operation="put_secret_value", resources=READ_PRIMARY.resources, where="primary"
        ),
        AwsOp(service="secretsmanager", operation="put_secret_value", resources=READ_STANDBY.resources),
        READ_PRIMARY,
        READ_STANDBY,
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Pointing | Refused | NoData | None:
        secret = _secret(target, policy)
        if secret is None:
            return None
        where = home(policy, reader)
        return pointing(secret, where, reader) if isinstance(where, tuple) else where

    def next(self, target: Target, policy: Policy, facts: Pointing | Refused | NoData | None, now: datetime) -> Next:
        secret = _secret(target, policy)
        if secret is None or facts is None:
            return Done(because="platform.yaml names no primary_secret: the primary's applications go by the endpoint")
        return said(target, secret, facts, reversible=True)


class VerifyHomeWrite:
    """As verify-write, of the primary's database, by the address that the primary's applications use."""

    name: ClassVar[str] = "verify-home-write"
    reads: ClassVar[tuple[Op, ...]] = (*LOOK, READ_PRIMARY, READ_CREDENTIALS)
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Proof | Refused | NoData:
        where = _used(policy, reader)
        return looked(target, *where, reader) if isinstance(where, tuple) else where

    def next(self, target: Target, policy: Policy, facts: Proof | Refused | NoData, now: datetime) -> Next:
        return proven(target, facts, policy.platform.regions.primary)


def home(policy: Policy, reader: Reader) -> tuple[str, int] | Refused | NoData:
    """Where the primary's database listens."""
    side, here = policy.platform.database.primary, instance_of(policy, reader, "primary")
    if none := silent(here):
        return none
    where = address(here) if isinstance(here, Mapping) else None
    return where or NoData(because=f"RDS gives no endpoint for {side.instance!r} in {side.region} yet")


def _used(policy: Policy, reader: Reader) -> tuple[str, int] | Refused | NoData:
    secret = policy.platform.primary_secret
    if secret is None:
        return home(policy, reader)
    answer = reader.aws("secretsmanager", secret.region, "get_secret_value", SecretId=secret.name)
    if not isinstance(answer, Mapping):
        return answer
    held = json.loads(answer["SecretString"])
    return str(held[secret.host_key]), int(held[secret.port_key])


def _secret(target: Target, policy: Policy) -> ApplicationSecret | None:
    return policy.platform.application_secret if side_of(target) == "standby" else policy.platform.primary_secret
