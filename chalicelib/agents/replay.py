"""The standby's half of the heartbeat: what the replica has replayed of the primary's, while all is well; and rows of
its own, once it is the one that takes writes.

The first is the other half of the loss of a failover. The second is for the way back what the primary's heart is for
the way there: how far a replica of it has come is known in rows, and that a fence of it holds is proven by a write that
fails. It asks the database itself which of the two it is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.actions.reader import Ports
from chalicelib.agents.heart import SOURCE, met
from chalicelib.clients import aws
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.store.beat import Value, millis
from chalicelib.store.beats import Beats
from chalicelib.store.contract import StoreUnavailableError

log = logging.getLogger("responder")
STANDBY: Final = "standby"
"""The source of the rows that are written here."""


@dataclass(slots=True)
class Replay:
    """`address` is the standby's database's, asked for until nobody answers there; `wrote` says whether the last that
    was noted was a write of its own, None before that was looked up.
    """

    policy: Policy
    ports: Ports
    beats: Beats
    address: tuple[str, int] | None = None
    wrote: bool | None = None

    def record(self, now: datetime) -> None:
        """Asks the database and notes its answer; what is not answered is noted only where it was written to before."""
        side = self.policy.platform.database.replica
        self.address = self.address or address_of(self.ports, side.region, side.instance)
        if self.address is None:
            return
        role = self.ports.database.query(*self.address, "role")
        try:
            match role:
                case [[False]]:
                    self._note(met(self.ports.database.beat(*self.address, STANDBY)), now, wrote=True)
                case [[True]]:
                    self._replayed(now)
                    if self._wrote():
                        self._note({"write": "refused", "because": f"{side.instance!r} is a replica"}, now, wrote=False)
                case Refused(because=because) | NoData(because=because):
                    if self._wrote():
                        self._note({"write": "silent", "because": because}, now, wrote=True)
        except StoreUnavailableError as error:
            log.warning("what the standby's database answered could not be noted: %s", error)
        if isinstance(role, NoData):
            # Another instance may bear the name by now.
            self.address = None

    def _replayed(self, now: datetime) -> None:
        if self.address is None:
            return
        rows = self.ports.database.query(*self.address, "beat", [SOURCE])
        if isinstance(rows, Refused | NoData) or not rows:
            return
        n, written_at = rows[0]
        self.beats.write("replica", {"n": int(n), "written_at": int(written_at), "at": millis(now)})

    def _wrote(self) -> bool:
        if self.wrote is None:
            self.wrote = self.beats.read(STANDBY).text("write") in ("ok", "silent")
        return self.wrote

    def _note(self, said: Mapping[str, Value], now: datetime, *, wrote: bool) -> None:
        self.beats.write(STANDBY, {**said, "at": millis(now)})
        self.wrote = wrote


def address_of(ports: Ports, region: str, instance: str) -> tuple[str, int] | None:
    """Where an RDS instance listens; None when RDS does not say."""
    found = aws.read(ports.aws, "rds", region, "describe_db_instances", {"DBInstanceIdentifier": instance})
    if not isinstance(found, Mapping):
        return None
    endpoint = found["DBInstances"][0].get("Endpoint")
    return (str(endpoint["Address"]), int(endpoint["Port"])) if endpoint else None
