"""Rules about readiness.yaml: each row is some judge's, a judge has one row, and the schedule knows the period."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats


def judge_is_known(whole: Whole) -> Iterator[Flaw]:
    """A row of a judge that is not there changes nothing, and whoever wrote it believes that it does."""
    for i, row in enumerate(whole.policy.readiness.judges):
        if row.name not in whole.judges:
            yield error(
                *("readiness", "judges", i, "name"),
                allowed=one_of(whole.judges),
                found=row.name,
                because=f"there is no judge {row.name!r}, so this row changes nothing{meant(row.name, whole.judges)}",
            )


def judge_is_single(whole: Whole) -> Iterator[Flaw]:
    """Of two rows the first counts."""
    for i, first, name in repeats(row.name for row in whole.policy.readiness.judges):
        yield error(
            *("readiness", "judges", i, "name"),
            allowed="a name that no other row has",
            found=name,
            because=f"{name!r} already is judges[{first}], and this row is never read",
        )


def period_is_whole_minutes(whole: Whole) -> Iterator[Flaw]:
    """EventBridge's `rate` counts in minutes, hours or days
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html).
    """
    every = whole.policy.readiness.every
    if every < timedelta(minutes=1) or every % timedelta(minutes=1):
        yield error(
            *("readiness", "every"),
            allowed="a whole number of minutes",
            found=every,
            because="the schedule knows no less, and a round would be called late by the difference",
        )
