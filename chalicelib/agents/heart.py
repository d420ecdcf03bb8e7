"""The heart of the primary: it writes a row, says so in the standby region, renews the lease, and obeys its loss.

Every few seconds, for most of a minute, in the primary region:
1. a row is written to the database, as any application would write it;
2. what that met is put beside the desk, in the standby region: it is the heartbeat, and it is also how the responder
   knows that a fence holds, since nobody else can tell a refused write from a region that does not answer;
3. the lease is renewed. When it was revoked, or when neither the standby nor a third region has answered for as long
   as the lease lasts, the database is fenced from here, by the same calls by which the responder fences it. Once a
   write has failed behind that fence, the lease is given up, by name.

Every minute or so it also asks policy's integrity checks of the database, read-only, and puts beside the desk when all
of them last found it whole and when one first did not: of a corruption nobody else can say when it began.

The standby alone not answering is no reason to stop: then it is the standby that is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from chalicelib.agents.lookout import Clock
from chalicelib.core.outcome import Act, Call, Done, Doubtful, Next, NoData, Outcome, Refused
from chalicelib.policy import Policy
from chalicelib.store.beat import Value, millis
from chalicelib.store.beats import Beats
from chalicelib.store.contract import StoreUnavailableError

log = logging.getLogger("responder")
SOURCE: Final = "primary"
CALLS_AT_MOST: Final = 8
"""Of one attempt to fence: a database has a handful of subnets, and the next beat goes on."""
KEPT: Final = 300

Asked = list[list[Any]] | Refused | NoData
Written = list[list[Any]] | Refused | NoData | Doubtful


class Hands(Protocol):
    """How the heart fences: the desk's own executor, with the one action."""

    def look(self, now: datetime) -> Next: ...

    def make(self, call: Call) -> Outcome: ...


@dataclass(slots=True, kw_only=True)
class Heart:
    """`write` writes one row; `third_answers` says whether a third region can be reached from here."""

    policy: Policy
    clock: Clock
    beats: Beats
    write: Callable[[], Written]
    hands: Hands
    third_answers: Callable[[], bool]
    check: Callable[[str], Asked] = lambda name: NoData(because=f"nobody asks {name!r}")
    heard_at: datetime | None = None
    """When anybody outside last answered; None before the first beat."""
    fenced: bool = False
    checked_at: datetime | None = None

    def beat_until(self, until: datetime) -> Mapping[str, str]:
        """Beats until then; answers what the last one met."""
        every = self.policy.signals.heartbeats.every
        while True:
            began = self.clock.now()
            said = self.beat(began)
            if self.clock.now() + every >= until:
                return said
            self.clock.sleep(max(0.0, (began + every - self.clock.now()).total_seconds()))

    def beat(self, now: datetime) -> Mapping[str, str]:
        """One beat: write, say so, renew, and fence when it must be."""
        self.heard_at = self.heard_at or now
        written = met(self.write())
        said = {"write": str(written["write"]), "because": str(written["because"])}
        try:
            self._say(written, now)
            self._check(now)
            held = self.beats.renew(now + self.policy.signals.heartbeats.lease, now)
            self.heard_at = now
        except StoreUnavailableError as error:
            return said | {"lease": self._cut_off(now, str(error))}
        if held:
            self.fenced = False
            return said | {"lease": "renewed"}
        fence = self._fence("the lease was revoked")
        if self.fenced and written["write"] != "ok":
            self._give_up(now, str(written["because"]))
            return said | {"lease": "given up"}
        return said | {"lease": fence}

    def _say(self, written: Mapping[str, Value], now: datetime) -> None:
        known = self.beats.read("primary")
        same = known.text("write") == written["write"]
        since = known.number("write_since") if same else None
        self.beats.write("primary", {**written, "at": millis(now), "write_since": since or millis(now)})

    def _check(self, now: datetime) -> None:
        """What the integrity checks find, if it is time. One that is not answered says nothing, good or bad."""
        integrity = self.policy.platform.integrity
        if integrity is None or (self.checked_at and now - self.checked_at < integrity.every):
            return
        self.checked_at = now
        bad: list[str] = []
        for check in integrity.checks:
            match self.check(check.name):
                case [[int(count)]] if count == 0:
                    pass
                case [[int(count)]]:
                    bad.append(f"{check.name} found {count} {check.finds}")
                case other:
                    log.warning("check %s was not answered: %s", check.name, other)
                    return
        known = self.beats.read("integrity")
        if not bad:
            self.beats.write("integrity", {"at": millis(now), "good_at": millis(now), "bad_at": 0, "because": ""})
            return
        since = known.number("bad_at") or millis(now)
        said = known.text("because") if known.number("bad_at") else "; ".join(bad)[:KEPT]
        self.beats.write("integrity", {"at": millis(now), "bad_at": since, "because": said})

    def _cut_off(self, now: datetime, because: str) -> str:
        """Neither the standby nor a third region answers: it is this region that is cut off, and the lease runs out."""
        if self.third_answers():
            self.heard_at = now
            return f"not renewed, and a third region answers: the standby is gone, not we ({because})"
        alone = now - (self.heard_at or now)
        if alone < self.policy.signals.heartbeats.lease:
            return f"not renewed, nobody has answered for {self.policy.real(alone)} ({because})"
        return self._fence(f"nobody outside has answered for {self.policy.real(alone)}")

    def _fence(self, why: str) -> str:
        for _ in range(CALLS_AT_MOST):
            match self.hands.look(self.clock.now()):
                case Act(call=call):
                    outcome = self.hands.make(call)
                    log.warning("fencing ourselves, since %s: %s", why, outcome.because)
                case Done(because=because):
                    self.fenced = True
                    return f"fenced, since {why}: {because}"
                case other:
                    return f"not fenced yet, though {why}: {other.because}"
        return f"not fenced yet, though {why}: the fence is not there after {CALLS_AT_MOST} calls"

    def _give_up(self, now: datetime, because: str) -> None:
        if self.beats.read("lease").moment("given_up_at") is None:
            self.beats.write("lease", {"given_up_at": millis(now), "because": because[:KEPT]})


def met(written: Written) -> dict[str, Value]:
    """What an attempt to write the next row met, as it is put beside the desk."""
    match written:
        case Refused(code=code, because=because):
            return {"write": "refused", "because": f"{because} ({code})"[:KEPT]}
        case NoData(because=because) | Doubtful(because=because):
            return {"write": "silent", "because": because[:KEPT]}
        case [[n, written_at]]:
            return {"write": "ok", "because": f"row {n} was written", "n": int(n), "written_at": int(written_at)}
    raise TypeError(f"a heartbeat's write answered {written!r}, expected one row of its number and its time")
