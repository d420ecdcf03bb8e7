"""What is seen from outside: three kinds of answer, never converted, told when they change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.agents.lookout import Heartbeat, Lookout
from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.policy.load import load
from chalicelib.store.beat import Beat, Who, millis
from chalicelib.store.contract import StoreUnavailableError

POLICY = load(Path(__file__).parents[2] / "policies")
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SILENT = POLICY.signals.heartbeats.silent_after
EVERY = POLICY.signals.heartbeats.every


def heartbeat(**ages: timedelta | None) -> Heartbeat:
    """Heard so long ago; None is never."""

    def read(who: Who) -> Beat:
        age = ages[who]
        return Beat({} if age is None else {"at": millis(AT - age)})

    return Heartbeat(read=read, silent_after=SILENT, real=POLICY.real)


SOON, LATE = timedelta(seconds=5), SILENT + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("primary", "witness", "seen", "says"),
    [
        (SOON, SOON, True, "arrives"),
        (SOON, LATE, True, "arrives"),
        (SOON, None, True, "arrives"),
        (SILENT, SOON, True, "arrives"),
        (LATE, SOON, False, "silent for 41s, and the witness's heartbeat arrives"),
        (LATE, LATE, None, "it may be the messenger"),
        (LATE, None, None, "it may be the messenger"),
        (None, SOON, None, "never arrived"),
        (None, None, None, "never arrived"),
    ],
)
def test_silence_is_a_failure_only_while_the_witness_is_heard(
    primary: timedelta | None, witness: timedelta | None, seen: bool | None, says: str
) -> None:
    found, because = heartbeat(primary=primary, witness=witness).look(AT)
    assert found is seen
    assert says in because


def test_a_table_that_does_not_answer_is_no_data() -> None:
    def read(_: Who) -> Beat:
        raise StoreUnavailableError("DynamoDB did not answer")

    found, because = Heartbeat(read=read, silent_after=SILENT, real=POLICY.real).look(AT)
    assert found is None
    assert "DynamoDB did not answer" in because


def test_its_signal_is_a_heartbeat_of_the_primary() -> None:
    found = heartbeat(primary=LATE, witness=SOON).signal(False, AT, "silent")
    assert (found.source, found.kind, found.state) == ("heartbeat:primary", SignalKind.HEARTBEAT, AlarmState.ALARM)


class Clock:
    def __init__(self) -> None:
        self.at = AT

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Sight:
    """Sees what it was told to see, one after another, then the last."""

    answers: list[bool | None]
    failures: int = 3
    source: str = "probe:standby-probe"

    def look(self, now: datetime) -> tuple[bool | None, str]:
        del now
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]), "as told"

    def signal(self, healthy: bool | None, changed_at: datetime, reason: str) -> Signal:
        states = {True: AlarmState.OK, False: AlarmState.ALARM, None: AlarmState.INSUFFICIENT_DATA}
        return Signal(
            source=self.source,
            name="standby-probe",
            kind=SignalKind.PROBE,
            state=states[healthy],
            changed_at=changed_at,
            reason=reason,
        )


@dataclass
class Told:
    signals: list[Signal] = field(default_factory=list)

    def watch(
        self,
        *answers: bool | None,
        before: AlarmState | None = None,
        seconds: float = 120,
        at_latest: float | None = None,
    ) -> list[AlarmState]:
        sight = Sight(list(answers))
        lookout = Lookout(
            clock=Clock(),
            policy=POLICY,
            sights=[sight],
            told=lambda: {sight.source: before} if before else {},
            tell=self.signals.append,
        )
        latest = None if at_latest is None else AT + timedelta(seconds=at_latest)
        lookout.watch(EVERY, AT + timedelta(seconds=seconds), at_latest=latest)
        return [s.state for s in self.signals]


def test_a_change_is_told_once_as_of_when_it_began() -> None:
    told = Told()
    assert told.watch(False) == [AlarmState.ALARM]
    assert told.signals[0].changed_at == AT
    assert told.signals[0].reason == "3 in a row: as told"


def test_fewer_in_a_row_than_policy_says_are_no_change() -> None:
    assert Told().watch(True, False, False, True, False, True, before=AlarmState.OK) == []


@pytest.mark.parametrize(("at_latest", "said"), [(60, [AlarmState.ALARM]), (15, []), (None, [])])
def test_a_change_that_began_in_a_watch_is_followed_to_its_end(at_latest: float | None, said: list[AlarmState]) -> None:
    """The next watch begins to count anew, so one that has time for a single look would never see three."""
    assert Told().watch(False, before=AlarmState.OK, seconds=5, at_latest=at_latest) == said


def test_a_watch_that_sees_no_change_is_not_made_longer() -> None:
    sight = Sight([True])
    clock = Clock()
    told = {sight.source: AlarmState.OK}
    lookout = Lookout(clock=clock, policy=POLICY, sights=[sight], told=lambda: told, tell=lambda _: None)
    lookout.watch(EVERY, AT + timedelta(seconds=20), at_latest=AT + timedelta(seconds=50))
    assert clock.now() <= AT + timedelta(seconds=20)


def test_there_and_back_inside_one_watch_are_two_changes() -> None:
    told = Told().watch(False, False, False, True, True, True)
    assert told == [AlarmState.ALARM, AlarmState.OK]


def test_what_was_told_before_is_told_again_only_when_it_changes() -> None:
    assert Told().watch(False, before=AlarmState.ALARM) == []
    assert Told().watch(True, before=AlarmState.ALARM) == [AlarmState.OK]


def test_nobody_having_looked_is_told_only_to_those_who_knew_something() -> None:
    assert Told().watch(None) == []
    assert Told().watch(None, before=AlarmState.OK) == [AlarmState.INSUFFICIENT_DATA]
