"""Proves a drill's throw-away instance with a write that is read back, as verify-write proves the real one."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.copies import DESCRIBE_DRILLED, thrown
from chalicelib.actions.credentials import READ_CREDENTIALS
from chalicelib.actions.verify_write import Proof, looked, proven
from chalicelib.core.outcome import Next, NoData, Refused
from chalicelib.policy import Policy


class DrillWrite:
    """One row written; the row read back says whether it was done."""

    name: ClassVar[str] = "drill-write"
    reads: ClassVar[tuple[Op, ...]] = (
        DESCRIBE_DRILLED,
        READ_CREDENTIALS,
    )
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Proof | Refused | NoData:
        where = thrown(target, policy, reader)
        return where if isinstance(where, Refused | NoData) else looked(target, *where, reader)

    def next(self, target: Target, policy: Policy, facts: Proof | Refused | NoData, now: datetime) -> Next:
        return proven(target, facts, policy.platform.database.primary.region)
