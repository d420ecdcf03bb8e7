"""What a move away leaves in the book, and when a person may take it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.answers import Archived
from chalicelib.core.book import Book, Debt, Failover, Setting
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.failback import OPPOSITES, leads_away, still_owed
from chalicelib.core.happened import Choose, Declare, Raise, Repin, Resolve
from chalicelib.core.incident import Incident, StepRecord
from chalicelib.core.incidents import Ending
from chalicelib.core.plan import Plan, plan
from chalicelib.core.states import IncidentState
from chalicelib.policy.lint.times import SWITCH
from chalicelib.store.codec import dump_book, read_book
from tests.core.stage import (
    POLICY,
    PRIMARY,
    REGION,
    RULES,
    STANDBY,
    at,
    confirmed,
    declared,
    done,
    empty,
    only,
    plan_of,
    policy_with,
    rules_for,
    said,
    take,
    with_step,
)

RETURN = "failback"
AWAY = Failover(incident="us-east-1-region-failure-20261123T030010", scenario=REGION, at=at(100))


def setting(action: str, cluster: str, before: str, incident: str = AWAY.incident) -> Setting:
    return Setting(incident=incident, step="step", action=action, cluster=cluster, before=before)


SET = (
    setting("node-capacity", "standby", "1/1/12"),
    setting("velero-schedules-paused", "primary", "daily,hourly"),
    setting("velero-location-read-only", "primary", "ReadWrite"),
)


def away(**changes: Any) -> Book:
    """A book whose platform is in the standby, after a failover that is over."""
    return replace(empty(serving=STANDBY), failover=AWAY, settings=SET, **changes)


def ended(book: Book, ending: Ending, **steps: StepRecord) -> Book:
    """The only incident has ended like that, with these steps, and is archived."""
    incident = only(book)
    closing = replace(incident, state=IncidentState.CLOSING, ending=ending, ended_at=at(500), steps=steps)
    book = replace(book, incidents={incident.id: closing}, serving=_serving(steps, book))
    return take(book, Archived(incident=incident.id), seconds=510)


def _serving(steps: dict[str, StepRecord], book: Book) -> str:
    return next((str(r.facts["serves"]) for r in steps.values() if "serves" in r.facts), book.serving)


def anew(name: str, scenario: str, scope: str, book: Book) -> Book:
    """Declared once more, by a command of its own."""
    return take(book, Declare(said=said(name, 600), scenario=scenario, scope=scope), seconds=600)


def called(**facts: str | float) -> StepRecord:
    return replace(done(400, **facts), calls=1)


def refused(book: Book, scenario: str, scope: str) -> str:
    with pytest.raises(IllegalCommandError) as caught:
        declared(scenario, scope, book=book)
    return str(caught.value)


# What a move leaves behind


def test_a_failover_leaves_what_it_set_and_how_it_was_before() -> None:
    steps = {
        "capacity": called(before="1/1/12"),
        "pause-primary-schedules": called(before="daily,hourly"),
        # It found it so: nothing was set, and nothing is to be taken back.
        "protect-backups": done(400),
        "traffic": called(serves=STANDBY),
    }
    book = ended(confirmed(), "recovered", **steps)
    assert book.failover is not None
    assert book.failover.scenario == REGION
    assert {(s.action, s.cluster, s.before) for s in book.settings} == {
        ("node-capacity", "standby", "1/1/12"),
        ("velero-schedules-paused", "primary", "daily,hourly"),
    }
    assert read_book(dump_book(book))[0] == book


def test_what_an_aborted_move_set_is_kept_although_nothing_was_moved() -> None:
    book = ended(confirmed(), "aborted", capacity=called(before="1/1/12"))
    assert book.failover is None
    assert [s.before for s in book.settings] == ["1/1/12"]


def test_the_older_of_two_levels_counts_and_schedules_are_put_together() -> None:
    book = ended(
        confirmed(),
        "aborted",
        **{"capacity": called(before="1/1/12"), "pause-primary-schedules": called(before="daily")},
    )
    again = anew("again", REGION, PRIMARY, replace(book, blocks=()))
    steps = {"capacity": called(before="1/6/12"), "pause-primary-schedules": called(before="hourly")}
    book = ended(again, "recovered", **steps, traffic=called(serves=STANDBY))
    assert {(s.action, s.before) for s in book.settings} == {
        ("node-capacity", "1/1/12"),
        ("velero-schedules-paused", "daily,hourly"),
    }


def test_what_another_scenario_sets_is_no_part_of_a_way_back() -> None:
    book = ended(
        declared("security-breach", POLICY.platform.name), "resolved", **{"protect-primary": called(before="ReadWrite")}
    )
    assert book.settings == ()


def test_an_older_book_is_read_and_holds_no_move() -> None:
    raw = dump_book(away()).replace('"failover":', '"later":').replace('"settings":', '"later_too":')
    book, aside = read_book(raw)
    assert (book.failover, book.settings, aside) == (None, (), {})


# When it may be declared


def test_there_is_nothing_to_take_back_while_the_journal_holds_no_move() -> None:
    assert "there is nothing to take back: us-east-1 serves" in refused(empty(), RETURN, PRIMARY)
    assert "the journal holds no move away" in refused(empty(serving=STANDBY), RETURN, STANDBY)


def test_it_is_refused_while_any_incident_is_open() -> None:
    book = declared("bad-deployment", PRIMARY, book=away())
    assert f"incident {only(book).id} is open" in refused(book, RETURN, STANDBY)


def test_it_is_refused_while_the_move_still_owes_a_step() -> None:
    case = Incident(
        id=f"{AWAY.incident}/fence",
        scenario=REGION,
        scope=PRIMARY,
        severity=POLICY.scenario(REGION).severity,
        state=IncidentState.CLOSING,
        because="",
        plan=plan_of(REGION).hash,
        policy=POLICY.digest,
        opened_at=at(0),
        failed_at=at(0),
        steps={"fence": StepRecord(because="us-east-1 does not answer")},
    )
    owed = Debt(kind="step", what="Keep it fenced", incident=AWAY.incident, since=at(9), because="left", case=case)
    text = refused(away(debts=(owed,)), RETURN, STANDBY)
    assert "still owes what must be done first (Keep it fenced)" in text
    assert still_owed(away(debts=(owed,))) == (("Keep it fenced", "us-east-1 does not answer"),)


def test_it_is_declared_where_the_platform_serves_and_nowhere_else() -> None:
    assert "'us-east-1' does not serve" in refused(away(), RETURN, PRIMARY)


def test_nothing_is_raised_to_a_way_back() -> None:
    book = declared("bad-deployment", STANDBY, book=away())
    command = Raise(said=said("raise"), incident=only(book).id, scenario=RETURN)
    with pytest.raises(IllegalCommandError, match="is open"):
        take(book, command)


@pytest.mark.parametrize("scenario", [REGION, "planned-switchover"])
def test_no_move_leads_to_where_the_platform_is(scenario: str) -> None:
    assert "which serves already; allowed: failback" in refused(away(), scenario, STANDBY)


def test_no_rule_of_policy_opens_one() -> None:
    assert RETURN not in {r.scenario for r in POLICY.signals.rules}


# The plan


def test_the_plan_is_what_the_journal_says() -> None:
    book = declared(RETURN, STANDBY, book=away())
    incident = only(book)
    steps = RULES.plan_of(incident.plan, RETURN, incident.chosen)
    assert steps.step("lower-capacity").params["to"] == "1/1/12"
    assert steps.step("resume-primary-schedules").params["names"] == "daily,hourly"
    assert steps.step("open-primary-backups").params["mode"] == "ReadWrite"
    # What the move did not set is not taken back.
    assert steps.step("resume-standby-schedules").params["names"] == "none"
    assert steps.step("set-aside").params["failover"] == AWAY.incident
    assert {s.id for s in steps.steps if s.missing} == {"moment", "drain"}
    assert steps.hash != plan(RETURN, policy=POLICY).hash
    assert incident.choices["nodes"].by == f"the journal of {AWAY.incident}"


def test_another_move_is_another_plan() -> None:
    one = only(declared(RETURN, STANDBY, book=away()))
    two = only(declared(RETURN, STANDBY, book=replace(away(), settings=SET[1:])))
    assert one.plan != two.plan


def test_what_the_journal_says_is_nobody_s_choice_and_the_moment_is() -> None:
    book = declared(RETURN, STANDBY, book=away())
    with pytest.raises(IllegalCommandError, match=r"nobody chooses it; allowed for .*: at \(when\)"):
        take(book, Choose(said=said("c1"), incident=only(book).id, choices={"nodes": "9/9/9"}))
    with pytest.raises(IllegalCommandError, match="14d ahead is how far policy reaches"):
        take(book, Choose(said=said("c2"), incident=only(book).id, choices={"at": "2027-11-23T03:00:00Z"}))
    later = take(book, Choose(said=said("c3"), incident=only(book).id, choices={"at": "2026-11-23T04:00:00Z"}))
    assert only(later).chosen["at"] == "2026-11-23T04:00:00Z"
    assert only(later).chosen["nodes"] == "1/1/12"
    # A moment that was over when it was said would begin at once: whoever means that says `now`.
    over = Choose(said=said("c4", 7200), incident=only(book).id, choices={"at": "2026-11-23T04:59:59Z"})
    with pytest.raises(IllegalCommandError, match="at is 2026-11-23T04:59:59Z, which is over; allowed: a time"):
        take(later, over, seconds=7200)
    # What was said in time and came late is taken, and so is what was chosen already.
    late = Choose(said=said("c5", 3599), incident=only(book).id, choices={"at": "2026-11-23T04:00:00Z"})
    assert only(take(book, late, seconds=3700)).chosen["at"] == "2026-11-23T04:00:00Z"
    again = Choose(said=said("c6", 7200), incident=only(book).id, choices={"at": "2026-11-23T04:00:00Z"})
    assert only(take(later, again, seconds=7200)).chosen == only(later).chosen


def test_a_re_pin_keeps_what_the_journal_said() -> None:
    book = declared(RETURN, STANDBY, book=away())
    rules = rules_for(policy_with(lambda raw: raw["platform"].update(display_name="Other")))
    again = take(book, Repin(said=said("pin"), incident=only(book).id), rules=rules, seconds=9)
    assert only(again).chosen == only(book).chosen


def test_every_step_of_a_move_away_that_sets_something_has_its_opposite() -> None:
    back: Plan = plan_of(RETURN)
    for runbook in POLICY.runbooks.runbooks:
        steps = plan_of(runbook.scenario)
        for step in steps.steps if leads_away(steps) else ():
            if (opposite := OPPOSITES.get(step.action)) is not None:
                there = [s for s in back.steps if s.action == opposite.action]
                assert any(s.params.get("cluster") in (step.params.get("cluster"), None) for s in there), step.id


def test_what_destroys_asks_two_people() -> None:
    steps = plan_of(RETURN)
    assert {s.id for s in steps.steps if s.people == 2} == {"wrong-side", "empty-standby", "discard", "discard-standby"}
    assert all(s.people == 2 or s.action == "promote-primary" for s in steps.steps if not s.reversible)


# Its end


def test_once_it_is_over_nothing_is_left_to_take_back() -> None:
    book = declared(RETURN, STANDBY, book=away())
    over = ended(book, "recovered", traffic=called(serves=PRIMARY))
    assert (over.failover, over.settings, over.serving) == (None, (), PRIMARY)


@pytest.mark.parametrize("ending", ["aborted", "resolved"])
def test_one_that_a_person_ended_leaves_everything_to_the_next(ending: Ending) -> None:
    book = declared(RETURN, STANDBY, book=away())
    over = ended(book, ending)
    assert (over.failover, over.settings) == (AWAY, SET)
    assert only(anew("again", RETURN, STANDBY, over)).scenario == RETURN


def test_one_that_was_ended_after_the_traffic_went_back_goes_on_from_there() -> None:
    over = ended(declared(RETURN, STANDBY, book=away()), "resolved", traffic=called(serves=PRIMARY))
    assert over.failover == AWAY
    assert only(anew("again", RETURN, PRIMARY, over)).chosen["failover"] == AWAY.incident


def test_a_drain_is_taken_back_when_it_is_ended_before_the_promotion() -> None:
    book = with_step(declared(RETURN, STANDBY, book=away()), "drain", called())
    book = take(book, Resolve(said=said("over"), incident=only(book).id), seconds=5)
    assert [d.what for d in book.debts] == ["Let the standby take writes again"]
    moved = with_step(with_step(declared(RETURN, STANDBY, book=away()), "drain", called()), "promote", called())
    moved = take(moved, Resolve(said=said("over"), incident=only(moved).id), seconds=5)
    assert moved.debts == ()


def test_the_switch_goes_the_other_way() -> None:
    assert {s.params["to"] for s in plan_of(RETURN).steps if s.action == SWITCH} == {"primary"}
    assert not leads_away(plan_of(RETURN))


def test_nothing_that_the_drain_leans_on_must_be_asked_of_the_standby_once_it_is_drained() -> None:
    """What is stale is looked at again before the next call, and a database that is fenced answers nobody."""
    steps = plan_of(RETURN)
    assert [n for n in steps.step("drain").needs if steps.step(n).fresh_for] == []
    assert steps.step("still-follows").needs == ("moment",)
