"""What people may say, when it is refused, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.core.book import Book
from chalicelib.core.commands import REPLIES_KEPT, IllegalCommandError
from chalicelib.core.happened import (
    Abort,
    Acknowledge,
    Approve,
    Command,
    Declare,
    Escalate,
    Pause,
    Reject,
    Resolve,
    Resume,
    Status,
    Tick,
)
from chalicelib.core.incident import StepState
from chalicelib.core.states import IncidentState
from tests.core.stage import (
    PRIMARY,
    REGION,
    STANDBY,
    all_done_but,
    approve,
    arn_of,
    at,
    confirmed,
    declared,
    empty,
    in_state,
    only,
    said,
    suspected,
    take,
    wants,
    with_step,
)

ASKING = wants(10, state=StepState.ASKING, asked_at=at(10))


def asking(*steps: str) -> Book:
    book = confirmed()
    for step in steps or ("promote",):
        book = with_step(book, step, ASKING)
    return book


def test_declaring_opens_a_confirmed_incident_by_name() -> None:
    incident = only(declared(REGION, PRIMARY))
    assert (incident.state, incident.declared_by) == (IncidentState.RESPONDING, "ana")
    assert incident.confirmed_at == at(0)


def test_declaring_what_is_suspected_confirms_it() -> None:
    book = take(suspected(), Declare(said=said("d", 3), scenario=REGION, scope=PRIMARY), seconds=3)
    assert only(book).state is IncidentState.RESPONDING
    assert only(book).declared_by == "ana"


def test_declaring_what_is_open_already_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(IllegalCommandError, match="allowed: choose, approve, reject"):
        take(confirmed(), Declare(said=said("d", 20), scenario=REGION, scope=PRIMARY), seconds=20)


def test_an_approval_binds_to_the_plan_and_expires_as_policy_says() -> None:
    book = asking()
    given = only(take(book, approve(book, "yes", 20), seconds=20)).step("promote").approval
    assert given is not None
    assert given.plan == only(book).plan
    assert given.expires_at == at(20) + timedelta(minutes=30)


def test_an_approval_of_a_plan_that_was_not_seen_is_refused() -> None:
    book = asking()
    with pytest.raises(IllegalCommandError, match="look at it again"):
        take(book, replace(approve(book, "yes", 20), plan="0" * 16), seconds=20)


def test_approving_without_a_step_approves_every_step_that_asks() -> None:
    book = asking("promote", "capacity")
    steps = only(take(book, approve(book, "yes", 20), seconds=20)).steps
    assert {s for s, r in steps.items() if r.approval} == {"promote", "capacity"}


def test_a_step_that_asks_for_nothing_cannot_be_approved() -> None:
    book = asking()
    with pytest.raises(IllegalCommandError, match="asking: promote"):
        take(book, approve(book, "yes", 20, "capacity"), seconds=20)


def test_a_rejected_step_stalls_until_somebody_approves_it_by_name() -> None:
    book = all_done_but(confirmed(), "promote")
    book = take(with_step(book, "promote", ASKING), Tick(), seconds=11)
    incident = only(book)
    book = take(book, Reject(said=said("no", 20), incident=incident.id, step="promote"), seconds=20)
    assert only(book).state is IncidentState.STALLING
    assert only(take(book, Tick(), seconds=900)).step("promote").rejected_by == "ana"
    book = take(book, approve(book, "yes", 30, "promote", by="bob"), seconds=30)
    assert only(book).step("promote").rejected_by is None
    assert only(book).state is IncidentState.RESPONDING


def test_a_general_yes_does_not_lift_a_rejection() -> None:
    book = asking("promote", "capacity")
    incident = only(book)
    book = take(book, Reject(said=said("no", 20), incident=incident.id, step="promote"), seconds=20)
    book = take(book, approve(book, "yes", 30, by="bob"), seconds=30)
    assert only(book).step("promote").rejected_by == "ana"


@pytest.mark.parametrize("kind", [Abort, Resolve])
@pytest.mark.parametrize("state", [s for s in IncidentState if s is not IncidentState.CLOSING])
def test_a_person_ends_an_incident_in_any_open_state(state: IncidentState, kind: type[Abort | Resolve]) -> None:
    book = in_state(state)
    ended = only(take(book, kind(said=said("end", 20, note="enough"), incident=only(book).id), seconds=20))
    assert ended.state is IncidentState.CLOSING
    assert ended.ending == ("aborted" if kind is Abort else "resolved")
    assert f"ana ({arn_of('ana')}) said so: enough" in ended.because


CLOSED: dict[str, Callable[[Book], Command]] = {
    "abort": lambda b: Abort(said=said("c", 20), incident=only(b).id),
    "resolve": lambda b: Resolve(said=said("c", 20), incident=only(b).id),
}
STILL_TAKEN: dict[str, Callable[[Book], Command]] = {
    "approve": lambda b: approve(b, "c", 20, "promote"),
    "reject": lambda b: Reject(said=said("c", 20), incident=only(b).id, step="promote"),
    "escalate": lambda b: Escalate(said=said("c", 20), incident=only(b).id),
}


def closing() -> Book:
    book = asking()
    return take(book, Abort(said=said("end", 15), incident=only(book).id), seconds=15)


@pytest.mark.parametrize("name", CLOSED)
def test_an_incident_that_is_closing_cannot_be_ended_again(name: str) -> None:
    with pytest.raises(IllegalCommandError, match="closing already"):
        take(closing(), CLOSED[name](closing()), seconds=20)


@pytest.mark.parametrize("name", STILL_TAKEN)
def test_an_incident_that_is_closing_takes_no_command_that_it_cannot_carry_out(name: str) -> None:
    with pytest.raises(IllegalCommandError):
        take(closing(), STILL_TAKEN[name](closing()), seconds=20)


def test_pause_and_resume_want_each_other() -> None:
    book = take(empty(), Pause(said=said("p", note="odd numbers")))
    assert book.paused is not None
    assert (book.paused.by, book.paused.because) == ("ana", "odd numbers")
    with pytest.raises(IllegalCommandError, match="already paused by ana"):
        take(book, Pause(said=said("p2")))
    assert take(book, Resume(said=said("r"))).paused is None
    with pytest.raises(IllegalCommandError, match="nothing is paused"):
        take(empty(), Resume(said=said("r")))


def test_acknowledging_stops_the_ladder() -> None:
    book = confirmed()
    book = take(book, Acknowledge(said=said("ack", 20), incident=only(book).id), seconds=20)
    assert only(take(book, Tick(), seconds=9000)).pagings == ()


def test_the_second_to_acknowledge_hears_who_was_first() -> None:
    book = confirmed()
    book = take(book, Acknowledge(said=said("ack", 20), incident=only(book).id), seconds=20)
    book = take(book, Acknowledge(said=said("ack2", 21, by="bob"), incident=only(book).id), seconds=21)
    assert book.replies[-1].because == "already acknowledged by ana"
    assert only(book).acknowledged_by == "ana"


def test_asking_for_the_status_changes_nothing_but_the_replies() -> None:
    book = take(confirmed(), Tick(), seconds=20)
    assert replace(take(book, Status(said=said("s", 20)), seconds=20), replies=book.replies) == book


def test_replies_are_remembered_up_to_a_limit() -> None:
    book = take(empty(), *(Status(said=said(f"s{n}")) for n in range(REPLIES_KEPT + 20)))
    assert len(book.replies) == REPLIES_KEPT
    assert book.replies[-1].id == f"s{REPLIES_KEPT + 19}"


def test_a_command_repeated_after_many_status_questions_is_still_known() -> None:
    pause = Pause(said=said("p"))
    book = take(empty(), pause, Resume(said=said("r")))
    book = take(book, *(Status(said=said(f"s{n}")) for n in range(REPLIES_KEPT)))
    assert take(book, pause).paused is None


def test_an_incident_declared_again_in_the_same_second_is_one_of_its_own() -> None:
    book = declared(REGION, PRIMARY)
    book = take(book, Abort(said=said("end"), incident=only(book).id), seconds=0.3)
    again = Declare(said=said("again"), scenario=REGION, scope=PRIMARY)
    assert len(take(book, again, seconds=0.6).incidents) == 2


def test_a_region_that_does_not_serve_cannot_be_declared_failed() -> None:
    with pytest.raises(IllegalCommandError):
        take(empty(), Declare(said=said("d"), scenario=REGION, scope=STANDBY))


def test_a_repeated_approval_does_not_approve_what_asks_later() -> None:
    book = asking()
    yes = approve(book, "yes", 20)
    book = take(book, yes, seconds=20)
    book = with_step(book, "capacity", ASKING)
    again: Approve = yes
    assert only(take(book, again, seconds=30)).step("capacity").approval is None
