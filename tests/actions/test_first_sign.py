"""The moment that is proposed lies before the first harm: a margin before the earliest sign, and it says of what."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.actions.breach_found import Found
from chalicelib.actions.contract import Target
from chalicelib.actions.registry import ACTIONS
from chalicelib.core.outcome import Done, Stuck
from chalicelib.executor import aim
from tests.actions.breaches import SUSPECT
from tests.actions.restores import KNOWN, WHOLE
from tests.actions.stage import AT, POLICY, SILENT, target
from tests.core.stage import RULES, confirmed, only

FAILED_AT = AT - timedelta(minutes=1)
FOUND_AT = SUSPECT.first_seen


def aimed(failed_at: datetime = FAILED_AT, *, declared: bool = False, **params: str) -> Target:
    return replace(target(**params), failed_at=failed_at, declared=declared)


def done(name: str, facts: Any, aim: Target, policy: Any = POLICY) -> Done:
    found = ACTIONS[name].next(aim, policy, facts, AT)
    assert isinstance(found, Done), found
    return found


@pytest.mark.parametrize(
    ("failed_at", "proposed", "rests"),
    [
        # The burst was seen first, and what it was made of began before that.
        (
            FOUND_AT - timedelta(hours=1),
            "2026-11-23T23:45:00Z",
            "15m before the first bad sign of 2026-11-24T00:00:00Z",
        ),
        (FAILED_AT, "2026-11-24T00:45:00Z", "15m before GuardDuty's first finding of 2026-11-24T01:00:00Z"),
    ],
)
def test_what_is_proposed_lies_before_the_burst_and_before_the_finding(
    failed_at: datetime, proposed: str, rests: str
) -> None:
    found = done("breach-found", Found((SUSPECT,)), aimed(failed_at))
    assert found.facts["proposed.as_of"] == proposed
    assert f"proposed is {proposed}, {rests}" in found.because


def test_where_guardduty_has_found_nothing_the_burst_alone_proposes() -> None:
    found = done("breach-found", Found(()), aimed())
    assert found.facts == {"proposed.as_of": "2026-11-24T02:44:00Z"}
    assert found.because.endswith(
        "proposed is 2026-11-24T02:44:00Z, 15m before the first bad sign of 2026-11-24T02:59:00Z"
    )


@pytest.mark.parametrize(
    ("name", "facts"), [("breach-found", Found(())), ("restore-point", replace(KNOWN, integrity=SILENT))]
)
def test_a_declaration_is_called_what_it_is(name: str, facts: Any) -> None:
    found = done(name, facts, aimed(declared=True))
    assert "15m before the declaration of 2026-11-24T02:59:00Z, for lack of any sign of when it began" in found.because


@pytest.mark.parametrize(
    ("name", "facts"), [("breach-found", Found(())), ("restore-point", replace(KNOWN, integrity=WHOLE))]
)
def test_how_long_before_is_the_step_s_to_say_in_real_time(name: str, facts: Any) -> None:
    fast = POLICY.model_copy(update={"speed": 10.0})
    found = done(name, facts, aimed(margin="40m"), fast)
    assert "proposed is 2026-11-24T02:55:00Z" in found.because
    assert "40m before the first bad sign of" in found.because


def test_an_alarm_is_no_moment_to_restore_to() -> None:
    found = done("restore-point", replace(KNOWN, integrity=WHOLE), aimed())
    assert found.facts["proposed"] == "2026-11-24T02:44:00Z"
    assert "15m before the first bad sign of 2026-11-24T02:59:00Z, which is a guess" in found.because


def test_a_guess_that_rds_does_not_reach_becomes_its_earliest_moment_and_a_sign_before_that_is_a_person_s() -> None:
    young = replace(KNOWN, integrity=WHOLE, earliest=FAILED_AT - timedelta(minutes=3, milliseconds=1))
    found = done("restore-point", young, aimed())
    assert found.facts["proposed"] == found.facts["earliest"] == "2026-11-24T02:56:00Z"
    assert "older than what RDS restores" in found.because
    none = ACTIONS["restore-point"].next(aimed(young.earliest), POLICY, young, AT)
    assert isinstance(none, Stuck)


def test_only_what_nobody_but_a_person_has_seen_counts_as_declared() -> None:
    seen = only(confirmed())
    step = RULES.plans[seen.plan].steps[0]
    assert not aim(step, seen, AT).declared
    later = seen.failed_at + timedelta(minutes=1)
    assert not aim(step, replace(seen, declared_by="ana", confirmed_at=later), AT).declared
    assert aim(step, replace(seen, declared_by="ana", confirmed_at=seen.failed_at), AT).declared
