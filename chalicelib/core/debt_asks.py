"""What is owed and asks a person, or cannot go on: told as a finding, since its incident is closed and says nothing.

Rules. One finding a debt, raised while its step asks or is stuck, and settled when it does neither: because a person
answered, because it is paid, or because it is owed no more. Derived from the book alone, so no debt asks unheard. A
step that a person has rejected asks nothing, and stands as rejected where debts are shown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from chalicelib.core.book import Book, Debt
from chalicelib.core.findings import raised, settled
from chalicelib.core.incident import Incident, StepRecord, StepState

PREFIX: Final = "debt-"


def kind(case: Incident) -> str:
    """The kind of finding that a debt has to itself: a case's id holds a slash, which a finding's cannot."""
    return PREFIX + case.id.replace("/", "-")


def follows(book: Book, now: datetime) -> Book:
    """The book in which exactly the debts that ask or are stuck stand as findings."""
    waiting = {kind(case): (debt, case) for debt in book.debts if (case := debt.case) and _waits(_record(case))}
    for found in [f for f in book.findings.values() if f.kind.startswith(PREFIX) and f.settled_at is None]:
        if found.kind not in waiting:
            book = settled(book, found.kind, because=_over(book, found.kind), now=now)
    for name, (debt, case) in waiting.items():
        book = raised(
            book,
            name,
            headline=_headline(debt, _record(case)),
            because=_because(case, _record(case)),
            severity=case.severity,
            scope=case.scope,
            now=now,
        )
    return book


def _record(case: Incident) -> StepRecord:
    return next(iter(case.steps.values()))


def _waits(record: StepRecord) -> bool:
    return record.state in (StepState.ASKING, StepState.STUCK) and not record.rejected_by


def _headline(debt: Debt, record: StepRecord) -> str:
    word = "asks a person" if record.state is StepState.ASKING else "cannot go on"
    return f"Owed since {debt.incident} and {word}: {debt.what}"


def _because(case: Incident, record: StepRecord) -> str:
    would = f"; it would {record.call.sentence()}" if record.call else ""
    # What is stuck asks for no word: a person mends what it names, and it is tried again.
    answer = f"answer with: drctl approve {case.id}" if record.state is StepState.ASKING else "a person must look"
    return f"{record.because}{would}; {answer}"


def _over(book: Book, name: str) -> str:
    owed = next((d.case for d in book.debts if d.case and kind(d.case) == name), None)
    return f"it asks no more: {_record(owed).because}" if owed else "it is owed no more"
