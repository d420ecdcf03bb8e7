"""A debt that asks is told: its incident is closed, and nobody would look for it there."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.answers import Looked
from chalicelib.core.book import Book, Finding
from chalicelib.core.debt_asks import kind
from chalicelib.core.due import Tell, due
from chalicelib.core.happened import Approve, Reject
from chalicelib.core.incident import Incident
from chalicelib.core.outcome import Stuck
from chalicelib.policy.platform import Mode
from tests.core.little_world import LittleWorld, Worker
from tests.core.stage import RULES, at, confirmed, said
from tests.core.test_failover import LOOSE, run


def asking() -> Worker:
    """A failover whose region stayed dark is over; in the mode `approve` its three debts ask when it is back."""
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    run(worker)
    worker.world.dark = False
    worker.book = worker.saved = replace(worker.book, mode=Mode.APPROVE)
    rounds(worker, 9000, 9030)
    return worker


def rounds(worker: Worker, since: int, until: int) -> None:
    for seconds in range(since, until, 5):
        worker.round(at(seconds))


def cases(book: Book) -> list[Incident]:
    return [d.case for d in book.debts if d.case]


def told(worker: Worker, case: Incident) -> list[Finding]:
    return [f for f in worker.book.findings.values() if f.kind == kind(case)]


def raised(worker: Worker) -> list[str]:
    return [e.text for e in worker.timeline if e.kind == "finding" and e.text.startswith("debt-")]


def test_each_debt_that_asks_pages_once_and_says_what_it_would_do_and_what_to_type() -> None:
    worker = asking()
    owed = cases(worker.book)
    assert len(owed) == len(LOOSE)
    for case in owed:
        (found,) = told(worker, case)
        record = next(iter(case.steps.values()))
        assert record.call
        assert "asks a person" in found.headline
        assert record.call.sentence() in found.because
        assert found.because.endswith(f"drctl approve {case.id}")
        assert {k.rpartition("/")[2] for k in found.notices} == {"pagerduty", "slack-incidents"}
    rounds(worker, 9030, 9930)
    assert len(raised(worker)) == len(LOOSE)
    assert not [w for w in due(worker.book, rules=RULES, now=at(9930)) if isinstance(w, Tell)]


def test_a_debt_that_only_waits_for_its_region_pages_nobody() -> None:
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    run(worker)
    rounds(worker, 9000, 9300)
    assert cases(worker.book)
    assert raised(worker) == []


def test_it_is_settled_when_it_is_paid_and_when_a_person_rejects_it() -> None:
    worker = asking()
    no, *yes = cases(worker.book)
    step = no.id.rpartition("/")[2]
    worker.take(Reject(said=said("no", 9030), incident=no.id, step=step), at(9030))
    for case in yes:
        worker.take(Approve(said=said(f"yes {case.id}", 9030), incident=case.id, plan=case.plan), at(9030))
    rounds(worker, 9030, 9200)
    assert [c.id for c in cases(worker.book)] == [no.id]
    assert worker.book.findings == {}
    settled = [e.text for e in worker.timeline if e.kind == "settled" and "debt-" in e.text]
    assert len(settled) == len(LOOSE)
    assert len(raised(worker)) == len(LOOSE)


def test_a_debt_that_is_stuck_is_told_and_asks_for_no_approval() -> None:
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    run(worker)
    case = cases(worker.book)[0]
    step = case.id.rpartition("/")[2]
    stuck = Looked(incident=case.id, step=step, next=Stuck(because="its role is gone"))
    worker.take(stuck, at(9000))
    (found,) = told(worker, case)
    assert "cannot go on" in found.headline
    assert found.because == "its role is gone; a person must look"
