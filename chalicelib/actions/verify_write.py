"""Proves the database with a write, through the address that the applications use, and reads it back.

The proof is a row of the heartbeat table; it counts while it is young. A database that is still a replica refuses the
write (SQLSTATE 25006), and that is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.credentials import READ_CREDENTIALS
from chalicelib.actions.point_application import READ_SECRET
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
YOUNG_S: Final = 30.0
"""Real seconds; the row's age is measured by the database's own clock."""
TABLE_MISSING: Final = "42P01"


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the applications' database is, and how old the newest proof is (None: there is none)."""

    host: str
    port: int
    age_s: float | None


class VerifyWrite:
    """One row written; the row read back says whether it was done."""

    name: ClassVar[str] = "verify-write"
    reads: ClassVar[tuple[Op, ...]] = (
        READ_SECRET,
        READ_CREDENTIALS,
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Proof | Refused | NoData:
        secret = policy.platform.application_secret
        said = reader.aws("secretsmanager", secret.region, "get_secret_value", SecretId=secret.name)
        if not isinstance(said, Mapping):
            return said
        held = json.loads(said["SecretString"])
        host, port = str(held[secret.host_key]), int(held[secret.port_key])
        return looked(target, host, port, reader)

    def next(self, target: Target, policy: Policy, facts: Proof | Refused | NoData, now: datetime) -> Next:
        return proven(target, facts, policy.platform.regions.standby)


def looked(target: Target, host: str, port: int, reader: Reader) -> Proof | Refused | NoData:
    """How old the newest proof at that address is."""
    rows = reader.sql(host, port, "proof", [_source(target)])
    if isinstance(rows, Refused) and rows.code == TABLE_MISSING:
        return Proof(host, port, None)
    if isinstance(rows, Refused | NoData):
        return rows
    return Proof(host, port, float(rows[0][0]) if rows else None)


def proven(target: Target, facts: Proof | Refused | NoData, region: str) -> Next:
    """Done while the proof is young, else one more row."""
    match facts:
        case NoData(because=because):
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        case Refused(because=because, code=code):
            return Stuck(because=f"{because} (SQLSTATE {code})")
        case Proof(age_s=age) if age is not None and age <= YOUNG_S:
            return Done(because=f"a row written {age:.1f} s ago was read back from {facts.host}:{facts.port}")
    call = Call(
        system="postgres",
        service=f"{facts.host}:{facts.port}",
        region=region,
        operation="write-heartbeat",
        params={"source": _source(target)},
        until="the row can be read back",
        reversible=True,
    )
    return Act(because=f"the database at {facts.host}:{facts.port} has not been proven by a write yet", call=call)


def _source(target: Target) -> str:
    return f"dr-responder/{target.incident}"
