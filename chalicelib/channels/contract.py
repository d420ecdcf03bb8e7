"""The contract of a channel."""

from __future__ import annotations

from typing import Protocol

from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Outcome


class Channel(Protocol):
    """Carries one message. Tried once: whoever sends again is the desk, from the book.

    Made: the place took it. Refused: it said no for good (`code` is its own error code). Doubtful: no answer, or an
    answer that asks to come back (429, 5xx): it may have been delivered; `because` says so.
    """

    name: str

    def send(self, message: Message, page: StatusPage) -> Outcome: ...
