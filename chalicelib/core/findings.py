"""What people must know and that is no incident: raised once, told, settled when it is so no longer, and told again.

Rules. A finding is about one kind of thing, and of a kind one at a time stands: raising it again changes at most its
sentence, which is noted and rings nobody. Who finds something raises it and settles it, from what was seen; silence
does neither. Its notices go the way of an incident's: journaled, then sent, then tried again or by the fallback. Once
it is settled only that is owed, so that no late page opens what was closed; when that was told too, it leaves the book.
A finding opens no incident, holds back no step, and is told inside only: never add a channel to customers here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from chalicelib.core.answers import Telling, Told, Withdrawn
from chalicelib.core.book import Book, Finding
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.message import Message
from chalicelib.core.notices import Owed, unsettled, with_fallbacks
from chalicelib.core.plan import Rules
from chalicelib.core.sending import begun, ended, lapsed, under_way, without
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.scenarios import Severity


def standing(book: Book, kind: str) -> Finding | None:
    """The finding of that kind that is so now."""
    return next((f for f in book.findings.values() if f.kind == kind and f.settled_at is None), None)


def raised(
    book: Book, kind: str, *, headline: str, because: str, severity: Severity, scope: str, now: datetime
) -> Book:
    """The book in which this stands. One that stands already keeps its id, its time and what was told of it."""
    there = standing(book, kind)
    if there is None:
        finding = Finding(
            id=_fresh_id(book, f"{kind}-{now:%Y%m%dT%H%M%S}"),
            kind=kind,
            headline=headline,
            because=because,
            severity=severity,
            scope=scope,
            since=now,
        )
        return note(_put(book, finding), PLATFORM, "finding", f"{finding.id}: {because}", now)
    if (there.headline, there.because) == (headline, because):
        return book
    book = _put(book, replace(there, headline=headline, because=because))
    return note(book, PLATFORM, "finding", f"{there.id} is so still, otherwise: {because}", now)


def settled(book: Book, kind: str, *, because: str, now: datetime) -> Book:
    """The book in which nothing of that kind stands any more."""
    there = standing(book, kind)
    if there is None:
        return book
    book = _put(book, replace(there, settled_at=now, settled_because=because))
    return note(book, PLATFORM, "settled", f"{there.id} is settled: {because}", now)


def outstanding(finding: Finding, rules: Rules) -> tuple[Owed, ...]:
    """The notices that are owed of it and neither sent nor failed for good."""
    return unsettled(_owed(finding, rules), finding.notices)


def message(finding: Finding, owed: Owed, rules: Rules, at: datetime) -> Message:
    """The message of one owed notice."""
    over = finding.settled_at is not None
    lines: tuple[str, ...] = (f"{finding.because}.",)
    if finding.settled_at:
        lasted = rules.policy.real(finding.settled_at - finding.since)
        lines = (f"{finding.settled_because}.", f"It was found {lasted} before: {finding.because}.")
    return Message(
        id=f"{finding.id}/{owed.key}",
        event=owed.event,
        audience=owed.audience,
        channel=owed.channel,
        incident=finding.id,
        scope=finding.scope,
        scenario=finding.kind,
        severity=finding.severity,
        state="settled" if over else "standing",
        headline=f"Settled: {finding.headline}" if over else finding.headline,
        lines=lines,
        closes=over,
        opened_at=finding.since,
        due_at=owed.due_at,
        at=at,
    )


def fold_notice(book: Book, answer: Telling | Told | Withdrawn, rules: Rules, now: datetime) -> Book:
    """The book after one of its notices was begun, answered or withdrawn."""
    finding = book.findings[answer.incident]
    match answer:
        case Telling(key=key, due_at=due_at):
            record = begun(finding.notices.get(key), due_at, now)
            return _put(book, replace(finding, notices={**finding.notices, key: record}))
        case Told(key=key, outcome=outcome):
            changed = ended(finding.notices.get(key), outcome, rules, now)
            if changed is None:
                return book
            book = _put(book, replace(finding, notices={**finding.notices, key: changed}))
            return note(book, PLATFORM, f"notice-{changed.state}", f"{finding.id}/{key}: {changed.because}", now)
        case Withdrawn(key=left):
            notices = without(finding.notices, left, now) if left else None
            return book if notices is None else _put(book, replace(finding, notices=notices))
    assert_never(answer)


def lapse(book: Book, rules: Rules, now: datetime) -> Book:
    """Notices left on their way that are no longer owed: the finding settled before anybody knew whether they came."""
    for finding in tuple(book.findings.values()):
        wanted = {o.key for o in _owed(finding, rules)}
        for key, record in under_way(finding.notices).items():
            if key not in wanted:
                over = lapsed(record, now)
                there = book.findings[finding.id]
                book = _put(book, replace(there, notices={**there.notices, key: over}))
                book = note(book, PLATFORM, "notice-lapsed", f"{finding.id}/{key}: {over.because}", now)
    return book


def without_told(book: Book, rules: Rules) -> Book:
    """The book without the findings that are settled and of which everybody was told."""
    left = {
        k: f for k, f in book.findings.items() if f.settled_at is None or outstanding(f, rules) or under_way(f.notices)
    }
    return book if len(left) == len(book.findings) else replace(book, findings=left)


def told(finding: Finding) -> str:
    """`pagerduty sent, slack-incidents doubtful`: what became of its newest notices, for people."""
    event = NoticeEvent.FINDING_SETTLED if finding.settled_at else NoticeEvent.FINDING_RAISED
    mine = {k: n for k, n in finding.notices.items() if k.startswith(event.value)}
    return ", ".join(f"{k.partition('/')[2]} {n.state}" for k, n in mine.items()) or "nobody yet"


def waiting(book: Book, rules: Rules) -> bool:
    """Whether somebody is still to be told, now or in a moment."""
    return any(outstanding(f, rules) for f in book.findings.values())


def _owed(finding: Finding, rules: Rules) -> Iterator[Owed]:
    at = finding.settled_at or finding.since
    event = NoticeEvent.FINDING_SETTLED if finding.settled_at else NoticeEvent.FINDING_RAISED
    for row in rules.policy.notifications.matrix:
        if row.event is not event or finding.severity not in row.severities:
            continue
        for channel in row.internal:
            first = Owed(
                key=f"{event.value}/{channel}",
                event=event,
                about="",
                channel=channel,
                audience="internal",
                due_at=at + row.within,
            )
            yield from with_fallbacks(first, finding.notices, rules)


def _put(book: Book, finding: Finding) -> Book:
    return replace(book, findings={**book.findings, finding.id: finding})


def _fresh_id(book: Book, wanted: str) -> str:
    number, found = 2, wanted
    while found in book.findings:
        number, found = number + 1, f"{wanted}-{number}"
    return found
