"""Workers for the scheduler: the real Desk, with what each brings to it, and short ways to explore them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chalicelib.core.happened import Command, Signal
from chalicelib.desk import Desk
from chalicelib.intake import codec
from chalicelib.policy import Policy
from chalicelib.store.contract import StoreUnavailableError
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools
from tests.protocol import promises
from tests.protocol.explore import Budget, Explored, Explorer
from tests.protocol.replay import SIDE_BY_SIDE, Actor, Outside
from tests.protocol.tiny import SHIFT, START, StillClock, pause, tiny_policy

POLICY: Final = tiny_policy()
NAMES: Final = "ABCD"
Event = Signal | Command


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who is there: for each worker what it brings (nothing: the tick), and how many incidents may come of it.

    `finishes`: whatever happens, it ends with the one incident recovered. `apart` sets the workers' clocks apart.
    """

    brings: Sequence[Sequence[Event]]
    finishes: bool = False
    incidents: int = 1
    apart: timedelta = timedelta(0)
    policy: Policy = POLICY


def worker(name: str, brings: Sequence[Event], *, policy: Policy, desk: type[Desk], ahead: timedelta) -> Actor:
    """What a way in does: put each event into the inbox, again if that was not answered, then visit the desk."""

    def program(outside: Outside) -> None:
        now = START + ahead
        own = desk(Tools(store=outside, hands=outside, policy=policy, clock=StillClock(now), side_by_side=SIDE_BY_SIDE))
        for happened in brings:
            _received(own, happened)
        own.work(name, until=now + SHIFT, linger=False)

    return Actor(name, program)


def _received(desk: Desk, happened: Event) -> None:
    while True:
        try:
            desk.receive(happened)
        except StoreUnavailableError:
            continue  # the sender was told, and sends it again
        return


def explore(
    cast: Cast,
    budget: Budget,
    *,
    store: Callable[[], MemoryStore] = MemoryStore,
    desk: type[Desk] = Desk,
    at_turn: Callable[..., str | None] = promises.at_turn,
) -> Explored:
    """Every interleaving of the cast within the budget; prints how many states that were."""
    began = time.perf_counter()
    actors = [
        worker(name, brings, policy=cast.policy, desk=desk, ahead=n * cast.apart)
        for n, (name, brings) in enumerate(zip(NAMES, cast.brings, strict=False))
    ]
    ends = promises.Ends(cast.policy, incidents=cast.incidents, finishes=cast.finishes)
    found = Explorer(
        actors=actors,
        store=store(),
        budget=budget,
        at_turn=at_turn,
        at_end=ends,
        pauses=frozenset({codec.key(pause())}),
    ).explore()
    seconds = time.perf_counter() - began
    print(  # noqa: T201  # pytest shows it with -s, and when something is wrong
        f"{found.states} states, {found.turns} turns, {found.ends} ends, {found.runs} runs of the desk, {seconds:.1f} s"
    )
    if found.broken:
        print(found.broken)  # noqa: T201  # the story in words
    return found
