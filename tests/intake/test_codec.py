"""What goes into the inbox comes out as it was, and what does not belong there is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.happened import AlarmState, Command, Pause, Said, Signal, SignalKind, Unreadable
from chalicelib.intake.codec import (
    FORMAT,
    ItemUnreadableError,
    dead_key,
    dump,
    dump_dead,
    key,
    read,
    read_dead,
)
from chalicelib.store.memory import MemoryStore

NOW = datetime(2026, 3, 4, 6, 0, 0, 123456, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
TIMES = st.datetimes(min_value=datetime(2009, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis wants the bounds naive
SAID = st.builds(Said, id=TEXT, by=TEXT, at=TIMES, note=TEXT)
SIGNALS = st.builds(
    Signal,
    source=TEXT,
    name=TEXT,
    kind=st.sampled_from(SignalKind),
    state=st.sampled_from(AlarmState),
    changed_at=TIMES,
    reason=TEXT,
    region=st.none() | TEXT,
    account=st.none() | TEXT,
)


def commands() -> st.SearchStrategy[Any]:
    texts = ("scenario", "scope", "incident", "plan", "step")
    plain: dict[str, st.SearchStrategy[Any]] = {"said": SAID, **dict.fromkeys(texts, TEXT)}
    plain["choices"] = st.dictionaries(TEXT, TEXT, max_size=3)
    return st.one_of(
        *(
            st.builds(kind, **{n: s for n, s in plain.items() if n in kind.__dataclass_fields__})
            for kind in get_args(Command)
        )
    )


SIGNAL = Signal(
    source="arn:aws:cloudwatch:us-east-1:111122223333:alarm:ClusterHealth",
    name="ClusterHealth",
    kind=SignalKind.METRIC_ALARM,
    state=AlarmState.ALARM,
    changed_at=NOW,
    reason="it is down",
    region="us-east-1",
    account="111122223333",
)
PAUSE = Pause(said=Said(id="0b5e", by="ana", at=NOW, note="wait"))
LETTER = Unreadable(raw='{"a": 1}', reason="it has no name", received_at=NOW, way="sns")


@settings(max_examples=300, deadline=None)
@given(happened=SIGNALS | commands())
def test_whatever_happened_is_read_back_as_it_was(happened: Signal | Command) -> None:
    item = json.loads(json.dumps(dump(happened)))
    back = read(item)
    assert back == happened
    assert type(back) is type(happened)
    assert key(back) == key(happened)
    assert len(key(happened).encode()) <= 1024


@settings(max_examples=200, deadline=None)
@given(letter=st.builds(Unreadable, raw=TEXT, reason=TEXT, received_at=TIMES))
def test_a_dead_letter_is_read_back_as_it_was(letter: Unreadable) -> None:
    assert read_dead(dump_dead(letter)) == letter


def test_the_key_is_the_identity_and_commands_come_first() -> None:
    assert key(SIGNAL) == f"signal/{SIGNAL.id}"
    assert key(PAUSE) == "command/0b5e"
    assert key(PAUSE) < key(SIGNAL)


def test_a_key_too_long_for_the_store_is_cut_and_stays_distinct() -> None:
    long = replace(SIGNAL, source=SIGNAL.source + "\U0001f6a8" * 255)
    another = replace(long, state=AlarmState.OK)
    assert len(key(long).encode()) <= 900
    assert key(long) != key(another)
    assert key(long).startswith("signal/arn:aws:cloudwatch:us-east-1:")


def test_an_item_goes_through_a_store_and_is_put_once() -> None:
    store = MemoryStore()
    for happened in (SIGNAL, PAUSE):
        assert store.put_inbox(key(happened), dump(happened))
        assert not store.put_inbox(key(happened), dump(happened))
    assert [read(item) for _, item in store.inbox()] == [PAUSE, SIGNAL]


def test_what_a_newer_code_added_under_the_same_format_is_left_out() -> None:
    item = json.loads(json.dumps(dump(SIGNAL)))
    item["signal"]["colour"] = "red"
    item["trace"] = "1"
    assert read(item) == SIGNAL


def altered(**changed: Any) -> dict[str, Any]:
    return {"format": FORMAT, "signal": {**dump(SIGNAL)["signal"], **changed}}


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({}, "format is missing"),
        ({"format": 2, "signal": {}}, "has format 2, this code reads up to 1: deploy the newer code"),
        ({"format": "1", "signal": {}}, "format is '1'"),
        ({"format": True, "signal": {}}, "format is true"),
        ({"format": 1}, "has none of them"),
        ({"format": 1, "signal": {}, "command": {}}, "has signal and command"),
        ({"format": 1, "signal": 5}, "signal is 5"),
        ({"format": 1, "signal": {"a": Decimal(1)}}, "which JSON cannot spell"),
        ({"format": 1, "command": {"verb": "fly"}}, "command is an object of 1: Input tag 'fly'"),
        ({"format": 1, "command": {}}, "command is an object of 0: Unable to extract tag"),
        (altered(state="DOWN"), "signal.state is 'DOWN'"),
        (altered(changed_at="2026-03-04T06:00:00"), "which names no zone"),
        (altered(changed_at=5), "signal.changed_at is 5"),
        (altered(changed_at="0001-01-01T00:00:00+23:00"), "no time in UTC"),
        (altered(name=None), "signal.name is null"),
        ([], "the inbox item is a list of 0"),
    ],
)
def test_an_item_that_is_none_is_told(item: Any, why: str) -> None:
    with pytest.raises(ItemUnreadableError) as refused:
        read(item)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"format": 1}', '{"format": 9, "letter": {}}', "[" * 100_000, "9" * 6000]
)
def test_a_text_that_is_no_dead_letter_is_told(body: str) -> None:
    with pytest.raises(ItemUnreadableError):
        read_dead(body)


def test_the_same_thing_delivered_again_is_the_same_letter() -> None:
    later = replace(LETTER, received_at=NOW + timedelta(hours=1), reason="another")
    assert dead_key(later) == dead_key(LETTER)
    assert dead_key(replace(LETTER, raw="\ud800")) != dead_key(LETTER)
