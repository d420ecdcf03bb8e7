"""Failing backups in the deployed local world: one command breaks them, the rest follows by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.book import Finding
from chalicelib.core.findings import standing
from chalicelib.core.promises import kind
from drctl.cli.airgap import asking
from tests.local.stage import Stage, eventually, up, utc

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


def page(stage: Stage) -> dict[str, Any]:
    """What `drctl backups` says. It ends with 1 when something is missing, and with 3 when something was not seen."""
    done = stage.drctl("backups", "--json")
    assert done.returncode in (0, 1, 3), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["unseen"] == []
    kept = {p["kept"] for p in found["promises"]}
    assert done.returncode == (1 if False in kept or not found["whole"] else 3 if None in kept else 0)
    return found


def promises(stage: Stage) -> dict[str, Any]:
    return {p["promise"]: p for p in page(stage)["promises"]}


def raised(stage: Stage) -> Finding | None:
    book = stage.book()
    return standing(book, kind("replication")) if book else None


def row(found: dict[str, Any], schedule: str) -> dict[str, Any]:
    (one,) = [r for r in found["schedules"] if r["schedule"] == schedule]
    return dict(one)


def test_what_is_kept_is_shown_as_it_lies_in_the_cluster_and_in_both_buckets(stage: Stage) -> None:
    found = page(stage)
    assert [r["schedule"] for r in found["schedules"]] == [s.name for s in stage.policy.backups.schedules]
    assert all(r["drift"] == [] for r in found["schedules"])
    hourly = row(found, "hourly")
    assert hourly["newest"].startswith("hourly-")
    assert hourly["good"] >= 2
    assert (hourly["copied"], hourly["uncopied"]) == (hourly["good"], [])
    # The newest of all is PartiallyFailed, and counts for nothing.
    at = stage.policy.speed * found["age_seconds"] / 60
    assert at >= 35
    text = stage.drctl("backups").stdout
    assert "newest good backup" in text
    assert hourly["newest"] in text


def test_the_account_is_as_policy_promises_and_what_is_changed_is_raised_by_the_clock_with_its_mend(
    stage: Stage,
) -> None:
    for name in ("replication", "replica", "health-check", "alarms"):
        found = eventually(
            lambda name=name: promises(stage)[name] if promises(stage)[name]["kept"] is not None else None,  # type: ignore[misc]
            within=60,
            what=f"a look at {name}",
        )
        assert found["kept"] is True, found
    row = stage.policy.backups.replication[0]
    s3 = stage.client("s3", row.source_region)
    before = s3.get_bucket_replication(Bucket=row.source)["ReplicationConfiguration"]
    rules = [{**r, "Status": "Disabled"} for r in before["Rules"]]
    s3.put_bucket_replication(Bucket=row.source, ReplicationConfiguration={**before, "Rules": rules})
    shown = promises(stage)["replication"]
    assert shown["kept"] is False
    assert "put-bucket-replication" in shown["others"][0]["mend"]
    stage.invoke("backups", asking(utc()))
    eventually(lambda: raised(stage), within=60, what="the finding")
    s3.put_bucket_replication(Bucket=row.source, ReplicationConfiguration=before)
    stage.invoke("backups", asking(utc()))
    eventually(lambda: raised(stage) is None, within=60, what="its end")


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
    hourly = row(page(stage), "hourly")
    assert hourly["newest"] == closed.step("backup").facts["backup"]
    assert hourly["drift"] == []


def test_a_backup_that_a_person_asks_for_is_taken_from_that_schedule_s_template(stage: Stage) -> None:
    asked = stage.drctl("backup", "now", "--schedule", "daily", "--by", "ana")
    assert asked.returncode == 0, asked.stderr
    closed = eventually(lambda: stage.archive(f"{SCOPE}/daily"), within=120, what="the end")
    assert (closed.scenario, closed.ending) == ("backup-now", "recovered")
    assert row(page(stage), "daily")["newest"] == closed.step("backup").facts["backup"]
