"""readiness.yaml: whose rows there are, and how often a round is made."""

from __future__ import annotations

from tests.policy.broken import Broken


def test_a_row_of_a_judge_that_is_not_there_is_told_with_the_one_that_was_meant(broken: Broken) -> None:
    broken.edit("readiness", "judges: []", "judges:\n  - { name: replika, lowers: false }").says(
        "judge-is-known",
        "readiness.yaml judges[0].name",
        at="replika",
        found="replika",
        allowed="one of: replica, backups",
        because="changes nothing; did you mean 'replica'?",
    )


def test_what_the_round_judges_by_itself_may_have_a_row(broken: Broken) -> None:
    rows = "\n".join(
        f"  - {{ name: {name}, owner: payments on-call }}" for name in ("steps", "plan", "serving", "warm")
    )
    broken.edit("readiness", "judges: []", f"judges:\n{rows}")
    assert broken.findings("judge-is-known") == []


def test_two_rows_of_one_judge_are_told(broken: Broken) -> None:
    rows = "judges:\n  - { name: warm, lowers: true }\n  - { name: warm, owner: nobody }"
    broken.edit("readiness", "judges: []", rows).says(
        "judge-is-single",
        "readiness.yaml judges[1].name",
        at="owner: nobody",
        found="warm",
        allowed="no other row",
        because="already is judges[0]",
    )


def test_a_period_that_the_schedule_does_not_know_is_told(broken: Broken) -> None:
    broken.edit("readiness", "every: 30m", "every: 90s").says(
        "period-is-whole-minutes",
        "readiness.yaml every",
        at="every: 90s",
        found="1m30s",
        allowed="a whole number of minutes",
    )
