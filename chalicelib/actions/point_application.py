"""Points the applications at the promoted database: host and port in their secret in the standby region.

Only host and port travel in the call; the executor merges them into the secret, so that no password ever stands in
the book, the log or the chat.
Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Target
from chalicelib.actions.places import token_of
from chalicelib.actions.promote_replica import DESCRIBE
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy
from chalicelib.policy.platform import ApplicationSecret

AGAIN: Final = timedelta(seconds=5)
_SECRET: Final = ("arn:aws:secretsmanager:{standby}:{account}:secret:{application_secret}-??????",)
READ_SECRET: Final = AwsOp(service="secretsmanager", operation="get_secret_value", resources=_SECRET)


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where the applications look, and where the database is."""

    host: str
    port: str
    wanted_host: str
    wanted_port: str


class PointApplication:
    """One new version of the secret; its host and port say whether it was done."""

    name: ClassVar[str] = "point-application"
    reads: ClassVar[tuple[Op, ...]] = (READ_SECRET, DESCRIBE)
    calls: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="secretsmanager", operation="put_secret_value", resources=_SECRET),
        READ_SECRET,
    )

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Pointing | Refused | NoData:
        secret, side = policy.platform.application_secret, policy.platform.database.replica
        instance = reader.aws("rds", side.region, "describe_db_instances", DBInstanceIdentifier=side.instance)
        if not isinstance(instance, Mapping):
            return instance
        endpoint = instance["DBInstances"][0].get("Endpoint") or {}
        if not endpoint.get("Address"):
            return NoData(because=f"RDS gives no endpoint for {side.instance!r} yet")
        return pointing(secret, (str(endpoint["Address"]), int(endpoint["Port"])), reader)

    def next(self, target: Target, policy: Policy, facts: Pointing | Refused | NoData, now: datetime) -> Next:
        return said(target, policy.platform.application_secret, facts, reversible=True)


def pointing(secret: ApplicationSecret, wanted: tuple[str, int], reader: Reader) -> Pointing | Refused | NoData:
    """Where a secret points, and where it is to."""
    answer = reader.aws("secretsmanager", secret.region, "get_secret_value", SecretId=secret.name)
    if not isinstance(answer, Mapping):
        return answer
    try:
        held = json.loads(answer["SecretString"])
        host, port = str(held.get(secret.host_key, "")), str(held.get(secret.port_key, ""))
    except (KeyError, ValueError, AttributeError):
        return Refused(code="NotJson", because=f"secret {secret.name!r} is no JSON object; its host cannot be set")
    return Pointing(host, port, wanted[0], str(wanted[1]))


def said(target: Target, secret: ApplicationSecret, facts: Pointing | Refused | NoData, *, reversible: bool) -> Next:
    """What is missing until the secret points where it is to."""
    match facts:
        case NoData(because=because):
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        case Refused(because=because, code=code):
            return Stuck(because=f"{because} ({code})")
    wanted = f"{facts.wanted_host}:{facts.wanted_port}"
    if (facts.host, facts.port) == (facts.wanted_host, facts.wanted_port):
        return Done(because=f"secret {secret.name!r} points at {wanted}")
    call = Call(
        system="aws",
        service="secretsmanager",
        region=secret.region,
        operation="put_secret_value",
        params={
            "SecretId": secret.name,
            "merge": {secret.host_key: facts.wanted_host, secret.port_key: facts.wanted_port},
            "ClientRequestToken": token_of(target, wanted),
        },
        until=f"it points at {wanted}",
        reversible=reversible,
    )
    return Act(because=f"secret {secret.name!r} points at {facts.host}:{facts.port}, not at {wanted}", call=call)
