"""How much a promotion loses: from the facts that its last look kept, for the gate before it and the report after it.

Rules. The loss is the last moment the old primary is known to have written, less the last row of the heartbeat that the
replica has replayed. What is not known is not zero and not "none": it has a reason, and nobody calls it within the RPO.
While the old primary is not proven to take no writes, whatever it wrote after it was last heard comes on top, and is
said. Durations are as measured; at a speed of N they are N times as much in real time, and so does the RPO shrink.

Never add a guess here, such as the replica's lag: it grows while nobody writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from chalicelib.policy import Policy

PROMOTES: Final = frozenset({"promote-replica", "promote-primary"})
"""The actions that make a replica the one that takes writes."""
FENCES: Final = frozenset({"fence-primary", "fence-standby"})
"""The actions that prove of the other database that it takes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """`rows` of the heartbeat, if counted; `known_until` is the last write of the old primary that was heard of."""

    time: timedelta
    rows: int | None = None
    known_until: datetime | None = None

    def words(self, policy: Policy, *, fenced: bool) -> str:
        """`12s of writes (1 row of the heartbeat), and whatever was written after 02:59:55 UTC`."""
        said = f"{policy.real(self.time)} of writes"
        if self.rows is not None:
            said += f" ({self.rows} row{'' if self.rows == 1 else 's'} of the heartbeat)"
        if self.known_until is not None and not fenced:
            said += f", and whatever was written after {self.known_until:%H:%M:%S} UTC"
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """`because` is empty when nobody said why."""

    because: str = ""


def read(facts: Mapping[str, str | float]) -> Loss | Unknown:
    """The facts of a promotion (`loss_seconds`, `loss_rows`, `known_until` in ms since 1970, `loss_unknown`)."""
    seconds, rows, until = (facts.get(name) for name in ("loss_seconds", "loss_rows", "known_until"))
    if not isinstance(seconds, float | int) or math.isnan(seconds):
        return Unknown(because=str(facts.get("loss_unknown", "")))
    return Loss(
        time=timedelta(seconds=seconds),
        rows=round(rows) if isinstance(rows, float | int) else None,
        known_until=datetime.fromtimestamp(until / 1000, UTC) if isinstance(until, float | int) else None,
    )
