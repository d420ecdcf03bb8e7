"""As much of a month as goes into ten minutes of the deployed world: its schedules fire, and nobody asks for anything.

A whole month does not: a day of the clock is never scaled (crons, the hour of the synthetic alarm, the window of the
drills), so at any speed thirty days take thirty days; that month is tests/month, in one process with a clock that is
moved. Here the durations of policy run twenty times as fast, which is the largest speed at which the other deployed
stories hold on two cores (a tick is three seconds then, and an invocation that has to start takes one of them). Three
lines of policy are brought within reach: Velero's hourly backup is one a minute, of which five are kept; the region
failure's drill is due after an hour; and the drills' window is always open. The desk's book is made eight days older,
so that a Monday and a nine o'clock lie behind it. The rest is the shipped policy: rounds every 90 s, the look at the
schedules every 15 s, the air gap every 45 s, the clock of drills every 3 minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core.book import Book
from chalicelib.core.happened import CLOCK_ARN
from chalicelib.core.incident import Incident, NoticeState, StepState
from chalicelib.store.codec import read_incident
from chalicelib.store.rounds import Rounds
from tests.local.stage import Stage, eventually, up, utc
from tests.policy.broken import Broken

pytestmark = pytest.mark.long
SPEED = 20.0
KEEPS = 5
EVERY_MINUTE = 'cron: "* * * * *", keep: 100m, copies: 5'
"""At twenty times the speed: kept for five minutes."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("month")
    broken = (
        Broken.copied(folder / "policies")
        .edit("backups", 'cron: "0 * * * *", keep: 24h, copies: 24', EVERY_MINUTE)
        .edit("drills", "region-failure, kind: copies, every: 90d", "region-failure, kind: copies, every: 1h")
        .edit(
            "drills",
            "days: [tuesday, wednesday, thursday], from: 14, until: 17",
            "days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday], from: 0, until: 24",
        )
    )
    with up(folder, speed=SPEED, policies=broken.folder) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        eventually(lambda: made.change_book(_eight_days_older), within=60, what="the desk")
        yield made


def _eight_days_older(book: Book) -> Book:
    return replace(book, rings_since=utc() - timedelta(days=8))


@pytest.fixture(scope="module")
def drill(stage: Stage) -> Incident:
    """The one that the clock begins, once it is kept."""

    def kept() -> Incident | None:
        found = [read_incident(body) for _, body in stage.store.documents("drill")]
        return found[0] if found else None

    return eventually(kept, within=480, what="the end of the drill that was due")


def test_the_drill_that_was_due_is_begun_by_the_clock_and_passes(stage: Stage, drill: Incident) -> None:
    assert drill.drill is not None
    assert (drill.scenario, drill.drill.by) == ("region-failure", CLOCK_ARN)
    assert drill.drill.result == "passed", drill.because
    assert {r.state for r in drill.steps.values()} == {StepState.DONE}
    (row,) = [r for r in stage.told("drills") if r["runbook"] == "region-failure"]
    assert (row["result"], row["asks"]) == ("passed", "")


@pytest.mark.usefixtures("drill")
def test_exactly_as_many_backups_are_kept_as_policy_says(stage: Stage) -> None:
    """A drill takes longer than the first of them is kept."""

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(stage.drctl("backups", "--json").stdout)
        return {row["schedule"]: row for row in found["schedules"]}

    rows = eventually(lambda: r if (r := shown())["hourly"]["kept"] == KEEPS else None, within=90, what="five backups")
    assert rows["hourly"]["wanted"] == KEEPS
    assert rows["hourly"]["gaps"] == []


@pytest.mark.usefixtures("drill")
def test_rounds_audits_and_the_air_gap_ran_by_their_schedules(stage: Stage) -> None:
    responder = stage.policy.platform.responder
    table = stage.client("dynamodb", responder.region)
    newest = Rounds(table, table=responder.table, platform=stage.policy.platform.name).newest()
    assert newest is not None
    assert utc() - newest.at < 3 * stage.policy.readiness.every + timedelta(seconds=30)
    assert {r.scenario for r in newest.runbooks} == {r.scenario for r in stage.policy.runbooks.runbooks}
    book = stage.book()
    assert book is not None
    assert book.watermarks["audit:primary"].state.value == "OK"

    def whole() -> bool:
        return all(row["whole"] for row in stage.told("airgap"))

    eventually(whole, within=200, what="a whole copy in each vault")


@pytest.mark.usefixtures("drill")
def test_the_day_s_synthetic_alarm_and_the_week_s_test_of_the_channels_were_done(stage: Stage) -> None:
    def done() -> Book | None:
        book = stage.book()
        rung = book is not None and book.rings and {r.state for r in book.rings.values()} == {"arrived"}
        return book if rung and book and book.tested else None

    book = eventually(done, within=90, what="both")
    assert book.tested is not None
    assert {n.state for n in book.tested.notices.values()} == {NoticeState.SENT}


def test_nothing_of_production_moved_and_nothing_is_left(stage: Stage, drill: Incident) -> None:
    book = stage.book()
    assert book is not None
    assert (dict(book.incidents), dict(book.drills), book.debts, book.blocks) == ({}, {}, (), ())
    assert stage.world.serving() == book.serving == stage.primary
    with closing(stage.client("rds", stage.primary)) as rds:
        assert not [
            i["DBInstanceIdentifier"]
            for i in rds.describe_db_instances()["DBInstances"]
            if "drill" in i["DBInstanceIdentifier"]
        ]
    assert not [i for i in stage.closed(stage.primary) if i.ending != "cleared"]
    moved = {"PromoteReadReplica", "SwitchoverReadReplica", "ChangeResourceRecordSets"}
    assert not [c for c in stage.ours() if c.operation in moved and drill.id not in str(c)]
