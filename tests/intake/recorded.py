"""The recorded shapes, spelled as they arrive."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.core.happened import Signal, Unreadable
from chalicelib.intake.alarms import READERS, Way

FOLDER = Path(__file__).parent / "samples"
NAMES = tuple(sorted(p.stem for p in FOLDER.glob("*.json")))
NOW = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
WAYS: dict[str, Way] = {"sns": "sns", "sqs": "sns", "eventbridge": "eventbridge", "direct": "direct"}


def sample(name: str) -> Any:
    """The event; SNS's `Message`, an object in the file, is the string that SNS sends."""
    event = json.loads((FOLDER / f"{name}.json").read_text())
    for record in event.get("Records", ()):
        if "Sns" in record:
            record["Sns"]["Message"] = json.dumps(record["Sns"]["Message"])
    return event


def way(name: str) -> Way:
    return WAYS[name.split("_", 1)[0]]


def taken_in(name: str, event: Any = None, *, now: datetime = NOW) -> tuple[Signal | Unreadable, ...]:
    """What the sample's own reader makes of it, or of an event of its shape."""
    return READERS[way(name)](sample(name) if event is None else event, received_at=now)


def one_signal(name: str, event: Any = None) -> Signal:
    (signal,) = taken_in(name, event)
    assert isinstance(signal, Signal), signal
    return signal


def one_letter(name: str, event: Any = None, *, now: datetime = NOW) -> Unreadable:
    (letter,) = taken_in(name, event, now=now)
    assert isinstance(letter, Unreadable), letter
    return letter
