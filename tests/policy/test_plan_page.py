"""`drctl plan` of what a person chooses for: a page that one would act on, and how a choice is typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from drctl.cli.main import app
from drctl.cli.people import chosen


def told(*words: str) -> Any:
    done = CliRunner().invoke(app, ["plan", *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("scenario", ["data-corruption", "accidental-deletion"])
def test_the_page_says_what_is_chosen_and_which_steps_wait_for_it(scenario: str) -> None:
    choices = {c["name"]: c for c in told(scenario)["choices"]}
    assert set(choices) == {"as_of", "namespaces", "folder"}
    assert "objects" in choices["namespaces"]["waited_for_by"]
    text = CliRunner().invoke(app, ["plan", scenario]).stdout
    assert "A person chooses" in text
    assert "waited for by" in text


def test_looks_do_not_ask_and_the_switch_asks_two_people() -> None:
    asks = {s["id"]: s["asks"] for s in told("data-corruption")["steps"]}
    assert (asks["point"], asks["check"], asks["count-artifacts"]) == (None, None, None)
    assert asks["switch"].startswith("two people: what was written since the chosen moment")


def test_with_a_choice_the_plan_is_another_and_nothing_waits_for_it() -> None:
    before = told("data-corruption")
    after = told("data-corruption", "--choose", "as_of=2026-11-26T03:00:00Z", "--choose", "namespaces=none")
    assert before["hash"] != after["hash"]
    assert {c["name"]: bool(c["waited_for_by"]) for c in after["choices"]} == {
        "as_of": False,
        "namespaces": False,
        "folder": True,
    }


def test_a_choice_is_a_name_and_a_value() -> None:
    assert chosen(["as_of=2026-11-26T03:00:00Z", "folder=b/a=b/"]) == {
        "as_of": "2026-11-26T03:00:00Z",
        "folder": "b/a=b/",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["as_of"], "'as_of' is no choice; allowed: NAME=VALUE"),
        (["as_of="], "'as_of=' is no choice"),
        (["=x"], "'=x' is no choice"),
        (["a=1", "a=2"], "'a' is chosen twice: '1' and '2'"),
        (["a=1", "incident"], "'incident' is no choice"),
    ],
)
def test_what_is_no_choice_is_told_before_anything_is_sent(words: list[str], says: str) -> None:
    done = CliRunner().invoke(app, ["choose", *(["some-incident"] if "=" in words[0] else ["an-incident"]), *words])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
