"""What is said of a switch, whichever way it is thrown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

Side = Literal["primary", "standby"]
AGAIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the switch sends people now. `settled` is False while it is neither wholly here nor wholly there."""

    at: Side
    because: str
    settled: bool = True
