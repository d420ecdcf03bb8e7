"""A month of the shipped schedules against Velero's stand-in: what is kept is what policy says, and what is not is
named.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.core.schedules import spec
from drctl.backups.audit import Kept, Page
from drctl.cli.backups import as_json, lines
from tests.backups.month import CLUSTER, POLICY, ROW, Month


@pytest.fixture(scope="module")
def month() -> Month:
    """From 1 October, ten past midnight, for 35 days: to 5 November."""
    found = Month()
    found.pass_hours(35 * 24)
    return found


@pytest.fixture
def days() -> Month:
    """Two days and a bit."""
    found = Month(datetime(2026, 11, 20, 0, 10, tzinfo=UTC))
    found.pass_hours(50)
    return found


def row(page: Page, name: str) -> Kept:
    return next(r for r in page.rows if r.schedule == name)


def test_a_month_leaves_exactly_what_policy_promises_and_all_of_it_in_the_copy(month: Month) -> None:
    page = month.page()
    found = {r.schedule: (r.kept, r.wanted, r.copied) for r in page.rows}
    # Five Sundays since 1 October (4, 11, 18, 25 October and 1 November), and two first days of a month from 04:45 on.
    assert found == {"hourly": (24, 24, 24), "daily": (30, 30, 30), "weekly": (5, 5, 5), "monthly": (2, 2, 2)}
    assert page.whole
    assert page.risk == "within"
    assert not any(lines(r) for r in page.rows)
    assert as_json(page)["schedules"][0]["newest"] == "hourly-20261105000000"


def test_what_expired_is_gone_within_the_hour_from_the_cluster_and_from_the_bucket(month: Month) -> None:
    # The oldest ran at 00:00 the day before, is 24 h and 10 min old, and is collected at the next look.
    assert len(month.backups("hourly")) in (24, 25)
    assert len(month.backups("daily")) in (30, 31)
    folders = {k.split("/")[2] for k in month.source}
    assert {f for f in folders if f.startswith("hourly")} == set(month.backups("hourly"))
    assert len([k for k in month.copy if "/hourly-" in k]) > 2 * 30 * 24, "a copy keeps what its lifecycle keeps"


def test_a_run_that_made_no_backup_is_a_gap_at_its_time(days: Month) -> None:
    days.call("PATCH", "/schedules/hourly", {"spec": {"paused": True}})
    days.pass_hours(3)
    days.call("PATCH", "/schedules/hourly", {"spec": {"paused": None}})
    days.pass_hours(3)
    gaps = row(days.page(), "hourly").gaps
    assert [g.at.strftime("%d %H:%M") for g in gaps] == ["22 03:00", "22 04:00"]
    assert "no backup was made" in gaps[0].because
    assert row(days.page(), "hourly").kept == 22


def test_a_partially_failed_backup_is_a_gap_that_names_it(days: Month) -> None:
    days.api.partial_next(errors=2, backup="hourly-20261122030000")
    days.pass_hours(1)
    (gap,) = row(days.page(), "hourly").gaps
    assert gap.because == "hourly-20261122030000 is PartiallyFailed with 2 errors"
    assert row(days.page(), "hourly").newest == "hourly-20261122020000"


def test_a_location_that_is_unavailable_is_named_by_what_it_left(days: Month) -> None:
    days.store.reachable = False
    days.pass_hours(1)
    (gap,) = row(days.page(), "hourly").gaps
    assert "is FailedValidation" in gap.because
    assert "Unavailable" in gap.because


def test_a_backup_whose_file_is_gone_from_the_bucket_is_none(days: Month) -> None:
    name = days.backups("daily")[0]
    del days.source[f"velero/backups/{name}/{name}.tar.gz"]
    found = row(days.page(), "daily")
    assert found.kept == found.wanted - 1
    assert found.gaps[0].because == f"{name} has no {name}.tar.gz in the bucket"


def test_a_backup_that_is_not_in_the_copy_is_named_with_what_is_missing(days: Month) -> None:
    days.replicates = False
    days.pass_hours(1)
    page = days.page()
    (one,) = row(page, "hourly").uncopied
    assert one.backup == "hourly-20261122030000"
    assert {k.rpartition("/")[2] for k in one.missing} == {"velero-backup.json", f"{one.backup}.tar.gz"}
    assert not page.whole
    assert row(page, "hourly").kept == 24, "it is kept, and only its copy is not"


def test_a_backup_of_another_size_in_the_copy_is_no_copy(days: Month) -> None:
    name = days.backups("daily")[-1]
    days.copy[f"velero/backups/{name}/{name}.tar.gz"] += 1
    assert [u.backup for u in row(days.page(), "daily").uncopied] == [name]


def test_a_backup_that_was_asked_for_between_two_runs_is_no_run_and_is_looked_for_in_the_copy_too(days: Month) -> None:
    days.replicates = False
    meta = {"name": "by-hand", "namespace": "velero", "labels": {"velero.io/schedule-name": "weekly"}}
    template = spec(POLICY.backups.schedules[2], POLICY, "primary")["template"]
    days.call("POST", "/backups", {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": meta, "spec": template})
    days.pass_hours(0.5)
    found = row(days.page(), "weekly")
    assert (found.newest, found.kept, found.wanted) == ("by-hand", 0, 0)
    assert (found.good, found.copied, [u.backup for u in found.uncopied]) == (1, 0, ["by-hand"])


def test_drift_is_told_with_what_policy_says_and_what_stands(days: Month) -> None:
    days.call("PATCH", "/schedules/daily", {"spec": {"template": {"ttl": "12h0m0s"}}})
    days.call("DELETE", "/schedules/weekly")
    page = days.page()
    assert [d.sentence() for d in row(page, "daily").drift] == [
        "schedule 'daily': spec.template.ttl is '12h0m0s', policy says '720h0m0s'"
    ]
    assert [d.sentence() for d in row(page, "weekly").drift] == [
        "schedule 'weekly' does not stand, policy says '30 3 * * 0'"
    ]


def test_the_age_against_the_rpo_is_said_in_quarters(days: Month) -> None:
    days.pass_hours(5)  # past the night's other schedules
    days.call("PATCH", "/schedules/hourly", {"spec": {"paused": True}})
    said = []
    for minutes in (30, 40, 58, 80):
        days.now = datetime(2026, 11, 22, 7, 0, 20, tzinfo=UTC) + timedelta(minutes=minutes)
        said.append(days.page().risk)
    assert said == ["within", "half", "three quarters", "missed"]


@pytest.mark.parametrize(
    ("silent", "said"),
    [
        ("cluster", f"cluster '{CLUSTER.name}' did not answer"),
        (ROW.destination, "was refused"),
        (ROW.source, "refused"),
    ],
)
def test_what_was_not_seen_is_not_known_and_never_a_gap(days: Month, silent: str, said: str) -> None:
    days.silent.add(silent)
    page = days.page()
    assert not page.whole
    assert any(said in why for why in page.unseen)
    assert not [g for r in page.rows for g in r.gaps]
    assert {r.copied for r in page.rows} == {None}
    if silent == "cluster":
        assert page.risk == "not known"


def test_a_younger_schedule_is_held_to_the_runs_that_it_has_had(days: Month) -> None:
    found = row(days.page(), "daily")
    assert (found.kept, found.wanted, found.promised) == (2, 2, POLICY.backups.schedules[1].copies)
    assert days.page().whole
