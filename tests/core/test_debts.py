"""Steps that recovery does not wait for: left in time, owed afterwards, tried every tick, paid once."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.book import Book, Pause, case_of
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import Do, Held, Look, due
from chalicelib.core.happened import Approve, BreakGlass, Reject, Tick
from chalicelib.core.incident import StepState
from chalicelib.core.plan import PlanError, plan
from chalicelib.policy.platform import Mode
from tests.core.little_world import LittleWorld, Worker
from tests.core.stage import PRIMARY, REGION, RULES, at, confirmed, only, policy_with, reread, said, take
from tests.core.test_failover import LOOSE, run

FENCE = "fence"


def recovered_in_the_dark() -> Worker:
    """A failover whose region stayed dark: it is over, and three steps are owed."""
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    run(worker)
    assert not worker.book.incidents
    return worker


def owed(book: Book) -> set[str]:
    return {d.case.id.rpartition("/")[2] for d in book.debts if d.case}


def test_a_step_of_best_effort_is_left_at_its_deadline_and_pages_nobody() -> None:
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    for seconds in range(10, 200, 5):
        worker.round(at(seconds))
    incident = only(worker.book)
    assert {n for n, r in incident.steps.items() if r.state is StepState.LEFT} == LOOSE
    assert "tried every tick until it is done" in incident.step(FENCE).because
    assert incident.pagings == () or all("fence" not in p.because for p in incident.pagings)
    assert owed(worker.book) == LOOSE


def test_what_is_left_is_still_looked_at_while_the_incident_is_open_and_after_it_is_closed() -> None:
    worker = recovered_in_the_dark()
    looks = [w for w in due(worker.book, rules=RULES, now=at(9000)) if isinstance(w, Look)]
    assert {w.step.id for w in looks} == LOOSE
    assert all(w.aside for w in looks)


def test_when_the_region_comes_back_the_first_tick_fences_it_and_the_debt_is_paid_once() -> None:
    worker = recovered_in_the_dark()
    worker.world.dark = False
    for seconds in range(9000, 9200, 5):
        worker.round(at(seconds))
    assert worker.book.debts == ()
    assert {worker.world.called[name] for name in LOOSE} == {1}
    paid = [e.text for e in worker.timeline if e.incident == "platform" and e.kind == "paid"]
    assert len(paid) == len(LOOSE)
    assert all("is owed no more" in text for text in paid)
    closed = next(iter(worker.archived))
    assert {e.incident for e in worker.timeline if e.at >= at(9000)} == {"platform", *(f"{closed}/{n}" for n in LOOSE)}


def test_a_block_window_does_not_stand_against_a_debt() -> None:
    worker = recovered_in_the_dark()
    assert worker.book.blocks
    worker.world.dark = False
    soon = worker.book.blocks[0].until.replace(microsecond=0)
    worker.round(min(soon, at(2000)))
    assert worker.world.called[FENCE] == 1


@pytest.mark.parametrize(
    "stop",
    [
        lambda b: replace(b, paused=Pause(by="ann", at=at(8000), because="no")),
        lambda b: replace(b, mode=Mode.OBSERVE),
        lambda b: replace(b, mode=Mode.APPROVE),
    ],
)
def test_neither_a_pause_nor_a_mode_that_asks_lets_a_debt_move_by_itself(stop: Any) -> None:
    worker = recovered_in_the_dark()
    worker.world.dark = False
    worker.book = worker.saved = stop(worker.book)
    for seconds in range(9000, 9030, 5):
        worker.round(at(seconds))
    assert not any(worker.world.called[name] for name in LOOSE)
    assert any(isinstance(w, Held) for w in due(worker.book, rules=RULES, now=at(9031)))
    assert not any(isinstance(w, Do) for w in due(worker.book, rules=RULES, now=at(9031)))


def test_a_debt_survives_being_stored_and_a_crash_before_its_call() -> None:
    worker = recovered_in_the_dark()
    assert reread(worker.book) == worker.book
    worker.world.dark = False
    worker.round(at(9000), crash_before=0)
    for seconds in range(9005, 9200, 5):
        worker.round(at(seconds))
    assert worker.book.debts == ()


def test_a_failover_that_could_fence_owes_nothing_and_promotes_by_itself_where_policy_lets_it() -> None:
    worker = Worker(LittleWorld(), confirmed(), RULES)
    run(worker)
    assert worker.book.debts == ()
    (incident,) = worker.archived.values()
    assert incident.step(FENCE).facts["fenced"] == "Fenced"


def test_nothing_may_need_a_step_of_best_effort() -> None:
    def edit(raw: dict[str, Any]) -> None:
        for step in raw["runbooks"]["runbooks"][0]["steps"]:
            if step["id"] == "promote":
                step["needs"] = [*step["needs"], FENCE]

    with pytest.raises(PlanError, match="needs 'fence', which is done as best effort only"):
        plan(REGION, policy=policy_with(edit))


def test_a_book_of_format_1_is_read_and_its_debt_only_reminds() -> None:
    book = confirmed()
    import json

    from chalicelib.store.codec import dump_book, read_book

    raw = json.loads(dump_book(book))
    raw["format"] = 1
    raw["debts"] = [
        {
            "kind": "fence",
            "what": f"{PRIMARY}/neurectomy-pg",
            "incident": "us-east-1-region-failure-20261101T000000",
            "since": "2026-11-01T00:00:00Z",
            "because": "the old primary was not proven to take no writes",
        }
    ]
    for mark in raw["watermarks"].values():
        del mark["flips"]
    old = copy.deepcopy(raw)
    found, aside = read_book(json.dumps(old))
    assert not aside
    (debt,) = found.debts
    assert debt.case is None
    later = take(found, Tick(), seconds=60)
    assert [d.what for d in later.debts] == [f"{PRIMARY}/neurectomy-pg"]
    assert case_of(later, debt.incident) is None


def test_a_debt_that_asks_in_the_mode_approve_is_approved_and_rejected_by_its_own_name() -> None:
    worker = recovered_in_the_dark()
    worker.world.dark = False
    worker.book = replace(worker.book, mode=Mode.APPROVE)
    for seconds in range(9000, 9060, 5):
        worker.round(at(seconds))
    asking = [d.case for d in worker.book.debts if d.case and d.case.step(d.case.id.rpartition("/")[2]).call]
    assert {c.id.rpartition("/")[2] for c in asking} == LOOSE
    assert not any(worker.world.called[name] for name in LOOSE)
    no, *yes = asking
    step = no.id.rpartition("/")[2]
    worker.take(Reject(said=said("no", 9060), incident=no.id, step=step), at(9060))
    for case in yes:
        worker.take(Approve(said=said(f"yes {case.id}", 9060), incident=case.id, plan=case.plan), at(9060))
    for seconds in range(9060, 9200, 5):
        worker.round(at(seconds))
    assert owed(worker.book) == {step}
    assert worker.world.called[step] == 0


def test_the_glass_is_not_broken_for_a_debt() -> None:
    worker = recovered_in_the_dark()
    case = next(d.case for d in worker.book.debts if d.case)
    command = BreakGlass(
        said=said("glass", 9000, note="nobody is here"),
        incident=case.id,
        plan=case.plan,
        step=case.id.rpartition("/")[2],
    )
    with pytest.raises(IllegalCommandError, match="is a debt"):
        worker.take(command, at(9000))
