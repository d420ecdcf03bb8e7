"""Clocks that recovery compares: ours, AWS's, and the database's, whose heartbeat rows say how much would be lost.

AWS's is the `Date` of an answer (RFC 9110, 6.6.1: whole seconds). A signature may be five minutes off before it is
refused (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html); an age by rows of a
heartbeat is wrong by as much as the clocks are, so what is allowed is a part of the RPO.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import Op, Where
from chalicelib.actions.promote_replica import DESCRIBE
from chalicelib.core.judging import Lacking, Ready
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said

ALLOWED: Final = timedelta(seconds=5)
"""Real time. An answer may be on its way for a second or two, and `Date` has no fractions."""

Off = timedelta | NoData


@dataclass(frozen=True, slots=True)
class Clocks:
    """How far each is ahead of ours."""

    aws: Off
    database: Off


class ClocksJudge:
    """A verdict a clock."""

    name: ClassVar[str] = "clocks"
    actions: ClassVar[frozenset[str]] = frozenset({"promote-replica"})
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (DESCRIBE,)
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = "compare `date -u` with the database's SELECT clock_timestamp()"

    def look(self, around: Around) -> Clocks:
        side = around.policy.platform.database.replica
        found = around.reader.aws("rds", side.region, "describe_db_instances", DBInstanceIdentifier=side.instance)
        heard_at = around.clock()
        if isinstance(found, NoData | Refused):
            silent = NoData(because=found.because)
            return Clocks(silent, silent)
        endpoint = found["DBInstances"][0].get("Endpoint") or {}
        database: Off = NoData(because=f"RDS does not say where {side.instance!r} listens")
        if endpoint:
            rows = around.reader.sql(endpoint["Address"], int(endpoint["Port"]), "clock")
            database = _off(rows, around.clock())
        return Clocks(_dated(found, heard_at), database)

    def judge(self, facts: Clocks, policy: Policy, now: datetime) -> Iterator[Said]:
        for subject, off in (("AWS's clock", facts.aws), ("the database's clock", facts.database)):
            if isinstance(off, NoData):
                yield subject, off
                continue
            seconds = off.total_seconds()
            said = f"it is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} ours"
            allowed = f"{said}, allowed are {ALLOWED.total_seconds():g} s"
            yield subject, Ready(because=allowed) if abs(off) <= ALLOWED else Lacking(because=allowed)


def _dated(answer: Mapping[str, Any], heard_at: datetime) -> Off:
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if not date:
        return NoData(because="the answer of RDS has no Date")
    try:
        return parsedate_to_datetime(date).astimezone(UTC) - heard_at
    except ValueError:
        return NoData(because=f"the Date of an answer of RDS is {date!r}")


def _off(rows: object, heard_at: datetime) -> Off:
    if isinstance(rows, NoData | Refused):
        return NoData(because=rows.because)
    if not isinstance(rows, list | tuple) or not rows:
        return NoData(because="the database did not say what time it has")
    return datetime.fromtimestamp(int(rows[0][0]) / 1000, UTC) - heard_at
