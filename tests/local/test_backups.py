"""Failing backups in the deployed local world: one command breaks them, the rest follows by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.stage import Stage, eventually, up

# A whole case of two minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long
SCOPE = "us-east-1/backups"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("backups")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="automatic", id="mode")
        yield made


def test_failing_backups_become_an_incident_by_themselves_and_end_with_a_good_one(stage: Stage) -> None:
    made = stage.told("break", "backups")
    assert (made["kind"], made["what"]) == ("backups", "hourly")
    incident = eventually(
        lambda: next((i for i in stage.open() if i.scope == SCOPE and i.step("backup").calls), None),
        within=120,
        what="a fresh backup that is asked for",
    )
    assert incident.scenario == "backup-failure"
    assert [f["kind"] for f in stage.told("mend")] == ["backups"]
    closed = eventually(lambda: stage.archive(SCOPE), within=180, what="the end")
    assert closed.ending == "recovered"
    assert str(closed.step("backup").facts["backup"]).startswith("hourly-")
