"""What a person chooses reaches the steps, is a part of the plan that is approved, and moves nothing when wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from chalicelib.core.answers import Asked, Called, Decided, Looked
from chalicelib.core.book import Book
from chalicelib.core.bounds import spelled
from chalicelib.core.commands import IllegalCommandError
from chalicelib.core.due import Do, Held, Look, due
from chalicelib.core.happened import Approve, BreakGlass, Choose, Declare, Reject, Repin, Tick
from chalicelib.core.incident import StepState
from chalicelib.core.notices import outstanding
from chalicelib.core.outcome import Act, Call, Done, Made, Refused, Wait
from chalicelib.core.plan import Rules, plan
from chalicelib.core.wording import message
from chalicelib.store.codec import dump_book, read_book
from tests.core.stage import PRIMARY, arn_of, at, empty, only, policy_with, reread, rules_for, said, take

SCENARIO: Final = "data-corruption"
SCOPE: Final = f"{PRIMARY}/database"
GOOD: Final = spelled(at(-3600))
BETTER: Final = spelled(at(-1800))
CALL: Final = Call(system="aws", service="rds", region=PRIMARY, operation="restore", until="it is", reversible=True)


def chosen_for(raw: dict[str, Any]) -> None:
    """A runbook of which a look bounds the moment, a look and a call take it, and a last step leans on the call."""
    step = {"automatic": False, "asks_because": "it counts", "reversible": True, "expected": "1m", "deadline": "1h"}
    runbook = next(r for r in raw["runbooks"]["runbooks"] if r["scenario"] == SCENARIO)
    runbook["choices"] = [
        {"name": "as_of", "kind": "time", "asks": "the last good moment", "reach": "1d", "seen_by": "point"},
        {"name": "services", "kind": "services", "asks": "what is put back", "none": True},
        {"name": "folders", "kind": "prefix", "asks": "what is put back in S3"},
        {"name": "rooms", "kind": "namespaces", "asks": "where things are put back"},
        {"name": "commit", "kind": "revision", "asks": "what it goes back to"},
        {"name": "copy", "kind": "version", "asks": "which version"},
    ]
    runbook["steps"] = [
        {"id": "point", "title": "Look", "action": "s3-count", **step},
        {"id": "count", "title": "Count", "action": "s3-count", "with": {"as_of": "{choice.as_of}"}, **step},
        {
            "id": "restore",
            "title": "Restore",
            "action": "s3-restore",
            "needs": ["count"],
            **step,
            "with": {"as_of": "{choice.as_of}", "of": "{choice.services} {choice.folders}"},
        },
        {
            "id": "rest",
            "title": "Rest",
            "action": "s3-count",
            **step,
            "with": {"a": "{choice.rooms} {choice.commit} {choice.copy}"},
        },
        {"id": "last", "title": "Look again", "action": "s3-count", "needs": ["restore"], **step},
    ]


POLICY: Final = policy_with(chosen_for).model_copy(update={"digest": "c" * 16})
RULES: Final = rules_for(POLICY)
FOLDER: Final = "neurectomy-mlflow-us-east-1/artifacts/7/"


def declared(**choices: str) -> Book:
    return take(empty(), Declare(said=said("d"), scenario=SCENARIO, scope=SCOPE, choices=choices), rules=RULES)


def choose(book: Book, *, seconds: float = 10, **choices: str) -> Book:
    return chosen(book, choices, seconds)


def chosen(book: Book, choices: dict[str, str], seconds: float = 10) -> Book:
    command = Choose(said=said(f"choose {choices} {seconds}", seconds), incident=only(book).id, choices=choices)
    return take(book, command, seconds=seconds, rules=RULES)


def whole(**other: str) -> Book:
    """Everything that the restore takes is chosen."""
    return declared(as_of=GOOD, services="mlflow", folders=FOLDER, **other)


def looked(book: Book, step: str, found: Any, seconds: float = 20) -> Book:
    return take(book, Looked(incident=only(book).id, step=step, next=found), seconds=seconds, rules=RULES)


def waiting(book: Book, seconds: float = 20) -> dict[str, str]:
    """The steps that are held back now, and why."""
    return {w.step: w.because for w in due(book, rules=RULES, now=at(seconds)) if isinstance(w, Held)}


def looks(book: Book, seconds: float = 20) -> dict[str, dict[str, str]]:
    """The steps that are looked at now, with what they are aimed at."""
    found = due(book, rules=RULES, now=at(seconds))
    return {w.step.id: dict(w.step.params) for w in found if isinstance(w, Look)}


def asking(book: Book) -> Book:
    """The restore asks, and everything before it is done."""
    book = looked(book, "count", Done(because="12 objects", facts={"begun": "then"}))
    book = looked(book, "restore", Act(because="12 are missing", call=CALL))
    return take(book, Asked(incident=only(book).id, step="restore", because="it counts"), seconds=21, rules=RULES)


def approved(book: Book) -> Book:
    yes = Approve(said=said("yes", 22), incident=only(book).id, plan=only(book).plan, step="restore")
    return take(book, yes, seconds=22, rules=RULES)


def test_a_step_waits_for_its_choice_and_says_how_to_give_it() -> None:
    book = declared()
    assert set(looks(book)) == {"point"}
    why = waiting(book)["count"]
    # Never a moment that nobody has seen to be good: whoever copies the line would choose it.
    assert why == (
        f"nobody has chosen as_of, the last good moment (before {spelled(at(0))}, when it was first seen or declared): "
        f"drctl choose {only(book).id} as_of=AS_OF"
    )
    assert "as_of=" in waiting(declared(services="mlflow", folders=FOLDER))["count"]


def test_a_step_gets_what_was_chosen_when_it_was_declared() -> None:
    book = whole()
    assert looks(book)["count"] == {"as_of": GOOD}
    assert only(book).choices["as_of"].by == "ana"


def test_a_choice_releases_the_step_that_asked_for_it() -> None:
    book = declared()
    incident = only(book).id
    book = take(book, Asked(incident=incident, step="count", because=waiting(book)["count"]), seconds=5, rules=RULES)
    assert only(book).step("count").state is StepState.ASKING
    book = choose(book, as_of=GOOD)
    assert only(book).step("count").state is StepState.RUNNING
    assert looks(book)["count"] == {"as_of": GOOD}


def test_what_waits_is_told_with_the_words_that_give_it() -> None:
    book = declared()
    incident = only(book).id
    book = take(book, Asked(incident=incident, step="count", because=waiting(book)["count"]), seconds=5, rules=RULES)
    told = [
        message(book, only(book), o, RULES, at(5))
        for o in outstanding(book, only(book), RULES, at(5))
        if o.event == "approval-needed"
    ]
    assert told
    for one in told:
        assert not one.asks, "what nobody chose cannot be approved"
        assert any(f"drctl choose {incident} as_of=" in line for line in one.lines)


def test_another_choice_is_another_plan_and_the_same_one_is_the_same() -> None:
    hashes = {only(declared(as_of=value)).plan for value in (GOOD, BETTER)}
    assert len(hashes) == 2
    shifted = at(-3600).isoformat()
    assert only(declared(as_of=shifted)).plan == only(declared(as_of=GOOD)).plan
    assert only(declared(services="mlflow,redis")).plan == only(declared(services="redis, mlflow,redis")).plan


def test_nothing_chosen_is_the_plan_that_older_books_know() -> None:
    assert only(declared()).plan == plan(SCENARIO, policy=POLICY).hash == plan(SCENARIO, policy=POLICY, choices={}).hash


def test_an_approval_is_void_after_another_choice() -> None:
    book = approved(asking(whole()))
    assert only(book).step("restore").approval is not None
    book = choose(book, seconds=23, as_of=BETTER)
    assert only(book).step("restore").approval is None
    # The step goes through its looks again, and asks again.
    assert looks(book, 24) == {"point": {}, "count": {"as_of": BETTER}}
    book = looked(book, "count", Done(because="13 objects"), 24)
    book = looked(book, "restore", Act(because="13 are missing", call=CALL), 25)
    assert "restore" in waiting(book, 25)
    assert not [w for w in due(book, rules=RULES, now=at(25)) if isinstance(w, Do)]


def test_an_approval_given_for_the_former_plan_is_refused_after_another_choice() -> None:
    book = asking(whole())
    seen = only(book).plan
    book = choose(book, seconds=23, as_of=BETTER)
    with pytest.raises(IllegalCommandError, match="the approval is for plan"):
        take(book, Approve(said=said("late", 24), incident=only(book).id, plan=seen), seconds=24, rules=RULES)


def test_what_was_approved_stays_approved_when_the_same_is_chosen_again() -> None:
    book = approved(asking(whole()))
    again = choose(book, seconds=23, as_of=GOOD)
    assert only(again).step("restore").approval == only(book).step("restore").approval
    assert only(again).plan == only(book).plan
    assert again.replies[-1].because == f"as_of={GOOD} was chosen already"


def test_another_choice_forgets_what_was_found_by_the_former() -> None:
    book = looked(asking(whole()), "point", Done(because="seen", facts={"earliest": spelled(at(-7200))}))
    book = choose(book, seconds=23, as_of=BETTER)
    assert only(book).step("count").facts == {}
    assert only(book).step("count").state is StepState.RUNNING
    assert only(book).step("point").state is StepState.DONE, "it does not lean on what was chosen"


def test_a_rejected_step_is_asked_for_again_after_another_choice() -> None:
    book = asking(whole())
    book = take(book, Reject(said=said("no", 22), incident=only(book).id, step="restore"), seconds=22, rules=RULES)
    book = looked(choose(book, seconds=23, as_of=BETTER), "count", Done(because="13"), 24)
    assert only(book).step("restore").rejected_by is None
    assert "restore" in looks(book, 24)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"as_of": "03:00"}, "as_of is '03:00'; allowed: a time with its zone"),
        ({"as_of": "2026-01-01T03:00:00"}, "allowed: a time with its zone"),
        ({"as_of": spelled(at(3600))}, "which is to come; allowed: until now"),
        ({"as_of": spelled(at(-90_000))}, f"allowed: from {spelled(at(10 - 86_400))} on, 1d back"),
        ({"services": "mlflo"}, "services holds 'mlflo', did you mean 'mlflow'?; allowed: api-gateway, "),
        ({"services": "mlflow,,redis"}, "none of it empty"),
        ({"services": "postgresql"}, "services holds 'postgresql'"),
        ({"rooms": "kube-system"}, "rooms holds 'kube-system'; allowed: "),
        ({"rooms": "none"}, "rooms holds 'none'"),
        ({"folders": "neurectomy-mlflow-us-east-1/secrets/"}, "allowed: what begins with neurectomy-mlflow"),
        ({"folders": FOLDER + "{choice.as_of}"}, "without braces"),
        ({"folders": "none"}, "allowed: what begins with"),
        ({"commit": "--force"}, "commit is '--force'; allowed: a Git commit of the history, or how it begins"),
        ({"copy": "../1"}, "copy is '../1'; allowed: one version's id"),
        ({"as_off": GOOD}, "data-corruption has no choice 'as_off' in runbooks.yaml; allowed for "),
        ({}, "nothing is chosen"),
    ],
)
def test_a_wrong_choice_says_what_is_allowed_and_moves_nothing(choices: dict[str, str], says: str) -> None:
    book = declared(as_of=GOOD)
    with pytest.raises(IllegalCommandError) as error:
        chosen(book, choices)
    assert says in str(error.value)
    if choices:
        with pytest.raises(IllegalCommandError):
            declared(**choices)


def test_one_wrong_choice_among_several_changes_nothing() -> None:
    book = declared()
    with pytest.raises(IllegalCommandError, match="mlflo'"):
        choose(book, as_of=GOOD, services="mlflo")


@pytest.mark.parametrize(
    ("value", "kept"),
    [("none", "none"), ("redis,mlflow", "mlflow,redis"), (" redis ", "redis")],
)
def test_a_list_is_kept_in_the_order_of_policy(value: str, kept: str) -> None:
    assert only(declared(services=value)).chosen == {"services": kept}


def test_a_time_is_not_earlier_than_what_a_step_saw_as_restorable() -> None:
    book = looked(declared(), "point", Done(because="seen", facts={"earliest": GOOD, "proposed": BETTER}))
    assert f"proposed is {BETTER}; the earliest is {GOOD}" in waiting(book)["count"]
    assert waiting(book)["count"].endswith(f"as_of={BETTER}")
    with pytest.raises(IllegalCommandError, match="the earliest that point found restorable"):
        choose(book, seconds=30, as_of=spelled(at(-3601)))
    assert only(choose(book, seconds=30, as_of=GOOD)).chosen["as_of"] == GOOD


def test_what_was_chosen_before_its_bound_was_seen_is_told_and_cannot_be_approved() -> None:
    book = asking(declared(as_of=spelled(at(-7200)), services="mlflow", folders=FOLDER))
    book = looked(book, "point", Done(because="seen", facts={"earliest": GOOD, "proposed": BETTER}), 30)
    why = waiting(book, 30)["restore"]
    assert why.startswith(f"as_of={spelled(at(-7200))} was chosen, and the earliest that point found is {GOOD}: ")
    assert why.endswith(f"drctl choose {only(book).id} as_of={BETTER}")
    yes = Approve(said=said("y", 31), incident=only(book).id, plan=only(book).plan, step="restore")
    with pytest.raises(IllegalCommandError, match="cannot be approved yet: as_of="):
        take(book, yes, seconds=31, rules=RULES)
    book = looked(choose(book, seconds=32, as_of=BETTER), "count", Done(because="12"), 33)
    assert "restore" in looks(book, 33)


def test_a_step_that_was_begun_is_not_stopped_when_what_can_be_had_has_moved_on() -> None:
    book = approved(asking(whole()))
    book = take(book, Decided(incident=only(book).id, step="restore", because="yes"), seconds=23, rules=RULES)
    book = take(
        book, Called(incident=only(book).id, step="restore", outcome=Made(because="ok")), seconds=24, rules=RULES
    )
    book = looked(book, "point", Done(because="seen", facts={"earliest": BETTER}), 30)
    assert "restore" in looks(book, 30)


@pytest.mark.parametrize("made", [None, Made(because="accepted")])
def test_it_is_too_late_to_choose_once_the_call_was_made(made: Made | None) -> None:
    book = approved(asking(whole()))
    incident = only(book).id
    book = take(book, Decided(incident=incident, step="restore", because="approved"), seconds=23, rules=RULES)
    if made:
        book = take(book, Called(incident=incident, step="restore", outcome=made), seconds=24, rules=RULES)
        book = looked(book, "restore", Done(because="restored"), 25)
    with pytest.raises(IllegalCommandError) as error:
        choose(book, seconds=26, as_of=BETTER)
    assert f"as_of={GOOD} was acted on: restore is" in str(error.value)
    # What no begun step takes can be chosen still.
    assert only(choose(book, seconds=26, rooms="ml")).chosen["rooms"] == "ml"


def test_a_call_that_was_refused_leaves_the_choice_open() -> None:
    book = approved(asking(whole()))
    incident = only(book).id
    book = take(book, Decided(incident=incident, step="restore", because="approved"), seconds=23, rules=RULES)
    no = Refused(code="InvalidRestoreFault", because="it is not restorable")
    book = take(book, Called(incident=incident, step="restore", outcome=no), seconds=24, rules=RULES)
    assert only(choose(book, seconds=26, as_of=BETTER)).chosen["as_of"] == BETTER


def test_a_step_whose_choice_is_missing_cannot_be_approved() -> None:
    book = declared(as_of=GOOD)
    incident = only(book).id
    book = looked(book, "count", Done(because="12"))
    book = take(book, Asked(incident=incident, step="restore", because=waiting(book)["restore"]), rules=RULES)
    for command in (
        Approve(said=said("y1"), incident=incident, plan=only(book).plan, step="restore"),
        Approve(said=said("y2"), incident=incident, plan=only(book).plan),
        BreakGlass(said=said("y3", note="alone"), incident=incident, plan=only(book).plan, step="restore"),
    ):
        with pytest.raises(IllegalCommandError, match=r"cannot be approved yet: nobody has chosen services"):
            take(book, command, rules=RULES)


def test_a_general_yes_is_for_what_can_be_approved() -> None:
    book = declared(as_of=GOOD)
    incident = only(book).id
    book = take(book, Asked(incident=incident, step="rest", because=waiting(book)["rest"]), rules=RULES)
    book = looked(book, "count", Wait(because="approve it", again_in=at(1) - at(0)))
    book = take(book, Asked(incident=incident, step="count", because="it counts"), rules=RULES)
    book = take(book, Approve(said=said("y"), incident=incident, plan=only(book).plan), rules=RULES)
    assert only(book).step("count").approval is not None
    assert only(book).step("rest").approval is None


@pytest.mark.parametrize("by", ["eve", "unproven"])
def test_only_who_may_choose_chooses(by: str) -> None:
    book = declared()
    who = said("c", 10, by="eve") if by == "eve" else replace(said("c", 10), arn=None)
    with pytest.raises(IllegalCommandError, match="choose"):
        take(book, Choose(said=who, incident=only(book).id, choices={"as_of": GOOD}), rules=RULES)


def test_who_may_declare_and_not_choose_declares_without_choices() -> None:
    def edit(raw: dict[str, Any]) -> None:
        chosen_for(raw)
        raw["people"]["roles"][1]["may"].append("declare")

    rules = rules_for(policy_with(edit))
    command = Declare(said=said("d", by="eve"), scenario=SCENARIO, scope=SCOPE)
    assert arn_of("eve")
    assert only(take(empty(), command, rules=rules)).declared_by == "eve"
    with pytest.raises(IllegalCommandError, match="eve may not say choose"):
        take(empty(), replace(command, choices={"as_of": GOOD}), rules=rules)


def test_an_older_book_is_read_without_choices() -> None:
    book = declared()
    stored = json.loads(json.dumps(read_plain(book)))
    for incident in stored["incidents"].values():
        del incident["choices"]
        for record in incident["steps"].values():
            record.pop("refused", None)
    again, aside = read_book(json.dumps(stored))
    assert not aside
    assert again == book


def test_what_was_chosen_survives_the_store_and_is_followed_without_its_plan() -> None:
    book = reread(whole())
    bare = Rules(POLICY)
    assert {w.step.id for w in due(book, rules=bare, now=at(20)) if isinstance(w, Look)} == {"point", "count"}
    assert take(book, Tick(), seconds=20, rules=bare).incidents == take(book, Tick(), seconds=20, rules=RULES).incidents


def read_plain(book: Book) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(dump_book(book))
    return plain


def repinned(book: Book, edit: Callable[[dict[str, Any]], None]) -> Book:
    def both(raw: dict[str, Any]) -> None:
        chosen_for(raw)
        edit(raw)

    policy = policy_with(both).model_copy(update={"digest": "e" * 16})
    today = rules_for(policy)
    rules = Rules(policy, {**RULES.plans, **today.plans}, {POLICY.digest: POLICY})
    return take(book, Repin(said=said("re", 40, note="n"), incident=only(book).id), seconds=40, rules=rules)


def test_another_policy_keeps_what_it_allows_too_and_says_what_it_does_not() -> None:
    def shorter(raw: dict[str, Any]) -> None:
        runbook = next(r for r in raw["runbooks"]["runbooks"] if r["scenario"] == SCENARIO)
        runbook["choices"][0]["reach"] = "30m"

    book = repinned(asking(whole()), shorter)
    assert set(only(book).chosen) == {"services", "folders"}
    assert only(book).step("count").facts == {}
    assert any("no longer chosen: as_of is" in e.text for e in book.outbox)
