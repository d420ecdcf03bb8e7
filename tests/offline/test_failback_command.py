"""`drctl failback` as it is typed, over the book of this machine: what it shows, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from chalicelib.core.book import Book
from chalicelib.store.codec import dump_book, dump_incident, read_book
from chalicelib.store.contract import Claimed
from drctl.cli.main import app
from drctl.offline.store import SqliteStore
from tests.core.stage import POLICY, PRIMARY, STANDBY, at, confirmed, declared, empty, only
from tests.core.test_failback import AWAY, RETURN, away, called, ended

NAME = POLICY.platform.name


def kept(folder: Path, book: Book, *closed: Any) -> None:
    """The book of this machine, and the archive beside it."""
    store = SqliteStore(folder / f"{NAME}.db", platform=NAME)
    claimed = store.claim("test", now=at(0), until=at(0) + timedelta(seconds=9))
    assert isinstance(claimed, Claimed)
    stamped = store.stamp(claimed.epoch)
    store.save(claimed.epoch, getattr(stamped, "rev", 0), dump_book(book))
    for case in closed:
        store.put_document("closed", case.id, dump_incident(case))
    store.close()


def said(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, what stands on the output, and what on the error output."""
    env = {"DR_OFFLINE": str(folder), "COLUMNS": "300", "DR_STAGE": "offline", "DR_KUBECONFIG": str(folder / "none")}
    done = CliRunner().invoke(app, list(arguments), env=env)
    return done.exit_code, done.stdout, done.stderr


def test_where_nothing_ever_happened_it_says_so_and_begins_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, "failback")[:2] == (0, "stage offline: nothing has ever happened here\n")
    assert json.loads(said(tmp_path, "failback", "--json")[1]) is None
    code, _, error = said(tmp_path, "failback", "--begin", "--at", "now")
    assert code == 1
    assert "nothing has ever happened here, so there is nothing to take back" in error


def test_while_the_primary_serves_there_is_nothing_to_take_back(tmp_path: Path) -> None:
    kept(tmp_path, empty())
    code, text, _ = said(tmp_path, "failback")
    assert code == 0
    assert f"{PRIMARY} serves. Nothing is to be taken back." in text
    assert "the journal holds no move away" in text
    found = json.loads(said(tmp_path, "failback", "--json")[1])
    assert (found["serving"], found["failover"], found["may_begin"]) == (PRIMARY, None, False)
    assert found["why_not"].startswith("there is nothing to take back")
    assert (found["set"], found["owed"]) == ([], [])


def test_after_a_failover_it_shows_what_was_set_and_what_takes_it_back(tmp_path: Path) -> None:
    steps = {"capacity": called(before="1/1/12"), "traffic": called(serves=STANDBY)}
    opened = confirmed()
    moved = ended(opened, "recovered", **steps)
    archived = only(opened)
    kept(tmp_path, moved, _with(archived, steps))
    code, text, _ = said(tmp_path, "failback")
    assert code == 0
    assert f"{STANDBY} serves since " in text
    assert "1 nodes (1 to 12)" in text
    assert "The way back may begin: drctl failback --begin --at now" in text
    found = json.loads(said(tmp_path, "failback", "--json")[1])
    assert found["may_begin"]
    assert found["failover"]["incident"] == archived.id
    assert [row["before"] for row in found["set"] if row["before"]] == ["1 nodes (1 to 12)"]
    assert sum(row["people"] > 0 for row in found["steps"]) > 0


def test_one_that_is_under_way_is_named(tmp_path: Path) -> None:
    book = declared(RETURN, STANDBY, book=away())
    kept(tmp_path, book)
    code, text, _ = said(tmp_path, "failback")
    assert code == 0
    assert f"The way back is under way: {only(book).id}" in text
    assert json.loads(said(tmp_path, "failback", "--json")[1])["incident"]["id"] == only(book).id


def test_while_an_incident_is_open_it_says_which(tmp_path: Path) -> None:
    book = declared("bad-deployment", STANDBY, book=away())
    kept(tmp_path, book)
    found = json.loads(said(tmp_path, "failback", "--json")[1])
    assert not found["may_begin"]
    assert f"incident {only(book).id} is open; allowed: once it is closed" in found["why_not"]
    assert found["failover"]["incident"] == AWAY.incident


def test_a_time_without_a_beginning_is_refused_with_what_to_type(tmp_path: Path) -> None:
    kept(tmp_path, away())
    code, _, error = said(tmp_path, "failback", "--at", "now")
    assert code == 2
    assert "allowed: with --begin, later drctl choose at=" in error


def test_who_is_not_proven_begins_nothing(tmp_path: Path) -> None:
    kept(tmp_path, away())
    code, _, error = said(tmp_path, "failback", "--begin", "--at", "now")
    assert code == 1
    assert "✗" in error
    assert not _book(tmp_path).incidents


def _with(case: Any, steps: dict[str, Any]) -> Any:
    return replace(case, steps=steps, ending="recovered", ended_at=at(500))


def _book(folder: Path) -> Book:
    store = SqliteStore(folder / f"{NAME}.db", platform=NAME)
    body = store.read_book().body
    store.close()
    assert body is not None
    return read_book(body)[0]
