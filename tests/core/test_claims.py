"""Two open incidents that need the same thing: who moves it, who waits, for whom, and until when."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from chalicelib.core import gates
from chalicelib.core.answers import Called, Decided, HeldBack, Looked
from chalicelib.core.book import Book, Debt
from chalicelib.core.claims import Grip, sentence
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import Archive, Do, Held, Look, due
from chalicelib.core.gates import Pass, Refuse, Wanted
from chalicelib.core.gates import held_for as waits_for
from chalicelib.core.happened import Abort, Approve, Declare, GiveWay, Raise
from chalicelib.core.incident import Approval, Incident, StepRecord, StepState
from chalicelib.core.incidents import put
from chalicelib.core.outcome import Act, Done, Doubtful, Made, Stuck, Wait
from chalicelib.core.plan import Step
from chalicelib.core.states import IncidentState
from chalicelib.core.wording import asks
from chalicelib.policy.scenarios import Severity
from tests.core.stage import (
    PRIMARY,
    REGION,
    RULES,
    STANDBY,
    at,
    call,
    confirmed,
    declared,
    done,
    empty,
    plan_of,
    reread,
    said,
    take,
    wants,
)

MOVE: Final = "planned-switchover"
PLACE: Final = f"{STANDBY}/elsewhere"
DATABASE: Final = "database postgresql"


def another(
    book: Book,
    *,
    scenario: str = MOVE,
    scope: str = PLACE,
    severity: Severity = Severity.HIGH,
    opened: float = 20,
    name: str = "other",
) -> Book:
    """One more confirmed incident, of a case that moves what a region failure moves."""
    made = Incident(
        id=name,
        scenario=scenario,
        scope=scope,
        severity=severity,
        state=IncidentState.RESPONDING,
        because="somebody declared it",
        plan=plan_of(scenario).hash,
        policy=RULES.policy.digest,
        opened_at=at(opened),
        failed_at=at(opened),
        confirmed_at=at(opened),
        declared_by="ana",
    )
    return put(book, made)


def region(book: Book) -> str:
    return next(i.id for i in book.incidents.values() if i.scenario == REGION)


def record(book: Book, incident: str, step: str, kept: StepRecord) -> Book:
    there = book.incidents[incident]
    return put(book, replace(there, steps={**there.steps, step: kept}))


def both() -> Book:
    """A region failure, and a smaller case elsewhere that wants the same database."""
    return another(confirmed())


def ready(book: Book, incident: str, step: str, kept: StepRecord | None = None) -> Book:
    """The step wants its call, and everything that it needs is done."""
    its = book.incidents[incident]
    for need in RULES.plan_of(its.plan, its.scenario).step(step).needs:
        book = record(book, incident, need, done(29))
    return record(book, incident, step, kept or wants(30, approval=allowed(its.plan)))


def allowed(plan: str) -> Approval:
    return Approval(by="ana", at=at(29), plan=plan, expires_at=at(90_000), arns=("arn:x",))


def judged(book: Book, incident: str, step: str, seconds: float = 31) -> Pass | Refuse | gates.Ask:
    its = book.incidents[incident]
    row: Step = RULES.plan_of(its.plan, its.scenario).step(step)
    wanted = Wanted(incident=its, step=row, record=its.step(step), call=call())
    return gates.held_elsewhere(wanted, book, RULES, at(seconds))


def refused(book: Book, incident: str, step: str, seconds: float = 31) -> str:
    verdict = judged(book, incident, step, seconds)
    assert isinstance(verdict, Refuse), verdict
    return verdict.because


def called(seconds: float, **more: object) -> StepRecord:
    """A call was made then, and the world is at work on it."""
    kept = replace(wants(seconds), call=None, calls=1, called_at=at(seconds), because="accepted")
    return replace(kept, **more)  # type: ignore[arg-type] # fields of a record


def test_alone_nothing_is_held() -> None:
    book = ready(confirmed(), region(confirmed()), "promote")
    assert isinstance(judged(book, region(book), "promote"), Pass)


def test_of_two_that_want_it_the_wider_scope_goes_first_and_the_other_says_for_whom_it_waits() -> None:
    book = both()
    book = ready(ready(book, region(book), "promote"), "other", "promote")
    assert isinstance(judged(book, region(book), "promote"), Pass)
    assert refused(book, "other", "promote") == (
        f"waits for incident {region(book)} (Region failure, step promote) to let go of {DATABASE}: its scope "
        f"{PRIMARY} is wider than {PLACE}, so it goes first; this goes on when that incident is closed "
        f"(drctl yield {region(book)} lets this go first)"
    )
    verdict = judged(book, "other", "promote")
    assert isinstance(verdict, Refuse)
    assert verdict.waits_for == region(book)


def test_of_the_same_width_the_graver_goes_first_and_then_the_older() -> None:
    book = another(empty(), scope=f"{PRIMARY}/a", name="a", severity=Severity.CRITICAL, opened=50)
    book = another(book, scope=f"{PRIMARY}/b", name="b", opened=10)
    book = another(book, scope=f"{PRIMARY}/c", name="c", opened=20)
    for name in "abc":
        book = ready(book, name, "drain")
    assert isinstance(judged(book, "a", "drain"), Pass)
    assert "its severity is critical, this one's high" in refused(book, "b", "drain")
    assert "waits for incident a " in refused(book, "c", "drain")
    without = replace(book, incidents={k: v for k, v in book.incidents.items() if k != "a"})
    assert "waits for incident b " in refused(without, "c", "drain")
    assert "it is the older one" in refused(without, "c", "drain")


def test_the_platform_is_wider_than_any_region() -> None:
    book = another(confirmed(), scope="neurectomy", severity=Severity.MEDIUM)
    book = ready(ready(book, region(book), "promote"), "other", "drain")
    assert "its scope neurectomy is wider than us-east-1" in refused(book, region(book), "promote")
    assert isinstance(judged(book, "other", "drain"), Pass)


@pytest.mark.parametrize("state", [StepState.ACTING, StepState.RUNNING])
def test_a_move_that_is_on_its_way_is_finished_first_whoever_makes_it(state: StepState) -> None:
    book = both()
    book = ready(record(book, "other", "promote", called(25, state=state)), region(book), "promote")
    because = refused(book, region(book), "promote")
    assert because.startswith(f"waits for incident other (Planned move, step promote) to let go of {DATABASE}")
    said_next = "looked at first" if state is StepState.ACTING else "at 03:06:25 UTC at the latest"
    assert said_next in because


def test_a_move_on_its_way_that_is_late_keeps_nobody_waiting_any_longer() -> None:
    book = both()
    book = ready(record(book, "other", "promote", called(25)), region(book), "promote")
    assert isinstance(judged(book, region(book), "promote", seconds=25 + 359), Refuse)
    assert isinstance(judged(book, region(book), "promote", seconds=25 + 360), Pass)


def test_a_call_that_nobody_has_looked_at_since_is_never_passed_by() -> None:
    book = both()
    book = ready(record(book, "other", "promote", called(25, state=StepState.ACTING)), region(book), "promote")
    assert isinstance(judged(book, region(book), "promote", seconds=9000), Refuse)


@pytest.mark.parametrize("state", [StepState.STUCK, StepState.ASKING, StepState.HELD])
def test_what_has_begun_and_rests_is_taken_over_by_whoever_goes_first_and_kept_from_whoever_comes_later(
    state: StepState,
) -> None:
    book = both()
    begun = called(25, state=state)
    first = ready(record(book, "other", "promote", begun), region(book), "promote")
    assert isinstance(judged(first, region(book), "promote"), Pass)
    later = ready(record(book, region(book), "promote", begun), "other", "promote")
    assert "so it goes first" in refused(later, "other", "promote")


def test_what_stays_is_held_until_its_incident_is_closed() -> None:
    book = both()
    book = ready(record(book, region(book), "traffic", done(25)), "other", "traffic")
    assert "traffic record api.neurectomy.io" in refused(book, "other", "traffic")
    assert "this goes on when that incident is closed" in refused(book, "other", "traffic")
    closing = replace(book.incidents[region(book)], state=IncidentState.CLOSING, ending="recovered", ended_at=at(30))
    assert isinstance(judged(put(book, closing), "other", "traffic"), Pass)


def test_what_does_not_stay_is_free_when_its_step_is_done() -> None:
    book = both()
    book = ready(record(book, region(book), "restore-redis", done(25)), "other", "restore-redis")
    assert isinstance(judged(book, "other", "restore-redis"), Pass)


def test_a_step_that_asks_was_rejected_or_may_not_be_called_for_another_reason_wants_nothing_yet() -> None:
    book = ready(both(), "other", "promote")
    for kept in (wants(30, state=StepState.ASKING), wants(30, rejected_by="ana", state=StepState.RUNNING), wants(30)):
        assert isinstance(judged(ready(book, region(book), "promote", kept), "other", "promote"), Pass)


def test_a_step_whose_turn_has_not_come_wants_nothing_yet() -> None:
    book = ready(both(), "other", "promote")
    book = record(book, region(book), "promote", wants(30))
    assert isinstance(judged(book, "other", "promote"), Pass)


def test_a_suspicion_holds_nothing() -> None:
    book = both()
    book = record(ready(book, "other", "promote"), region(book), "promote", called(25))
    doubted = replace(book.incidents[region(book)], confirmed_at=None, state=IncidentState.SUSPECTING)
    assert isinstance(judged(put(book, doubted), "other", "promote"), Pass)


def test_what_nothing_waits_for_keeps_others_only_while_its_call_is_out() -> None:
    """The fence of a region that answers nobody would hold the database for as long as that region is dark."""
    book = ready(another(empty(), scope="neurectomy"), "other", "drain")
    book = another(book, scenario=REGION, scope=PRIMARY, name="dark")
    out = record(book, "dark", "fence", called(25, state=StepState.ACTING))
    assert isinstance(judged(out, "other", "drain"), Refuse)
    assert isinstance(judged(record(book, "dark", "fence", called(25)), "other", "drain"), Pass)


def test_what_is_owed_comes_after_every_open_incident_and_holds_nothing_but_its_call() -> None:
    book = both()
    case = replace(book.incidents["other"], id="gone/reopen", state=IncidentState.CLOSING, steps={"reopen": wants(30)})
    debt = Debt(kind="step", what="x", incident="gone", since=at(1), because="owed", case=case)
    book = ready(replace(book, debts=(debt,)), region(book), "promote")
    row = plan_of(MOVE).step("reopen")
    held = waits_for(book, case, row, RULES, at(31))
    assert held is not None
    assert (held.incident.id, held.grip) == (region(book), Grip.WANTED)
    assert isinstance(judged(book, region(book), "promote"), Pass)
    out = replace(debt, case=replace(case, steps={"reopen": called(25, state=StepState.ACTING)}))
    assert isinstance(judged(replace(book, debts=(out,)), region(book), "promote"), Refuse)


# What the desk makes of it


def work(book: Book, seconds: float, kind: type[object], step: str) -> list[object]:
    found = due(book, rules=RULES, now=at(seconds))
    return [w for w in found if isinstance(w, kind) and (getattr(w, "step", None) == step or _id(w) == step)]


def _id(work_: object) -> str:
    return getattr(getattr(work_, "step", None), "id", "")


def test_of_two_that_want_it_in_the_same_round_one_acts_and_the_other_is_held_for_it() -> None:
    book = both()
    book = ready(ready(book, region(book), "restore-api-gateway"), "other", "restore-api-gateway")
    acts = work(book, 31, Do, "restore-api-gateway")
    held = work(book, 31, Held, "restore-api-gateway")
    assert [w.incident for w in acts if isinstance(w, Do)] == [region(book)]
    assert [w.incident for w in held if isinstance(w, Held)] == ["other"]
    (one,) = held
    assert isinstance(one, Held)
    after = take(book, one.answer, seconds=31)
    kept = after.incidents["other"].step("restore-api-gateway")
    assert (kept.state, kept.waits_for, kept.waited_at) == (StepState.HELD, region(book), at(31))
    assert any(e.kind == "held" and region(book) in e.text for e in after.outbox if e.incident == "other")
    assert take(after, one.answer, seconds=40) == take(after, seconds=40), "it is told once"


def test_what_was_held_acts_by_itself_once_it_is_free() -> None:
    book = both()
    held = wants(30, state=StepState.HELD, waits_for=region(book), waited_at=at(20), because="waits")
    book = ready(book, "other", "restore-api-gateway", held)
    book = record(book, region(book), "restore-api-gateway", done(30))
    assert work(book, 31, Do, "restore-api-gateway")
    after = take(book, Decided(incident="other", step="restore-api-gateway", because="free"), seconds=31)
    kept = after.incidents["other"].step("restore-api-gateway")
    assert (kept.state, kept.waits_for, kept.waited_at) == (StepState.ACTING, "", at(20))
    assert kept.called_at == at(31)


def test_whoever_takes_over_says_so_on_both_timelines_and_the_other_asks_before_it_goes_on() -> None:
    book = both()
    begun = called(25, state=StepState.STUCK, stuck_at=at(25), approval=allowed(book.incidents["other"].plan))
    book = ready(record(book, "other", "promote", begun), region(book), "promote")
    after = take(book, Decided(incident=region(book), step="promote", because="it goes first"), seconds=31)
    mine = [e.text for e in after.outbox if e.incident == region(book) and e.kind == "takes-over"]
    theirs = [e.text for e in after.outbox if e.incident == "other" and e.kind == "overtaken"]
    had = "whose step promote had begun to move it"
    assert mine == [f"Promote the database replica: takes {DATABASE} over from incident other, {had}"]
    by = f"incident {region(book)} (Region failure, step promote)"
    assert theirs == [f"Promote the database replica: {by} takes {DATABASE} over"]
    assert after.incidents["other"].step("promote").approval is None, "a yes from before knew nothing of it"
    gone = replace(reread(after), incidents={"other": after.incidents["other"]})
    gone = ready(gone, "other", "promote", wants(30))
    (asked,) = [w for w in due(gone, rules=RULES, now=at(40)) if isinstance(w, Held) and w.step == "promote"]
    assert f"{by} took {DATABASE} over since this step began" in asked.because
    gone = take(gone, asked.answer, seconds=40)
    assert [a[0] for a in asks(gone.incidents["other"], RULES)] == ["promote"]
    yes = Approve(said=said("yes", 41), incident="other", plan=gone.incidents["other"].plan, step="promote")
    gone = take(
        gone, yes, Looked(incident="other", step="promote", next=Act(because="missing", call=call())), seconds=41
    )
    assert work(gone, 42, Do, "promote")
    gone = take(gone, Decided(incident="other", step="promote", because="a person said so"), seconds=42)
    assert gone.incidents["other"].overtaken == {}


# A person says otherwise


def give_way(book: Book, incident: str, seconds: float = 32) -> Book:
    return take(book, GiveWay(said=said(f"yield-{incident}-{seconds}", seconds), incident=incident), seconds=seconds)


def test_a_person_lets_the_other_one_go_first_and_the_last_word_counts() -> None:
    book = both()
    book = ready(ready(book, region(book), "promote"), "other", "promote")
    after = give_way(book, region(book))
    assert isinstance(judged(after, "other", "promote"), Pass)
    because = refused(after, region(book), "promote")
    assert "this one gave way (ana said so), so it goes first" in because
    notes = {e.kind: e.text for e in after.outbox}
    assert notes["gave-way"].startswith("gives way to every other incident with what they move too (")
    assert notes["goes-first"].startswith(f"goes before incident {region(book)}")
    back = give_way(after, "other", 40)
    assert isinstance(judged(back, region(book), "promote", 41), Pass)
    assert isinstance(judged(back, "other", "promote", 41), Refuse)


def test_giving_way_does_not_stop_what_is_on_its_way() -> None:
    book = both()
    book = ready(record(book, region(book), "promote", called(25)), "other", "promote")
    assert "that move is on its way" in refused(give_way(book, region(book)), "other", "promote", 33)


def test_giving_way_to_nobody_is_refused() -> None:
    book = confirmed()
    with pytest.raises(IllegalCommandError, match="nobody waits for it"):
        give_way(book, region(book))


# What is ended or taken over in the middle of a move


def ended(book: Book, how: str, incident: str) -> Book:
    match how:
        case "aborted":
            return take(book, Abort(said=said("end", 30), incident=incident), seconds=30)
        case _:
            raised = Raise(said=said("worse", 30), incident=incident, scenario=REGION)
            return take(book, raised, seconds=30)


@pytest.mark.parametrize("how", ["aborted", "absorbed"])
@pytest.mark.parametrize("state", [StepState.ACTING, StepState.RUNNING])
def test_a_half_done_move_is_looked_at_before_its_incident_is_forgotten_or_anybody_else_moves_it(
    how: str, state: StepState
) -> None:
    first = declared(MOVE, PRIMARY)
    (name,) = first.incidents
    book = ended(record(first, name, "drain", called(25, state=state, look_at=at(31))), how, name)
    assert book.incidents[name].ending == how
    book = another(book, name="third")
    book = ready(book, "third", "drain")
    assert isinstance(judged(book, "third", "drain"), Refuse)
    assert [w for w in work(book, 32, Look, "drain") if isinstance(w, Look) and w.incident == name]
    assert not [w for w in work(book, 32, Archive, "") if isinstance(w, Archive) and w.incident == name]
    waits = Wait(because="an entry is on its way", again_in=at(10) - at(0))
    still = take(book, Looked(incident=name, step="drain", next=waits), seconds=32)
    assert isinstance(judged(still, "third", "drain", 33), Refuse)
    for found, kind in (
        (Done(because="it is fenced"), "done"),
        (Stuck(because="it says no"), "let-go"),
        (Act(because="one entry is missing", call=call()), "let-go"),
    ):
        over = take(book, Looked(incident=name, step="drain", next=found), seconds=33)
        assert isinstance(judged(over, "third", "drain", 34), Pass), kind
        (text,) = [e.text for e in over.outbox if e.incident == name and e.kind == kind]
        assert found.because in text
        if kind == "let-go":
            assert f"the incident is {how}, so no more is done about it here" in text


def test_what_was_ended_in_the_middle_holds_no_longer_than_its_deadline() -> None:
    first = declared(MOVE, PRIMARY)
    (name,) = first.incidents
    book = ended(record(first, name, "drain", called(25)), "aborted", name)
    book = ready(another(book, name="third"), "third", "drain")
    deadline = plan_of(MOVE).step("drain").deadline.total_seconds()
    assert isinstance(judged(book, "third", "drain", 25 + deadline - 1), Refuse)
    assert isinstance(judged(book, "third", "drain", 25 + deadline), Pass)


def test_an_answer_that_comes_after_the_takeover_is_still_taken_in() -> None:
    first = declared(MOVE, PRIMARY)
    (name,) = first.incidents
    book = ended(record(first, name, "drain", called(25, state=StepState.ACTING)), "absorbed", name)
    for outcome in (Made(because="accepted"), Doubtful(because="no answer within 6 s")):
        after = take(book, Called(incident=name, step="drain", outcome=outcome), seconds=31)
        assert after.incidents[name].step("drain").state is StepState.RUNNING
        assert outcome.because in after.incidents[name].step("drain").because


def test_the_timelines_say_who_was_taken_over_by_whom_and_what_was_on_its_way() -> None:
    first = declared(MOVE, PRIMARY)
    (name,) = first.incidents
    book = ended(record(first, name, "drain", called(25, state=StepState.ACTING)), "absorbed", name)
    graver = next(i for i in book.incidents.values() if i.scenario == REGION)
    assert graver.absorbed == (name,)
    texts = {(e.incident, e.kind): e.text for e in book.outbox}
    assert texts[graver.id, "absorbed"] == (
        f"incident {name} belongs to this one now; on the way are drain: each is looked at before anything else moves "
        "what it moves"
    )
    assert f"taken over by {graver.id}" in texts[name, "absorbed"]


def test_a_wider_incident_absorbs_the_smaller_ones_and_both_timelines_say_so() -> None:
    smaller = declared("pod-failure", f"{PRIMARY}/cluster/pods")
    (name,) = smaller.incidents
    book = take(smaller, Declare(said=said("region", 9), scenario=REGION, scope=PRIMARY), seconds=9)
    wider = next(i for i in book.incidents.values() if i.scenario == REGION)
    texts = {(e.incident, e.kind): e.text for e in book.outbox}
    assert texts[wider.id, "absorbed"] == f"incident {name} belongs to this one now"
    assert texts[name, "absorbed"].endswith(f"taken over by {wider.id}")
    assert book.incidents[name].ending == "absorbed"


def test_traffic_that_a_taken_over_incident_had_called_for_is_known_to_have_moved() -> None:
    first = declared(MOVE, PRIMARY)
    (name,) = first.incidents
    book = ended(record(first, name, "traffic", called(25, state=StepState.ACTING)), "absorbed", name)
    done_ = Done(because="it is in ALARM", facts={"serves": STANDBY})
    assert take(book, Looked(incident=name, step="traffic", next=done_), seconds=31).serving == STANDBY
    aborted = ended(record(first, name, "traffic", called(25, state=StepState.ACTING)), "aborted", name)
    assert take(aborted, Looked(incident=name, step="traffic", next=done_), seconds=31).serving == PRIMARY


def test_an_unknown_thing_holds_its_step_and_says_so() -> None:
    book = confirmed()
    its = book.incidents[region(book)]
    row = replace(plan_of(REGION).step("promote"), action="dance")
    wanted = Wanted(incident=its, step=row, record=wants(30), call=call())
    verdict = gates.held_elsewhere(wanted, book, RULES, at(31))
    assert isinstance(verdict, Refuse)
    assert verdict.because.startswith("nobody has written down what action 'dance' moves")


def test_a_book_from_before_this_is_read_with_nothing_held() -> None:
    book = reread(both())
    assert book.incidents["other"].overtaken == {}
    assert book.incidents["other"].step("promote").called_at is None


def test_the_answer_of_a_held_step_names_whom_it_waits_for() -> None:
    book = both()
    held = HeldBack(incident="other", step="traffic", because="waits for somebody", waits_for=region(book))
    assert take(book, held, seconds=31).incidents["other"].step("traffic").waits_for == region(book)
    other = HeldBack(incident="other", step="traffic", because="paused by ana")
    again = take(book, held, other, seconds=32).incidents["other"].step("traffic")
    assert (again.waits_for, again.waited_at) == ("", at(32))


def test_of_two_debts_that_want_the_same_one_goes_first() -> None:
    book = both()
    debts = []
    for number, name in enumerate(("early", "late")):
        case = replace(
            book.incidents["other"],
            id=f"{name}/reopen",
            state=IncidentState.CLOSING,
            opened_at=at(number),
            steps={"reopen": wants(30)},
        )
        debts.append(Debt(kind="step", what="x", incident=name, since=at(number), because="owed", case=case))
    book = replace(book, incidents={}, debts=tuple(debts))
    row = plan_of(MOVE).step("reopen")
    first, later = (d.case for d in debts)
    assert first is not None
    assert later is not None
    assert waits_for(book, first, row, RULES, at(31)) is None
    held = waits_for(book, later, row, RULES, at(31))
    assert held is not None
    assert held.incident.id == "early/reopen"
    assert "of what is owed one thing is moved after the other" in sentence(held, later, row, RULES)


def test_what_does_not_stay_where_it_is_put_is_taken_over_without_a_question_to_anybody() -> None:
    """A rollback between two of its calls is automatic again once the other one is through: it looks anew."""
    book = both()
    begun = called(25, state=StepState.RUNNING, call=call(), look_at=at(90))
    book = record(book, "other", "restore-api-gateway", begun)
    book = ready(book, region(book), "restore-api-gateway")
    book = take(book, Decided(incident=region(book), step="restore-api-gateway", because="first"), seconds=31)
    assert [e.incident for e in book.outbox if e.kind == "overtaken"] == ["other"]
    assert book.incidents["other"].overtaken == {}
