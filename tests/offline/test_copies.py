"""The copy that a night begins with: what it holds, and what is said of one that cannot be used."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.book import FORMAT, Book
from chalicelib.policy.platform import Mode
from chalicelib.store.codec import dump_book
from chalicelib.store.memory import MemoryStore
from drctl.offline.book import Copy, NoCopy, newest, path_of, set_aside, take
from drctl.offline.store import SqliteStore

AT = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
BOOK = Book(mode=Mode.APPROVE, serving="us-east-1")


def kept(folder: Path, **more: Any) -> Path:
    """A copy that was taken of an empty book, with these fields changed."""
    store = MemoryStore()
    store.stamp(1)
    store.save(1, 0, dump_book(BOOK))
    assert take(store, folder, "shop", whence="stage prod", now=AT, wrote_at=AT - timedelta(seconds=3))
    path = path_of(folder, "shop")
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
    return path


def test_a_copy_holds_when_it_was_taken_and_when_the_primary_was_last_heard_to_write(tmp_path: Path) -> None:
    assert kept(tmp_path).stat().st_mode & 0o077 == 0
    copy = newest(tmp_path, "shop")
    assert isinstance(copy, Copy)
    assert (copy.rev, copy.taken_at, copy.wrote_at) == (1, AT, AT - timedelta(seconds=3))


def test_a_copy_of_an_older_drctl_is_read(tmp_path: Path) -> None:
    path = kept(tmp_path)
    held = json.loads(path.read_text())
    del held["platform"], held["wrote_at"]
    path.write_text(json.dumps(held))
    copy = newest(tmp_path, "shop")
    assert isinstance(copy, Copy)
    assert copy.wrote_at is None


def refused(found: Copy | NoCopy) -> NoCopy:
    assert isinstance(found, NoCopy)
    return found


def test_no_copy_is_told_with_the_place_where_it_would_lie(tmp_path: Path) -> None:
    found = refused(newest(tmp_path, "shop"))
    assert not found.lies_there
    assert found.because == f"there is no copy of the book at {path_of(tmp_path, 'shop')}"


def test_a_copy_of_another_platform_is_not_used(tmp_path: Path) -> None:
    kept(tmp_path, platform="other")
    found = refused(newest(tmp_path, "shop"))
    assert found.lies_there
    assert "is of platform 'other', this is 'shop'" in found.because


def test_a_copy_in_a_newer_format_says_what_to_do(tmp_path: Path) -> None:
    body = json.loads(dump_book(BOOK)) | {"format": FORMAT + 1}
    kept(tmp_path, body=json.dumps(body))
    found = refused(newest(tmp_path, "shop"))
    assert f"has format {FORMAT + 1}, this code reads up to {FORMAT}" in found.because
    assert found.because.endswith("bring drctl on this machine up to date")


@pytest.mark.parametrize("text", ["", "[]", '{"rev": 1}', '{"rev": "x", "taken_at": "", "whence": "", "body": ""}'])
def test_a_copy_that_is_torn_is_told(text: str, tmp_path: Path) -> None:
    kept(tmp_path).write_text(text)
    assert "cannot be" in refused(newest(tmp_path, "shop")).because


def begun(path: Path, book: Book) -> None:
    store = SqliteStore(path, platform="shop")
    store.stamp(1)
    store.save(1, 0, dump_book(book))
    store.close()


def test_the_file_of_an_earlier_night_is_put_beside_and_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    begun(path, Book(mode=Mode.APPROVE, serving="us-west-2"))
    aside = set_aside(path, "shop", AT)
    assert aside == tmp_path / "shop-20261126T030000Z.db"
    assert not path.exists()
    assert "us-west-2" in (SqliteStore(aside, platform="shop").read_book().body or "")


def test_a_file_with_something_to_do_stays(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    begun(path, BOOK)
    store = SqliteStore(path, platform="shop")
    store.put_inbox("said", {"kind": "command"})
    store.close()
    assert set_aside(path, "shop", AT) is None
    assert set_aside(tmp_path / "none.db", "shop", AT) is None


def test_a_file_that_somebody_works_at_stays(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    begun(path, BOOK)
    store = SqliteStore(path, platform="shop")
    store.claim("me", now=AT, until=AT + timedelta(seconds=60))
    assert set_aside(path, "shop", AT) is None
    store.release("me", 1)
    assert set_aside(path, "shop", AT) is None, "it is open elsewhere"
    store.close()
    assert set_aside(path, "shop", AT) is not None


def test_the_store_s_file_is_one_that_sqlite_reads(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    begun(path, BOOK)
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
