"""Each gate as a table: what it lets pass, what it asks, what it refuses, and the sentence it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core import gates
from chalicelib.core.book import Block, Book, Failover, Pause
from chalicelib.core.due import Do, Held, Look, due
from chalicelib.core.gates import GATES, Ask, Pass, Refuse, Verdict, Wanted, judge
from chalicelib.core.happened import AlarmState
from chalicelib.core.incident import Approval, StepRecord, StepState
from chalicelib.policy.platform import Mode
from tests.core.stage import (
    PRIMARY,
    REGION,
    ROUTE53,
    RULES,
    STANDBY,
    alarm,
    all_done_but,
    approve,
    at,
    call,
    confirmed,
    declared,
    done,
    empty,
    only,
    plan_of,
    probe,
    suspected,
    take,
    wants,
    with_step,
)

PLAN = plan_of(REGION).hash
YES = Approval(by="ana", at=at(15), plan=PLAN, expires_at=at(15 + 1800))


def wanted(book: Book, step: str = "promote", **more: object) -> Wanted:
    record = replace(wants(10), **more)  # type: ignore[arg-type]  # the fields of a step, by name
    incident = only(book)
    return Wanted(incident=incident, step=plan_of(REGION).step(step), record=record, call=call())


def ready(step: str = "promote", book: Book | None = None) -> Book:
    return all_done_but(book or confirmed(), step)


def said(verdict: Verdict, kind: type[Verdict], *parts: str) -> None:
    assert isinstance(verdict, kind), verdict
    for part in parts:
        assert part in verdict.because


def test_the_gates_stand_in_the_order_in_which_a_refusal_is_told() -> None:
    assert [g.__name__ for g in GATES] == [
        "pause_switch",
        "nobody_else",
        "mode",
        "confirmed",
        "rejection",
        "zones_left",
        "drill_freshness",
        "block_window",
        "fence_verdict",
        "data_loss_budget",
        "schedules_held",
        "readiness",
        "approval",
        "overtaken",
        "order",
    ]


def test_the_pause_switch_refuses_while_it_is_on() -> None:
    book = ready()
    said(gates.pause_switch(wanted(book), book, RULES, at(20)), Pass, "not paused")
    paused = replace(book, paused=Pause(by="ana", at=at(15), because="I do not trust this"))
    said(
        gates.pause_switch(wanted(paused), paused, RULES, at(20)),
        Refuse,
        "paused by ana at 03:00:15 UTC: I do not trust this",
    )


@pytest.mark.parametrize(
    ("mode", "kind", "text"),
    [
        (Mode.OBSERVE, Refuse, "would call aws rds promote_read_replica in us-west-2"),
        (Mode.APPROVE, Ask, "every step asks"),
        (Mode.AUTOMATIC, Pass, "automatic"),
    ],
)
def test_the_mode_refuses_asks_or_lets_pass(mode: Mode, kind: type[Verdict], text: str) -> None:
    book = replace(ready(), mode=mode)
    said(gates.mode(wanted(book), book, RULES, at(20)), kind, text)


def test_a_suspicion_moves_nothing() -> None:
    book = suspected()
    said(gates.confirmed(wanted(book, "capacity"), book, RULES, at(5)), Refuse, "only suspected")


def test_what_cannot_be_undone_asks_when_the_evidence_has_become_weaker() -> None:
    book = take(ready(), probe(AlarmState.INSUFFICIENT_DATA, 20), seconds=20)
    said(
        gates.confirmed(wanted(book), book, RULES, at(20)),
        Ask,
        "weaker",
        "2 of 6 observers are bad: route53, heartbeat",
    )
    said(gates.confirmed(wanted(book, "capacity"), book, RULES, at(20)), Pass, "confirmed")


def test_what_cannot_be_undone_passes_while_the_evidence_stands() -> None:
    book = ready()
    said(gates.confirmed(wanted(book), book, RULES, at(20)), Pass, "3 of 6 observers are bad")


def test_what_a_person_declared_needs_no_observer() -> None:
    book = declared(REGION, PRIMARY)
    said(gates.confirmed(wanted(book), book, RULES, at(20)), Pass, "confirmed")


def test_what_a_person_rejected_asks() -> None:
    book = ready()
    said(gates.rejection(wanted(book), book, RULES, at(20)), Pass, "nobody")
    said(gates.rejection(wanted(book, rejected_by="bob"), book, RULES, at(20)), Ask, "bob rejected it")


@pytest.mark.parametrize(
    ("scope", "until", "kind"),
    [
        (PRIMARY, 100, Refuse),
        # What was put back inside the region does not hold up its failover.
        (f"{PRIMARY}/cluster", 100, Pass),
        (PRIMARY, 20, Pass),
        ("eu-west-1", 100, Refuse),
        (f"{PRIMARY}-other", 100, Refuse),
    ],
)
def test_a_region_s_block_window_refuses_everywhere_until_it_ends(scope: str, until: int, kind: type[Verdict]) -> None:
    block = Block(scope=scope, until=at(until), because="a failover ended")
    book = replace(ready(), blocks=(block,))
    said(gates.block_window(wanted(book), book, RULES, at(20)), kind)


@pytest.mark.parametrize(("below", "kind"), [("", Refuse), ("/pods", Refuse), ("x", Pass)])
def test_a_block_window_inside_a_region_refuses_there_alone(below: str, kind: type[Verdict]) -> None:
    scope = f"{PRIMARY}/cluster/deployments"
    book = replace(ready(), blocks=(Block(scope=scope, until=at(100), because="an application was put back"),))
    work = wanted(book)
    work = replace(work, incident=replace(work.incident, scope=f"{scope}{below}"))
    said(gates.block_window(work, book, RULES, at(20)), kind)


@pytest.mark.parametrize(
    ("facts", "kind", "text"),
    [
        ({"fenced": "Fenced"}, Pass, "is Fenced"),
        ({"fenced": "SelfFenced"}, Pass, "is SelfFenced"),
        ({"fenced": "Unknown"}, Ask, "'neurectomy-pg' in us-east-1 may still take writes"),
        ({"fenced": "unreachable"}, Ask, "may still take writes"),
        ({"fenced": 1.0}, Ask, "may still take writes"),
        ({}, Ask, "the fence verdict is Unknown"),
    ],
)
def test_only_a_proven_fence_lets_a_promotion_pass(
    facts: dict[str, str | float], kind: type[Verdict], text: str
) -> None:
    book = with_step(ready(), "fence", done(15, **facts))
    said(gates.fence_verdict(wanted(book), book, RULES, at(20)), kind, text)


def test_a_fence_that_is_not_done_proves_nothing_whatever_it_has_seen() -> None:
    for state in StepState:
        if state is not StepState.DONE:
            record = replace(done(15, fenced="Fenced"), state=state)
            book = with_step(ready(), "fence", record)
            said(gates.fence_verdict(wanted(book), book, RULES, at(20)), Ask, "Unknown")


def test_a_promotion_that_asks_says_how_much_is_lost_who_may_still_write_and_what_waiting_costs() -> None:
    heard_ms = at(-5).timestamp() * 1000
    book = ready()
    work = wanted(book, facts={"loss_seconds": 12.0, "loss_rows": 1.0, "known_until": heard_ms})
    said(
        judge(work, book, RULES, at(20)),
        Ask,
        "'neurectomy-pg' in us-east-1 may still take writes",
        "API Gateway and what leans on the database must be back by 03:15:00 UTC",
    )
    said(
        gates.data_loss_budget(work, book, RULES, at(20)),
        Pass,
        "12s of writes (1 row of the heartbeat), and whatever was written after 02:59:55 UTC would be lost",
    )


@pytest.mark.parametrize(
    ("loss", "kind", "text"),
    [
        (0, Pass, "0s of writes would be lost"),
        (60.0, Pass, "within the RPO of 1m"),
        (60.6, Ask, "would be lost, the RPO is 1m"),
        ("unknown", Ask, "not known"),
        (None, Ask, "not known"),
        pytest.param(
            float("nan"),
            Ask,
            "not known",
        ),
    ],
)
def test_a_promotion_asks_unless_the_loss_is_known_and_within_the_rpo(
    loss: str | float | None, kind: type[Verdict], text: str
) -> None:
    book = ready()
    facts = {} if loss is None else {"loss_seconds": loss}
    said(gates.data_loss_budget(wanted(book, facts=facts), book, RULES, at(20)), kind, text)


@pytest.mark.parametrize("gate", [gates.fence_verdict, gates.data_loss_budget])
def test_the_database_gates_let_every_other_step_pass(gate: gates.Gate) -> None:
    book = ready()
    for step in plan_of(REGION).steps:
        if step.action != "promote-replica":
            said(gate(wanted(book, step.id), book, RULES, at(20)), Pass, "moves no database")


def test_what_policy_says_needs_a_person_asks_with_policys_reason() -> None:
    book = ready()
    asks = replace(wanted(book).step, automatic=False, asks_because="a promotion cannot be undone")
    said(gates.approval(replace(wanted(book), step=asks), book, RULES, at(20)), Ask, "a promotion cannot be undone")
    said(gates.approval(wanted(book, "capacity"), book, RULES, at(20)), Pass, "without a person")


def test_a_scenario_without_automation_asks_for_everything() -> None:
    book = declared("provider-outage", "neurectomy")
    step = plan_of("provider-outage").steps[0]
    work = Wanted(incident=only(book), step=replace(step, automatic=True), record=wants(10), call=call())
    said(gates.approval(work, book, RULES, at(20)), Ask, "automatic for provider-outage: leaving a provider is")


def test_a_step_waits_for_what_it_needs() -> None:
    book = with_step(ready(), "ready-api-gateway", StepRecord(because="2 of 3 pods"))
    said(gates.order(wanted(book), book, RULES, at(20)), Refuse, "ready-api-gateway, which is pending: 2 of 3 pods")
    said(gates.order(wanted(ready()), ready(), RULES, at(20)), Pass)


@pytest.mark.parametrize(("age", "kind"), [(120, Pass), (120.001, Refuse)])
def test_the_traffic_leans_only_on_a_fresh_verification(age: float, kind: type[Verdict]) -> None:
    book = all_done_but(confirmed(), "traffic", seconds=100)
    said(gates.order(wanted(book, "traffic"), book, RULES, at(100 + age)), kind)


def test_a_stale_verification_is_looked_at_again_before_the_traffic_moves() -> None:
    book = with_step(all_done_but(confirmed(), "traffic", seconds=10), "traffic", wants(100))
    work = due(book, rules=RULES, now=at(140))
    needed = plan_of(REGION).step("traffic").needs
    assert {w.step.id for w in work if isinstance(w, Look)} == set(needed)
    assert not any(isinstance(w, Do) for w in work)
    assert any(isinstance(w, Held) and "again first" in w.because for w in work)
    for need in needed:
        book = with_step(book, need, done(140))
    work = due(book, rules=RULES, now=at(141))
    assert [w.step.id for w in work if isinstance(w, Do)] == ["traffic"]


# All gates together


def test_the_first_refusal_wins_over_every_ask() -> None:
    book = replace(
        ready(),
        mode=Mode.APPROVE,
        paused=Pause(by="ana", at=at(15), because="stop"),
        blocks=(Block(scope=PRIMARY, until=at(100), because="a failover ended"),),
    )
    said(judge(wanted(book), book, RULES, at(20)), Refuse, "paused by ana")


def test_all_asks_are_asked_in_one() -> None:
    book = replace(ready(), mode=Mode.APPROVE)
    said(
        judge(wanted(book), book, RULES, at(20)),
        Ask,
        "every step asks",
        "may still take writes",
        "how much would be lost is not known",
    )


def test_nothing_asked_and_nothing_refused_passes_and_says_why() -> None:
    book = ready("capacity")
    said(judge(wanted(book, "capacity"), book, RULES, at(20)), Pass, "policy allows it without a person")


def test_an_approval_meets_every_ask_and_the_sentence_names_who_accepted_what() -> None:
    book = ready()
    said(
        judge(wanted(book, approval=YES), book, RULES, at(20)),
        Pass,
        "approved by ana at 03:00:15 UTC, who accepted that",
        "may still take writes",
    )


@pytest.mark.parametrize(("seconds", "kind"), [(15 + 1799, Pass), (15 + 1800, Ask)])
def test_an_approval_ends_at_the_moment_it_expires(seconds: float, kind: type[Verdict]) -> None:
    book = ready()
    said(judge(wanted(book, approval=YES), book, RULES, at(seconds)), kind)


def test_an_approval_that_was_acted_on_stands_for_what_the_step_still_calls() -> None:
    book = ready()
    work = replace(wanted(book, approval=replace(YES, begun_at=at(20))), call=call(reversible=True))
    said(judge(work, book, RULES, at(4000)), Pass, "approved by ana at 03:00:15 UTC")
    other = replace(work.record, approval=replace(YES, begun_at=at(20), plan="0" * 16))
    said(judge(replace(work, record=other), book, RULES, at(4000)), Ask, "was for plan")


def test_what_cannot_be_undone_is_asked_for_again_however_far_the_step_is() -> None:
    book = ready()
    work = wanted(book, approval=replace(YES, begun_at=at(20)))
    said(judge(work, book, RULES, at(1814)), Pass)
    said(judge(work, book, RULES, at(1815)), Ask, "the approval by ana expired at 03:30:15 UTC")


def test_an_approval_of_another_plan_counts_for_nothing() -> None:
    book = ready()
    other = replace(YES, plan="0" * 16)
    said(judge(wanted(book, approval=other), book, RULES, at(20)), Ask, f"was for plan {'0' * 16}, this is {PLAN}")


@pytest.mark.parametrize(
    "change",
    [
        {"paused": Pause(by="bob", at=at(16), because="stop")},
        {"mode": Mode.OBSERVE},
        {"blocks": (Block(scope=PRIMARY, until=at(100), because="a failover ended"),)},
    ],
    ids=["pause", "observe", "block window"],
)
def test_an_approval_never_lifts_a_refusal(change: dict[str, object]) -> None:
    book = replace(ready(), **change)  # type: ignore[arg-type]  # the fields of a book, by name
    said(judge(wanted(book, approval=YES), book, RULES, at(20)), Refuse)


def test_an_approval_never_lets_a_step_out_of_order() -> None:
    book = with_step(ready(), "ready-api-gateway", StepRecord(because="2 of 3 pods"))
    said(judge(wanted(book, approval=YES), book, RULES, at(20)), Refuse, "it needs ready-api-gateway")


def fenced_and_small() -> tuple[Book, Wanted]:
    book = with_step(ready(), "fence", done(15, fenced="Fenced"))
    return book, wanted(book, facts={"loss_seconds": 12.0})


def test_a_proven_fence_and_a_small_loss_promote_without_a_person() -> None:
    book, work = fenced_and_small()
    said(judge(work, book, RULES, at(20)), Pass, "policy allows it without a person")


def test_a_proven_fence_and_a_small_loss_still_ask_where_policy_wants_a_person() -> None:
    book, work = fenced_and_small()
    asks = replace(work, step=replace(work.step, automatic=False, asks_because="we want to be asked"))
    said(judge(asks, book, RULES, at(20)), Ask, "we want to be asked")


def test_no_gate_is_silent() -> None:
    for book in (ready(), suspected(empty(Mode.OBSERVE)), declared(REGION, PRIMARY)):
        for step in plan_of(REGION).steps:
            for gate in GATES:
                assert gate(wanted(book, step.id), book, RULES, at(20)).because.strip()


def test_an_approved_step_is_looked_at_again_before_it_is_done() -> None:
    book = with_step(ready(), "promote", wants(10, state=StepState.ASKING, asked_at=at(10)))
    book = take(book, approve(book, "yes", 20, "promote"), seconds=20)
    work = due(book, rules=RULES, now=at(20))
    assert [w.step.id for w in work if isinstance(w, Look)] == ["promote"]
    assert not any(isinstance(w, Do) for w in work)


def test_a_failover_is_followed_by_a_block_window_at_its_scope() -> None:
    book = all_done_but(confirmed(), "traffic")
    book = with_step(book, "capacity", replace(done(10), calls=1))
    ended = take(with_step(book, "traffic", done(20)), alarm(ROUTE53, AlarmState.OK, 20), seconds=20)
    assert [(b.scope, b.until) for b in ended.blocks] == [(PRIMARY, at(20 + 3600))]
    assert take(ended, alarm(ROUTE53, AlarmState.ALARM, 3600), seconds=20 + 3600).blocks == ()


def test_the_block_window_also_holds_at_the_region_that_took_over() -> None:
    moved = Failover(incident="us-east-1-region-failure-20261123T025500", scenario=REGION, at=at(0))
    book = replace(
        declared("failback", STANDBY, book=replace(empty(serving=STANDBY), failover=moved)),
        blocks=(Block(scope=PRIMARY, until=at(3600), because="the recovery of us-east-1 ended"),),
    )
    said(gates.block_window(wanted(book, "capacity"), book, RULES, at(20)), Refuse)
