"""Ten thousand events that something broke on the way: none raises, and none is lost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.happened import Signal, Unreadable
from chalicelib.intake.alarms import READERS, Way
from chalicelib.intake.codec import dead_key, dump, dump_dead, key, read, read_dead
from chalicelib.intake.commands import CommandError, parse_command, unreadable
from chalicelib.intake.reading import raw_text
from tests.intake.recorded import NAMES, NOW, sample

ROUNDS: Final = 10_000
DEPTH: Final = 5_000


def nested(depth: int) -> Any:
    value: Any = "the innermost"
    for n in range(depth):
        value = [value] if n % 2 else {"k": value}
    return value


def itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


GARBAGE: Final[tuple[Callable[[Random], Any], ...]] = (
    lambda _: None,
    lambda _: True,
    lambda _: "",
    lambda _: "\ud800 alone",
    lambda _: "x" * 3000,
    lambda _: "[" * 100_000,
    lambda _: "9" * 6000,
    lambda _: '{"AlarmName": NaN}',
    lambda _: "2026-03-04T05:06:07+99:99",
    lambda _: 10**6000,
    lambda _: math.nan,
    lambda _: -math.inf,
    lambda _: [],
    lambda _: {},
    lambda _: {1: "a", ("b", 2): "c", None: 3},
    lambda _: Decimal("1.5"),
    lambda _: b"\xff\x00",
    lambda _: object(),
    lambda _: nested(DEPTH),
    lambda _: itself(),
    lambda random: random.randint(-(2**70), 2**70),
    lambda random: "".join(chr(random.randrange(0x110000)) for _ in range(8)),
    lambda random: sample(random.choice(NAMES)),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in the event."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    seen: set[int] = set()
    while todo:
        container = todo.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        parts = container.items() if isinstance(container, dict) else enumerate(container)
        for name, part in parts:
            found.append((container, name))
            if isinstance(part, dict | list):
                todo.append(part)
    return found


def opened(value: object) -> Any:
    """The object that a JSON text spells; None for any other value, and for a text that was broken before."""
    if not (isinstance(value, str) and value.startswith("{")):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def mangled(event: Any, random: Random) -> Any:
    """The event with one thing broken; a JSON text in it may be opened, broken inside, and closed again."""
    spots = places(event)
    if not spots:
        return event
    container, name = random.choice(spots)
    there = container[name]
    inner = opened(there)
    if inner is not None and random.random() < 0.7:
        for _ in range(random.randint(0, 2)):
            inner = mangled(inner, random)
        text = raw_text(inner)
        container[name] = text[: random.randrange(len(text))] if random.random() < 0.2 else text
        return event
    match random.randrange(6):
        case 0:
            del container[name]
        case 1:
            container[name] = random.choice(GARBAGE)(random)
        case 2 if isinstance(there, str):
            at = random.randrange(len(there) + 1)
            container[name] = there[:at]
        case 3 if isinstance(there, str):
            at = random.randrange(len(there) + 1)
            container[name] = there[:at] + chr(random.randrange(0x110000)) + there[at:]
        case 4:
            other, elsewhere = random.choice(spots)
            if elsewhere in other or (isinstance(other, list) and elsewhere < len(other)):
                container[name], other[elsewhere] = other[elsewhere], there
        case _ if isinstance(container, dict):
            container[random.choice((name, 5, "", "Records", "Sns", "AlarmArn", "alarmContributor"))] = there
        case _:
            container.append(random.choice(GARBAGE)(random))
    return event


def parts_of(way: Way, event: Any) -> list[Any]:
    """What must be accounted for, one by one."""
    if way == "sns" and isinstance(event, dict) and isinstance(event.get("Records"), list) and event["Records"]:
        return list(event["Records"])
    return [event]


def check(way: Way, event: Any) -> tuple[int, int]:
    """(signals, letters), each of which can be stored and read again."""
    results = READERS[way](event, received_at=NOW)
    parts = parts_of(way, event)
    assert len(results) == len(parts)
    signals = 0
    for result, part in zip(results, parts, strict=True):
        match result:
            case Signal():
                signals += 1
                assert read(json.loads(json.dumps(dump(result)))) == result
                assert len(key(result).encode()) <= 1024
                assert len(result.reason) <= 1024
                assert result.reason
            case Unreadable():
                assert result.reason.strip()
                assert len(result.reason) < 1500
                assert result.reason.encode()
                assert result.raw == raw_text(part)
                assert result.raw.isascii()
                assert read_dead(dump_dead(result)) == result
                assert dead_key(result) == dead_key(result)
    return signals, len(parts) - signals


@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_mangled_events_raise_nothing_and_lose_nothing(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # the same events every time
    signals = letters = 0
    for _ in range(ROUNDS // 10):
        event = sample(random.choice(NAMES))
        for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
            event = mangled(event, random)
        for way in READERS:
            read_well, kept = check(way, event)
            signals += read_well
            letters += kept
    # Broken where it does not matter, an event is still read; a reader of another shape keeps it as a letter.
    assert signals > 100
    assert letters > 1000


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("way", READERS)
def test_an_event_that_is_garbage_itself_is_kept(way: Way, garbage: Callable[[Random], Any]) -> None:
    check(way, garbage(Random(1)))  # noqa: S311  # the same garbage every time


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text()
            | st.sampled_from(["Records", "Sns", "Message", "body", "detail", "alarmData", "state", "detail-type"]),
            inner,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(event=ANYTHING, way=st.sampled_from(list(READERS)))
def test_any_json_at_all_is_accounted_for(event: Any, way: Way) -> None:
    check(way, event)


@settings(max_examples=300, deadline=None)
@given(payload=ANYTHING | st.dictionaries(st.sampled_from(["command", "by", "id", "at", "mode"]), ANYTHING))
def test_any_json_at_all_is_a_command_or_a_text(payload: Any) -> None:
    try:
        parse_command(payload, now=NOW)
    except CommandError as error:
        letter = unreadable(payload, error, received_at=NOW)
        assert letter.reason.strip()
        assert read_dead(dump_dead(letter)) == letter


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("name", ["command", "by", "step", "at", "note"])
def test_garbage_in_a_command_is_told_and_never_raised_as_anything_else(
    name: str, garbage: Callable[[Random], Any]
) -> None:
    base = {"command": "approve", "incident": "i", "plan": "p", "by": "ana", "id": "1"}
    payload = base | {name: garbage(Random(1))}  # noqa: S311  # the same garbage every time
    try:
        parse_command(payload, now=NOW)
    except CommandError as error:
        letter = unreadable(payload, error, received_at=NOW)
        assert read_dead(dump_dead(letter)) == letter


def test_what_nests_too_deep_for_json_is_still_kept_whole() -> None:
    deep = raw_text({"a": nested(50_000), "b": [1, None, True, 1.5, "ü\ud800"]})
    assert deep.count("[") == 25_001
    assert deep.endswith(r', "b": [1, null, true, 1.5, "\u00fc\ud800"]}')
    assert '"the innermost"' in deep


def test_what_json_cannot_spell_is_written_by_its_repr() -> None:
    shared = [1]
    text = raw_text({("a", 1): Decimal("1.50"), 2: b"\xff", "n": 10**5000, "twice": [shared, shared], "me": itself()})
    value = json.loads(text)
    assert value["2"] == "b'\\xff'"
    assert value["n"] == hex(10**5000)
    assert value["twice"] == [[1], [1]]
    assert value["me"] == ["<itself>"]
    assert value["<builtins.tuple>"] == "Decimal('1.50')"
