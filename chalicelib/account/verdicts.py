"""Rows of the comparison: what policy claims, what the account says, and one of three verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

NOT_THERE: Final = frozenset(
    {
        *("DBInstanceNotFound", "DBInstanceNotFoundFault", "ResourceNotFoundException", "NotFoundException"),
        *("NoSuchBucket", "ReplicationConfigurationNotFoundError", "ServerSideEncryptionConfigurationNotFoundError"),
        *("NoSuchLifecycleConfiguration",),
        *("NoSuchPublicAccessBlockConfiguration", "NoSuchHostedZone", "NotFound", "TableNotFoundException"),
    }
)
"""Error codes that say that what was asked for does not exist; by the errors of each operation in botocore's models."""


@dataclass(frozen=True, slots=True)
class NotThere:
    """The account answered that there is none."""

    because: str


@dataclass(frozen=True, slots=True)
class NotSeen:
    """No answer, or one that says nothing about the account."""

    because: str


Answer = Mapping[str, Any] | NotThere | NotSeen


class Asks(Protocol):
    """Asks an account, and can do nothing else."""

    def ask(self, service: str, region: str, operation: str, **params: Any) -> Answer:
        """All pages of the answer, as boto3 gives it."""
        ...


class Verdict(StrEnum):
    """`not-seen` is neither of the others: nobody knows."""

    AS_CLAIMED = "as-claimed"
    DIFFERS = "differs"
    NOT_SEEN = "not-seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`subject` is a thing of the account, `what` a property of it, `field` where policy says so. `mend` is the command
    that puts it right, or begins to; empty where nobody has written one.
    """

    subject: str
    what: str
    field: str
    claimed: str
    found: str
    verdict: Verdict
    mend: str = ""

    def sentence(self) -> str:
        """`replication of east: delete markers are copied: Enabled, expected Disabled (backups.replication[0])`."""
        if self.verdict is Verdict.NOT_SEEN:
            return f"{self.subject}: {self.what} was not seen: {self.found}"
        if self.what == "exists" and self.verdict is Verdict.DIFFERS:
            return f"{self.subject} is not there ({self.field})"
        said = f"{self.subject}: {self.what}: {self.found}"
        return said if self.verdict is Verdict.AS_CLAIMED else f"{said}, expected {self.claimed} ({self.field})"


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
