"""The age of the newest good backup, told at half of the RPO, at three quarters, and when it is missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.core.backup_age import NEWEST, mark_of, warned
from chalicelib.core.book import Book
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.incidents import opened
from chalicelib.core.plan import Rules
from chalicelib.policy.platform import Mode
from tests.actions.stage import AT, POLICY

RULES = Rules(POLICY)


def failing(newest: datetime | None, state: StepState = StepState.RUNNING) -> tuple[Book, str]:
    """A book with one confirmed incident whose step has seen the newest good backup."""
    book = opened(
        Book(mode=Mode.AUTOMATIC, serving=POLICY.platform.regions.primary),
        scenario="backup-failure",
        scope="us-east-1/backups",
        failed_at=AT,
        declared_by="ana",
        because="a test",
        rules=RULES,
        now=AT,
    )
    (incident,) = book.incidents.values()
    record = StepRecord(state=state, because="it waits", facts={NEWEST: newest.timestamp()} if newest else {})
    incident = replace(incident, steps={"backup": record})
    return replace(book, incidents={incident.id: incident}), incident.id


def told(newest: datetime | None, *minutes: int, state: StepState = StepState.RUNNING) -> list[str]:
    book, name = failing(newest, state)
    for minute in minutes:
        book = warned(book, name, RULES, AT + timedelta(minutes=minute))
    incident: Incident = book.incidents[name]
    return [p.because.partition(":")[0] for p in incident.pagings]


def test_each_mark_pages_once_and_the_next_rung() -> None:
    book, name = failing(AT)
    for minute in range(0, 90, 1):
        book = warned(book, name, RULES, AT + timedelta(minutes=minute))
    pagings = book.incidents[name].pagings
    assert [p.because.partition(":")[0] for p in pagings] == [
        "the RPO of backups is half spent",
        "the RPO of backups is three quarters spent",
        "the RPO of backups is missed",
    ]
    assert [p.rung for p in pagings] == [1, 2, 2]
    assert "the newest good one is 38m old of 1h15m, and backup is running: it waits" in pagings[0].because


def test_the_graver_mark_tells_for_the_lesser() -> None:
    assert told(AT - timedelta(minutes=60), 0, 1) == ["the RPO of backups is three quarters spent"]
    assert told(AT - timedelta(hours=5), 0, 1, 2) == ["the RPO of backups is missed"]


def test_nothing_is_told_of_what_was_not_seen_or_is_done() -> None:
    assert told(None, 0, 90) == []
    assert told(AT, 90, state=StepState.DONE) == []


def test_what_is_held_back_is_told_of_too() -> None:
    assert told(AT, 76, state=StepState.HELD) == ["the RPO of backups is missed"]


def test_marks_are_shares_of_the_rpo() -> None:
    rpo = timedelta(minutes=60)
    assert [mark_of(timedelta(minutes=m), rpo) for m in (29, 30, 45, 60)] == [
        "",
        "half spent",
        "three quarters spent",
        "missed",
    ]
