"""What an incident that runs is forecast to come to, what it warns of, and what it measures when it has ended."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.core.book import Block, Book
from chalicelib.core.book import Pause as Paused
from chalicelib.core.due import Tell, due
from chalicelib.core.forewarning import foreseen, forewarned, sentences
from chalicelib.core.happened import Approve, Pause, Tick
from chalicelib.core.incident import Approval, Incident, StepRecord, StepState
from chalicelib.core.measured import measured
from chalicelib.core.plan import Rules
from chalicelib.core.public import page
from chalicelib.core.states import IncidentState
from chalicelib.core.times import NONE, Run
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.platform import Mode
from chalicelib.store.codec import dump_book, dump_times, read_book, read_times
from tests.core.little_world import LittleWorld, Worker
from tests.core.stage import (
    POLICY,
    REGION,
    RULES,
    all_done_but,
    at,
    confirmed,
    done,
    only,
    plan_of,
    reread,
    said,
    suspected,
    take,
    wants,
    with_step,
)
from tests.core.test_failover import run

STEPS = [s.id for s in plan_of(REGION).steps]


def rules_with(*runs: Run) -> Rules:
    times = NONE
    for one in runs:
        times = times.with_run(one)
    return replace(RULES, measured={REGION: times})


def took(n: int, **seconds: float) -> Run:
    """A region failure in which every step took what is written, but these."""
    written = {s.id: s.expected.total_seconds() for s in plan_of(REGION).steps}
    return Run(
        source=f"earlier-{n}",
        kind="incident",
        ended_at=at(-86400 * n),
        steps=written | seconds,
        answers={"promote": 60.0},
    )


def end(book: Book, seconds: float, rules: Rules = RULES) -> float:
    """When all is forecast to be done, in seconds after the start."""
    found = foreseen(book, only(book), rules, at(seconds))
    assert found is not None
    return found.whole.median


def warned(book: Book) -> list[str]:
    return list(only(book).forewarned)


# The forecast of an incident that runs


def test_what_is_only_suspected_and_what_nobody_carries_out_is_not_forecast() -> None:
    assert foreseen(suspected(), only(suspected()), RULES, at(5)) is None
    observed = replace(confirmed(), mode=Mode.OBSERVE)
    assert foreseen(observed, only(observed), RULES, at(20)) is None
    closing = confirmed()
    closing = replace(
        closing, incidents={only(closing).id: replace(only(closing), state=IncidentState.CLOSING, ended_at=at(20))}
    )
    assert foreseen(closing, only(closing), RULES, at(20)) is None
    assert sentences(closing, only(closing), RULES, at(20)) == ()


def test_an_incident_with_one_step_left_ends_after_that_step() -> None:
    book = all_done_but(confirmed(), "verify-traffic", seconds=100)
    expected = plan_of(REGION).step("verify-traffic").expected.total_seconds()
    assert end(book, 110) == 110 + expected
    # Nothing happened in the minute since, so it ends a minute later.
    assert end(book, 170) == 170 + expected


def test_what_has_begun_ends_when_it_began_and_not_later_for_being_looked_at() -> None:
    book = with_step(all_done_but(confirmed(), "verify-traffic", seconds=100), "verify-traffic", wants(102))
    assert end(book, 105) == end(book, 110) == 100 + 15


def test_a_step_that_is_slower_than_it_ever_was_is_given_as_long_again() -> None:
    book = with_step(all_done_but(confirmed(), "verify-traffic", seconds=100), "verify-traffic", wants(102))
    assert end(book, 140) == 180
    assert end(book, 200) == 300


def test_of_the_measured_times_only_those_count_that_are_longer_than_it_has_taken() -> None:
    rules = rules_with(took(1, **{"verify-traffic": 10.0}), took(2, **{"verify-traffic": 90.0}))
    book = with_step(all_done_but(confirmed(), "verify-traffic", seconds=100), "verify-traffic", wants(102))
    found = foreseen(book, only(book), rules, at(105))
    assert found is not None
    assert {found.whole.median, found.whole.late} == {110.0, 190.0}
    later = foreseen(book, only(book), rules, at(115))
    assert later is not None
    assert (later.whole.median, later.whole.late, later.whole.runs) == (190.0, 190.0, 1)


def test_who_is_asked_is_expected_to_take_what_people_took_and_then_the_step_begins() -> None:
    rules = rules_with(took(1, promote=100.0))
    asking = StepRecord(state=StepState.ASKING, because="asks", started_at=at(102), asked_at=at(104))
    book = with_step(all_done_but(confirmed(), "promote", seconds=100), "promote", asking)
    # Four seconds of its hundred went by before it asked; the answer is a minute after that.
    assert end(book, 110, rules) == pytest.approx(104 + 60 + 96)
    yes = Approval(by="ana", at=at(124), plan=only(book).plan, expires_at=at(999), arns=("arn",))
    given = replace(asking, state=StepState.RUNNING, approval=yes, calls=1)
    book = with_step(book, "promote", given)
    assert end(book, 130, rules) == pytest.approx(124 + 96)


def test_while_it_is_paused_the_forecast_says_that_nothing_moves() -> None:
    book = replace(confirmed(), paused=Paused(by="ana", at=at(15), because="looking"))
    assert any("paused nothing moves" in line for line in sentences(book, only(book), RULES, at(20)))


def test_the_forecast_is_told_in_words_that_say_what_it_rests_on() -> None:
    told = sentences(confirmed(), only(confirmed()), RULES, at(20))
    assert told[0].startswith("Forecast: everything is done at 03:")
    assert "decides it" in told[0]
    assert any("allowed until 03:15:00 UTC; kept, if every time is as expected" in line for line in told)
    assert told[-1].startswith("It rests on the runbook's written times alone")
    rules = rules_with(took(1), took(2, promote=400.0))
    told = sentences(confirmed(), only(confirmed()), rules, at(20))
    assert "in nine of ten runs" in told[0]
    assert told[-1] == "It rests on 2 incidents; 39 of 39 steps ahead were measured."


def test_whoever_asks_twice_is_told_the_same() -> None:
    rules = rules_with(took(1), took(2, promote=900.0), took(3, capacity=300.0))
    assert sentences(confirmed(), only(confirmed()), rules, at(20)) == sentences(
        reread(confirmed()), only(confirmed()), rules, at(20)
    )


# The warning


def test_an_rto_that_is_forecast_to_be_missed_is_warned_of_once_and_before() -> None:
    rules = rules_with(took(1, promote=900.0))
    book = take(confirmed(), Tick(), seconds=20, rules=rules)
    assert warned(book) == ["15m"]
    first = only(book).forewarned["15m"]
    assert first.at == at(20)
    assert "the RTO of 15m ends at 03:15:00 UTC; missed, even if every time is as expected" in first.because
    assert "'Promote the database replica' decides it (15m, measured once)" in first.because
    book = take(reread(book), Tick(), seconds=60, rules=rules)
    assert only(book).forewarned["15m"] == first
    notes = [e for e in book.outbox if e.kind == "forecast"]
    assert len(notes) <= 1


def test_an_rto_that_is_forecast_to_be_kept_is_not_warned_of_until_a_person_has_waited_too_long() -> None:
    rules = rules_with(took(1))
    asking = StepRecord(state=StepState.ASKING, because="asks", started_at=at(102), asked_at=at(104))
    left = ("promote", "repoint", "verify-database", *(s for s in STEPS if s.startswith("verify")), "traffic")
    book = with_step(all_done_but(confirmed(), *left, seconds=100), "promote", asking)
    assert warned(take(book, Tick(), seconds=110, rules=rules)) == []
    # A person takes longer than ever: at 500 s as long again is expected, and 15 minutes are not enough.
    late = take(book, Tick(), seconds=560, rules=rules)
    assert warned(late) == ["15m"]
    assert "a person's answer to 'Promote the database replica' decides it" in only(late).forewarned["15m"].because


def test_a_chance_of_more_than_half_warns_nobody_and_of_less_does() -> None:
    slow = [took(n, promote=900.0) for n in range(1, 4)]
    quick = [took(n) for n in range(4, 9)]
    assert warned(take(confirmed(), Tick(), seconds=20, rules=rules_with(*slow, *quick))) == []
    found = take(confirmed(), Tick(), seconds=20, rules=rules_with(*slow, *quick[:1]))
    assert warned(found) == ["15m"]
    assert "of 400 runs" in only(found).forewarned["15m"].because


def test_what_is_missed_already_is_not_forewarned_of() -> None:
    assert warned(take(confirmed(), Tick(), seconds=901)) == []


def test_nothing_is_forewarned_of_where_nobody_carries_the_plan_out() -> None:
    rules = rules_with(took(1, promote=900.0))
    observed = replace(confirmed(), mode=Mode.OBSERVE)
    assert forewarned(observed, rules, at(20)) == observed


def tells(book: Book, seconds: float, event: NoticeEvent, rules: Rules = RULES) -> list[Tell]:
    return [w for w in due(book, rules=rules, now=at(seconds)) if isinstance(w, Tell) and w.message.event is event]


def test_the_warning_pages_and_is_told_in_the_channel_with_its_sentence() -> None:
    rules = rules_with(took(1, promote=900.0))
    book = take(confirmed(), Tick(), seconds=20, rules=rules)
    told = tells(book, 20, NoticeEvent.FORECAST_MISS, rules)
    assert {w.message.channel for w in told} == {"pagerduty", "slack-incidents"}
    assert told[0].message.headline.endswith("the RTO of 15m is forecast to be missed")
    assert told[0].message.lines[0] == f"{only(book).forewarned['15m'].because}."


def test_half_and_three_quarters_of_an_rto_are_told_while_a_service_is_not_back() -> None:
    book = take(confirmed(), Tick(), seconds=20)
    assert tells(book, 449, NoticeEvent.BUDGET_SPENT) == []
    (half,) = tells(book, 450, NoticeEvent.BUDGET_SPENT)
    assert half.key == "budget-spent/half-15m/slack-incidents"
    assert half.message.headline.endswith("half of the RTO of 15m is over")
    assert half.message.lines[0] == "Not back yet: API Gateway, ML Service, Authentication, PostgreSQL."
    keys = [w.key.split("/")[1] for w in tells(book, 1800, NoticeEvent.BUDGET_SPENT)]
    assert keys == ["half-15m", "three-quarters-15m", "half-1h"]


def test_a_budget_whose_services_are_back_is_spent_by_nobody() -> None:
    book = all_done_but(confirmed(), "verify-traffic", seconds=400)
    assert tells(book, 2000, NoticeEvent.BUDGET_SPENT) == []
    late = with_step(book, "verify-ml-service", done(500))
    assert [w.key.split("/")[1] for w in tells(late, 2000, NoticeEvent.BUDGET_SPENT)] == ["half-15m"]


def test_a_whole_failover_that_is_quick_enough_warns_of_nothing() -> None:
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    run(worker)
    assert {m.event for m in worker.world.told} & {NoticeEvent.FORECAST_MISS, NoticeEvent.BUDGET_SPENT} == set()


# What customers are told


def public_text(book: Book, seconds: float, rules: Rules) -> str:
    return page(book, rules, at(seconds)).incidents[0].updates[0].text


def test_customers_are_told_when_to_expect_it_back_only_where_all_of_it_was_measured_often_enough() -> None:
    said = "We expect everything to be available again by about 03:10 UTC."
    few, enough = rules_with(took(1), took(2)), rules_with(took(1), took(2), took(3))
    assert said not in public_text(confirmed(), 20, RULES)
    assert said not in public_text(confirmed(), 20, few)
    assert public_text(confirmed(), 20, enough).endswith(said)
    gap = replace(enough.times(REGION), runs=tuple(_without(r, "promote") for r in enough.times(REGION).runs))
    assert said not in public_text(confirmed(), 20, replace(RULES, measured={REGION: gap}))
    stopped = replace(confirmed(), paused=Paused(by="ana", at=at(15), because="looking"))
    assert said not in public_text(stopped, 20, enough)


def _without(run: Run, step: str) -> Run:
    return replace(run, steps={k: v for k, v in run.steps.items() if k != step})


# What it measured


def ended() -> Incident:
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    run(worker)
    (incident,) = worker.archived.values()
    return incident


def test_an_incident_that_has_ended_measured_its_steps_from_when_they_could_begin() -> None:
    incident = ended()
    found = measured(incident, RULES)
    assert found is not None
    ready, verified = (incident.step(s).first_done_at for s in ("restore-api-gateway", "ready-api-gateway"))
    assert ready
    assert verified
    assert found.steps["ready-api-gateway"] <= (verified - ready).total_seconds()
    assert set(found.steps) == set(STEPS) - {"fence", "protect-primary-backups", "pause-primary-schedules"}
    assert found.whole
    assert found.whole >= max(found.services.values())
    assert set(found.services) == {s.name for s in POLICY.services.services}
    assert found.detected == 10.0
    assert (found.source, found.kind) == (incident.id, "incident")


def test_what_a_person_took_is_no_time_of_the_step() -> None:
    incident = ended()
    record = incident.step("promote")
    assert record.asked_at
    assert record.first_done_at
    yes = Approval(
        by="ana", at=record.asked_at + timedelta(seconds=7), plan=incident.plan, expires_at=at(9999), arns=("arn",)
    )
    late = record.first_done_at + timedelta(seconds=7)
    changed = replace(record, approval=yes, first_done_at=late, done_at=late)
    without = measured(replace(incident, steps={**incident.steps, "promote": replace(changed, approval=None)}), RULES)
    found = measured(replace(incident, steps={**incident.steps, "promote": changed}), RULES)
    assert found
    assert without
    assert found.answers["promote"] == 7.0
    assert without.answers["promote"] == 0.0
    assert found.steps["promote"] == without.steps["promote"] - 7.0


def test_at_speed_the_measured_times_are_those_of_real_time() -> None:
    fast = replace(RULES, policy=POLICY.model_copy(update={"speed": 10.0}))
    incident = ended()
    slow, quick = measured(incident, RULES), measured(incident, fast)
    assert slow
    assert quick
    assert quick.steps["promote"] == pytest.approx(slow.steps["promote"] * 10)
    assert quick.detected == pytest.approx(100.0)


def test_a_suspicion_that_was_cleared_measured_nothing() -> None:
    incident = replace(ended(), ending="cleared")
    assert measured(incident, RULES) is None
    assert measured(only(confirmed()), RULES) is None


def test_a_step_that_a_pause_or_another_incident_held_up_is_no_measure_of_itself() -> None:
    book = confirmed()
    worker = Worker(LittleWorld(dark=True), book, RULES)
    worker.take(Pause(said=said("pause", note="looking")), at(11))
    worker.round(at(12))
    assert only(worker.book).step("capacity").hindered
    window = Block(scope="us-east-1", until=at(500), because="a failover ended")
    blocked = Worker(LittleWorld(dark=True), replace(book, blocks=(window,)), RULES)
    blocked.round(at(12))
    assert only(blocked.book).step("capacity").hindered
    free = Worker(LittleWorld(dark=True), book, RULES)
    run(free)
    assert not any(r.hindered for r in next(iter(free.archived.values())).steps.values())
    hindered = next(iter(free.archived.values()))
    changed = replace(hindered.step("capacity"), hindered=True)
    found = measured(replace(hindered, steps={**hindered.steps, "capacity": changed}), RULES)
    assert found
    assert "capacity" not in found.steps
    assert "rewrites" in found.steps


def test_a_failover_after_another_is_forecast_by_what_that_one_took() -> None:
    first = measured(ended(), RULES)
    assert first
    again = rules_with(first)
    now = end(confirmed(), 10, again)
    assert now == pytest.approx(first.whole or 0, abs=30)
    assert now < end(confirmed(), 10)


# How it is kept


def test_measured_times_are_read_as_they_were_written() -> None:
    times = rules_with(took(1), took(2)).times(REGION)
    assert read_times(dump_times(times)) == times


def test_the_runs_of_a_scenario_stay_a_small_item() -> None:
    times = NONE
    for n in range(100):
        times = times.with_run(took(n))
    assert len(dump_times(times)) < 100_000


def test_a_book_that_knows_nothing_of_forecasts_is_read() -> None:
    old = json.loads(dump_book(confirmed()))
    for incident in old["incidents"].values():
        del incident["forewarned"]
        for record in incident["steps"].values():
            del record["hindered"]
    book, aside = read_book(json.dumps(old))
    assert aside == {}
    assert book == confirmed()
    assert foreseen(book, only(book), RULES, at(20)) is not None


def test_an_approval_that_lasts_is_only_the_last_persons_word() -> None:
    worker = Worker(LittleWorld(dark=True), confirmed(), RULES)
    asked = None
    for now in range(12, 400, 5):
        worker.round(at(now))
        incident = only(worker.book)
        if incident.step("promote").state is StepState.ASKING:
            asked = now if asked is None else asked
            if now - asked >= 60:
                yes = Approve(said=said("yes"), incident=incident.id, plan=incident.plan, step="promote")
                worker.take(yes, at(now))
                break
    assert asked is not None
    run(worker, start=asked + 65)
    (incident,) = worker.archived.values()
    found = measured(incident, RULES)
    assert found
    assert found.answers["promote"] == 60.0
    assert found.steps["promote"] < 60
