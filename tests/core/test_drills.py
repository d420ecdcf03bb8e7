"""Drills in the core: the plan aimed at copies, when one begins and ends, and what its age means for the runbook."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import pytest

from chalicelib.actions.registry import ACTIONS, DRILLS
from chalicelib.core.answers import Archived, Asked, Called, Decided, Looked
from chalicelib.core.book import Book, Reply
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.drill_clock import due_now
from chalicelib.core.drilling import FAILED, TABLETOP, of, owed, stale
from chalicelib.core.due import Archive, Do, Held, Look, due, wake_at
from chalicelib.core.gates import Ask, Pass, Wanted, drill_freshness
from chalicelib.core.happened import CLOCK_ARN, Abort, Acknowledge, AlarmState, Pause, Rehearse, Said, Tick
from chalicelib.core.incident import Drilled, Incident, StepRecord, StepState
from chalicelib.core.outcome import Done, Doubtful, Stuck
from chalicelib.core.plan import PlanError, Rules, plan
from chalicelib.core.public import page
from chalicelib.core.rehearsal import COPY, DRILL, TABLE, rehearsal
from chalicelib.core.states import IncidentState
from chalicelib.policy import Policy
from chalicelib.policy.platform import Mode
from tests.core.stage import (
    POLICY,
    PRIMARY,
    REGION,
    ROUTE53,
    RULES,
    alarm,
    at,
    call,
    confirmed,
    done,
    empty,
    only,
    plan_of,
    policy_with,
    reread,
    said,
    take,
    wants,
)

PEOPLE: Final = "provider-outage"
STEPS: Final = rehearsal(plan_of(REGION), POLICY).plan


def begun(book: Book | None = None, runbook: str = REGION, kind: str = "", seconds: float = 0) -> Book:
    return take(
        book or empty(), Rehearse(said=said(f"d{seconds}", seconds), runbook=runbook, kind=kind), seconds=seconds
    )


def the_drill(book: Book) -> Incident:
    (case,) = book.drills.values()
    return case


def with_record(book: Book, step: str, record: StepRecord) -> Book:
    case = the_drill(book)
    return replace(book, drills={case.id: replace(case, steps={**case.steps, step: record})})


def all_done(book: Book, *but: str, seconds: float = 10) -> Book:
    for step in STEPS.steps:
        if step.id not in but:
            book = with_record(book, step.id, done(seconds))
    return book


def cleaned(book: Book, seconds: float) -> Book:
    """Every part of the clean-up is seen to be done, and the drill is kept."""
    case = the_drill(book)
    for undo in owed(case, RULES):
        book = take(book, Looked(incident=case.id, step=undo.id, next=Done(because="gone")), seconds=seconds)
    book = replace(take(book, Tick(), seconds=seconds), outbox=())
    assert [w.incident for w in due(book, rules=RULES, now=at(seconds)) if isinstance(w, Archive)] == [case.id]
    return take(book, Archived(incident=case.id), seconds=seconds)


def work(book: Book, seconds: float = 0, rules: Rules = RULES) -> list[Any]:
    mine = set(book.drills)
    return [w for w in due(book, rules=rules, now=at(seconds)) if getattr(w, "incident", "") in mine]


# The plan

DRILLED_OBJECTS = ("drill-objects", "s3-count", "s3-restore", "drill-objects-same", "drill-objects-gone")


def test_every_action_is_rehearsed_or_says_why_it_is_not() -> None:
    assert set(TABLE) == set(ACTIONS) - set(DRILLS)


@pytest.mark.parametrize("runbook", [r.scenario for r in POLICY.runbooks.runbooks])
def test_a_rehearsed_step_is_aimed_at_a_copy_and_every_other_says_why(runbook: str) -> None:
    real = plan_of(runbook)
    if all(isinstance(TABLE[s.action](s, POLICY), str) for s in real.steps):
        with pytest.raises(PlanError, match="a tabletop rehearses the people"):
            rehearsal(real, POLICY)
        return
    found = rehearsal(real, POLICY)
    assert all(s.params[COPY] == DRILL for s in (*found.plan.steps, *found.plan.undos))
    kept = {s.id for s in found.plan.steps}
    assert {s.title for s in real.steps if s.id not in kept} == {title for title, _ in found.left_out}
    assert all(why for _, why in found.left_out)
    assert not any(s.may_ask or s.best_effort or s.missing or s.announces for s in found.plan.steps)


def test_the_fence_is_not_rehearsed_and_says_so() -> None:
    left_out = dict(rehearsal(plan_of(REGION), POLICY).left_out)
    assert "there is no copy of a primary that people use" in left_out["Keep the old primary from taking writes"]


def test_whoever_needed_a_step_that_is_left_out_needs_what_that_one_needed() -> None:
    assert STEPS.step("verify-database").needs == ("promote",)
    assert STEPS.step("restore-api-gateway").needs == ("rewrites",)


def test_restores_go_one_after_another_so_that_a_real_one_waits_for_one_at_most() -> None:
    restores = [s for s in STEPS.steps if s.action == "velero-restore"]
    assert all(before.id in after.needs for before, after in pairwise(restores))


def test_a_throw_away_database_is_always_written_to_and_asked() -> None:
    actions = {s.action for s in rehearsal(plan_of("data-corruption"), POLICY).plan.steps}
    assert {"restore-instance", "drill-write", "integrity-check"} <= actions


@pytest.mark.parametrize("runbook", ["data-corruption", "accidental-deletion", "ransomware"])
def test_objects_are_written_before_they_are_counted_put_back_and_compared_and_deleted_in_the_end(runbook: str) -> None:
    found = rehearsal(plan_of(runbook), POLICY).plan
    by = {s.action: s for s in found.steps}
    assert by["drill-objects"].needs == ()
    assert by["drill-objects"].id in by["s3-count"].needs
    assert {by["drill-objects"].id, by["s3-count"].id} <= set(by["s3-restore"].needs)
    assert by["drill-objects-same"].needs == (by["s3-restore"].id,)
    assert all(by[name].params == {COPY: DRILL, "newer": "remove"} for name in ("s3-count", "s3-restore"))
    assert ("drill-objects-gone", by["drill-objects"].id) in [(u.action, u.undoes) for u in found.undos]


def test_without_a_folder_of_drills_no_object_is_put_back_and_the_report_says_so() -> None:
    drills = POLICY.drills.model_copy(update={"test_folder": None})
    without = POLICY.model_copy(update={"drills": drills})
    found = rehearsal(plan_of("data-corruption"), without)
    assert dict(found.left_out)["Put the artifacts back as they were"] == "drills.yaml names no test folder"
    assert not {s.action for s in (*found.plan.steps, *found.plan.undos)} & set(DRILLED_OBJECTS)
    with pytest.raises(PlanError, match="a tabletop rehearses the people"):
        rehearsal(plan_of("accidental-deletion"), without)


def test_the_structure_of_a_drill_is_another_when_its_runbook_s_is() -> None:
    def without_capacity(raw: dict[str, Any]) -> None:
        steps = raw["runbooks"]["runbooks"][0]["steps"]
        raw["runbooks"]["runbooks"][0]["steps"] = [s for s in steps if s["id"] != "pause-standby-schedules"]

    other = policy_with(without_capacity)
    assert plan(REGION, policy=other).hash != plan_of(REGION).hash


# Beginning


def test_a_drill_is_no_incident() -> None:
    book = begun()
    assert not book.incidents
    assert the_drill(book).drill is not None
    assert reread(book).drills == book.drills
    assert page(book, RULES, at(5)).incidents == ()
    assert all(c.status == "operational" for c in page(book, RULES, at(5)).components)


def test_only_what_leans_on_nothing_goes_on_at_once_and_nothing_waits_for_it() -> None:
    found = work(begun())
    assert [w.step.id for w in found] == ["clear", "capacity"]
    assert all(isinstance(w, Look) and w.aside for w in found)


@pytest.mark.parametrize(
    ("book", "kind", "why"),
    [
        (empty(Mode.OBSERVE), "copies", "the mode is observe"),
        (confirmed(), "copies", "a real one goes first"),
        (begun(), "copies", "one runs at a time"),
        (take(empty(), Pause(said=said("p"))), "copies", "paused by ana"),
        (empty(), "sideways", "allowed: copies, people, live"),
        (empty(), "live", "is no planned move"),
    ],
)
def test_a_drill_that_may_not_begin_says_why(book: Book, kind: str, why: str) -> None:
    with pytest.raises(IllegalCommandError, match=why):
        take(book, Rehearse(said=said("d1", 20), runbook=REGION, kind=kind), seconds=20)


def test_a_runbook_of_which_nothing_can_be_rehearsed_sends_people_to_the_table() -> None:
    with pytest.raises(IllegalCommandError, match="--tabletop"):
        begun(runbook=PEOPLE, kind="copies")


def test_only_the_clock_speaks_as_the_clock() -> None:
    forged = Said(id="x", by=CLOCK_ARN, at=at(0))
    with pytest.raises(IllegalCommandError, match="needs a proven person"):
        take(empty(), Rehearse(said=forged, runbook=REGION))
    assert take(empty(), Rehearse(said=replace(forged, arn=CLOCK_ARN), runbook=REGION)).drills


# A call of a drill


def called(book: Book, step: str, seconds: float) -> Book:
    case = the_drill(book)
    return take(book, Decided(incident=case.id, step=step, because="its turn"), seconds=seconds)


def ready_to_restore() -> Book:
    book = with_record(with_record(begun(), "clear", done(1)), "rewrites", done(1))
    return with_record(book, "restore-api-gateway", wants(2))


def test_a_drill_asks_nobody_where_steps_ask() -> None:
    book = replace(ready_to_restore(), mode=Mode.APPROVE)
    assert [w.step.id for w in work(book, 3) if isinstance(w, Do)] == ["restore-api-gateway"]


def test_a_drill_stands_still_while_everything_is_paused() -> None:
    book = take(ready_to_restore(), Pause(said=said("p", 3)), seconds=3)
    (held,) = [w for w in work(book, 3) if isinstance(w, Held)]
    assert "paused by ana" in held.because
    assert not isinstance(held.answer, Asked)


def test_a_drill_never_changes_which_region_serves() -> None:
    book = begun()
    found = Looked(incident=the_drill(book).id, step="traffic", next=Done(because="there", facts={"serves": "mars"}))
    assert take(book, found, seconds=3).serving == PRIMARY


# The end


def test_a_real_alarm_ends_it_in_the_same_moment() -> None:
    book = take(ready_to_restore(), alarm(ROUTE53, AlarmState.ALARM, 5), seconds=5)
    assert book.incidents
    drill = of(the_drill(book))
    assert (drill.result, drill.over_at) == ("abandoned", at(5))
    assert {w.step.id for w in work(book, 5)} == {"clean-copies"}
    incident = only(book)
    assert incident.state is IncidentState.SUSPECTING


def test_a_person_ends_it_and_its_clean_up_goes_on() -> None:
    book = ready_to_restore()
    book = take(book, Abort(said=said("stop", 6), incident=the_drill(book).id), seconds=6)
    assert of(the_drill(book)).result == "abandoned"
    assert {w.step.id for w in work(book, 6)} == {"clean-copies"}
    assert not cleaned(book, 9).drilled, "it says nothing about the runbook"


def test_the_clean_up_waits_for_a_call_that_may_still_have_its_effect() -> None:
    book = called(ready_to_restore(), "restore-api-gateway", 4)
    lost = Called(incident=the_drill(book).id, step="restore-api-gateway", outcome=Doubtful(because="no answer"))
    book = take(book, lost, seconds=5)
    book = take(book, Abort(said=said("stop", 6), incident=the_drill(book).id), seconds=6)
    assert work(book, 6) == []
    assert wake_at(book, rules=RULES, now=at(6)) == at(34)
    assert [w.step.id for w in work(book, 34)] == ["clean-copies"]


def test_one_that_went_well_is_kept_only_when_all_of_it_is_seen_to_be_gone() -> None:
    book = take(all_done(begun()), Tick(), seconds=20)
    case = the_drill(book)
    assert of(case).result == "passed"
    assert {w.step.id for w in work(book, 20)} == {s.id for s in STEPS.undos}
    assert all(isinstance(w, Look) for w in work(book, 20))
    book = cleaned(book, 30)
    assert not book.drills
    assert book.drilled[REGION] == Drilled(
        id=case.id,
        at=at(0),
        result="passed",
        because=of(case).because,
        of_plan=plan_of(REGION).hash,
        kind="copies",
        good_at=at(0),
    )


def test_a_step_past_its_deadline_fails_it_and_what_does_not_lean_on_it_goes_on() -> None:
    book = all_done(begun(), "ready-redis", "verify-redis", "ready-prometheus", "verify-prometheus")
    book = with_record(book, "ready-redis", StepRecord(state=StepState.RUNNING, because="0 of 1", started_at=at(10)))
    late = 10 + STEPS.step("ready-redis").deadline.total_seconds() + 1
    book = take(book, Tick(), seconds=late)
    assert of(the_drill(book)).over_at is None, "prometheus goes on"
    for step in ("ready-prometheus", "verify-prometheus"):
        book = with_record(book, step, done(late))
    book = take(book, Tick(), seconds=late)
    assert of(the_drill(book)).result == "failed"
    assert "0 of 1" in the_drill(book).because
    book = cleaned(book, late + 5)
    assert [f.kind for f in book.findings.values() if f.settled_at is None] == [FAILED]
    again = cleaned(take(all_done(begun(book, seconds=9000), seconds=9001), Tick(), seconds=9002), 9003)
    assert [f.kind for f in again.findings.values() if f.settled_at is None] == []


def test_a_clean_up_that_does_not_get_done_is_told() -> None:
    book = take(all_done(begun()), Tick(), seconds=20)
    stuck = Looked(incident=the_drill(book).id, step="clean-database", next=Stuck(because="AccessDenied"))
    book = take(book, stuck, seconds=30)
    book = take(book, Tick(), seconds=21 + POLICY.drills.clean_within.total_seconds())
    (finding,) = book.findings.values()
    assert "AccessDenied" in finding.because
    assert finding.severity == "high"


# Tabletop


def test_a_tabletop_asks_people_and_touches_nothing() -> None:
    book = begun(empty(Mode.OBSERVE), runbook=PEOPLE)
    assert [f.kind for f in book.findings.values()] == [TABLETOP]
    assert work(book) == []
    name = the_drill(book).id
    book = take(book, Acknowledge(said=said("here", 42), incident=name), seconds=42)
    book = take(book, Acknowledge(said=said("again", 50), incident=name), seconds=50)
    end = POLICY.drills.answer_within.total_seconds()
    assert wake_at(book, rules=RULES, now=at(50)) is not None
    book = take(book, Tick(), seconds=end)
    assert of(the_drill(book)).result == "passed"
    assert "after 42s" in of(the_drill(book)).because


def test_a_tabletop_that_nobody_answers_has_failed() -> None:
    book = take(begun(runbook=PEOPLE), Tick(), seconds=POLICY.drills.answer_within.total_seconds())
    assert of(the_drill(book)).result == "failed"


# Live


def test_a_live_drill_is_an_incident_that_counts_as_a_drill_when_it_is_over() -> None:
    book = begun(runbook="planned-switchover", kind="live")
    incident = only(book)
    assert incident.drill is not None
    assert not book.drills
    closing = replace(incident, state=IncidentState.CLOSING, ending="recovered", ended_at=at(60))
    book = take(replace(book, incidents={incident.id: closing}), Archived(incident=incident.id), seconds=60)
    assert book.drilled["planned-switchover"].result == "passed"
    assert not book.incidents


# How fresh


def drilled(days: float, result: str = "passed", of_plan: str = "") -> Book:
    held = of_plan or plan_of(REGION).hash
    when = at(-days * 86400)
    last = Drilled(
        id="drill-1",
        at=when,
        result=result,  # type: ignore[arg-type] # one of its words
        because="it says why",
        of_plan=held,
        kind="copies",
        good_at=when if result == "passed" else None,
    )
    return replace(empty(), drilled={REGION: last}, drills_since=at(-400 * 86400))


@pytest.mark.parametrize(
    ("book", "why"),
    [
        (drilled(10), ""),
        (drilled(100), "was due by"),
        (drilled(10, "failed"), "failed at 2026-11-13: it says why"),
        (drilled(10, of_plan="0" * 16), "was of plan 0000000000000000"),
        (replace(empty(), drills_since=at(-10 * 86400)), ""),
        (replace(empty(), drills_since=at(-100 * 86400)), "never passed"),
        (empty(), ""),
    ],
)
def test_a_runbook_whose_drill_is_not_fresh_asks_and_says_so(book: Book, why: str) -> None:
    row = POLICY.drills.row(REGION)
    assert row is not None
    assert why in stale(book, row, plan_of(REGION).hash, at(0))
    held = confirmed(book)
    wanted = Wanted(incident=only(held), step=plan_of(REGION).step("capacity"), record=wants(10), call=call())
    verdict = drill_freshness(wanted, held, RULES, at(10))
    assert isinstance(verdict, Ask if why else Pass)
    assert not why or verdict.because.endswith("so every step asks")


def test_a_drill_that_failed_holds_although_an_older_one_passed() -> None:
    book = drilled(10, "failed")
    book = replace(book, drilled={REGION: replace(book.drilled[REGION], good_at=at(-20 * 86400))})
    row = POLICY.drills.row(REGION)
    assert row is not None
    assert "failed" in stale(book, row, plan_of(REGION).hash, at(0))


# By the clock: the start is a Monday, 03:00


def always(policy: Policy) -> Policy:
    window = policy.drills.window
    assert window is not None
    whole = window.model_copy(update={"days": ("monday",), "from_": 0, "until": 24})
    return policy.model_copy(update={"drills": policy.drills.model_copy(update={"window": whole})})


def test_the_clock_begins_the_most_overdue_in_its_window_once_a_day() -> None:
    book = replace(drilled(100), drills_since=at(-1000 * 86400))
    assert "outside the window" in str(due_now(book, POLICY, at(0)))
    found = due_now(book, always(POLICY), at(0))
    assert isinstance(found, Rehearse)
    assert found.runbook == "data-corruption"
    assert found.said.id == "clock-drill-data-corruption-20261123"


def test_the_clock_begins_no_second_drill_on_one_day_whatever_else_is_due() -> None:
    book = replace(drilled(100), drills_since=at(-1000 * 86400))
    first = due_now(book, always(POLICY), at(0))
    assert isinstance(first, Rehearse)
    held = Drilled(
        id="drill-data", at=at(0), result="passed", because="done", of_plan="x", kind="copies", good_at=at(0)
    )
    later = replace(book, drilled={**book.drilled, first.runbook: held})
    assert due_now(later, always(POLICY), at(3600)) == "drill-data was held today, and the clock begins one a day"
    assert isinstance(due_now(later, always(POLICY), at(7 * 86400)), Rehearse)
    # One that was abandoned is kept nowhere, and was begun all the same.
    abandoned = replace(book, replies=(Reply(id=first.said.id, ok=True, because="drill drill-data has begun"),))
    assert "one a day" in str(due_now(abandoned, always(POLICY), at(3600)))
    refused = replace(book, replies=(Reply(id=first.said.id, ok=False, because="paused"),))
    assert isinstance(due_now(refused, always(POLICY), at(3600)), Rehearse)


def test_the_clock_leaves_one_that_failed_to_people_and_one_in_time_alone() -> None:
    book = replace(drilled(100, "failed"), drills_since=at(-86400))
    assert "none is due; next is" in str(due_now(book, always(POLICY), at(0)))


def test_the_clock_begins_nothing_while_anything_is_open() -> None:
    book = replace(confirmed(drilled(100)), drills_since=at(-1000 * 86400))
    assert "is open" in str(due_now(book, always(POLICY), at(20)))


def test_the_status_page_shows_maintenance_only_where_policy_says_so() -> None:
    def felt(raw: dict[str, Any]) -> None:
        raw["drills"]["rows"][0]["maintenance"] = True

    book = begun()
    other = replace(RULES, policy=policy_with(felt))
    assert {c.status for c in page(book, other, at(5)).components} == {"under_maintenance"}
    over = take(all_done(book), Tick(), seconds=20)
    assert {c.status for c in page(over, other, at(21)).components} == {"operational"}


def test_the_next_worker_derives_the_same() -> None:
    book = called(ready_to_restore(), "restore-api-gateway", 4)
    assert work(reread(book), 5) == work(book, 5)
