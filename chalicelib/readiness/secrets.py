"""Secrets in the standby without which nobody is let into the promoted database: the responder's own credentials, and
the secret by which the applications find it. A value is read to see that its keys are there, and is kept nowhere.

Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html (a secret that is marked
for deletion is an InvalidRequestException).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Where
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said

CREDENTIALS: Final = "database credentials"
APPLICATION: Final = "applications' database secret"
_ARN: Final = "arn:aws:secretsmanager:{standby}:{account}:secret:"


class SecretsJudge:
    """A verdict a secret."""

    name: ClassVar[str] = "secrets"
    actions: ClassVar[frozenset[str]] = frozenset({"promote-replica", "point-application"})
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(
            service="secretsmanager",
            operation="get_secret_value",
            resources=(f"{_ARN}{{credentials_secret}}-??????", f"{_ARN}{{application_secret}}-??????"),
        ),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "aws secretsmanager restore-secret, or replicate it to the standby anew"

    def look(self, around: Around) -> Mapping[str, Verdict]:
        platform = around.policy.platform
        own, database = platform.application_secret, platform.database
        wanted = {
            CREDENTIALS: (platform.responder.region, database.credentials_secret, ("username", "password")),
            APPLICATION: (own.region, own.name, (own.host_key, own.port_key)),
        }
        found = {}
        for subject, (region, name, keys) in wanted.items():
            answer = around.reader.aws("secretsmanager", region, "get_secret_value", SecretId=name)
            found[subject] = holds(answer, name, keys)
        return found

    def judge(self, facts: Mapping[str, Verdict], policy: Policy, now: datetime) -> Iterator[Said]:
        yield from facts.items()


def holds(answer: Mapping[str, Any] | Refused | NoData, name: str, keys: tuple[str, ...]) -> Verdict:
    """Whether a secret's value has these keys; says none of what they hold."""
    match answer:
        case NoData():
            return answer
        case Refused(code=code, because=because):
            return Lacking(because=f"secret {name!r} cannot be read: {because} ({code})")
    try:
        value = json.loads(answer["SecretString"])
    except (ValueError, KeyError):
        return Lacking(because=f"secret {name!r} holds no JSON text")
    missing = [key for key in keys if not isinstance(value, Mapping) or value.get(key) in (None, "")]
    if missing:
        return Lacking(because=f"secret {name!r} holds no {', '.join(missing)}")
    return Ready(because=f"secret {name!r} is there, with {', '.join(keys)}")
