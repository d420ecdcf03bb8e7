"""Rows of the comparison: what policy claims, what the account says, and one of three verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from drctl.account.asking import Answer, NotSeen, NotThere


class Verdict(StrEnum):
    """`not-seen` is neither of the others: nobody knows."""

    AS_CLAIMED = "as-claimed"
    DIFFERS = "differs"
    NOT_SEEN = "not-seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`subject` is a thing of the account, `what` a property of it, `field` where policy says so."""

    subject: str
    what: str
    field: str
    claimed: str
    found: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that policy names, and the field that names it."""

    name: str
    field: str

    def row(self, what: str, claimed: object, found: object) -> Row:
        """What was seen, compared."""
        same = claimed == found
        return self._row(what, claimed, show(found), Verdict.AS_CLAIMED if same else Verdict.DIFFERS)

    def unseen(self, what: str, claimed: object, because: NotSeen) -> Row:
        """What could not be looked at."""
        return self._row(what, claimed, because.because, Verdict.NOT_SEEN)

    def missing(self, what: str = "exists", claimed: object = True) -> Row:
        """What is not there."""
        return self._row(what, claimed, "not there", Verdict.DIFFERS)

    def _row(self, what: str, claimed: object, found: str, verdict: Verdict) -> Row:
        return Row(subject=self.name, what=what, field=self.field, claimed=show(claimed), found=found, verdict=verdict)

    def claims(self, answer: Answer, claims: tuple[Claim, ...]) -> Iterator[Row]:
        """A row a claim; one row that it is missing when it is not there; all not seen when nobody could look."""
        match answer:
            case NotSeen() as because:
                for claim in claims:
                    yield self.unseen(claim.what, claim.claimed, because)
            case NotThere():
                yield self.missing()
            case _:
                for claim in claims:
                    yield self.row(claim.what, claim.claimed, claim.read(answer))


@dataclass(frozen=True, slots=True)
class Claim:
    """One property: `read` takes it from the answer, in the form of `claimed`."""

    what: str
    claimed: object
    read: Callable[[Mapping[str, Any]], object]


def at(*path: str | int) -> Callable[[Mapping[str, Any]], object]:
    """Reads what lies at a path of the answer; None where a part of it is not there."""

    def read(answer: Mapping[str, Any]) -> object:
        value: Any = answer
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    return read


_WORDS: Final = {True: "yes", False: "no", None: "nothing"}


def show(value: object) -> str:
    """As a person reads it: `yes`, `nothing`, `a, b`."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(sorted(map(show, value))) or "nothing"
    return str(value)
