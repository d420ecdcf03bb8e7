"""Records what the replica has replayed of the primary's heartbeat, while all is well: the other half of the loss."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.actions.reader import Ports
from chalicelib.agents.heart import SOURCE
from chalicelib.clients import aws
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.store.beat import millis
from chalicelib.store.beats import Beats
from chalicelib.store.contract import StoreUnavailableError

log = logging.getLogger("responder")


@dataclass(slots=True)
class Replay:
    """`address` is the replica's, asked for once an execution environment."""

    policy: Policy
    ports: Ports
    beats: Beats
    address: tuple[str, int] | None = None

    def record(self, now: datetime) -> None:
        """Asks the replica and notes its answer; what is not answered is not noted."""
        side = self.policy.platform.database.replica
        self.address = self.address or address_of(self.ports, side.region, side.instance)
        if self.address is None:
            return
        rows = self.ports.database.query(*self.address, "beat", [SOURCE])
        if isinstance(rows, Refused | NoData) or not rows:
            return
        n, written_at = rows[0]
        try:
            self.beats.write("replica", {"n": int(n), "written_at": int(written_at), "at": millis(now)})
        except StoreUnavailableError as error:
            log.warning("what the replica has replayed could not be noted: %s", error)


def address_of(ports: Ports, region: str, instance: str) -> tuple[str, int] | None:
    """Where an RDS instance listens; None when RDS does not say."""
    found = aws.read(ports.aws, "rds", region, "describe_db_instances", {"DBInstanceIdentifier": instance})
    if not isinstance(found, Mapping):
        return None
    endpoint = found["DBInstances"][0].get("Endpoint")
    return (str(endpoint["Address"]), int(endpoint["Port"])) if endpoint else None
