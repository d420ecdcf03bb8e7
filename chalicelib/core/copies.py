"""How old the newest whole air-gapped copy is in each vault, looked at every while; too old a one is a finding.

Rules. A copy counts by its manifest and by what it holds, never by when it was made. A vault that does not answer has
said nothing: what was last seen of it stands and grows older, so silence alone is never "late" and never "well". A
vault in which no copy was ever seen is late when it has had as long as a copy may be old. Nothing here makes a copy:
whoever does may be dead, and that is what this is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chalicelib.core.airgap import held_at
from chalicelib.core.book import Book, CopySight
from chalicelib.core.findings import raised, settled
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.plan import Rules
from chalicelib.policy.scenarios import Severity

LOOK_EVERY: Final = timedelta(minutes=10)
LATE: Final = "airgap-late"
SCOPE: Final = "airgap"

Seen = str | NoData | Refused
"""What a look at one vault brings: the id of its newest whole copy, '' when it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtCopies:
    """Ask each vault for its newest whole copy; nothing waits for the answer."""

    vaults: tuple[str, ...]
    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiesSeen:
    """What such a look brought, by vault, and when it began."""

    at: datetime
    found: Mapping[str, Seen]


def look_due(book: Book, rules: Rules, now: datetime) -> Iterator[LookAtCopies]:
    """The look, when the newest is old enough."""
    airgap, at = rules.policy.backups.airgap, next_look_at(book, rules)
    if airgap and (at is None or at <= now):
        vaults = tuple(row.name for row in airgap.vaults)
        yield LookAtCopies(vaults=vaults, at=now, because="the age of the air-gapped copies is compared with policy")


def next_look_at(book: Book, rules: Rules) -> datetime | None:
    """When the next look is due; None while there was none, and where policy has no vault."""
    airgap = rules.policy.backups.airgap
    seen = [book.copies[row.name].at for row in airgap.vaults if row.name in book.copies] if airgap else []
    return min(seen) + LOOK_EVERY / rules.policy.speed if airgap and len(seen) == len(airgap.vaults) else None


def seen(book: Book, answer: CopiesSeen, rules: Rules, now: datetime) -> Book:
    """The book with what was seen of each vault, and with what people must know of it raised or settled."""
    airgap = rules.policy.backups.airgap
    if airgap is None:
        return settled(replace(book, copies={}), LATE, because="policy names no air-gapped copies any more", now=now)
    names = [row.name for row in airgap.vaults]
    before = {name: book.copies[name] for name in names if name in book.copies}
    # A vault that the look left out was silent in it; else it would be looked at again at once, and for ever.
    book = replace(book, copies={n: _sight(before.get(n), answer, n) for n in names})
    late = [said for n in names if (said := _late(n, book.copies[n], rules, now))]
    if late:
        headline = "Air-gapped copies are too old" if len(late) < len(names) else "Every air-gapped copy is too old"
        return raised(
            book, LATE, headline=headline, because="; ".join(late), severity=Severity.HIGH, scope=SCOPE, now=now
        )
    well = ", ".join(f"{n!r} holds {book.copies[n].newest or 'none yet'}" for n in names)
    return settled(book, LATE, because=f"the air-gapped copies are young enough: {well}", now=now)


def alike(one: Book, other: Book) -> bool:
    """Whether two books differ in nothing of the copies but when they were looked at last."""
    times = {name: sight.at for name, sight in other.copies.items()}
    moved = {n: replace(s, at=times[n]) if n in times else s for n, s in one.copies.items()}
    return moved == dict(other.copies)


def _sight(before: CopySight | None, answer: CopiesSeen, name: str) -> CopySight:
    found = answer.found.get(name, NoData(because="it was not asked"))
    since = before.since if before else answer.at
    match found:
        case str():
            return CopySight(at=answer.at, newest=found, since=since)
        case NoData(because=because):
            return CopySight(at=answer.at, newest=before.newest if before else "", since=since, silent=because)
        case Refused(because=because, code=code):
            said = f"{because} ({code})"
            return CopySight(at=answer.at, newest=before.newest if before else "", since=since, silent=said)


def _late(name: str, sight: CopySight, rules: Rules, now: datetime) -> str:
    airgap = rules.policy.backups.airgap
    if airgap is None:
        return ""
    rpo = rules.policy.real(airgap.rpo)
    doubt = f", and what it holds now is not known: {sight.silent}" if sight.silent else ""
    if not sight.newest:
        lasted = now - sight.since
        if lasted <= airgap.rpo:
            return ""
        # How long exactly it is so would be told anew with every look.
        since = f"{sight.since:%Y-%m-%d %H:%M} UTC"
        return f"vault {name!r} has held no whole copy since {since}, and policy wants one within {rpo}{doubt}"
    if now - held_at(sight.newest) <= airgap.rpo:
        return ""
    return f"the newest whole copy in vault {name!r} is {sight.newest}, older than the {rpo} that policy allows{doubt}"
