"""A region failure from its first signal to its archive, driven step by step against a little world."""

from __future__ import annotations

from datetime import datetime

from chalicelib.core.book import Book
from chalicelib.core.due import Do, Look, due
from chalicelib.core.happened import Approve, Pause, Resume, SetMode
from chalicelib.core.incident import Incident, NoticeState, StepState
from chalicelib.core.outcome import Outcome
from chalicelib.core.plan import Step
from chalicelib.policy.platform import Mode
from tests.core.little_world import LOST, MADE, REFUSED, LittleWorld, Worker
from tests.core.stage import (
    REGION,
    RULES,
    STANDBY,
    approve,
    at,
    confirmed,
    empty,
    plan_of,
    reread,
    said,
    unsettled,
)

LOOSE = {"fence", "protect-primary-backups", "pause-primary-schedules"}
"""The steps of best effort: they need an answer from the failed region."""


def run(worker: Worker, *, start: int = 10, rounds: int = 200, yes: bool = True) -> int:
    """Rounds five seconds apart until no incident is open, saying yes to what asks; answers when that was."""
    now = start
    for _ in range(rounds):
        worker.round(at(now))
        for incident in tuple(worker.book.incidents.values()):
            for step, record in incident.steps.items():
                if yes and record.state is StepState.ASKING:
                    given = Approve(said=said(f"yes-{step}-{now}"), incident=incident.id, plan=incident.plan, step=step)
                    worker.take(given, at(now))
        if not worker.book.incidents:
            return now
        now += 5
    return now


def test_an_approved_failover_ends_recovered_with_every_notice_sent() -> None:
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    run(worker)
    (incident,) = worker.archived.values()
    assert incident.ending == "recovered"
    states = {name: r.state for name, r in incident.steps.items()}
    assert {name for name, state in states.items() if state is StepState.LEFT} == LOOSE
    assert set(states.values()) == {StepState.DONE, StepState.LEFT}
    assert {n.state for n in incident.notices.values()} == {NoticeState.SENT}
    assert worker.book.serving == STANDBY
    assert [b.scope for b in worker.book.blocks] == ["us-east-1"]
    assert {d.case.id for d in worker.book.debts if d.case} == {f"{incident.id}/{name}" for name in LOOSE}
    assert [h.status for h in worker.book.history] == ["resolved"]


def test_every_call_is_made_once_when_all_goes_well() -> None:
    world = LittleWorld()
    run(Worker(world, confirmed(), RULES))
    assert set(world.called.values()) == {1}
    assert len({m.id for m in world.told}) == len(world.told)


def test_without_approval_the_database_is_never_promoted_and_the_traffic_never_moves() -> None:
    world = LittleWorld()
    worker = Worker(world, confirmed(), RULES)
    run(worker, yes=False)
    (incident,) = worker.book.incidents.values()
    assert incident.step("promote").state is StepState.ASKING
    assert world.called["promote"] == world.called["traffic"] == 0
    assert worker.book.serving == "us-east-1"


def test_steps_that_need_nothing_start_side_by_side_in_the_first_round() -> None:
    worker = Worker(LittleWorld(), confirmed(), RULES)
    first = due(worker.book, rules=RULES, now=at(10))
    at_once = {"protect-backups", "rewrites", "capacity", "pause-standby-schedules"} | LOOSE
    assert {w.step.id for w in first if isinstance(w, Look)} == at_once
    assert {w.step.id for w in first if isinstance(w, Look) and w.aside} == LOOSE
    worker.round(at(10))
    assert set(worker.world.called) == at_once


def test_no_step_is_looked_at_before_all_it_leans_on_is_done() -> None:
    def check(_: Book, incident: Incident, step: Step, __: datetime) -> None:
        assert all(incident.step(n).state is StepState.DONE for n in step.needs)

    worker = Worker(LittleWorld(before_call=check), confirmed(), RULES)
    run(worker)
    entries = [e.text for e in worker.timeline]
    for step in plan_of(REGION).steps:
        mine = entries.index(next(t for t in entries if t.startswith(f"{step.title}:")))
        for need in step.needs:
            title = plan_of(REGION).step(need).title
            assert next(i for i, t in enumerate(entries) if t.startswith(f"{title}: {need} is there")) < mine


def test_the_traffic_moves_only_after_a_write_was_verified_less_than_two_minutes_ago() -> None:
    ages = []

    def check(_: Book, incident: Incident, step: Step, now: datetime) -> None:
        if step.id == "traffic":
            verified = incident.step("verify-database").done_at
            assert verified is not None
            ages.append((now - verified).total_seconds())

    worker = Worker(LittleWorld(before_call=check, broken={"verify-ml-service"}), confirmed(), RULES)
    run(worker, rounds=120)
    assert ages == []
    worker.world.broken.clear()
    run(worker, start=700)
    assert ages
    assert max(ages) <= 120
    assert worker.world.looked["verify-database"] > 2


def test_stopping_before_any_act_and_starting_again_ends_in_the_same_place() -> None:
    for stop in range(0, 30, 2):
        world = LittleWorld()
        worker = Worker(world, confirmed(), RULES)
        left, now = stop, 10
        while not worker.crashes and worker.book.incidents:
            left -= worker.round(at(now), crash_before=left)
            for incident in worker.book.incidents.values():
                if incident.step("promote").state is StepState.ASKING:
                    worker.take(approve(worker.book, f"yes-{now}", now, "promote"), at(now))
                    break
            now += 5
        run(worker, start=now)
        (incident,) = worker.archived.values()
        assert incident.ending == "recovered", stop
        assert unsettled(incident) == {}
        assert worker.book.serving == STANDBY
        assert max(world.called.values()) == 1, stop


def test_a_lost_answer_whose_call_landed_is_not_made_again() -> None:
    world = LittleWorld(answer_call=lambda _: LOST)
    worker = Worker(world, confirmed(), RULES)
    run(worker)
    (incident,) = worker.archived.values()
    assert incident.ending == "recovered"
    assert set(world.called.values()) == {1}
    assert all(incident.step(s).doubtful for s in world.called)


def test_a_lost_answer_whose_call_did_not_land_is_made_again() -> None:
    lost = {"capacity": 2, "promote": 1}

    def answer(step: Step) -> Outcome:
        lost[step.id] = lost.get(step.id, 0) - 1
        world.lands = lost[step.id] < 0
        return LOST if lost[step.id] >= 0 else MADE

    world = LittleWorld(answer_call=answer)
    worker = Worker(world, confirmed(), RULES)
    run(worker)
    assert world.called["capacity"] == 3
    assert world.called["promote"] == 2
    assert next(iter(worker.archived.values())).ending == "recovered"


def test_a_call_that_was_refused_once_is_looked_at_and_made_again() -> None:
    refusals = {"capacity": 1}

    def answer(step: Step) -> Outcome:
        refusals[step.id] = refusals.get(step.id, 0) - 1
        return REFUSED if refusals[step.id] >= 0 else MADE

    worker = Worker(LittleWorld(answer_call=answer), confirmed(), RULES)
    run(worker)
    assert worker.world.called["capacity"] == 2
    assert any(e.kind == "refused" and "looking again in 10 s" in e.text for e in worker.timeline)


def test_three_refusals_leave_the_step_stuck_and_people_are_told() -> None:
    worker = Worker(LittleWorld(answer_call=lambda s: REFUSED if s.id == "capacity" else MADE), confirmed(), RULES)
    for now in range(10, 60, 5):
        worker.round(at(now))
    assert worker.world.called["capacity"] >= 3
    assert any(m.event == "step-stuck" for m in worker.world.told)
    assert any(e.kind == "refused" and "not in this state" in e.text for e in worker.timeline)


def test_a_call_that_is_refused_for_ten_minutes_pages_once() -> None:
    worker = Worker(LittleWorld(answer_call=lambda s: REFUSED if s.id == "capacity" else MADE), confirmed(), RULES)
    for now in range(10, 360, 1):
        worker.round(at(now))
    stuck = [m for m in worker.world.told if m.event == "step-stuck" and m.channel == "pagerduty"]
    assert len(stuck) == 1


def test_while_paused_only_looks_and_notices_are_due() -> None:
    worker = Worker(LittleWorld(), confirmed(), RULES)
    worker.round(at(10))
    before = dict(worker.world.called)
    worker.take(Pause(said=said("halt")), at(11))
    for now in range(15, 315, 5):
        worker.round(at(now))
        assert not any(isinstance(w, Do) for w in due(worker.book, rules=RULES, now=at(now)))
    assert dict(worker.world.called) == before
    assert worker.world.looked["capacity"] > 1
    worker.take(Resume(said=said("go on")), at(316))
    run(worker, start=320)
    assert next(iter(worker.archived.values())).ending == "recovered"


def test_in_observe_mode_everything_is_told_inside_and_nothing_is_called() -> None:
    worker = Worker(LittleWorld(), confirmed(empty(Mode.OBSERVE)), RULES)
    run(worker, rounds=100)
    assert worker.world.called.total() == 0
    assert {m.audience for m in worker.world.told} == {"internal"}
    (incident,) = worker.book.incidents.values()
    assert "would call" in incident.step("capacity").because


def test_in_approve_mode_every_call_waits_for_a_yes() -> None:
    worker = Worker(LittleWorld(), confirmed(empty(Mode.APPROVE)), RULES)
    run(worker, yes=False, rounds=20)
    assert worker.world.called.total() == 0
    run(worker, start=120, rounds=400)
    assert next(iter(worker.archived.values())).ending == "recovered"


def test_changing_the_mode_in_the_middle_takes_effect_on_the_next_call() -> None:
    worker = Worker(LittleWorld(), confirmed(empty(Mode.OBSERVE)), RULES)
    run(worker, rounds=5)
    worker.take(SetMode(said=said("trust it"), mode=Mode.AUTOMATIC), at(40))
    worker.round(at(41))
    assert worker.world.called.total() > 0


def test_what_is_due_is_the_same_after_the_book_was_stored_and_read() -> None:
    worker = Worker(LittleWorld(), confirmed(), RULES)
    now = 10
    for _ in range(60):
        worker.round(at(now))
        for later in (0, 5, 61, 600):
            mine = due(worker.book, rules=RULES, now=at(now + later))
            assert due(reread(worker.book), rules=RULES, now=at(now + later)) == mine
        for incident in worker.book.incidents.values():
            if incident.step("promote").state is StepState.ASKING:
                worker.take(approve(worker.book, f"yes-{now}", now, "promote"), at(now))
        now += 5
