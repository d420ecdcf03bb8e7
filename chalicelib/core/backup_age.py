"""Tells of the age of the newest good backup while a fresh one is being made: half of the RPO, three quarters, missed.

Rules. The age counts from the end of the newest good and complete backup, as the step's last look saw it; without such
a look nothing is said, since what was not seen is not old. Each mark is told once an incident, by paging the next rung,
and the graver one tells for the lesser. A mark is passed by time alone, so a step that waits or is held back is told of
too.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from chalicelib.core.book import Book
from chalicelib.core.incident import StepState
from chalicelib.core.incidents import paged, put
from chalicelib.core.plan import Rules

NEWEST: Final = "newest_good_at"
"""The fact that a step keeps: when the newest good backup ended, in seconds since 1970."""
MARKS: Final = ((1.0, "missed"), (0.75, "three quarters spent"), (0.5, "half spent"))


def mark_of(age: timedelta, rpo: timedelta) -> str:
    """The gravest mark that an age has passed, empty when none."""
    return next((name for share, name in MARKS if age >= share * rpo), "")


def warned(book: Book, incident_id: str, rules: Rules, now: datetime) -> Book:
    """The book in which the newest mark of this incident is told."""
    incident, policy = book.incidents[incident_id], rules.policy
    if incident.confirmed_at is None:
        return book
    for step_id, record in incident.steps.items():
        newest = record.facts.get(NEWEST)
        if not isinstance(newest, float | int) or record.state in (StepState.DONE, StepState.LEFT):
            continue
        age = now - datetime.fromtimestamp(newest, UTC)
        mark = mark_of(age, policy.backups.rpo)
        names = [name for _, name in reversed(MARKS)]
        if not mark or (incident.rpo_told and names.index(mark) <= names.index(incident.rpo_told)):
            continue
        because = (
            f"the RPO of backups is {mark}: the newest good one is {policy.real(age)} old of"
            f" {policy.real(policy.backups.rpo)}, and {step_id} is {record.state}: {record.because}"
        )
        book = put(book, replace(incident, rpo_told=mark))
        return paged(book, incident_id, because, rules, now)
    return book
