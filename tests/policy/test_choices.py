from __future__ import annotations

import pytest

from tests.policy.broken import Broken

RUNBOOK = """  - scenario: data-corruption
    title: For these tests
    choices:
      - { name: as_of, kind: time, asks: the last good moment, reach: 30d, seen_by: point }
      - { name: services, kind: services, asks: what is put back, none: true }
    steps:
      - id: point
        title: Look
        action: person
        with: { ask: look }
        automatic: false
        asks_because: it counts
        reversible: true
        expected: 1m
        deadline: 1h
      - id: restore
        title: Restore
        action: person
        with: { ask: "{choice.as_of} {choice.services}" }
        needs: [point]
        automatic: false
        asks_because: it counts
        reversible: true
        expected: 1m
        deadline: 1h
"""
RULES = (
    "taken-choice-is-declared",
    "choice-is-single",
    "choice-is-taken",
    "choice-bounds-fit-its-kind",
)


@pytest.fixture(autouse=True)
def runbook(broken: Broken) -> None:
    """The shipped runbook of this scenario in place of these tests' one."""
    path = broken.folder / "runbooks.yaml"
    text = path.read_text()
    start = text.index("  - scenario: data-corruption\n")
    end = text.find("  - scenario: ", start + 1)
    path.write_text(text[:start] + RUNBOOK + text[end:])
    assert not [f for rule in RULES for f in broken.findings(rule)]


def test_a_step_that_takes_what_nobody_can_choose_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "{choice.as_of}", "{choice.as_off}").says(
        "taken-choice-is-declared",
        "runbooks.yaml runbooks[5].steps[1].with.ask",
        at="{choice.as_off}",
        found="{choice.as_off} {choice.services}",
        allowed="{choice.as_of}, {choice.services}",
        because="did you mean 'as_of'?",
    )


def test_a_choice_in_a_title_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "title: Restore\n", 'title: "Restore {choice.as_of}"\n').says(
        "taken-choice-is-declared",
        "runbooks.yaml runbooks[5].steps[1].title",
        at="Restore {choice.as_of}",
        found="Restore {choice.as_of}",
        allowed="only in with",
    )


def test_two_choices_of_one_name_are_told(broken: Broken) -> None:
    broken.edit("runbooks", "name: services, kind", "name: as_of, kind").says(
        "choice-is-single",
        "runbooks.yaml runbooks[5].choices[1].name",
        at="name: as_of, kind: services",
        found="as_of",
        allowed="no other choice",
    )


def test_a_choice_that_no_step_takes_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "{choice.as_of} {choice.services}", "{choice.as_of}").says(
        "choice-is-taken",
        "runbooks.yaml runbooks[5].choices[1].name",
        at="name: services, kind",
        found="services",
        allowed="{choice.services}",
    )


def test_a_list_that_reaches_back_is_told(broken: Broken) -> None:
    broken.edit("runbooks", "put back, none: true", "put back, reach: 30d").says(
        "choice-bounds-fit-its-kind",
        "runbooks.yaml runbooks[5].choices[1].reach",
        at="name: services, kind",
        found="30d",
        allowed="only where kind is one of: time, when",
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        ("put back, none: true", "put back, reach: 30d", "choices[1].reach", "30d"),
        (
            "kind: time, asks: the last good moment, reach: 30d, seen_by: point",
            "kind: when, asks: the last good moment, none: true",
            "choices[0].none",
            "true",
        ),
        ("seen_by: point", "seen_by: restore", "choices[0].seen_by", "restore"),
        ("seen_by: point", "seen_by: pont", "choices[0].seen_by", "pont"),
        ("put back, none: true", "put back, seen_by: point", "choices[1].seen_by", "point"),
        ("moment, reach: 30d", "moment, default: found", "choices[0].default", "found"),
        ("put back, none: true", "put back, default: none", "choices[1].default", "none"),
        ("put back, none: true", "put back, default: found", "choices[1].default", "found"),
    ],
)
def test_a_bound_that_does_not_fit_is_told(broken: Broken, old: str, new: str, field: str, found: str) -> None:
    (first, *_) = broken.edit("runbooks", old, new).findings("choice-bounds-fit-its-kind")
    assert first.field.endswith(field)
    assert first.found.startswith(found)
