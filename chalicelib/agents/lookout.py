"""Looks at regions from outside, again and again for most of a minute, and reports each change of what is seen.

A sight answers True (seen to work), False (seen to fail) or None (nobody could look); as many of the same in a row as
policy says are a change. What was told before stands in the book, so whoever looks next knows it. What is told is put
into the inbox; then the desk is woken, and when that fails the next tick finds it there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from chalicelib.clients.web import HttpAnswer
from chalicelib.core.happened import AlarmState, Signal
from chalicelib.core.outcome import NoData
from chalicelib.intake.probe import STATES, from_heartbeat, from_probe
from chalicelib.policy import Policy
from chalicelib.policy.signals import Probe
from chalicelib.store.beat import Beat, Who
from chalicelib.store.contract import StoreUnavailableError

log = logging.getLogger("responder")
HEALTHY: Final = 200
AT_LEAST: Final = timedelta(seconds=6)
"""No silence is shorter, however fast durations run in the local world: a beat takes its real time."""


class Clock(Protocol):
    """The time, and how to let it pass."""

    def now(self) -> datetime: ...

    def sleep(self, seconds: float) -> None: ...


class Seen(Protocol):
    """Something to look at. `source` is the signal's; `failures` how many of the same in a row are a change."""

    @property
    def source(self) -> str: ...

    @property
    def failures(self) -> int: ...

    def look(self, now: datetime) -> tuple[bool | None, str]:
        """What is seen, and a sentence."""
        ...

    def signal(self, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
        """The change as a signal."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A region's own address, never the global name."""

    probe: Probe
    url: str
    timeout_s: float
    get: Callable[[str, float], HttpAnswer | NoData]

    @property
    def source(self) -> str:
        return f"probe:{self.probe.name}"

    @property
    def failures(self) -> int:
        return self.probe.failures

    def look(self, now: datetime) -> tuple[bool | None, str]:
        del now
        answer = self.get(self.url, self.timeout_s)
        if isinstance(answer, NoData):
            # A probe whose request is not answered has seen the region fail: that is what it is there to see.
            return False, answer.because
        return answer.status == HEALTHY, f"GET {self.url} answered {answer.status}"

    def signal(self, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
        return from_probe(self.probe.name, healthy=healthy, changed_at=changed_at, reason=reason)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The primary's heartbeat. Its silence is a failure only while the witness's control heartbeat arrives; when both
    are silent, it is the messenger that may be dead, and nobody has seen anything.
    """

    read: Callable[[Who], Beat]
    silent_after: timedelta
    real: Callable[[timedelta], str]
    failures: int = 1

    @property
    def source(self) -> str:
        return "heartbeat:primary"

    def look(self, now: datetime) -> tuple[bool | None, str]:
        try:
            heard, control = self.read("primary").moment("at"), self.read("witness").moment("at")
        except StoreUnavailableError as error:
            return None, f"the heartbeats could not be read: {error}"
        allowed = max(self.silent_after, AT_LEAST)
        fresh = {w: at is not None and now - at <= allowed for w, at in (("p", heard), ("w", control))}
        if fresh["p"]:
            return True, "the primary's heartbeat arrives"
        if heard is None:
            return None, "the primary's heartbeat never arrived"
        silent = f"the primary has been silent for {self.real(now - heard)}"
        if fresh["w"]:
            return False, f"{silent}, and the witness's heartbeat arrives"
        return None, f"{silent}, and so is the witness: it may be the messenger"

    def signal(self, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
        return from_heartbeat("primary", healthy=healthy, changed_at=changed_at, reason=reason)


@dataclass(slots=True)
class _Run:
    """The same answer, how often in a row, since when."""

    seen: bool | None = None
    length: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookout:
    """One minute's watch. `told` gives the state last told by source; `tell` puts a signal where the desk finds it;
    `beside` is what else happens at each look.
    """

    clock: Clock
    policy: Policy
    sights: Sequence[Seen]
    told: Callable[[], Mapping[str, AlarmState]]
    tell: Callable[[Signal], None]
    beside: Callable[[datetime], None] = lambda _: None
    runs: dict[str, _Run] = field(default_factory=dict)

    def watch(self, every: timedelta, until: datetime, *, at_latest: datetime | None = None) -> Mapping[str, str]:
        """Looks every so often until then; answers the last sentence about each sight.

        Whoever watches next begins to count anew. So a change that has been seen, though not often enough, is followed
        until it is told or over, until `at_latest`: looks that each wait for their time limit may be few in a watch.
        """
        told, said = dict(self.told()), dict[str, str]()
        while True:
            began = self.clock.now()
            self.beside(began)
            for sight in self.sights:
                said[sight.source] = self._look(sight, told)
            ends = max(until, at_latest or until) if self._undecided(told) else until
            if self.clock.now() + every >= ends:
                return said
            self.clock.sleep(max(0.0, (began + every - self.clock.now()).total_seconds()))

    def _look(self, sight: Seen, told: dict[str, AlarmState]) -> str:
        began = self.clock.now()
        seen, because = sight.look(began)
        run = self.runs.setdefault(sight.source, _Run())
        if run.since is None or seen is not run.seen:
            run.seen, run.length, run.since = seen, 0, began
        run.length += 1
        if self._news(sight, told) and run.length >= sight.failures:
            state = STATES[seen]
            reason = f"{run.length} in a row: {because}" if sight.failures > 1 else because
            self.tell(sight.signal(seen, run.since, reason))
            told[sight.source] = state
        return because

    def _undecided(self, told: Mapping[str, AlarmState]) -> bool:
        """Whether something is seen otherwise than it was told; what is told at once is not for long."""
        return any(self._news(sight, told) for sight in self.sights)

    def _news(self, sight: Seen, told: Mapping[str, AlarmState]) -> bool:
        """Whether what is seen now would be a change. Where nothing was told before, seeing nothing is none."""
        seen = self.runs[sight.source].seen
        return STATES[seen] is not told.get(sight.source) and not (seen is None and sight.source not in told)
