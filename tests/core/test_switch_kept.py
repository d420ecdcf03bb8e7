"""A person's word that the switch, thrown by hand, is meant to stand there: recorded, and over when it moves again."""

from __future__ import annotations

import pytest

from chalicelib.core.answers import Decided, Looked
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.happened import KeepSwitch
from chalicelib.core.incident import StepRecord, StepState
from chalicelib.core.incidents import put_step
from chalicelib.core.outcome import Done
from chalicelib.core.switch import Stands
from tests.core.little_world import Worker
from tests.core.stage import PRIMARY, REGION, STANDBY, at, declared, only, reread, said, take
from tests.core.test_switch import AT_PRIMARY, AT_STANDBY, GONE, MINUTE, NO_DATA, idle, tick, told

WHY = "a rehearsal until noon"


def moved() -> Worker:
    """Somebody has thrown the switch by hand, and it was told, at 60 s."""
    worker = idle()
    worker.world.switch = AT_STANDBY
    tick(worker, MINUTE)
    assert len(told(worker)) == 2
    return worker


def keep(worker: Worker, seconds: float = 70, *, region: str = STANDBY, note: str = WHY) -> None:
    word = KeepSwitch(said=said(f"keep-{seconds}", seconds, note=note), region=region)
    worker.take(word, at(seconds))


def kept() -> Worker:
    worker = moved()
    keep(worker)
    return worker


def test_it_is_recorded_with_the_name_and_the_reason_and_settles_what_was_found() -> None:
    worker = kept()
    meant = worker.book.meant
    assert meant is not None
    assert (meant.region, meant.by, meant.at, meant.because) == (STANDBY, "ana", at(70), WHY)
    tick(worker, 2 * MINUTE)
    (line, *_) = told(worker, "finding-settled")[0].lines
    assert line.startswith("ana (arn:aws:sts::111122223333:assumed-role/dr-operator/ana) means the traffic switch to")
    assert WHY in line
    texts = [e.text for e in worker.timeline if e.kind == "switch-kept"]
    assert len(texts) == 1
    assert f"means the traffic switch to stand at {STANDBY}: {WHY}" in texts[0]


def test_nothing_is_found_while_it_stays_there_and_what_serves_does_not_change() -> None:
    worker = kept()
    for minute in range(2, 70, 7):
        tick(worker, minute * MINUTE)
    worker.book = reread(worker.book)
    tick(worker, 80 * MINUTE)
    assert worker.book.findings == {}
    assert len(told(worker)) == 2
    assert worker.book.serving == PRIMARY, "the database is where it was"


def test_it_ends_when_the_switch_is_back_and_the_next_move_is_found_anew() -> None:
    worker = kept()
    worker.world.switch = AT_PRIMARY
    tick(worker, 3 * MINUTE)
    assert worker.book.meant is None
    assert worker.book.findings == {}
    assert any("counts no more: the switch stands elsewhere" in e.text for e in worker.timeline)
    worker.world.switch = AT_STANDBY
    tick(worker, 5 * MINUTE)
    assert len(told(worker)) == 4


def test_half_of_it_is_never_meant() -> None:
    worker = kept()
    worker.world.switch = Stands(region=STANDBY, because="one control is Off, and so is the other", whole=False)
    tick(worker, 3 * MINUTE)
    assert worker.book.meant is None
    assert worker.book.findings


def test_silence_and_absence_do_not_end_it_and_absence_is_told_all_the_same() -> None:
    worker = kept()
    worker.world.switch = NO_DATA
    tick(worker, 3 * MINUTE)
    assert worker.book.meant is not None
    worker.world.switch = GONE
    tick(worker, 5 * MINUTE)
    assert worker.book.meant is not None
    assert {m.headline for m in told(worker)} >= {"The traffic switch cannot be thrown"}


@pytest.mark.parametrize("calls", [True, False])
def test_it_ends_when_an_incident_moves_the_switch_or_has_it_there_itself(*, calls: bool) -> None:
    worker = kept()
    book = declared(REGION, PRIMARY, seconds=100, book=worker.book)
    name = next(iter(book.incidents))
    if calls:
        book = put_step(book, name, "traffic", StepRecord(state=StepState.RUNNING, because="it is missing"))
        book = take(book, Decided(incident=name, step="traffic", because="verified"), seconds=101)
        assert any("an incident throws the switch" in e.text for e in book.outbox)
    else:
        there = Done(because="it is in ALARM", facts={"serves": STANDBY})
        book = take(book, Looked(incident=name, step="traffic", next=there), seconds=101)
        assert book.serving == STANDBY
        assert any(f"{STANDBY} serves now" in e.text for e in book.outbox)
    assert book.meant is None


@pytest.mark.parametrize(
    ("seen", "region", "note", "because"),
    [
        (AT_STANDBY, STANDBY, " ", "needs a note that says why"),
        (AT_STANDBY, PRIMARY, WHY, "was last seen at 'us-west-2', not at 'us-east-1'"),
        (AT_PRIMARY, PRIMARY, WHY, "where the responder left it: nothing to keep"),
        (NO_DATA, STANDBY, WHY, "nobody can say where the traffic switch stands now"),
    ],
)
def test_a_word_about_what_is_not_so_is_refused(seen: Stands, region: str, note: str, because: str) -> None:
    worker = idle()
    worker.world.switch = seen
    tick(worker, MINUTE)
    with pytest.raises(IllegalCommandError, match=because):
        keep(worker, region=region, note=note)
    assert worker.book.meant is None


def test_it_is_said_once() -> None:
    with pytest.raises(IllegalCommandError, match="is meant already"):
        keep(kept(), 75)


def test_it_is_refused_while_an_incident_throws_the_switch() -> None:
    worker = moved()
    book = declared(REGION, PRIMARY, seconds=100, book=worker.book)
    record = StepRecord(state=StepState.RUNNING, because="accepted", calls=1)
    worker.book = put_step(book, only(book).id, "traffic", record)
    with pytest.raises(IllegalCommandError, match="an incident is throwing the traffic switch just now"):
        keep(worker, 101)
