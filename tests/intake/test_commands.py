"""What a person may send, and what is said to one who sent something else."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from chalicelib.core.happened import Approve, Command, Declare, Said, SetMode
from chalicelib.intake.commands import WHO, CommandError, describe, parse_command, unreadable
from chalicelib.policy.platform import Mode

NOW = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
FULL: dict[str, Any] = {
    "scenario": "region-failure",
    "scope": "us-east-1",
    "incident": "inc-1",
    "region": "us-west-2",
    "plan": "abc123",
    "step": "promote",
    "mode": "approve",
    "runbook": "region-failure",
    "kind": "copies",
    "by": "ana",
    "identity": "https://sts.us-west-2.amazonaws.com/?Action=GetCallerIdentity",
    "choices": {"as_of": "2026-03-04T03:00:00Z", "services": "mlflow"},
    "debt": "inc-1/promote/060000",
    "note": "I saw it",
    "id": "0b5e",
    "at": "2026-03-04T05:59:00Z",
}


def payload(verb: str, **changed: Any) -> dict[str, Any]:
    described = describe()[verb]
    return {"command": verb} | {n: FULL[n] for n in (*described.required, *described.optional)} | changed


def refusal(given: object) -> str:
    with pytest.raises(CommandError) as refused:
        parse_command(given, now=NOW)
    return str(refused.value)


@pytest.mark.parametrize("verb", describe())
def test_every_verb_with_all_its_fields_becomes_its_command(verb: str) -> None:
    command = parse_command(payload(verb), now=NOW)
    assert command.verb == verb
    assert command.said == Said(id="0b5e", by="ana", at=datetime(2026, 3, 4, 5, 59, tzinfo=UTC), note="I saw it")
    for own in fields(command):
        if own.name not in ("said", "verb"):
            assert getattr(command, own.name) == FULL[own.name]


@pytest.mark.parametrize("verb", describe())
def test_every_verb_is_content_with_its_required_fields_and_an_id(verb: str) -> None:
    given = {"command": verb, "id": "7", "by": "ana"} | {n: FULL[n] for n in describe()[verb].required}
    command = parse_command(given, now=NOW)
    assert command.said == Said(
        id="7", by="ana", at=NOW, note="I saw it" if verb in ("break-glass", "keep-switch") else ""
    )


@pytest.mark.parametrize("verb", describe())
def test_who_says_it_stands_in_an_identity_or_is_claimed(verb: str) -> None:
    bare = {n: v for n, v in payload(verb).items() if n not in WHO}
    assert parse_command(bare | {"by": "zoe"}, now=NOW).said.by == "zoe"
    signed = parse_command(bare | {"identity": FULL["identity"]}, now=NOW).said
    assert (signed.by, signed.arn) == ("", None)
    assert "identity and by are both missing: sign the command" in refusal(bare)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("as_of=03:00", "choices is 'as_of=03:00', expected an object of texts like {"),
        ({}, "choices is an object of 0, expected an object of texts"),
        ([["as_of", "now"]], "choices is a list of 1"),
        ({"as_of": 3}, "choices.as_of is 3, expected 1 to 4096 printable characters"),
        ({"as_of": " "}, "choices.as_of is ' '"),
        ({"as_of": "x" * 4097}, "expected 1 to 4096"),
        ({"a\nb": "x"}, "choices has the name"),
        ({3: "x"}, "choices has the name 3"),
        ({f"c{n}": "x" for n in range(17)}, "choices holds 17 choices, allowed: 16"),
    ],
)
def test_choices_that_are_no_texts_by_name_are_refused(given: object, says: str) -> None:
    assert says in refusal(payload("choose", choices=given))
    assert says in refusal(payload("declare", choices=given))


def test_what_is_chosen_is_read_without_the_space_around_it() -> None:
    command = parse_command(payload("choose", choices={"as_of": " 2026-03-04T03:00:00Z "}), now=NOW)
    assert command == parse_command(payload("choose", choices={"as_of": "2026-03-04T03:00:00Z"}), now=NOW)


def test_a_declaration_needs_no_choice() -> None:
    command = parse_command(payload("declare", choices=None), now=NOW)
    assert isinstance(command, Declare)
    assert command.choices == {}
    assert "choices" in describe()["choose"].required


def test_a_choice_is_no_field_of_another_verb() -> None:
    assert "there is no field 'choices'" in refusal(payload("approve", choices={"as_of": "x"}))


def test_a_broken_glass_is_explained() -> None:
    text = refusal(payload("break-glass", note=None))
    assert "note is missing" in text
    assert "allowed: break-glass: incident, plan, step, note, identity or by; optional: id, at" in text


@pytest.mark.parametrize("verb", describe())
def test_a_missing_field_is_named_with_what_the_verb_takes(verb: str) -> None:
    for name in describe()[verb].required:
        given = payload(verb)
        del given[name]
        assert f"{name} is missing" in refusal(given)
        assert f"allowed: {describe()[verb].usage}" in refusal(given)
        assert f"{name} is missing" in refusal(payload(verb, **{name: None}))


@pytest.mark.parametrize("verb", describe())
def test_a_field_of_another_verb_is_refused_with_those_of_this_one(verb: str) -> None:
    text = refusal(payload(verb, colour="red"))
    assert "there is no field 'colour'" in text
    assert describe()[verb].usage in text


def test_every_command_of_the_core_is_described_and_has_a_sentence() -> None:
    assert len(describe()) == len(get_args(Command)) == 19
    for verb in describe().values():
        assert verb.help.endswith(".")
        assert verb.optional[-2:] == WHO
    assert describe()["set-mode"].allowed == {"mode": tuple(Mode)}
    assert describe()["approve"].usage == "approve: incident, plan, identity or by; optional: step, note, id, at"


@pytest.mark.parametrize(
    ("wrong", "guess"),
    [("aprove", "approve"), ("Approve", "approve"), ("set_mode", "set-mode"), ("acknowlege", "acknowledge")],
)
def test_a_misspelled_verb_is_answered_with_a_guess_and_the_list(wrong: str, guess: str) -> None:
    text = refusal({"command": wrong, "by": "ana"})
    assert f"the command is {wrong!r}, did you mean {guess!r}?" in text
    assert all(f"  {v.usage}" in text for v in describe().values())


@pytest.mark.parametrize(
    ("wrong", "shown"), [(None, "null"), (5, "5"), (["approve"], "a list of 1"), ("fly", "'fly'"), ("\ud800", "ud800")]
)
def test_what_is_no_verb_at_all_is_answered_with_the_list(wrong: object, shown: str) -> None:
    assert shown in refusal({"command": wrong})
    assert "did you mean" not in refusal({"command": wrong})


def test_a_misspelled_field_is_answered_with_a_guess() -> None:
    assert "there is no field 'incidnet', did you mean 'incident'?" in refusal(payload("abort", incidnet="inc-1"))


def test_all_faults_are_told_at_once() -> None:
    text = refusal({"command": "approve", "by": "", "plan": 5, "stp": "x"})
    for fault in ("by is ''", "plan is 5", "no field 'stp'", "incident is missing", "id and at are both missing"):
        assert fault in text


@pytest.mark.parametrize(
    "by", ["", "  ", "a" * 129, "ana\n", "a\x00b", "\ud800", "\u202eana", 5, ["ana"], {"name": "ana"}]
)
def test_who_says_it_must_be_told_in_printable_characters(by: object) -> None:
    given = payload("pause", by=by)
    if by == "ana\n":
        assert parse_command(given, now=NOW).said.by == "ana"
    else:
        assert "by is " in refusal(given)


def test_a_note_has_room_for_a_thousand_characters_and_for_lines() -> None:
    assert parse_command(payload("pause", note="a\nb" * 333), now=NOW).said.note == "a\nb" * 333
    assert "note has 1001 characters, allowed: 1000" in refusal(payload("pause", note="x" * 1001))
    assert parse_command(payload("pause", note="\ud800"), now=NOW).said.note == "\\ud800"


def test_a_mode_is_one_of_three() -> None:
    command = parse_command(payload("set-mode", mode="observe"), now=NOW)
    assert isinstance(command, SetMode)
    assert command.mode is Mode.OBSERVE
    text = refusal(payload("set-mode", mode="automatc"))
    assert "mode is 'automatc', did you mean 'automatic'?, allowed: observe, approve, automatic" in text


@pytest.mark.parametrize(
    "at", ["2026-03-04T05:59:00", "noon", 5, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:00", ""]
)
def test_a_time_without_a_zone_or_out_of_all_bounds_is_refused(at: object) -> None:
    assert "at is " in refusal(payload("status", at=at))


def test_the_same_payload_delivered_again_is_one_command() -> None:
    given = payload("approve")
    del given["id"]
    first = parse_command(given, now=NOW)
    retried = parse_command(dict(reversed(given.items())), now=NOW + timedelta(hours=6))
    assert first == retried
    assert isinstance(first, Approve)
    assert len(first.said.id) == 64


def test_the_same_words_an_hour_later_are_another_command() -> None:
    given = payload("approve", id=None)
    later = {**given, "at": "2026-03-04T04:59:00Z"}
    assert parse_command(given, now=NOW).said.id != parse_command(later, now=NOW).said.id


def test_a_command_that_is_signed_anew_is_the_same_command() -> None:
    given = payload("approve", id=None)
    again = parse_command({**given, "identity": "https://another"}, now=NOW)
    assert parse_command(given, now=NOW).said.id == again.said.id


@pytest.mark.parametrize("name", ["by", "note", "step", "plan", "incident"])
def test_a_derived_id_depends_on_every_field(name: str) -> None:
    given = payload("approve", id=None)
    assert parse_command(given, now=NOW).said.id != parse_command({**given, name: "other"}, now=NOW).said.id


def test_a_command_with_neither_id_nor_time_is_refused_and_told_how() -> None:
    text = refusal(payload("approve", id=None, at=None))
    assert "id and at are both missing" in text
    assert "like 2026-03-04T06:00:00Z" in text


@pytest.mark.parametrize("given", [None, [], "pause", 5, b"{}"])
def test_a_payload_that_is_no_object_is_refused(given: object) -> None:
    assert refusal(given).startswith("the payload is ")


def test_a_refused_payload_can_be_kept_as_a_dead_letter() -> None:
    given = {"command": "fly"}
    with pytest.raises(CommandError) as refused:
        parse_command(given, now=NOW)
    letter = unreadable(given, refused.value, received_at=NOW)
    assert (letter.way, letter.raw) == ("command", '{"command": "fly"}')
    assert "the command is 'fly'" in letter.reason
