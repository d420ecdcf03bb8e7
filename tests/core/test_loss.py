"""What a promotion lost, against the RPO: measured, not known, or nothing yet; never zero for what nobody measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.core.book import Book
from chalicelib.core.incident import StepRecord, StepState
from chalicelib.core.loss import Loss, Unknown, read
from chalicelib.core.notices import Audience, Owed
from chalicelib.core.report import DataLoss, data_loss
from chalicelib.core.wording import message
from chalicelib.policy.notifications import NoticeEvent
from drctl.cli.as_json import incident_json
from tests.core.stage import (
    POLICY,
    RULES,
    all_done_but,
    at,
    confirmed,
    done,
    only,
    policy_with,
    reread,
    rules_for,
    with_step,
)

HEARD_MS = at(-5).timestamp() * 1000
RPO = POLICY.platform.database.rpo


def promoted(*, fenced_at: float | None = None, seconds: float = 200, **facts: str | float) -> Book:
    """A failover whose promotion was done then, with what its last look kept."""
    book = with_step(all_done_but(confirmed(), "promote", "fence"), "promote", done(seconds, **facts))
    return book if fenced_at is None else with_step(book, "fence", done(fenced_at, fenced="Fenced"))


def lost(book: Book) -> DataLoss:
    found = data_loss(only(book), RULES)
    assert found is not None
    return found


def test_a_loss_within_the_rpo_behind_a_proven_fence_keeps_it() -> None:
    found = lost(promoted(fenced_at=100, loss_seconds=12.0, loss_rows=3.0, known_until=HEARD_MS))
    assert found.loss == Loss(time=timedelta(seconds=12), rows=3, known_until=at(-5))
    assert found.met is True
    assert found.because == "12s of writes (3 rows of the heartbeat): within the RPO of 1m"


def test_without_a_proven_fence_nobody_says_that_the_rpo_was_kept() -> None:
    found = lost(promoted(loss_seconds=0.0, loss_rows=0.0, known_until=HEARD_MS))
    assert found.met is None
    assert found.because == (
        "0s of writes (0 rows of the heartbeat), and whatever was written after 02:59:55 UTC: within the RPO of 1m, "
        "as far as is known"
    )


def test_a_fence_that_was_proven_after_the_promotion_proves_nothing_of_it() -> None:
    facts = {"loss_seconds": 1.0, "loss_rows": 1.0, "known_until": HEARD_MS}
    assert lost(promoted(fenced_at=201, **facts)).met is None
    assert lost(promoted(fenced_at=200, **facts)).met is True


@pytest.mark.parametrize("fenced_at", [None, 100.0])
def test_a_loss_over_the_rpo_misses_it_whatever_the_fence_says(fenced_at: float | None) -> None:
    found = lost(promoted(fenced_at=fenced_at, loss_seconds=60.6, loss_rows=12.0, known_until=HEARD_MS))
    assert found.met is False
    assert found.because.endswith("over the RPO of 1m")


def test_a_loss_that_is_not_known_says_why_and_is_no_zero() -> None:
    found = lost(promoted(fenced_at=100, loss_unknown="the primary's heartbeat was never heard"))
    assert found.loss == Unknown(because="the primary's heartbeat was never heard")
    assert found.met is None
    assert found.because == "not known, because the primary's heartbeat was never heard"


def test_a_replica_that_was_the_primary_already_was_measured_by_nobody() -> None:
    found = lost(promoted(fenced_at=100))
    assert found.met is None
    assert found.because == "not known, because no look before the promotion measured it"


@pytest.mark.parametrize("state", [s for s in StepState if s is not StepState.DONE])
def test_what_is_not_promoted_has_lost_nothing_yet_and_kept_nothing_either(state: StepState) -> None:
    record = StepRecord(state=state, facts={"loss_seconds": 3.0, "loss_rows": 1.0, "known_until": HEARD_MS})
    found = lost(with_step(confirmed(), "promote", record))
    assert found.loss is None
    assert found.met is None
    assert found.because == "nothing so far, since no replica is promoted"


def test_an_incident_that_promotes_nothing_has_no_loss_to_tell() -> None:
    scenario = next(r.scenario for r in POLICY.runbooks.runbooks if all(s.action != "promote-replica" for s in r.steps))
    plan = next(h for h, p in RULES.plans.items() if p.scenario == scenario)
    assert data_loss(replace(only(confirmed()), scenario=scenario, plan=plan), RULES) is None


@pytest.mark.parametrize("facts", [{}, {"loss_seconds": "3"}, {"loss_seconds": float("nan")}])
def test_facts_that_are_no_number_are_not_known(facts: dict[str, str | float]) -> None:
    assert read(facts) == Unknown()


def test_at_a_speed_of_ten_what_was_measured_is_told_in_real_time() -> None:
    def faster(raw: dict[str, dict[str, dict[str, str]]]) -> None:
        raw["platform"]["database"]["rpo"] = "6s"

    fast = policy_with(faster).model_copy(update={"speed": 10.0})
    book = promoted(fenced_at=100, loss_seconds=1.2, loss_rows=1.0, known_until=HEARD_MS)
    rules = rules_for(fast)
    incident = replace(only(book), plan=next(h for h, p in rules.plans.items() if p.scenario == only(book).scenario))
    found = data_loss(incident, rules)
    assert found is not None
    assert found.because == "12s of writes (1 row of the heartbeat): within the RPO of 1m"
    shown = incident_json(incident, rules, ())["data_loss"]
    assert (shown["seconds"], shown["rpo_s"]) == (12.0, 60.0)


def test_the_report_as_json_tells_the_same_after_the_book_was_stored_and_read() -> None:
    book = reread(promoted(fenced_at=100, loss_seconds=12.0, loss_rows=3.0, known_until=HEARD_MS))
    assert incident_json(only(book), RULES, ())["data_loss"] == {
        "seconds": 12.0,
        "rows": 3,
        "known_until": at(-5).isoformat(),
        "unknown": None,
        "fenced": True,
        "rpo_s": RPO.total_seconds(),
        "met": True,
        "because": "12s of writes (3 rows of the heartbeat): within the RPO of 1m",
    }
    unknown = incident_json(only(promoted(loss_unknown="nobody heard it")), RULES, ())["data_loss"]
    assert (unknown["seconds"], unknown["rows"], unknown["met"]) == (None, None, None)
    assert unknown["unknown"] == "nobody heard it"


def test_the_all_clear_inside_tells_the_loss_and_the_one_outside_does_not() -> None:
    book = promoted(fenced_at=100, loss_seconds=12.0, loss_rows=3.0, known_until=HEARD_MS)
    event = NoticeEvent.RECOVERY_COMPLETE
    audiences: tuple[Audience, ...] = ("internal", "external")
    told = {}
    for audience in audiences:
        owed = Owed(key="all-clear", event=event, about="", channel="room", audience=audience, due_at=at(300))
        told[audience] = message(book, only(book), owed, RULES, at(300)).lines
    line = "Data loss: 12s of writes (3 rows of the heartbeat): within the RPO of 1m."
    assert line in told["internal"]
    assert not [said for said in told["external"] if "heartbeat" in said or "loss" in said.lower()]
