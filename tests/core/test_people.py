"""Who may say what, when two people have said yes, and how loud a broken glass is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.answers import Looked
from chalicelib.core.approvals import is_another, together
from chalicelib.core.authority import objection, saying
from chalicelib.core.book import Book
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import Do, Held, Tell, due
from chalicelib.core.happened import (
    Abort,
    Acknowledge,
    Approve,
    BreakGlass,
    Choose,
    Command,
    Declare,
    Escalate,
    GiveWay,
    KeepSwitch,
    Pause,
    Raise,
    Rehearse,
    Reject,
    Repin,
    Resolve,
    Resume,
    Review,
    Said,
    SetMode,
    Status,
    Tick,
)
from chalicelib.core.incident import Approval, StepState
from chalicelib.core.outcome import Act, Done, Wait
from chalicelib.core.plan import Rules
from chalicelib.core.wording import asks
from chalicelib.executor import aim
from chalicelib.policy import Policy
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.people import Saying
from chalicelib.policy.platform import Mode
from tests.core.stage import (
    POLICY,
    PRIMARY,
    REGION,
    ROUTE53,
    alarm,
    approve,
    arn_of,
    at,
    call,
    declared,
    done,
    empty,
    heartbeat,
    only,
    policy_with,
    probe,
    reread,
    rules_for,
    said,
    take,
    with_step,
)


def edited(**people: Any) -> Policy:
    """The shipped policy, in which two people must approve the promotion; `people` changes people.yaml."""

    def edit(raw: dict[str, Any]) -> None:
        for step in raw["runbooks"]["runbooks"][0]["steps"]:
            if step["id"] == "promote":
                step["people"] = 2
        for step in next(r for r in raw["runbooks"]["runbooks"] if r["scenario"] == "provider-outage")["steps"]:
            step["people"] = 2
        raw["people"] |= people

    return policy_with(edit)


TWO = edited()
RULES = rules_for(TWO)
UNPROVEN = Said(id="u", by="zoe", at=at(20))
DOUBTED = replace(UNPROVEN, doubt="STS in us-west-2 did not answer within 3 s", note="STS is silent")


def every(who: Said) -> dict[Saying, Command]:
    commands: list[Command] = [
        Declare(said=who, scenario=REGION, scope=PRIMARY),
        Approve(said=who, incident="i", plan="p"),
        Reject(said=who, incident="i", step="promote"),
        BreakGlass(said=who, incident="i", plan="p", step="promote"),
        Review(said=who, debt="d"),
        Raise(said=who, incident="i", scenario=REGION),
        Repin(said=who, incident="i"),
        Choose(said=who, incident="i", choices={"as_of": "2026-01-01T00:00:00Z"}),
        Escalate(said=who, incident="i"),
        Acknowledge(said=who, incident="i"),
        Acknowledge(said=who),
        Abort(said=who, incident="i"),
        Resolve(said=who, incident="i"),
        Pause(said=who),
        Resume(said=who),
        SetMode(said=who, mode=Mode.OBSERVE),
        Status(said=who),
        GiveWay(said=who, incident="i"),
        KeepSwitch(said=who, region=PRIMARY),
        Rehearse(said=who, runbook=REGION),
    ]
    return {saying(command): command for command in commands}


def test_every_command_has_a_word_that_a_role_can_name() -> None:
    assert set(every(UNPROVEN)) == set(Saying)


@pytest.mark.parametrize("word", Saying)
def test_without_a_proof_only_what_moves_nothing_may_be_said(word: Saying) -> None:
    free = {Saying.PAUSE, Saying.ESCALATE, Saying.STATUS, Saying.ACKNOWLEDGE}
    why = objection(every(UNPROVEN)[word], POLICY)
    if word in free:
        assert why == ""
    else:
        assert why.startswith(f"{word} needs a proven person, zoe (unproven) is none; allowed: ana, bob")


@pytest.mark.parametrize("word", Saying)
def test_a_proven_person_may_say_what_their_roles_allow(word: Saying) -> None:
    assert objection(every(said("a"))[word], POLICY) == ""
    observer = objection(every(said("e", by="eve"))[word], POLICY)
    if word in {Saying.PAUSE, Saying.ESCALATE, Saying.STATUS, Saying.ACKNOWLEDGE}:
        assert observer == ""
    else:
        assert observer == f"eve may not say {word} (roles: observer); allowed: ana, bob"


def test_a_principal_that_is_nobodys_or_two_peoples_proves_nobody() -> None:
    stranger = replace(said("s"), arn="arn:aws:sts::111122223333:assumed-role/dr-operator/mallory")
    assert "is nobody's principal in people.yaml" in objection(Resume(said=stranger), POLICY)
    both = edited(people=[{"name": n, "principals": [arn_of("ana")], "roles": ["operator"]} for n in ("ana", "andrea")])
    assert "is the principal of ana and of andrea: it proves neither" in objection(Resume(said=said("s")), both)


def test_a_name_is_never_believed_against_its_principal() -> None:
    claimed = replace(said("s"), by="bob")
    assert objection(Resume(said=claimed), POLICY) == f"{arn_of('ana')} is 'ana', not 'bob'"


def test_a_refused_command_changes_nothing_and_a_pause_needs_no_proof() -> None:
    with pytest.raises(IllegalCommandError, match="set-mode needs a proven person, zoe"):
        take(empty(), SetMode(said=UNPROVEN, mode=Mode.AUTOMATIC))
    book = take(empty(), Pause(said=UNPROVEN))
    assert book.paused is not None
    assert (book.paused.by, book.outbox[-1].text) == ("zoe", "paused by zoe (unproven)")
    assert book.replies[-1].by == "zoe (unproven)"


def test_what_a_proven_person_said_is_recorded_with_their_principal() -> None:
    book = asked()
    book = take(book, approve(book, "yes", 20), seconds=20, rules=RULES)
    assert any(e.text.startswith(f"promote: approved by ana ({arn_of('ana')})") for e in book.outbox)
    assert book.replies[-1].by == f"ana ({arn_of('ana')})"
    assert only(book).step("promote").voices[0].arns == (arn_of("ana"),)


def asked(rules: Rules = RULES) -> Book:
    """The promotion asks: everything that it needs is done, and its call is missing."""
    book = take(empty(), alarm(ROUTE53), probe(), heartbeat(), rules=rules)
    book = take(book, Tick(), seconds=10, rules=rules)
    return judged(all_done_promote(book, rules), 11, rules)


def all_done_promote(book: Book, rules: Rules) -> Book:
    incident = only(book)
    for step in rules.plan_of(incident.plan, incident.scenario, incident.chosen).steps:
        if step.id != "promote":
            book = with_step(book, step.id, done(10))
    return book


def judged(book: Book, seconds: float, rules: Rules = RULES) -> Book:
    """The promotion was looked at and its call found missing; what the gates say of it is in the book."""
    acts = Act(because="it is missing", call=call())
    book = take(book, Looked(incident=only(book).id, step="promote", next=acts), Tick(), seconds=seconds, rules=rules)
    held = [w for w in due(book, rules=rules, now=at(seconds)) if isinstance(w, Held)]
    return take(book, *(w.answer for w in held), seconds=seconds, rules=rules)


def does(book: Book, seconds: float, rules: Rules = RULES) -> list[Do]:
    return [w for w in due(book, rules=rules, now=at(seconds)) if isinstance(w, Do) and w.step.id == "promote"]


def test_a_step_for_two_people_says_how_many_have_answered_and_waits_for_the_second() -> None:
    book = asked()
    assert only(book).step("promote").because.startswith("0 of 2 people have approved it; ")
    book = judged(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    record = only(book).step("promote")
    assert (record.state, record.approval) == (StepState.ASKING, None)
    assert record.because.startswith("1 of 2 people have approved it (ana); another person must; ")
    assert "1 of 2" in asks(only(book), RULES)[0][2]
    assert does(book, 21) == []
    book = judged(take(reread(book), approve(book, "yes2", 30, by="bob"), seconds=30, rules=RULES), 31)
    given = only(book).step("promote").approval
    assert given is not None
    assert (given.by, given.arns) == ("ana and bob", (arn_of("ana"), arn_of("bob")))
    assert "approved by ana and bob" in does(book, 31)[0].because


def test_the_first_yes_is_told_anew_so_that_a_second_person_comes() -> None:
    book = asked()
    asked_at = only(book).step("promote").asked_at
    book = judged(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    assert asked_at == at(11)
    assert only(book).step("promote").asked_at == at(20)


def test_the_same_person_twice_counts_once() -> None:
    book = asked()
    book = judged(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    with pytest.raises(IllegalCommandError, match="ana has approved promote already, and counts once"):
        take(book, approve(book, "yes again", 30), seconds=30, rules=RULES)
    assert does(book, 31) == []


def test_one_principal_under_two_names_counts_once() -> None:
    given = (Approval(by="ana", at=at(0), plan="p", expires_at=at(9), arns=("arn:1",)),)
    assert not is_another(replace(given[0], by="andrea"), given)
    assert not is_another(replace(given[0], arns=("arn:2",)), given)
    assert is_another(replace(given[0], by="bob", arns=("arn:2",)), given)


def test_renaming_a_person_between_two_yeses_does_not_make_two() -> None:
    book = asked()
    book = judged(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    renamed = edited(people=[{"name": "andrea", "principals": [arn_of("ana")], "roles": ["operator"]}])
    again = Approve(
        said=replace(said("yes2", 30), by="andrea", arn=arn_of("ana")), incident=only(book).id, plan=only(book).plan
    )
    with pytest.raises(IllegalCommandError, match="counts once"):
        take(book, again, seconds=30, rules=Rules(renamed, RULES.plans))


def test_the_first_yes_expires_and_then_counts_for_nothing() -> None:
    book = asked()
    book = judged(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    book = judged(take(book, approve(book, "late", 1900, by="bob"), seconds=1900, rules=RULES), 1901)
    record = only(book).step("promote")
    assert record.approval is None
    assert "1 of 2 people have approved it (bob)" in record.because


def test_a_yes_that_expires_is_told_as_a_new_question_and_once() -> None:
    book = asked()
    book = judged(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    assert only(book).step("promote").asked_at == at(20)
    book = judged(book, 1830)
    record = only(book).step("promote")
    assert record.because.startswith("0 of 2 people have approved it; ")
    assert record.asked_at == at(1830)
    assert only(judged(book, 1900)).step("promote").asked_at == at(1830)


def test_two_yeses_last_as_long_as_the_first_of_them() -> None:
    one = Approval(by="ana", at=at(0), plan="p", expires_at=at(9), arns=("arn:1",))
    both = together((one, replace(one, by="bob", at=at(5), expires_at=at(14), arns=("arn:2",))))
    assert (both.by, both.at, both.expires_at) == ("ana and bob", at(5), at(9))


def test_a_rejection_takes_the_first_yes_back() -> None:
    book = asked()
    book = judged(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    no = Reject(said=said("no", 25, by="bob"), incident=only(book).id, step="promote")
    book = take(book, no, seconds=25, rules=RULES)
    assert only(book).step("promote").voices == ()
    book = judged(take(book, approve(book, "yes2", 30, "promote", by="bob"), seconds=30, rules=RULES), 31)
    assert "1 of 2 people have approved it (bob)" in only(book).step("promote").because


def decided(book: Book, seconds: float) -> Book:
    """A look at the step that only people do."""
    step = RULES.plan_of(only(book).plan, "provider-outage").step("leave")
    approved_by = aim(step, only(book), at(seconds)).approved_by
    said_ = Done(because=f"{approved_by} say so") if approved_by else Wait(because="decide", again_in=step.expected)
    return take(book, Looked(incident=only(book).id, step="leave", next=said_), seconds=seconds, rules=RULES)


def test_a_step_that_only_people_do_also_waits_for_the_second() -> None:
    book = decided(declared("provider-outage", "neurectomy", rules=RULES), 1)
    assert only(book).step("leave").because == "0 of 2 people have approved it; decide"
    book = decided(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    assert only(book).step("leave").because == "1 of 2 people have approved it (ana); another person must; decide"
    assert only(book).step("leave").state is StepState.ASKING
    book = decided(take(book, approve(book, "yes2", 30, by="bob"), seconds=30, rules=RULES), 31)
    assert only(book).step("leave").because == "ana and bob say so"


def test_a_yes_to_what_only_people_do_expires_likewise() -> None:
    book = decided(declared("provider-outage", "neurectomy", rules=RULES), 1)
    book = decided(take(book, approve(book, "yes", 20), seconds=20, rules=RULES), 21)
    assert only(book).step("leave").asked_at == at(20)
    book = decided(book, 1830)
    assert only(book).step("leave").because == "0 of 2 people have approved it; decide"
    assert only(book).step("leave").asked_at == at(1830)
    assert only(decided(book, 1900)).step("leave").asked_at == at(1830)


def test_two_people_are_asked_even_where_policy_would_let_it_pass() -> None:
    def edit(raw: dict[str, Any]) -> None:
        for step in raw["runbooks"]["runbooks"][0]["steps"]:
            if step["id"] == "promote":
                step |= {"people": 2, "automatic": True}

    rules = rules_for(policy_with(edit))
    book = asked(rules)
    proven = replace(only(book).step("promote"), facts={"fenced": "Fenced", "loss_seconds": 1.0})
    book = replace(book, incidents={only(book).id: replace(only(book), steps={**only(book).steps, "promote": proven})})
    assert does(book, 12, rules) == []


def broken(book: Book, seconds: float = 20, **more: Any) -> BreakGlass:
    who = replace(said("glass", seconds, note="bob cannot be reached"), **more)
    return BreakGlass(said=who, incident=only(book).id, plan=only(book).plan, step="promote")


def test_a_broken_glass_is_loud() -> None:
    book = asked()
    known = len(only(book).pagings)
    book = take(book, broken(book), seconds=20, rules=RULES)
    ladder = TWO.notifications.ladder
    assert [p.rung for p in only(book).pagings[known:]] == list(range(len(ladder)))
    tells = [
        w
        for w in due(book, rules=RULES, now=at(20))
        if isinstance(w, Tell) and w.message.event is NoticeEvent.ESCALATED
    ]
    assert len(tells) == sum(len(rung.channels) for rung in ladder)
    assert all("broke the glass: bob cannot be reached" in w.message.lines[0] for w in tells)
    kinds = {e.kind: e.text for e in book.outbox}
    assert kinds["break-glass"] == f"promote: ana ({arn_of('ana')}) broke the glass: bob cannot be reached"
    (debt,) = book.debts
    assert (debt.kind, debt.by, debt.what) == ("review", "ana", f"{only(book).id}/promote/030020")
    assert "broke the glass" in debt.because
    assert book.replies[-1].ok


def test_a_broken_glass_stands_in_for_the_second_person() -> None:
    book = asked()
    book = judged(take(book, broken(book), seconds=20, rules=RULES), 21)
    assert "the glass was broken by ana" in does(book, 21)[0].because
    given = only(reread(book)).step("promote").approval
    assert given is not None
    assert given.glass


def test_a_broken_glass_needs_a_reason_and_a_step_that_one_person_cannot_approve() -> None:
    book = asked()
    with pytest.raises(IllegalCommandError, match="needs a note"):
        take(book, broken(book, note="  "), seconds=20, rules=RULES)
    one = rules_for(POLICY)
    book = asked(one)
    with pytest.raises(IllegalCommandError, match="asks one proven person, and ana is one; allowed: approve"):
        take(book, broken(book), seconds=20, rules=one)


def test_an_unproven_person_breaks_no_glass_unless_policy_says_so_and_sts_was_asked() -> None:
    book = asked()
    doubted = replace(broken(book), said=DOUBTED)
    with pytest.raises(IllegalCommandError, match="needs a proven person"):
        take(book, doubted, seconds=20, rules=RULES)
    bold = rules_for(edited(break_glass={"unproven": True}))
    with pytest.raises(IllegalCommandError, match="needs a proven person"):
        take(book, replace(doubted, said=replace(UNPROVEN, note="trust me")), seconds=20, rules=bold)
    book = judged(take(book, doubted, seconds=20, rules=bold), 21, bold)
    assert does(book, 21, bold)
    assert "zoe (unproven: STS in us-west-2 did not answer within 3 s) broke the glass" in book.debts[0].because


def test_a_broken_glass_is_owed_a_review_by_somebody_else() -> None:
    book = asked()
    book = take(book, broken(book), seconds=20, rules=RULES)
    what = book.debts[0].what
    with pytest.raises(IllegalCommandError, match="somebody else must review it"):
        take(book, Review(said=said("r"), debt=what), seconds=30, rules=RULES)
    with pytest.raises(IllegalCommandError, match=f"no review 'x' is owed; owed: {what}"):
        take(book, Review(said=said("r", by="bob"), debt="x"), seconds=30, rules=RULES)
    book = take(reread(book), Review(said=said("r", by="bob", note="fine"), debt=what), seconds=30, rules=RULES)
    assert book.debts == ()
    assert "was reviewed by bob" in book.outbox[-1].text


def test_a_debt_of_another_kind_cannot_be_reviewed_away() -> None:
    book = asked()
    book = take(book, broken(book), seconds=20, rules=RULES)
    fence = replace(book.debts[0], kind="fence", what="us-east-1/pg")
    book = replace(book, debts=(fence,))
    with pytest.raises(IllegalCommandError, match="owed: none"):
        take(book, Review(said=said("r", by="bob"), debt="us-east-1/pg"), seconds=30, rules=RULES)
