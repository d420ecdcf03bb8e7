"""The responder's pulse: what the tick leaves, what the probe publishes, and what the desk counts where it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib import names, pulse, ways_in
from chalicelib.bootstrap import Responder
from chalicelib.core.happened import AlarmState
from chalicelib.core.message import Message
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.desk import Desk
from chalicelib.intake import codec
from chalicelib.store.beat import Beat, Value, Who, millis
from chalicelib.store.beats import Beats
from chalicelib.store.contract import StoreUnavailableError
from chalicelib.store.memory import MemoryStore
from chalicelib.vitals import (
    DEAD_LETTERS,
    INBOX_AGE,
    LEFT_IN_QUEUES,
    NOTICES_FAILED,
    NOTICES_SENT,
    SYNTHETIC_TRAVEL,
    TICK_AGE,
)
from tests.app.test_ways_in import AT, POLICY, Hands, responder, signal, unreadable, until


@dataclass
class Meter:
    read: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)

    def __call__(self, metric: str, value: float = 1, **dimensions: str) -> None:
        self.read.append((metric, value, dimensions))

    def of(self, metric: str) -> list[float]:
        return [value for name, value, _ in self.read if name == metric]


@dataclass
class Kept:
    """The table's beats, or a table that does not answer."""

    beats: dict[str, dict[str, Value]] = field(default_factory=dict)
    silent: bool = False

    def read(self, who: Who) -> Beat:
        if self.silent:
            raise StoreUnavailableError("no answer")
        return Beat(self.beats.get(who, {}))

    def write(self, who: Who, values: Mapping[str, Value]) -> None:
        if self.silent:
            raise StoreUnavailableError("no answer")
        self.beats.setdefault(who, {}).update(values)


def metered(hands: Hands | None = None, speed: float = 1.0) -> tuple[Responder, MemoryStore, Any, Meter, Kept]:
    it, store, clock = responder()
    meter, kept = Meter(), Kept()
    policy = POLICY.model_copy(update={"speed": speed})
    tools = replace(it.desk.tools, meter=meter, hands=hands or it.desk.tools.hands)
    made = replace(it, desk=Desk(tools), policy=policy, beats=cast("Beats", kept))
    return made, store, clock, meter, kept


def test_the_tick_leaves_a_mark_and_the_probe_says_how_old_it_is() -> None:
    it, _, clock, meter, _ = metered()
    pulse.beat(it)
    clock.at += timedelta(seconds=130)
    pulse.felt(it)
    assert meter.of(TICK_AGE) == [130.0]


def test_ages_are_in_policy_s_seconds() -> None:
    it, _, clock, meter, _ = metered(speed=10)
    pulse.beat(it)
    clock.at += timedelta(seconds=13)
    pulse.felt(it)
    assert meter.of(TICK_AGE) == [130.0]


def test_a_tick_that_never_was_has_no_age() -> None:
    it, _, _, meter, _ = metered()
    pulse.felt(it)
    assert meter.read == []


def test_a_mark_of_a_clock_that_runs_ahead_is_no_negative_age() -> None:
    it, _, _, meter, kept = metered()
    kept.write("tick", {"at": millis(AT + timedelta(seconds=2))})
    pulse.felt(it)
    assert meter.of(TICK_AGE) == [0.0]


def test_a_table_that_does_not_answer_ends_no_tick_and_publishes_nothing() -> None:
    it, _, _, meter, kept = metered()
    kept.silent = True
    pulse.beat(it)
    pulse.felt(it)
    assert meter.read == []


def test_an_inbox_that_nobody_drains_is_as_old_as_what_came_first() -> None:
    it, _, clock, meter, _ = metered()
    it.desk.receive(signal())
    clock.at += timedelta(seconds=100)
    it.desk.receive(signal(state=AlarmState.OK, changed_at=AT))
    pulse.waiting(it)
    assert meter.of(INBOX_AGE) == [100.0]


def test_an_alarm_that_comes_late_has_not_waited_in_the_inbox() -> None:
    it, _, _, meter, _ = metered()
    it.desk.receive(signal(changed_at=AT - timedelta(hours=5)))
    pulse.waiting(it)
    assert meter.of(INBOX_AGE) == [0.0]


def test_the_same_event_again_does_not_make_what_waits_younger() -> None:
    it, _, clock, meter, _ = metered()
    it.desk.receive(signal())
    clock.at += timedelta(seconds=60)
    it.desk.receive(signal())
    pulse.waiting(it)
    assert meter.of(INBOX_AGE) == [60.0]


def test_an_inbox_that_is_worked_is_empty() -> None:
    it, _, clock, meter, _ = metered()
    it.desk.receive(signal())
    it.desk.work("one", until=until(clock, 5), linger=False)
    pulse.waiting(it)
    assert meter.of(INBOX_AGE) == [0.0]


@pytest.mark.parametrize("at", [None, 5, "soon", "2026-11-24T03:00:00", ""])
def test_an_item_that_does_not_say_since_when_it_waits_says_nothing(at: object) -> None:
    item = {**codec.dump(signal()), **({} if at is None else {"received_at": at})}
    assert codec.waiting_since(item) is None
    assert codec.read(item) == signal()


def test_a_dead_letter_is_counted_where_it_is_kept() -> None:
    it, _, clock, meter, _ = metered()
    ways_in.alarms(it, [unreadable(), unreadable()], until=until(clock))
    assert meter.of(DEAD_LETTERS) == [1, 1]


def test_what_the_desk_cannot_read_in_its_inbox_is_a_dead_letter_too() -> None:
    it, store, clock, meter, _ = metered()
    store.put_inbox("signal/x", {"format": 1, "signal": {"source": 5}})
    it.desk.work("one", until=until(clock, 5), linger=False)
    assert meter.of(DEAD_LETTERS) == [1]


class Broken(Hands):
    """PagerDuty's channel answers as it is told to; all others take what they are sent."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def tell(self, message: Message, *_: Any) -> Any:
        return self.outcome if message.channel == "pagerduty" else Made(because="taken")


def worked(outcome: Outcome) -> Meter:
    it, _, clock, meter, _ = metered(Broken(outcome))
    it.desk.receive(signal(name="neurectomy-endpoint-health", region="us-east-1"))
    it.desk.work("one", until=until(clock, 200))
    return meter


def test_a_notice_that_failed_for_good_is_counted_for_its_channel_and_its_fallback_as_sent() -> None:
    found = worked(Refused(code="UnusableSecret", because="the secret is gone")).read
    assert (NOTICES_FAILED, 1, {"channel": "pagerduty"}) in found
    assert (NOTICES_SENT, 1, {"channel": "slack-incidents"}) in found
    assert not [1 for metric, _, worn in found if metric == NOTICES_FAILED and worn["channel"] != "pagerduty"]


def test_a_doubt_is_counted_as_failed_when_it_was_tried_to_the_end_and_not_before() -> None:
    failed = [worn for metric, _, worn in worked(Doubtful(because="no answer")).read if metric == NOTICES_FAILED]
    assert failed == [{"channel": "pagerduty"}]


class Ringing(Hands):
    """What sends a synthetic alarm is taken."""

    def make(self, *_: Any) -> Made:
        return Made(because="taken")


def test_how_long_a_synthetic_alarm_took_is_published_once_by_the_shift_in_which_it_arrived() -> None:
    it, _, clock, meter, _ = metered(Ringing())
    clock.at = AT.replace(hour=8)
    it.desk.work("before", until=until(clock, 50))
    clock.at = AT.replace(hour=9) + timedelta(days=1)
    it.desk.work("sends", until=until(clock, 50))
    assert meter.of(SYNTHETIC_TRAVEL) == []
    sent_at = clock.at
    clock.at += timedelta(seconds=42)
    name, region = names.synthetic_alarm(POLICY), "us-east-1"
    arn = f"arn:aws:cloudwatch:{region}:111122223333:alarm:{name}"
    it.desk.receive(signal(source=arn, name=name, changed_at=sent_at + timedelta(seconds=30), region=region))
    for worker in ("hears", "comes after it"):
        it.desk.work(worker, until=until(clock, 50))
        clock.at += timedelta(minutes=1)
    assert [row for row in meter.read if row[0] == SYNTHETIC_TRAVEL] == [(SYNTHETIC_TRAVEL, 42.0, {"region": region})]


@dataclass
class Queues:
    """SQS as a client sees it: how many messages lie in each queue; a queue that is not here is silent."""

    held: dict[str, int]

    def for_call(self, service: str, region: str, params: Mapping[str, Any], *, writes: bool) -> Queues:
        assert (service, region, writes) == ("sqs", "us-west-2", False)
        assert params["AttributeNames"] == ["ApproximateNumberOfMessages"]
        return self

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> Mapping[str, Any]:  # noqa: N803
        del AttributeNames
        queue = QueueUrl.rpartition("/")[2]
        if queue not in self.held:
            raise ReadTimeoutError(endpoint_url=QueueUrl)
        return {"Attributes": {"ApproximateNumberOfMessages": str(self.held[queue])}}


@dataclass
class Ports:
    aws: Queues


def test_events_in_the_queues_are_counted_together_and_what_was_not_seen_is_not_nothing() -> None:
    it, _, _, meter, _ = metered()
    queues = Queues({"neurectomy-dr-failed": 2, "neurectomy-dr-undelivered": 1})
    it = replace(it, ports=cast("Any", Ports(queues)))
    pulse.left(it)
    assert meter.of(LEFT_IN_QUEUES) == [3]
    del queues.held["neurectomy-dr-undelivered"]
    pulse.left(it)
    assert meter.of(LEFT_IN_QUEUES) == [3]
