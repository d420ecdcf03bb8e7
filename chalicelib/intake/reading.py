"""Looking into what a stranger sent: every question has an answer, or one exception with a sentence.

Rules. Nothing here recurses into the input or formats more of it than fits in a line, so that no depth, size or
spelling of it can raise anything but `CannotReadError`. Text that leaves this module can be encoded as UTF-8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

EARLIEST: Final = datetime(2009, 1, 1, tzinfo=UTC)
"""CloudWatch is of 2009: no alarm changed before."""
AHEAD: Final = timedelta(days=1)
"""How far a time may lie ahead of ours. One further off would outrank every true change that follows it."""
SHOWN: Final = 80
MISSING: Final = object()
_PLAIN: Final = (bytes, bytearray, Decimal, datetime, date, time, timedelta, complex)


class CannotReadError(Exception):
    """What came in cannot be read; the text says what, where, what is allowed and what was found."""


def clean(text: str) -> str:
    r"""The text with lone surrogates spelled out (`\ud800`), for UTF-8 has no place for them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def found(value: object) -> str:
    """What was found, in less than a line and without looking inside: `'ALRM'`, `a list of 3`, `missing`."""
    match value:
        case _ if value is MISSING:
            return "missing"
        case None:
            return "null"
        case str():
            return repr(value if len(value) <= SHOWN else value[:SHOWN] + "…")
        case bool():
            return str(value).lower()
        case int() if value.bit_length() <= 64:
            return str(int(value))
        case float():
            return str(float(value))
        case int():
            return f"a number of {value.bit_length()} bits"
        case Mapping():
            return f"an object of {len(value)}"
        case list() | tuple():
            return f"a list of {len(value)}"
        case _:
            return f"a {type(value).__name__}"


def mapping_at(value: object, where: str) -> Mapping[str, Any]:
    """The value, when it is an object."""
    if isinstance(value, Mapping):
        return value
    raise CannotReadError(f"{where} is {found(value)}, expected an object")


def field(value: Mapping[str, Any], key: str) -> object:
    """The field, or MISSING."""
    return value.get(key, MISSING)


def text_at(value: Mapping[str, Any], key: str, where: str) -> str:
    """The field, when it is a text with something in it."""
    there = field(value, key)
    if isinstance(there, str) and there.strip():
        return there
    raise CannotReadError(f"{where}.{key} is {found(there)}, expected a non-empty text")


def json_at(text: str, where: str) -> object:
    """The value that the JSON text spells."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise CannotReadError(f"{where} is JSON nested too deep to read ({len(text)} characters)") from error
    except ValueError as error:
        # Says where it broke off; a number of more than 4,300 digits ends here too.
        raise CannotReadError(f"{where} is {found(text)}, expected JSON: {clean(str(error))[:200]}") from error


def moment(text: str, where: str, *, now: datetime) -> datetime:
    """The time in UTC, cut to milliseconds: CloudWatch spells no more, and the same change must have one identity.

    Allowed: ISO 8601 with a zone (`+0000`, `Z`, `+00:00`), from 2009 to a day ahead of `now`.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise CannotReadError(
            f"{where} is {found(text)}, expected an ISO time with a zone, like 2026-01-01T00:00:00.000+0000"
        ) from error
    if read.tzinfo is None:
        raise CannotReadError(f"{where} is {found(text)}, which names no zone; expected one, like Z or +0000")
    try:
        at = read.astimezone(UTC)
    except OverflowError as error:
        raise CannotReadError(f"{where} is {found(text)}, which is no time in UTC") from error
    latest = now + AHEAD
    if not EARLIEST <= at <= latest:
        raise CannotReadError(
            f"{where} is {found(text)}, expected a time between {EARLIEST:%Y-%m-%d} and {latest:%Y-%m-%dT%H:%M:%S%z}"
        )
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def raw_text(value: object) -> str:
    """The whole value as JSON text in ASCII; what JSON has no spelling for stands as a text of its `repr`.

    A value that json cannot write (too deep, its own part, a number of thousands of digits) is written without
    recursion, so that it is kept whole all the same.
    """
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return _written(value)


class _Text(str):
    """Text that is JSON already, among values that are yet to be written."""

    __slots__ = ()


class _Leave(str):
    """The end of a container, which from here on is open no more."""

    __slots__ = ()


def _written(value: object) -> str:
    out: list[str] = []
    inside: dict[int, None] = {}
    todo: list[object] = [value]
    while todo:
        match todo.pop():
            case _Leave() as end:
                inside.popitem()
                out.append(str(end))
            case _Text() as text:
                out.append(str(text))
            case (Mapping() | list() | tuple()) as container if id(container) in inside:
                out.append('"<itself>"')
            case Mapping() as container:
                inside[id(container)] = None
                todo.append(_Leave("}"))
                todo.extend(reversed(_members(container)))
                out.append("{")
            case list() | tuple() as container:
                inside[id(container)] = None
                todo.append(_Leave("]"))
                todo.extend(reversed([part for n, item in enumerate(container) for part in (_comma(n), item)]))
                out.append("[")
            case other:
                out.append(_scalar(other))
    return "".join(out)


def _comma(n: int) -> _Text:
    return _Text(", " if n else "")


def _members(container: Mapping[Any, Any]) -> list[object]:
    parts: list[object] = []
    for n, (key, item) in enumerate(container.items()):
        name = key if isinstance(key, str) else _plain(key)
        parts += [_Text(f"{_comma(n)}{json.dumps(name)}: "), item]
    return parts


def _scalar(value: object) -> str:
    if value is None or isinstance(value, bool | float | str):
        return json.dumps(value)
    if isinstance(value, int) and value.bit_length() <= 64:
        return json.dumps(value)
    return json.dumps(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, int):
        # In hexadecimal a number of any length can be written; in decimal Python refuses more than 4,300 digits.
        return str(int(value)) if value.bit_length() <= 64 else hex(value)
    if value is None or isinstance(value, (float, *_PLAIN)):
        return repr(value)
    # The repr of a stranger's type may raise, and may hold an address that is another one next time.
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
