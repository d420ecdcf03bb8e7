"""A deploy in mid-incident changes nothing for it; a person may move it on, and then all is looked at anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.answers import Asked, Looked
from chalicelib.core.book import Book
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import Held, Look, due
from chalicelib.core.happened import Abort, AlarmState, Approve, Reject, Repin
from chalicelib.core.incident import StepState
from chalicelib.core.notices import owed
from chalicelib.core.outcome import Act, Call, Done
from chalicelib.core.plan import Rules, plan
from chalicelib.core.repinning import adrift
from chalicelib.policy import Policy
from tests.core.little_world import LittleWorld, Worker
from tests.core.stage import (
    POLICY,
    REGION,
    ROUTE53,
    RULES,
    STANDBY,
    alarm,
    at,
    confirmed,
    only,
    policy_with,
    reread,
    rules_for,
    said,
    take,
)
from tests.core.test_debts import recovered_in_the_dark
from tests.core.test_undoing import with_steps

CALL = Call(
    system="aws", service="rds", region=STANDBY, operation="promote_read_replica", until="promoted", reversible=False
)


def deployed(edit: Callable[[dict[str, Any]], None]) -> Rules:
    """Another policy is deployed; the shipped one is kept, as the desk keeps what an open incident follows."""
    policy = policy_with(edit).model_copy(update={"digest": "d" * 16})
    today = rules_for(policy)
    return Rules(policy, {**RULES.plans, **today.plans}, {POLICY.digest: POLICY})


def renamed(raw: dict[str, Any]) -> None:
    raw["platform"]["database"]["replica"]["instance"] = "pg-west-2"


def without_cache(raw: dict[str, Any]) -> None:
    """A plan of another structure: one service less."""
    services = raw["services"]["services"]
    services[:] = [s for s in services if s["name"] != "redis"]


def looked(book: Book, step: str, seconds: float, rules: Rules = RULES, *, done: bool = True) -> Book:
    found = Done(because=f"{step} is there") if done else Act(because="not promoted", call=CALL)
    return take(book, Looked(incident=only(book).id, step=step, next=found), seconds=seconds, rules=rules)


def half_way() -> Book:
    """Some steps done, the promotion asked for and approved."""
    book = confirmed()
    for step in plan(REGION, policy=POLICY).steps[:4]:
        book = looked(book, step.id, 20)
    book = looked(book, "promote", 21, done=False)
    book = take(book, Asked(incident=only(book).id, step="promote", because="may still write"), seconds=21)
    return take(book, Approve(said=said("yes"), incident=only(book).id, plan=only(book).plan), seconds=22)


def repin(name: str = "repin", incident: str | None = None, book: Book | None = None) -> Repin:
    return Repin(
        said=said(name, 30, note="the replica has another name"), incident=incident or only(book or half_way()).id
    )


def test_a_deploy_in_the_middle_changes_nothing_for_an_open_incident() -> None:
    book, after = half_way(), deployed(without_cache)
    for seconds in (30, 60, 90):
        before, then = (due(book, rules=r, now=at(seconds)) for r in (RULES, after))
        assert before == then
    assert take(book, alarm(ROUTE53, seconds=40), seconds=40, rules=after) == take(
        book, alarm(ROUTE53, seconds=40), seconds=40
    )
    assert owed(book, only(book), after, at(40)) == owed(book, only(book), RULES, at(40))


def test_an_incident_hears_an_alarm_that_todays_policy_names_no_more_and_nothing_opens_by_it() -> None:
    def silent(raw: dict[str, Any]) -> None:
        for rule in raw["signals"]["rules"]:
            rule["observers"] = [o for o in rule["observers"] if ROUTE53 not in o.get("alarms", ())]

    after, signal = deployed(silent), alarm(ROUTE53, AlarmState.OK, seconds=40)
    book = take(half_way(), signal, seconds=40, rules=after)
    assert book.watermarks[signal.source].state is AlarmState.OK
    nothing = replace(half_way(), incidents={}, watermarks={})
    assert take(nothing, alarm(ROUTE53, seconds=40), seconds=40, rules=after) == nothing


def test_an_incident_that_opens_after_the_deploy_follows_what_is_deployed() -> None:
    after = deployed(without_cache)
    book = take(replace(half_way(), incidents={}), alarm("BackupSuccess", seconds=50), seconds=50, rules=after)
    assert {i.policy for i in book.incidents.values()} <= {after.policy.digest}


def test_a_repinned_incident_follows_todays_policy_and_looks_at_every_step_again() -> None:
    book, after = half_way(), deployed(renamed)
    book = take(reread(book), repin(), seconds=30, rules=after)
    incident = only(book)
    assert incident.policy == after.policy.digest
    done_before = plan(REGION, policy=POLICY).steps[:4]
    assert all(incident.step(s.id).state is StepState.RUNNING for s in done_before)
    looks = {w.step.id for w in due(book, rules=after, now=at(30)) if isinstance(w, Look)}
    assert looks >= {s.id for s in done_before if not s.needs}
    assert all(r.approval is None and r.call is None for r in incident.steps.values())
    assert all(r.first_done_at for n, r in incident.steps.items() if half_way_done(n))
    assert any("re-pinned by ana" in e.text and "every step is looked at again" in e.text for e in book.outbox)


def half_way_done(step: str) -> bool:
    return step in {s.id for s in plan(REGION, policy=POLICY).steps[:4]}


def test_an_approval_given_before_the_repin_allows_nothing_after_it() -> None:
    after = deployed(renamed)
    book = take(half_way(), repin(), seconds=30, rules=after)
    book = looked(book, "promote", 31, rules=after, done=False)
    for need in plan(REGION, policy=after.policy).step("promote").needs:
        book = looked(book, need, 32, rules=after)
    held = [w for w in due(book, rules=after, now=at(33)) if isinstance(w, Held) and w.step == "promote"]
    assert held
    assert isinstance(held[0].answer, Asked)


def test_a_rejection_outlives_the_repin() -> None:
    after = deployed(renamed)
    book = half_way()
    book = looked(book, "promote", 23, done=False)
    book = take(book, Asked(incident=only(book).id, step="promote", because="may still write"), seconds=24)
    book = take(book, Reject(said=said("no"), incident=only(book).id, step="promote"), seconds=25)
    book = take(book, repin(), seconds=30, rules=after)
    assert only(book).step("promote").rejected_by == "ana"


def test_a_step_that_left_the_plan_is_named_and_does_not_ask_any_more() -> None:
    after = deployed(without_cache)
    book = looked(half_way(), "restore-redis", 25)
    book = take(book, repin(), seconds=30, rules=after)
    assert "restore-redis" not in only(book).steps
    assert any("no longer in the plan: restore-redis" in e.text for e in book.outbox)
    assert only(book).plan == plan(REGION, policy=after.policy).hash


def test_what_may_have_been_called_stays_acting_over_a_repin() -> None:
    after, book = deployed(renamed), half_way()
    incident = only(book)
    acting = replace(incident.step("promote"), state=StepState.ACTING, calls=1)
    book = replace(book, incidents={incident.id: replace(incident, steps={**incident.steps, "promote": acting})})
    book = take(book, repin(book=book), seconds=30, rules=after)
    assert only(book).step("promote").state is StepState.ACTING
    assert only(book).step("promote").calls == 1


def test_repinning_to_the_policy_it_follows_already_is_refused() -> None:
    with pytest.raises(IllegalCommandError, match="deploy the corrected policy first"):
        take(half_way(), repin(), seconds=30)


def test_repinning_what_is_not_open_is_refused() -> None:
    with pytest.raises(IllegalCommandError, match="there is no open incident 'never-was'"):
        take(half_way(), repin(incident="never-was"), seconds=30, rules=deployed(renamed))


def test_repinning_to_a_policy_without_that_runbook_is_refused_and_says_so() -> None:
    def none(raw: dict[str, Any]) -> None:
        raw["runbooks"]["runbooks"] = [r for r in raw["runbooks"]["runbooks"] if r["scenario"] != REGION]

    with pytest.raises(IllegalCommandError, match="gives no plan"):
        take(half_way(), repin(), seconds=30, rules=deployed(none))


def test_a_debt_is_repinned_by_its_own_name() -> None:
    worker, after = recovered_in_the_dark(), deployed(renamed)
    (first, *_) = [d.case for d in worker.book.debts if d.case]
    book = take(worker.book, repin(incident=first.id), seconds=9000, rules=after)
    followed = {d.case.id: d.case.policy for d in book.debts if d.case}
    assert followed.pop(first.id) == after.policy.digest
    assert set(followed.values()) == {POLICY.digest}


def test_what_takes_a_step_back_is_repinned_as_every_debt_is() -> None:
    """It is no step of the way, and a wrong name in it must be put right all the same."""
    book = take(with_steps(fence=StepState.DONE), Abort(said=said("end"), incident=only(confirmed()).id), seconds=100)
    (case,) = [d.case for d in book.debts if d.case]
    rules = deployed(renamed)
    book = take(book, Repin(said=said("repin", 110), incident=case.id), seconds=110, rules=rules)
    (moved,) = [d.case for d in book.debts if d.case]
    assert (moved.policy, moved.plan) == (rules.policy.digest, plan(REGION, policy=rules.policy).hash)
    assert list(moved.steps) == ["reopen"]


def test_an_incident_whose_kept_policy_is_lost_goes_on_by_todays_and_asks_again() -> None:
    after = Rules(deployed(renamed).policy, RULES.plans)
    book = half_way()
    book = adrift(book, only(book).id, "its policy cannot be read", after.policy.digest, at(30))
    incident = only(book)
    assert (incident.policy, incident.plan) == (after.policy.digest, plan(REGION, policy=POLICY).hash)
    assert all(r.approval is None for r in incident.steps.values())
    assert "what was approved must be again" in book.outbox[-1].text
    assert due(book, rules=after, now=at(31))


def test_a_failover_goes_to_its_end_by_the_policy_it_began_with() -> None:
    worker = Worker(LittleWorld(), confirmed(), RULES)
    for n in range(12, 40, 4):
        worker.round(at(n))
    worker.rules = deployed(without_cache)
    for n in range(40, 3600, 5):
        worker.round(at(n))
        asks = [i for i in worker.book.incidents.values() if any(r.state is StepState.ASKING for r in i.steps.values())]
        if asks:
            worker.take(Approve(said=said(f"yes{n}", n), incident=asks[0].id, plan=asks[0].plan), at(n))
        if not worker.book.incidents:
            break
    (ended,) = worker.archived.values()
    assert (ended.ending, ended.policy) == ("recovered", POLICY.digest)
    assert ended.step("restore-redis").state is StepState.DONE
    assert ended.ended_at
    assert ended.ended_at - ended.opened_at < timedelta(hours=1)


def test_the_policy_is_kept_by_its_digest_alone() -> None:
    assert RULES.of("nobody knows it").policy is POLICY
    other: Policy = deployed(renamed).policy
    assert Rules(other, {}, {POLICY.digest: POLICY}).of(POLICY.digest).policy is POLICY
