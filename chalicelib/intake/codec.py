"""What lies in the inbox, and what lies among the dead letters, as JSON and back.

An item is `{"format": 1, "signal": {…}}`, with `command` or `readiness` in its place; pydantic reads the core's types.
The key is the event's identity, so that one that is delivered twice is put once; commands sort before signals, so
that a pause is not behind a storm of alarms. Fields that this code does not know are left out, so that what a newer
one wrote under the same format is still read after a roll-back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Annotated, Any, Final, cast

from pydantic import Field, TypeAdapter, ValidationError

from chalicelib.core.happened import Command, Incoming, ReadinessJudged, Signal, Unreadable
from chalicelib.intake.reading import MISSING, clean, found

FORMAT: Final = 1
KINDS: Final = ("signal", "command", "readiness")
KEY_BYTES: Final = 900
"""DynamoDB's sort keys end at 1,024 bytes; an alarm's name may have 255 characters of four bytes each."""


class ItemUnreadableError(Exception):
    """A stored item that this code cannot read; the text says what is wrong with it and where."""


def key(happened: Incoming) -> str:
    """`signal/<source#changed_at#state>`, `command/<id>` or `readiness/<when the round began>`; an overlong one is cut
    and ends in its digest.
    """
    match happened:
        case Signal():
            whole = f"signal/{happened.id}"
        case ReadinessJudged():
            whole = f"readiness/{happened.id}"
        case _:
            whole = f"command/{happened.said.id}"
    encoded = whole.encode("utf-8", "backslashreplace")
    if len(encoded) <= KEY_BYTES:
        return encoded.decode()
    return f"{encoded[: KEY_BYTES - 65].decode('utf-8', 'ignore')}#{sha256(encoded).hexdigest()}"


def dump(happened: Incoming, *, received_at: datetime | None = None) -> Mapping[str, Any]:
    """The item, JSON-safe, with when it was put there."""
    kind = key(happened).partition("/")[0]
    put = {"received_at": received_at.isoformat()} if received_at else {}
    return {"format": FORMAT, kind: _adapter(kind).dump_python(happened, mode="json"), **put}


def waiting_since(item: Mapping[str, Any]) -> datetime | None:
    """When an item was put there; None where whoever put it did not say."""
    try:
        return _utc(datetime.fromisoformat(item["received_at"]), "received_at")
    except (KeyError, TypeError, ValueError, ItemUnreadableError):
        return None


def read(item: Mapping[str, Any]) -> Incoming:
    """What `dump` made the item of; ItemUnreadableError when it is none."""
    if not isinstance(item, Mapping):
        raise ItemUnreadableError(f"the inbox item is {found(item)}, expected an object")
    _check_format(item, "the inbox item")
    kinds = [kind for kind in KINDS if kind in item]
    if len(kinds) != 1:
        there = " and ".join(kinds) or "none of them"
        raise ItemUnreadableError(f"the inbox item has {there}, expected exactly one of {', '.join(KINDS)}")
    if kinds == ["signal"]:
        signal = cast("Signal", _validated("signal", item["signal"]))
        return replace(signal, changed_at=_utc(signal.changed_at, "signal.changed_at"))
    if kinds == ["readiness"]:
        judged = cast("ReadinessJudged", _validated("readiness", item["readiness"]))
        return replace(judged, at=_utc(judged.at, "readiness.at"))
    command = cast("Command", _validated("command", item["command"]))
    return replace(command, said=replace(command.said, at=_utc(command.said.at, "command.said.at")))


def dead_key(unreadable: Unreadable) -> str:
    """SHA-256 of what came in: the same thing, delivered again, is the same letter."""
    return sha256(unreadable.raw.encode("utf-8", "backslashreplace")).hexdigest()


def dump_dead(unreadable: Unreadable) -> str:
    """The dead letter as JSON text."""
    return json.dumps({"format": FORMAT, "letter": _adapter("letter").dump_python(unreadable, mode="json")})


def read_dead(body: str) -> Unreadable:
    """The dead letter; ItemUnreadableError when the text is none."""
    try:
        item = json.loads(body)
    except (ValueError, RecursionError, TypeError) as error:
        raise ItemUnreadableError(f"the dead letter is {found(body)}, expected JSON: {clean(str(error))}") from error
    if not isinstance(item, Mapping):
        raise ItemUnreadableError(f"the dead letter is {found(item)}, expected an object")
    _check_format(item, "the dead letter")
    letter = cast("Unreadable", _validated("letter", item.get("letter")))
    return replace(letter, received_at=_utc(letter.received_at, "letter.received_at"))


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    """Built when first asked for: building all of them at import would cost every cold start."""
    match kind:
        case "signal":
            return TypeAdapter(Signal)
        case "command":
            return TypeAdapter(Annotated[Command, Field(discriminator="verb")])
        case "readiness":
            return TypeAdapter(ReadinessJudged)
        case _:
            return TypeAdapter(Unreadable)


def _check_format(item: Mapping[str, Any], what: str) -> None:
    written = item.get("format", MISSING)
    if isinstance(written, bool) or not isinstance(written, int) or written < 1:
        raise ItemUnreadableError(f"{what}'s format is {found(written)}, expected a number from 1 to {FORMAT}")
    if written > FORMAT:
        raise ItemUnreadableError(
            f"{what} has format {found(written)}, this code reads up to {FORMAT}: deploy the newer code"
        )


def _validated(kind: str, body: object) -> object:
    try:
        # Strict, and by way of JSON, for there strict still reads times and enums from their texts.
        value: object = _adapter(kind).validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join((kind, *(str(part) for part in first["loc"])))
        raise ItemUnreadableError(f"{where} is {found(first['input'])}: {first['msg']}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ItemUnreadableError(f"{kind} is {found(body)}, which JSON cannot spell: {clean(str(error))}") from error
    return value


def _utc(at: datetime, where: str) -> datetime:
    if at.tzinfo is None:
        raise ItemUnreadableError(f"{where} is {at.isoformat()}, which names no zone; expected UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ItemUnreadableError(f"{where} is {at.isoformat()}, which is no time in UTC") from error
