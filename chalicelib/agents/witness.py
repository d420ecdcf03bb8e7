"""The witness: looks at the primary from a third region, and lets the standby hear that it is there.

Its heartbeat is the control: while it arrives, the primary's silence is the primary's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.agents.lookout import Clock, Endpoint, Lookout
from chalicelib.agents.parts import told
from chalicelib.core.happened import Signal
from chalicelib.intake import codec
from chalicelib.policy import Policy
from chalicelib.store.beat import millis
from chalicelib.store.beats import Beats
from chalicelib.store.contract import Store, StoreUnavailableError

log = logging.getLogger("responder")


@dataclass(slots=True, kw_only=True)
class Witness:
    """`store` is the desk's: its book is read, its inbox filled. `wake` has somebody visit the desk; `listen` says
    whether the responder is heard, and is asked before anything else.
    """

    policy: Policy
    clock: Clock
    store: Store
    beats: Beats
    sights: tuple[Endpoint, ...]
    wake: Callable[[], None]
    listen: Callable[[], str] = lambda: ""

    def watch_until(self, until: datetime, *, at_latest: datetime | None = None) -> Mapping[str, str]:
        """Looks until then, and until `at_latest` where a change has begun; what the standby cannot take in now is
        told by the next minute's watch.
        """
        heard = self.listen()
        lookout = Lookout(
            clock=self.clock,
            policy=self.policy,
            sights=self.sights,
            told=lambda: told(self.store.read_book().body),
            tell=self._tell,
            beside=self._beat,
        )
        said = lookout.watch(self.policy.signals.heartbeats.every, until, at_latest=at_latest)
        return {**said, "responder": heard} if heard else said

    def _tell(self, signal: Signal) -> None:
        self.store.put_inbox(codec.key(signal), codec.dump(signal, received_at=self.clock.now()))
        self.wake()

    def _beat(self, now: datetime) -> None:
        try:
            self.beats.write("witness", {"at": millis(now)})
        except StoreUnavailableError as error:
            log.warning("the witness's heartbeat was not taken: %s", error)
