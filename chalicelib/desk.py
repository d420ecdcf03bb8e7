"""The desk: the one loop that every way in ends in, and the protocol that lets only one worker act at a time.

Receive, claim, stamp and read, fold, look, judge, save, act, fold the answer; until nothing is due or the shift is
over; then release, and look at the inbox once more. The order of writes is the protocol, and each part of it is
needed (tests/protocol tries every interleaving with a part left out):

1. An event is in the inbox before anything else happens; if that fails, the sender hears of it and tries again.
2. A claim lasts until after the shift's end and is never renewed: a worker stops before its claim does.
3. The stamp shuts a predecessor out of the book whatever the clocks say; a save goes through only on the book read.
4. An inbox item is deleted only after the save that took it in.
5. What is about to be done is saved first, so that a crash leaves a step `acting`, and the next worker looks.
6. The inbox is looked at before every act, so that a pause or an abort bites, and once more after the release.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chalicelib.core.happened import Incoming
from chalicelib.intake import codec
from chalicelib.shift import RESERVE, LostDeskError, Shift
from chalicelib.store.contract import Busy
from chalicelib.tools import Tools

LEASE_MARGIN: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What became of a visit to the desk: `busy` means that its holder will take in what was put in the inbox;
    `set_aside` is how many stored incidents could not be read, for a person to look at.
    """

    busy: bool
    because: str
    set_aside: int = 0


class Desk:
    """One worker at the desk, with its tools."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self._store, self._clock = tools.store, tools.clock

    def receive(self, happened: Incoming) -> bool:
        """Puts it into the inbox; False when it was there already. StoreUnavailableError: the sender must repeat."""
        item = codec.dump(happened, received_at=self._clock.now())
        return self._store.put_inbox(codec.key(happened), item)

    def work(self, me: str, *, until: datetime, linger: bool = True) -> Worked:
        """Takes the desk and works until nothing is due, or the shift ends at `until`.

        `me` is a fresh nonce for every call. `linger`: while an incident is open, stay until the shift's end, so that
        what becomes due inside it is done on time and a command bites within a second; without it, do what is due
        now and go. StoreUnavailableError passes through: whoever comes next carries on.
        """
        set_aside = 0
        while True:
            claimed = self._store.claim(me, now=self._clock.now(), until=until + LEASE_MARGIN)
            if isinstance(claimed, Busy):
                return Worked(busy=True, because=f"{claimed.holder} holds the desk until {claimed.until:%H:%M:%S} UTC")
            try:
                shift = Shift(self.tools, epoch=claimed.epoch, until=until)
                set_aside += shift.set_aside
                shift.run(linger=linger)
            except LostDeskError as lost:
                return Worked(busy=True, because=str(lost), set_aside=set_aside)
            self._store.release(me, claimed.epoch)
            if self._store.inbox_empty():
                return Worked(busy=False, because="nothing more is due", set_aside=set_aside)
            if self._clock.now() + RESERVE >= until:
                because = "the shift is over; the next tick goes on"
                return Worked(busy=False, because=because, set_aside=set_aside)
