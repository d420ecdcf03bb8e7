"""The states of an incident: one table that drives execution, the drawing in the docs, and the tests.

Rules. Every legal move is a row: from, event, to, and the sentence that people read when it happens. What is not a
row does not happen: `move` answers None and the incident stays as it is. Running states end in -ing. Never test for a
state elsewhere to allow a move; add a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class IncidentState(StrEnum):
    """Where an incident is."""

    SUSPECTING = "suspecting"
    RESPONDING = "responding"
    ASKING = "asking"
    STALLING = "stalling"
    CLOSING = "closing"


class Event(StrEnum):
    """What moves an incident."""

    CONFIRMED = "confirmed"
    CLEARED = "cleared"
    ASKED = "asked"
    STALLED = "stalled"
    MOVED = "moved"
    RECOVERED = "recovered"
    ABORTED = "aborted"
    RESOLVED = "resolved"
    ABSORBED = "absorbed"


@dataclass(frozen=True, slots=True)
class Row:
    """One legal move."""

    source: IncidentState
    event: Event
    target: IncidentState
    sentence: str


_S, _E = IncidentState, Event
TABLE: Final[tuple[Row, ...]] = (
    Row(_S.SUSPECTING, _E.CONFIRMED, _S.RESPONDING, "enough observers agree, or a person declared it: the plan starts"),
    Row(_S.SUSPECTING, _E.CLEARED, _S.CLOSING, "every observer has been good for long enough: it was no incident"),
    Row(_S.SUSPECTING, _E.RESOLVED, _S.CLOSING, "a person says it is over"),
    Row(_S.SUSPECTING, _E.ABORTED, _S.CLOSING, "a person aborted it before anything was done"),
    Row(_S.SUSPECTING, _E.ABSORBED, _S.CLOSING, "an incident of a wider scope took it over"),
    Row(_S.RESPONDING, _E.ASKED, _S.ASKING, "nothing moves until a person answers"),
    Row(_S.RESPONDING, _E.STALLED, _S.STALLING, "a step is stuck and nothing else moves: a person must look"),
    Row(_S.RESPONDING, _E.RECOVERED, _S.CLOSING, "every step is done"),
    Row(
        _S.RESPONDING,
        _E.CLEARED,
        _S.CLOSING,
        "every observer has been good for long enough, and nothing was moved yet",
    ),
    Row(_S.RESPONDING, _E.RESOLVED, _S.CLOSING, "a person says it is over"),
    Row(_S.RESPONDING, _E.ABORTED, _S.CLOSING, "a person aborted it: no further step starts"),
    Row(_S.RESPONDING, _E.ABSORBED, _S.CLOSING, "an incident of a wider scope took it over"),
    Row(_S.ASKING, _E.MOVED, _S.RESPONDING, "there is something to do again"),
    Row(_S.ASKING, _E.STALLED, _S.STALLING, "a step is stuck and nothing else moves: a person must look"),
    Row(_S.ASKING, _E.RECOVERED, _S.CLOSING, "every step is done"),
    Row(_S.ASKING, _E.CLEARED, _S.CLOSING, "every observer has been good for long enough, and nothing was moved yet"),
    Row(_S.ASKING, _E.RESOLVED, _S.CLOSING, "a person says it is over"),
    Row(_S.ASKING, _E.ABORTED, _S.CLOSING, "a person aborted it: no further step starts"),
    Row(_S.ASKING, _E.ABSORBED, _S.CLOSING, "an incident of a wider scope took it over"),
    Row(_S.STALLING, _E.MOVED, _S.RESPONDING, "there is something to do again"),
    Row(_S.STALLING, _E.ASKED, _S.ASKING, "what was stuck is mended; nothing moves until a person answers"),
    Row(_S.STALLING, _E.RECOVERED, _S.CLOSING, "every step is done"),
    Row(_S.STALLING, _E.CLEARED, _S.CLOSING, "every observer has been good for long enough, and nothing was moved yet"),
    Row(_S.STALLING, _E.RESOLVED, _S.CLOSING, "a person says it is over"),
    Row(_S.STALLING, _E.ABORTED, _S.CLOSING, "a person aborted it: no further step starts"),
    Row(_S.STALLING, _E.ABSORBED, _S.CLOSING, "an incident of a wider scope took it over"),
)

_MOVES: Final = {(row.source, row.event): row for row in TABLE}


def move(state: IncidentState, event: Event) -> Row | None:
    """The row of that move, or None when it is not a legal one."""
    return _MOVES.get((state, event))


def allowed(state: IncidentState) -> tuple[Event, ...]:
    """The events that move an incident out of `state`."""
    return tuple(row.event for row in TABLE if row.source is state)


def drawing() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", "    [*] --> suspecting: an observer is bad", "    [*] --> responding: declared"]
    grouped: dict[tuple[str, str], list[str]] = {}
    for row in TABLE:
        grouped.setdefault((row.source, row.target), []).append(row.event)
    lines += [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in grouped.items()]
    return "\n".join([*lines, "    closing --> [*]: everyone was told, the archive is written", ""])
