"""A synthetic alarm and a test of the channels, with the worker stopped after every outside call: another worker goes
on, and the end is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aside import at_once
from chalicelib.core.book import Book
from chalicelib.core.copies import Seen
from chalicelib.core.elsewhere import Absent
from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.core.incident import NoticeState
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Call, Made
from chalicelib.core.switch import Found, Unset
from chalicelib.desk import Desk
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.store.codec import read_book
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools

POLICY = load(Path(__file__).parents[2] / "policies")
MONDAY = datetime(2026, 11, 23, 8, 59, tzinfo=UTC)
ARN = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:neurectomy-dr-synthetic"
MINUTES = 12


class StoppedError(BaseException):
    """The worker is gone, whatever it was about to catch."""


@dataclass
class World:
    """The clock, and everything outside the desk; the worker is stopped after the call number `stop`."""

    stop: int = -1
    calls: int = 0
    at: datetime = MONDAY
    rung: list[datetime] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)

    def outside(self) -> None:
        self.calls += 1
        if self.calls == self.stop:
            raise StoppedError

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    # What the desk's hands reach

    def look(self, *_: Any) -> Any:
        raise AssertionError("no incident is open")

    def switch(self, policy: Policy) -> Found:  # noqa: ARG002  # the port's signature
        return Unset(because="it was never thrown")

    def copies(self, policy: Policy) -> dict[str, Seen]:  # noqa: ARG002  # the port's signature
        return {}

    def somebody_else(self, policy: Policy) -> Absent:  # noqa: ARG002  # the port's signature
        return Absent(because="nobody else is there")

    def alarm_states(self, alarms: Any) -> tuple[Signal, ...]:
        raise AssertionError(f"no incident asks for {alarms}")

    def make(self, call: Call) -> Made:
        assert (call.region, call.operation) == ("us-east-1", "put_metric_data")
        self.rung.append(self.at)
        self.outside()
        return Made(because="taken")

    def tell(self, message: Message, page: StatusPage) -> Made:  # noqa: ARG002  # the port's signature
        self.sent[message.id] += 1
        self.outside()
        return Made(because=f"{message.channel} took it")


class Stopping(MemoryStore):
    """Each write may be the worker's last."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def save(self, *given: Any) -> Any:
        return self._then(super().save, *given)

    def put_inbox(self, *given: Any) -> Any:
        return self._then(super().put_inbox, *given)

    def put_timeline(self, *given: Any) -> Any:
        return self._then(super().put_timeline, *given)

    def delete_inbox(self, *given: Any) -> Any:
        return self._then(super().delete_inbox, *given)

    def _then(self, write: Callable[..., Any], *given: Any) -> Any:
        answer = write(*given)
        self.world.outside()
        return answer


def synthetic(at: datetime) -> Signal:
    return Signal(
        source=ARN,
        name="neurectomy-dr-synthetic",
        kind=SignalKind.METRIC_ALARM,
        state=AlarmState.ALARM,
        changed_at=at,
        reason="Threshold Crossed",
        region="us-east-1",
        account="111122223333",
    )


def lived(stop: int) -> tuple[Book, World, MemoryStore]:
    """A Monday's minutes round nine o'clock: a tick each, and the alarm that comes once the metric was published."""
    world = World(stop=stop)
    store = Stopping(world)
    desk = Desk(Tools(store=store, hands=world, policy=POLICY, clock=world, aside=at_once))
    # The policy was heard of an hour before.
    world.at = MONDAY - timedelta(hours=1)
    attempt(lambda: desk.work("before", until=world.at + timedelta(seconds=50)))
    for minute in range(MINUTES):
        world.at = MONDAY + timedelta(minutes=minute)
        attempt(partial(desk.work, f"tick-{minute}", until=world.at + timedelta(seconds=50)))
        if world.rung and minute > 1:
            arrives = world.rung[0] + timedelta(seconds=30)
            # SNS delivers it again and again until the function has taken it.
            attempt(partial(desk.receive, synthetic(arrives)))
    world.stop = -1
    world.at += timedelta(minutes=1)
    desk.work("last", until=world.at + timedelta(seconds=50))
    return read_book(store.book.body or "")[0], world, store


def attempt(work: Callable[[], object]) -> None:
    try:
        work()
    except StoppedError:
        return


WHOLE, ONCE, _ = lived(-1)


def end(book: Book) -> tuple[object, ...]:
    assert book.tested
    return (
        {region: (ring.day, ring.state) for region, ring in book.rings.items()},
        {key: record.state for key, record in book.tested.notices.items()},
        dict(book.incidents),
        dict(book.findings),
    )


def test_without_a_crash_it_arrives_and_every_channel_is_tried_once() -> None:
    assert WHOLE.rings["us-east-1"].state == "arrived"
    assert WHOLE.tested
    assert {r.state for r in WHOLE.tested.notices.values()} == {NoticeState.SENT}
    assert set(ONCE.sent.values()) == {1}
    assert len(ONCE.rung) == 1


STOPS = [pytest.param(n, marks=() if n % 8 == 0 else pytest.mark.long) for n in range(1, ONCE.calls + 1)]


@pytest.mark.parametrize("stop", STOPS)
def test_stopped_anywhere_it_ends_as_if_nothing_had_happened(stop: int) -> None:
    book, world, store = lived(stop)
    assert end(book) == end(WHOLE)
    # What was sent together and not written down may have been sent: each is sent once more, and no oftener.
    assert max(world.sent.values()) <= 2
    assert set(world.sent) == set(ONCE.sent)
    assert len(world.rung) <= 2
    arrived = [e for e in store.timeline("platform") if "arrived" in str(e["text"])]
    assert len(arrived) == 1
