"""The contract of a judge. `look` reads through a reader that holds what the judge declared; `judge` is pure.

A judge names the actions that it speaks for: what it finds counts for every runbook that has one of them, and for all
when it names none. One that speaks for a place's cluster counts where such a step, waited for, goes there. What it
cannot look at is NoData with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

from chalicelib.actions.contract import Answer, Op, Reader, Where
from chalicelib.core.book import Book
from chalicelib.core.judging import Verdict
from chalicelib.core.outcome import NoData
from chalicelib.policy import Policy

Said = tuple[str, Verdict]
"""A thing by its name, and the verdict on it."""
Get = Callable[[str, Mapping[str, str]], Answer | NoData]
"""An HTTP GET with headers: nothing else is ever sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a judge may look at. `serving` is the region that serves as the desk has it; `rights` has the desk's own
    function ask the clusters what it may do, and answers what `look: rights` answers. `book` is the desk's, None where
    it has not worked yet.
    """

    policy: Policy
    now: datetime
    serving: str
    reader: Reader
    get: Get
    rights: Callable[[], Mapping[str, Any] | NoData]
    clock: Callable[[], datetime]
    slack_url: str
    pagerduty_url: str
    book: Book | None = None


class Judge(Protocol):
    """One kind of thing that must be so before the day. What `look` answers only its own `judge` reads."""

    name: ClassVar[str]
    actions: ClassVar[frozenset[str]]
    place: ClassVar[Where | None]
    reads: ClassVar[tuple[Op, ...]]
    lowers: ClassVar[bool]
    mend: ClassVar[str]

    def look(self, around: Around) -> Any: ...

    def judge(self, facts: Any, policy: Policy, now: datetime) -> Iterator[Said]: ...
