"""A person's word that the traffic switch is meant to stand where somebody put it by hand.

Rules. The word is a named person's, with a reason, about the region that was seen: it settles what was found, moves
nothing, and changes nothing of which region serves, since the database may be where it was. It ends by itself when the
switch is seen elsewhere or an incident throws it (switch.py), so that the next move by hand is found anew. Never let it
excuse a switch that is not there, does not answer, or stands half here and half there: nobody can mean that.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.core.answering import IllegalCommandError
from chalicelib.core.book import Book, Meant
from chalicelib.core.findings import settled, standing
from chalicelib.core.happened import KeepSwitch
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.plan import Rules
from chalicelib.core.switch import MOVED, expected


def keep(book: Book, command: KeepSwitch, rules: Rules, now: datetime) -> tuple[Book, str]:
    """The switch is meant to be there; IllegalCommandError where it is not seen there, or was not moved by hand."""
    said, seen = command.said, book.switch
    if not said.note.strip():
        raise IllegalCommandError("keep-switch needs a note that says why the switch is meant to stand there")
    if len(expected(book, rules)) > 1:
        raise IllegalCommandError("an incident is throwing the traffic switch just now; allowed: once that is done")
    if seen is None or seen.region is None or seen.silent_since:
        raise IllegalCommandError("nobody can say where the traffic switch stands now, so nobody can mean it")
    if seen.region != command.region:
        raise IllegalCommandError(f"the traffic switch was last seen at {seen.region!r}, not at {command.region!r}")
    if seen.region == book.serving:
        raise IllegalCommandError(
            f"the traffic switch is at {seen.region!r}, where the responder left it: nothing to keep"
        )
    if book.meant is not None or standing(book, MOVED) is None:
        raise IllegalCommandError(f"that the traffic switch stands at {seen.region!r} is meant already")
    because = f"{said.who} means the traffic switch to stand at {seen.region}: {said.note}"
    book = replace(book, meant=Meant(region=seen.region, by=said.by, at=now, because=said.note))
    book = note(book, PLATFORM, "switch-kept", because, now)
    return settled(book, MOVED, because=because, now=now), f"{because}; it is found anew when it moves again"
