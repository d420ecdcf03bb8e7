"""What every policy model shares: frozen, unknown keys refused, durations as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationInfo

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_duration(text: str) -> timedelta:
    """`15m`, `1h30m`, `30d`, `12w` as a timedelta; ValueError says what is allowed and what was found."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"a duration is a number and a unit (s, m, h, d, w), like '15m' or '1h30m'; found {text!r}")
    return timedelta(seconds=sum(float(n) * _UNITS[u] for n, u in _PART.findall(text)))


def show_duration(value: timedelta) -> str:
    """The shortest way a person would write it: `90s` is `1m30s`."""
    left = round(value.total_seconds(), 3)
    if left <= 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        n, left = divmod(left, size)
        if n:
            parts.append(f"{int(n)}{unit}")
    if left:
        parts.append(f"{left:.3f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)


def _read(value: object, info: ValidationInfo) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a duration is text like '15m', '1h' or '30d'; found {value!r}")  # noqa: TRY004 (pydantic reads ValueError)
    speed = float((info.context or {}).get("speed", 1.0))
    return parse_duration(value) / speed


Duration = Annotated[
    timedelta,
    BeforeValidator(_read, json_schema_input_type=Annotated[str, Field(pattern=_DURATION.pattern)]),
    PlainSerializer(show_duration, return_type=str),
]
"""A timedelta, written `15m`, `1h`, `30d`. A validation context of `{"speed": 10}` divides it by ten."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
"""A name that other rows refer to: lower case, digits, hyphens."""


class Row(BaseModel):
    """The base of every policy model."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, without what the former self had worked out: a copy with other rows finds other rows."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Row:
        """Frozen, so a copy is itself."""
        return self
