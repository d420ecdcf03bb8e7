"""The synthetic alarm: sent once a day, recorded when it arrives, told when it does not, and mistaken for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.core import synthetic
from chalicelib.core.book import Book, Pause, Yielded
from chalicelib.core.due import due
from chalicelib.core.findings import standing
from chalicelib.core.fold import fold
from chalicelib.core.happened import AlarmState, Signal, SignalKind, Tick
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.core.plan import Rules
from chalicelib.core.synthetic import Sound, Sounded, Sounding
from chalicelib.policy.load import load
from chalicelib.store.codec import dump_book, read_book

POLICY = load(Path(__file__).parents[2] / "policies")
RULES = Rules(POLICY, {})
REGION = "us-east-1"
NINE = datetime(2026, 11, 24, 9, tzinfo=UTC)
DAY = timedelta(days=1)
ARN = f"arn:aws:cloudwatch:{REGION}:111122223333:alarm:neurectomy-dr-synthetic"


def book(since: datetime = NINE - DAY) -> Book:
    made = Book(mode=POLICY.platform.responder.initial_mode, serving=REGION)
    return fold(made, Tick(), rules=RULES, now=since)


def sounds(it: Book, now: datetime) -> list[Sound]:
    return [w for w in due(it, rules=RULES, now=now) if isinstance(w, Sound)]


def sent(it: Book, now: datetime, outcome: Outcome | None = None, day: str = "2026-11-24") -> Book:
    it = fold(it, Sounding(region=REGION, day=day), rules=RULES, now=now)
    done = Sounded(region=REGION, day=day, outcome=outcome or Made(because="taken"))
    return fold(it, done, rules=RULES, now=now)


def alarm(at: datetime, **changes: object) -> Signal:
    whole = Signal(
        source=ARN,
        name="neurectomy-dr-synthetic",
        kind=SignalKind.METRIC_ALARM,
        state=AlarmState.ALARM,
        changed_at=at,
        reason="Threshold Crossed",
        region=REGION,
        account="111122223333",
    )
    return replace(whole, **changes)  # type: ignore[arg-type] # whatever the test says


def arrive(it: Book, at: datetime, now: datetime | None = None) -> Book:
    return fold(it, alarm(at), rules=RULES, now=now or at)


def test_it_is_due_once_a_day_at_its_hour_in_each_region_that_alarms_stand_in() -> None:
    it = book()
    assert sounds(it, NINE - timedelta(seconds=1)) == []
    (work,) = sounds(it, NINE)
    assert (work.region, work.day) == (REGION, "2026-11-24")
    assert (work.call.region, work.call.service, work.call.operation) == (REGION, "cloudwatch", "put_metric_data")
    it = sent(it, NINE)
    assert sounds(it, NINE + timedelta(hours=23)) == []
    assert [w.day for w in sounds(it, NINE + DAY)] == ["2026-11-25"]


def test_a_book_that_hears_of_it_for_the_first_time_waits_for_the_next_day() -> None:
    it = book(since=NINE + timedelta(hours=3))
    assert sounds(it, NINE + timedelta(hours=4)) == []
    assert [w.day for w in sounds(it, NINE + DAY)] == ["2026-11-25"]


def test_days_on_which_nobody_ticked_are_not_made_up_for() -> None:
    it = sent(book(), NINE)
    assert [w.day for w in sounds(it, NINE + 5 * DAY)] == ["2026-11-29"]


@pytest.mark.parametrize(
    "change",
    [
        {"paused": Pause(by="ana", at=NINE, because="look first")},
        {"yielded": Yielded(since=NINE, because="another engine acts")},
    ],
)
def test_nothing_is_sent_while_nothing_is_to_be_called(change: dict[str, object]) -> None:
    assert sounds(replace(book(), **change), NINE) == []  # type: ignore[arg-type] # whatever the test says


def test_without_a_row_in_policy_nothing_is_sent_and_nothing_stands() -> None:
    late = fold(sent(book(), NINE), Tick(), rules=RULES, now=NINE + timedelta(minutes=11))
    assert standing(late, f"synthetic-{REGION}")
    none = POLICY.model_copy(update={"readiness": POLICY.readiness.model_copy(update={"synthetic": None})})
    it = fold(late, Tick(), rules=Rules(none, {}), now=NINE + timedelta(minutes=12))
    assert (it.rings, it.rings_since, standing(it, f"synthetic-{REGION}")) == ({}, None, None)
    assert synthetic.newest(it) is None


def test_what_arrives_is_recorded_with_how_long_it_took_and_opens_nothing() -> None:
    it = arrive(sent(book(), NINE), NINE + timedelta(seconds=40), NINE + timedelta(seconds=47))
    ring = it.rings[REGION]
    assert (ring.state, ring.took_s, ring.newest) == ("arrived", 47.0, NINE + timedelta(seconds=47))
    assert it.incidents == {}
    assert [e.text for e in it.outbox if e.kind == "synthetic"] == [
        "the synthetic alarm of us-east-1 arrived 47 s after it was sent; it opens nothing"
    ]


def test_it_arrives_once_however_often_it_is_delivered() -> None:
    once = arrive(sent(book(), NINE), NINE + timedelta(seconds=40))
    assert arrive(once, NINE + timedelta(seconds=40), NINE + timedelta(minutes=3)) == once


def test_yesterday_s_that_comes_late_is_not_today_s() -> None:
    it = arrive(sent(book(), NINE), NINE - timedelta(hours=2), NINE + timedelta(seconds=9))
    assert it.rings[REGION].state == "sent"
    assert "the clock had not sent" in next(e.text for e in it.outbox if e.kind == "synthetic")


def test_its_end_and_its_missing_data_say_nothing() -> None:
    it = sent(book(), NINE)
    for state in (AlarmState.OK, AlarmState.INSUFFICIENT_DATA):
        after = fold(it, alarm(NINE + timedelta(seconds=40), state=state), rules=RULES, now=NINE + timedelta(minutes=1))
        assert after.rings == it.rings
        assert after.outbox == it.outbox


def test_one_that_does_not_arrive_is_told_and_its_arrival_settles_that() -> None:
    it = sent(book(), NINE)
    it = fold(it, Tick(), rules=RULES, now=NINE + timedelta(minutes=10))
    assert standing(it, f"synthetic-{REGION}") is None
    it = fold(it, Tick(), rules=RULES, now=NINE + timedelta(minutes=10, seconds=1))
    found = standing(it, f"synthetic-{REGION}")
    assert found
    assert "was sent at 2026-11-24 09:00:00 UTC and has not arrived within 10m" in found.because
    again = fold(it, Tick(), rules=RULES, now=NINE + timedelta(minutes=30))
    assert again.findings == it.findings, "told once"
    it = arrive(again, NINE + timedelta(minutes=31), NINE + timedelta(minutes=32))
    assert standing(it, f"synthetic-{REGION}") is None
    assert it.rings[REGION].took_s == 32 * 60


def test_one_that_could_not_be_sent_is_tried_again_and_told_as_that() -> None:
    refused = Refused(code="AccessDenied", because="cloudwatch put_metric_data in us-east-1 was refused")
    it = sent(book(), NINE, refused)
    assert sounds(it, NINE + timedelta(seconds=59)) == []
    assert sounds(it, NINE + timedelta(seconds=60))
    it = sent(it, NINE + timedelta(seconds=60), refused)
    assert it.rings[REGION].at == NINE, "the time of the first try stands"
    late = NINE + timedelta(minutes=11)
    assert sounds(it, late) == []
    found = standing(fold(it, Tick(), rules=RULES, now=late), f"synthetic-{REGION}")
    assert found
    assert "could not be seen to be sent (cloudwatch put_metric_data in us-east-1 was refused)" in found.because


def test_a_crash_between_saving_and_sending_sends_it_again() -> None:
    it = fold(book(), Sounding(region=REGION, day="2026-11-24"), rules=RULES, now=NINE)
    it = read_book(dump_book(it))[0]
    assert [w.day for w in sounds(it, NINE + timedelta(minutes=1))] == ["2026-11-24"]


def test_sent_twice_is_one_that_counts_from_the_first_time() -> None:
    doubt = Doubtful(because="no answer")
    it = sent(book(), NINE, doubt)
    it = fold(it, Sounding(region=REGION, day="2026-11-24"), rules=RULES, now=NINE + timedelta(minutes=1))
    it = arrive(it, NINE + timedelta(seconds=50), NINE + timedelta(seconds=61))
    assert it.rings[REGION].state == "arrived"
    after = fold(
        it, Sounded(region=REGION, day="2026-11-24", outcome=doubt), rules=RULES, now=NINE + timedelta(seconds=70)
    )
    assert after.rings == it.rings, "an answer that comes after it changes nothing"


def test_while_one_that_a_person_sent_rings_the_day_s_waits_for_its_end() -> None:
    """An alarm that is in ALARM changes nothing when another datapoint comes: it would never be heard of."""
    it = arrive(book(), NINE - timedelta(seconds=30), NINE - timedelta(seconds=20))
    assert sounds(it, NINE) == []
    over = fold(
        it, alarm(NINE + timedelta(seconds=40), state=AlarmState.OK), rules=RULES, now=NINE + timedelta(minutes=1)
    )
    assert len(sounds(over, NINE + timedelta(minutes=1))) == 1
    # That it ended was lost on the way: the day's is sent all the same.
    assert len(sounds(it, NINE + timedelta(minutes=11))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "ClusterHealth", "source": f"arn:aws:cloudwatch:{REGION}:111122223333:alarm:ClusterHealth"},
        {"name": "another-synthetic"},
        {"region": "eu-west-1"},
        {"kind": SignalKind.PROBE},
    ],
)
def test_what_is_only_like_it_is_not_it(changes: dict[str, object]) -> None:
    assert not synthetic.is_one(alarm(NINE, **changes), POLICY)


def test_a_real_alarm_beside_it_opens_its_incident_all_the_same() -> None:
    it = arrive(sent(book(), NINE), NINE + timedelta(seconds=40))
    real = alarm(
        NINE + timedelta(seconds=41),
        name="ClusterHealth",
        source=f"arn:aws:cloudwatch:{REGION}:111122223333:alarm:ClusterHealth",
    )
    alone = fold(book(), real, rules=RULES, now=NINE + timedelta(seconds=42))
    beside = fold(it, real, rules=RULES, now=NINE + timedelta(seconds=42))
    assert list(beside.incidents) == list(alone.incidents) != []


def test_a_region_whose_own_incident_is_open_is_not_asked_and_its_silence_is_no_news() -> None:
    it = sent(book(), NINE)
    real = alarm(
        NINE + timedelta(seconds=41),
        name="ClusterHealth",
        source=f"arn:aws:cloudwatch:{REGION}:111122223333:alarm:ClusterHealth",
    )
    it = fold(it, real, rules=RULES, now=NINE + timedelta(seconds=42))
    assert it.incident_at(REGION)
    assert sounds(it, NINE + DAY) == []
    assert standing(fold(it, Tick(), rules=RULES, now=NINE + timedelta(minutes=11)), f"synthetic-{REGION}") is None


def test_how_old_the_newest_is_counts_from_when_policy_was_first_heard_of() -> None:
    it = book()
    assert synthetic.newest(it) == NINE - DAY
    it = arrive(sent(it, NINE), NINE + timedelta(seconds=40))
    assert synthetic.newest(it) == NINE + timedelta(seconds=40)
    assert synthetic.newest(sent(it, NINE + DAY, day="2026-11-25")) == NINE + timedelta(seconds=40)


def test_no_other_call_passes_for_it() -> None:
    ring = synthetic.call(POLICY, REGION)
    assert synthetic.is_ring(ring)
    other = {"MetricName": "TrafficSwitch", "Value": 1.0}
    assert not synthetic.is_ring(replace(ring, params={**ring.params, "MetricData": [other]}))
    assert not synthetic.is_ring(
        replace(ring, params={**ring.params, "MetricData": [*ring.params["MetricData"], other]})
    )
    assert not synthetic.is_ring(replace(ring, operation="set_alarm_state"))
