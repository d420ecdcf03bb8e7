"""Proves the database outside AWS with a write, at the address that policy gives it, and reads it back.

As verify_write.py does, but nothing is asked of AWS: where the database is stands in policy, since it does not move.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.places import cluster_of, outage_of
from chalicelib.actions.verify_write import Proof, looked, proven
from chalicelib.core.outcome import Next, NoData, Refused
from chalicelib.policy import Policy


class VerifyOutageWrite:
    """One row written; the row read back says whether it was done."""

    name: ClassVar[str] = "verify-outage-write"
    reads: ClassVar[tuple[Op, ...]] = ()
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Proof | Refused | NoData:
        database = outage_of(policy).database
        return looked(target, database.host, database.port, reader)

    def next(self, target: Target, policy: Policy, facts: Proof | Refused | NoData, now: datetime) -> Next:
        return proven(target, facts, cluster_of(target, policy).region)
