"""What each trigger does, without Lambda: the inbox, the dead letters, the desk, the probe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from chalicelib import ways_in
from chalicelib.aside import Start
from chalicelib.bootstrap import Responder, WallClock
from chalicelib.clients.web import HttpAnswer
from chalicelib.core.elsewhere import Absent
from chalicelib.core.happened import AlarmState, Signal, SignalKind, Unreadable
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Made, NoData, Refused, Wait
from chalicelib.core.switch import Found, Stands
from chalicelib.desk import Desk
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.settings import Settings
from chalicelib.store.codec import read_book
from chalicelib.store.contract import Saved, StoreUnavailableError, Superseded
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools

ROOT = Path(__file__).parents[2]
POLICY = load(ROOT / "policies")
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Clock(WallClock):
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = AT

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Hands:
    """Waits whenever it looks; whatever it is told to tell is taken."""

    def look(self, *_: Any) -> Wait:
        return Wait(because="busy", again_in=timedelta(seconds=30))

    def copies(self, policy: Policy) -> dict[str, str]:  # noqa: ARG002  # the port's signature
        return {}

    def switch(self, policy: Policy) -> Found:  # noqa: ARG002  # the port's signature
        return Stands(region="us-east-1", because="the switch is in OK")

    def somebody_else(self, *_: Any) -> Absent:
        return Absent(because="nobody else is there")

    def make(self, *_: Any) -> Made:
        raise AssertionError("nothing is to be made here")

    def tell(self, *_: Any) -> Made:
        return Made(because="taken")

    def alarm_states(self, *_: Any) -> tuple[Signal, ...]:
        return ()


@dataclass
class Web:
    """Answers as it was told to, then goes on with the last."""

    answers: list[HttpAnswer | NoData]
    asked: list[str] = field(default_factory=list)

    def get(self, url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> HttpAnswer | NoData:
        assert timeout_s > 0
        assert not headers
        self.asked.append(url)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Ports:
    web: Web


def responder(store: MemoryStore | None = None, *answers: HttpAnswer | NoData) -> tuple[Responder, MemoryStore, Clock]:
    kept, clock = store or MemoryStore(), Clock()
    tools = Tools(store=kept, hands=Hands(), policy=POLICY, clock=clock)
    settings = Settings.read({}, root=ROOT)
    ports = cast("Any", Ports(Web(list(answers) or [HttpAnswer(200, "")])))
    desk = Desk(tools)

    def wake() -> None:
        desk.work("woken", until=until(clock, 5), linger=False)

    made = Responder(settings=settings, policy=POLICY, store=kept, desk=desk, ports=ports, clock=clock, wake=wake)
    return made, kept, clock


def signal(**changes: Any) -> Signal:
    whole = Signal(
        source="arn:aws:cloudwatch:us-east-1:111122223333:alarm:ClusterHealth",
        name="ClusterHealth",
        kind=SignalKind.METRIC_ALARM,
        state=AlarmState.ALARM,
        changed_at=AT - timedelta(seconds=5),
        reason="Threshold Crossed",
        region="us-east-1",
        account="111122223333",
    )
    return replace(whole, **changes)


def unreadable() -> Unreadable:
    return Unreadable(raw="{}", reason="it is empty", received_at=AT, way="sns")


def until(clock: Clock, seconds: float = 30) -> datetime:
    return clock.now() + timedelta(seconds=seconds)


def test_a_batch_keeps_what_can_be_read_and_what_cannot() -> None:
    it, store, clock = responder()
    found = ways_in.alarms(it, [signal(), unreadable()], until=until(clock))
    assert (found.signals, found.unreadable) == (1, 1)
    assert len(store.documents("dead")) == 1
    assert len(read_book(store.book.body or "")[0].incidents) == 1
    assert store.inbox_empty()


def test_a_delivery_that_cannot_be_read_does_not_visit_the_desk() -> None:
    it, store, clock = responder()
    assert ways_in.alarms(it, [unreadable()], until=until(clock)).worked is None
    assert store.book.body is None


class Silent(MemoryStore):
    """A store that takes nothing in."""

    def put_inbox(self, key: str, item: Mapping[str, Any]) -> bool:
        raise StoreUnavailableError(f"no answer for {key} ({len(item)} fields)")


def test_a_store_that_does_not_answer_makes_the_sender_try_again() -> None:
    it, _, clock = responder(Silent())
    with pytest.raises(StoreUnavailableError):
        ways_in.alarms(it, [signal()], until=until(clock))


def test_a_command_is_answered_with_what_became_of_it() -> None:
    it, _, clock = responder()
    said = {"command": "pause", "by": "ann", "id": "1", "note": "look first"}
    answer = {"ok": True, "because": "paused", "id": "1", "by": "ann (unproven)"}
    assert ways_in.command(it, said, until=until(clock)) == answer
    again = ways_in.command(it, said | {"id": "2"}, until=until(clock))
    assert (again["ok"], again["because"]) == (False, "already paused by ann; allowed: resume")
    assert ways_in.command(it, said, until=until(clock))["ok"]


def test_a_wrong_command_says_what_is_allowed_and_reaches_no_desk() -> None:
    it, store, clock = responder()
    answer = ways_in.command(it, {"command": "paus", "by": "ann", "id": "1"}, until=until(clock))
    assert not answer["ok"]
    assert "pause" in answer["because"]
    assert store.book.body is None


def test_a_command_that_meets_a_busy_desk_says_that_it_waits_in_the_inbox() -> None:
    it, store, clock = responder()
    store.claim("another", now=clock.now(), until=clock.now() + timedelta(minutes=5))
    answer = ways_in.command(it, {"command": "pause", "by": "ann", "id": "1"}, until=until(clock))
    assert answer["ok"]
    assert "in the inbox" in answer["because"]
    assert not store.inbox_empty()


def test_a_tick_waits_for_a_desk_that_is_held_and_takes_over() -> None:
    it, store, clock = responder()
    store.claim("another", now=clock.now(), until=clock.now() + timedelta(seconds=10))
    worked = ways_in.tick(it, until=until(clock, 50))
    assert not worked.busy
    assert clock.now() > AT + timedelta(seconds=10)


DOWN = NoData(because="GET https://api was not answered within 3 s: ConnectError")
UP = HttpAnswer(200, "")


def marks(store: MemoryStore) -> dict[str, AlarmState]:
    book = read_book(store.book.body)[0] if store.book.body else None
    return {source: m.state for source, m in book.watermarks.items()} if book else {}


@pytest.mark.parametrize("bad", [DOWN, HttpAnswer(503, "no database"), HttpAnswer(301, "")])
def test_a_probe_is_bad_after_as_many_failures_in_a_row_as_policy_says(bad: HttpAnswer | NoData) -> None:
    it, store, clock = responder(None, bad)
    ways_in.probe(it, until=until(clock, 55))
    assert marks(store) == {"probe:standby-probe": AlarmState.ALARM}
    assert read_book(store.book.body or "")[0].watermarks["probe:standby-probe"].changed_at == AT


def test_a_single_failure_between_answers_says_nothing() -> None:
    it, store, clock = responder(None, UP, UP, UP, DOWN, UP)
    ways_in.probe(it, until=until(clock, 55))
    assert marks(store) == {"probe:standby-probe": AlarmState.OK}


def test_what_was_told_is_not_told_again() -> None:
    it, store, clock = responder(None, DOWN)
    ways_in.probe(it, until=until(clock, 55))
    rev = store.book.rev
    # The incident it opened may go on, but no new signal comes in.
    assert ways_in.probe(it, until=until(clock, 55))
    assert marks(store) == {"probe:standby-probe": AlarmState.ALARM}
    assert store.book.rev == rev


def test_a_desk_that_cannot_be_woken_finds_the_signal_in_its_inbox() -> None:
    it, store, clock = responder(None, DOWN)
    asleep = replace(it, wake=lambda: None)
    ways_in.probe(asleep, until=until(clock, 55))
    assert marks(store) == {}
    ways_in.tick(it, until=until(clock, 20))
    assert marks(store) == {"probe:standby-probe": AlarmState.ALARM}


def test_what_several_watches_saw_before_the_desk_had_it_is_one_change() -> None:
    it, store, clock = responder(None, DOWN)
    asleep = replace(it, wake=lambda: None)
    for _ in range(3):
        ways_in.probe(asleep, until=until(clock, 55))
    assert len(store.items) == 3
    ways_in.tick(it, until=until(clock, 20))
    book = read_book(store.book.body or "")[0]
    assert book.watermarks["probe:standby-probe"].changed_at == AT
    (incident,) = book.incidents.values()
    assert incident.failed_at == AT


def test_it_asks_the_region_at_its_own_address_and_never_the_global_name() -> None:
    it, _, clock = responder(None, UP)
    ways_in.probe(it, until=until(clock, 55))
    assert set(cast("Any", it.ports).web.asked) == {"https://api.us-east-1.neurectomy.io/health"}


@dataclass
class Switch(Hands):
    """Where the switch stands is what the test says; `messages` is what was told."""

    stands: Found = field(default_factory=lambda: Stands(region="us-east-1", because="the switch is in OK"))
    asked: int = 0
    messages: list[Message] = field(default_factory=list)

    def copies(self, policy: Policy) -> dict[str, str]:  # noqa: ARG002  # the port's signature
        return {}

    def switch(self, policy: Policy) -> Found:  # noqa: ARG002  # the port's signature
        self.asked += 1
        return self.stands

    def somebody_else(self, *_: Any) -> Absent:
        return Absent(because="nobody else is there")

    def tell(self, message: Message, _: StatusPage) -> Made:
        self.messages.append(message)
        return Made(because="taken")


class Counting(MemoryStore):
    """Counts the books that are saved."""

    saves = 0

    def save(self, epoch: int, rev: int, body: str) -> Saved | Superseded:
        self.saves += 1
        return super().save(epoch, rev, body)


def watching(hands: Switch, aside: Start | None = None) -> tuple[Responder, Counting, Clock]:
    """A responder at whose switch something can be seen; `aside` begins what nothing waits for."""
    it, _, clock = responder(store := Counting())
    tools = replace(it.desk.tools, hands=hands, aside=aside or it.desk.tools.aside)
    return replace(it, desk=Desk(tools)), store, clock


def test_a_tick_with_nothing_open_asks_the_switch_and_saves_no_book_when_nothing_is_new() -> None:
    hands = Switch()
    it, store, clock = watching(hands)
    for _ in range(10):
        ways_in.tick(it, until=until(clock, 50))
        clock.sleep(60)
    assert hands.asked == 10
    assert store.saves == 2, "the first book, and where the switch was seen first"
    assert clock.now() == AT + timedelta(minutes=10), "nobody lingers where nothing is open"


def test_a_difference_is_told_in_the_visit_that_saw_it() -> None:
    hands = Switch()
    it, store, clock = watching(hands)
    ways_in.tick(it, until=until(clock, 50))
    clock.sleep(60)
    hands.stands = Refused(code="ResourceNotFound", because="alarm 'switch' does not exist")
    ways_in.tick(it, until=until(clock, 50))
    assert [m.channel for m in hands.messages] == ["pagerduty", "slack-incidents"]
    saved = store.saves
    for _ in range(5):
        clock.sleep(60)
        ways_in.tick(it, until=until(clock, 50))
    assert len(hands.messages) == 2
    assert store.saves == saved, "what stands is not written again"


def test_a_desk_that_lingers_over_an_incident_asks_the_switch_every_tick_of_its_shift() -> None:
    hands = Switch()
    it, _, clock = watching(hands)
    it.desk.receive(signal())
    ways_in.tick(it, until=until(clock, 290))
    assert hands.asked == 6


class Slow(Clock):
    """While it sleeps, `happens` by the number of the sleep."""

    def __init__(self, happens: dict[int, Callable[[], object]]) -> None:
        super().__init__()
        self.happens, self.sleeps = happens, 0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.sleeps += 1
        self.happens.pop(self.sleeps, lambda: None)()


def test_a_switch_that_takes_its_time_to_answer_keeps_no_signal_waiting() -> None:
    begun: list[tuple[Future[Any], Callable[[], Any]]] = []

    def start(job: Callable[[], Any]) -> Future[Any]:
        begun.append((Future(), job))
        return begun[-1][0]

    it, store, _ = watching(hands := Switch(stands=NoData(because="no answer within 4 s")), start)
    opened: list[int] = []

    def look() -> None:
        opened.append(len(read_book(store.book.body or "")[0].incidents))

    def answer() -> None:
        for future, job in begun:
            future.set_result(job())

    # The signal comes after a second; three seconds later it is an incident, and only then does the switch answer.
    clock = Slow({1: lambda: it.desk.receive(signal()), 4: look, 5: answer})
    desk = Desk(replace(it.desk.tools, clock=clock))
    desk.work("me", until=clock.now() + timedelta(seconds=20))
    assert opened == [1]
    assert hands.asked == 1
    book = read_book(store.book.body or "")[0]
    assert book.switch is not None
    assert book.switch.silent_since is not None
    assert book.findings == {}
