"""Texts that Velero, which is written in Go, reads: durations and cron lines, judged before anything is sent.

Rules. A duration that Go cannot read is accepted by the API server, and then Velero can list no backup at all (seen on
a real one), so none is ever sent that this module did not write. A cron line that Velero cannot read makes a schedule
that never runs, and stays so (phase FailedValidation is not looked at again). Never add a shape here that the sources
do not take: https://pkg.go.dev/time#ParseDuration and robfig/cron v3's `ParseStandard`
(https://github.com/robfig/cron/blob/v3.0.1/parser.go), which Velero calls (pkg/controller/schedule_controller.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION: Final = re.compile(rf"[-+]?(?:0|(?:{_PART.pattern})+)")
_MICROSECONDS: Final = {"ns": 1e-3, "us": 1, "µs": 1, "μs": 1, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}
DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY: Final = "@every "
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class _Field:
    """One field's bounds, and the names that stand for numbers in it."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A line that Velero reads: five fields of numbers, or `every`, in the time zone `zone` ('' is the server's)."""

    fields: str = ""
    every: timedelta | None = None
    zone: str = ""


def parse_duration(text: str) -> timedelta:
    """Go's `720h0m0s` as a timedelta, to the microsecond; ValueError in Go's words when it is none."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f'time: invalid duration "{text}"')
    found = timedelta(microseconds=sum(float(n) * _MICROSECONDS[unit] for n, unit in _PART.findall(text)))
    return -found if text.startswith("-") else found


def show_duration(value: timedelta) -> str:
    """As Go's `Duration.String` shows it, for durations of a second and more: `24h0m0s`, `90s` is `1m30s`."""
    if value < timedelta(seconds=1):
        raise ValueError(f"{value} is less than a second, and no backup is kept so shortly")
    whole, micro = divmod(value // timedelta(microseconds=1), 1_000_000)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{seconds}{f'.{micro:06d}'.rstrip('0') if micro else ''}s"
    if hours:
        return f"{hours}h{minutes}m{tail}"
    return f"{minutes}m{tail}" if minutes else tail


def parse_cron(text: str) -> Cron:
    """What Velero makes of a cron line; ValueError says why it would call the schedule FailedValidation."""
    spec, zone = text.strip(), ""
    if not spec:
        raise ValueError("it is empty, and Velero wants a non-empty cron expression")
    if spec.startswith(("TZ=", "CRON_TZ=")):
        named, space, spec = spec.partition(" ")
        if not space or not spec.strip():
            raise ValueError(f"{named!r} names a time zone and no times")
        zone, spec = _zone(named.partition("=")[2]), spec.strip()
    if spec.startswith("@"):
        return _descriptor(spec, zone)
    fields = spec.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}")
    return Cron(fields=" ".join(_field(t, f) for t, f in zip(fields, _FIELDS, strict=True)), zone=zone)


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # here: no policy on the way of an alarm needs it

    if name in ("", "UTC", "Local"):  # Go's LoadLocation knows these by itself
        return "" if name == "Local" else "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return name


def _descriptor(spec: str, zone: str) -> Cron:
    if spec in DESCRIPTORS:
        return Cron(fields=DESCRIPTORS[spec], zone=zone)
    if not spec.startswith(_EVERY):
        raise ValueError(f"{spec!r} is no descriptor; there are {', '.join(DESCRIPTORS)} and @every with a duration")
    # Every() rounds down to whole seconds, and up to one: https://github.com/robfig/cron/blob/v3.0.1/constantdelay.go
    every = parse_duration(spec.removeprefix(_EVERY))
    return Cron(every=max(timedelta(seconds=1), timedelta(seconds=every // timedelta(seconds=1))), zone=zone)


def _field(text: str, field: _Field) -> str:
    """One field in numbers, lists kept; `?` is `*` and `5/10` runs from 5 to the end, as robfig/cron has it."""
    parts = [p for p in text.split(",") if p]
    if not parts:
        raise ValueError(f"the {field.name} {text!r} holds nothing")
    return ",".join(_range(p, field) for p in parts)


def _range(text: str, field: _Field) -> str:
    span, *steps = text.split("/")
    if len(steps) > 1:
        raise ValueError(f"the {field.name} {text!r} has too many slashes")
    low, *ends = span.split("-")
    if low in ("*", "?"):
        first, last, shown = field.low, field.high, "*"
    else:
        if len(ends) > 1:
            raise ValueError(f"the {field.name} {text!r} has too many hyphens")
        first = _number(low, field)
        # "N/step" means "N-max/step".
        last = _number(ends[0], field) if ends else field.high if steps else first
        shown = f"{first}-{last}" if last != first else f"{first}"
    if first < field.low or last > field.high or first > last:
        raise ValueError(f"the {field.name} {text!r} is not within {field.low}-{field.high}, in rising order")
    if not steps:
        return shown
    step = _number(steps[0], _Field(f"step of the {field.name}", 0, 0))
    if step == 0:
        raise ValueError(f"the {field.name} {text!r} has a step of 0")
    return f"{shown}/{step}" if shown == "*" or "-" in shown else shown


def _number(text: str, field: _Field) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.low
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"the {field.name} {text!r} is no number")
    return int(text)
