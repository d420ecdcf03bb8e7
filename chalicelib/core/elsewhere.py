"""Whether another engine acts for the platform from outside AWS, and what that stops here.

Rules. Before a shift makes any call it reads the marker that an operator's engine leaves outside AWS. A marker pauses
the platform as a person's `pause` does, once for each: a person who resumes while it still stands has decided so. A
marker that nobody could read is not an absent one: while that lasts, nothing is called without a person's yes. That
it is absent is remembered nowhere: it is true for the shift that has read it. Never look for it here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from chalicelib.core.book import Book, Pause, Yielded
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.outcome import NoData

_MARKER: Final = re.compile(
    r'"?dr-responder: (?P<by>[^;"]+) acts for (?P<incident>[A-Za-z0-9.-]+) since (?P<at>[0-9TZ:-]+)"?'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Somebody else acts: who, for which incident of theirs, since when (ISO 8601, as it is written)."""

    incident: str
    by: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The marker was asked for, with authority, and is not there."""

    because: str


Heeded = Marker | Absent | NoData
"""What a look for the marker brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerSeen:
    """What the look at the beginning of a shift brought."""

    found: Heeded


def marker_text(*, incident: str, by: str, at: datetime) -> str:
    """A TXT record's content; at most 255 bytes, as one string of it holds (RFC 1035, section 3.3)."""
    return f"dr-responder: {by} acts for {incident} since {at:%Y-%m-%dT%H:%M:%SZ}"


def read_marker(text: str) -> Marker | None:
    """The marker in a TXT record's content, None for any other text."""
    found = _MARKER.fullmatch(text)
    return Marker(incident=found["incident"], by=found["by"], at=found["at"]) if found else None


def heeded(book: Book, seen: MarkerSeen, now: datetime) -> Book:
    """The book with what was seen of the marker."""
    match seen.found:
        case Absent(because=because):
            if book.yielded is None:
                return book
            stays = "; it stays paused until a person resumes" if book.paused else ""
            text = f"nobody else acts any more: {because}{stays}"
            return note(replace(book, yielded=None), PLATFORM, "marker-gone", text, now)
        case NoData(because=because):
            if book.yielded is not None:
                return book
            text = f"whether somebody else acts for the platform is not known: {because}; every call asks meanwhile"
            book = replace(book, yielded=Yielded(since=now, because=because))
            return note(book, PLATFORM, "marker-silent", text, now)
        case Marker() as marker:
            because = f"{marker.by} acts for {marker.incident} from outside since {marker.at}"
            if book.yielded is not None and book.yielded.incident == marker.incident:
                return book
            book = replace(book, yielded=Yielded(since=now, because=because, incident=marker.incident))
            text = f"{because}: paused, until a person has compared both sides and says resume"
            if book.paused is None:
                book = replace(book, paused=Pause(by="the marker", at=now, because=because))
            return note(book, PLATFORM, "yielded", text, now)
        case unknown:
            assert_never(unknown)
