"""The file store beside the one in memory, on which tests/protocol has tried every interleaving: any row of calls gives
the same answers, so what was found there holds for the file. And what only a file can do wrong.
"""

from __future__ import annotations

import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.store.contract import Store, StoreUnavailableError
from chalicelib.store.memory import MemoryStore
from drctl.offline.store import SqliteStore

START: Final = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
_few = st.integers(0, 3)
_me = st.sampled_from(["ana", "bob", "tick"])
_key = st.sampled_from(["a", "b"])
CALLS: Final = st.one_of(
    st.tuples(st.just("claim"), _me, _few, _few),
    st.tuples(st.just("release"), _me, _few),
    st.tuples(st.just("stamp"), _few),
    st.tuples(st.just("save"), _few, _few, _key),
    st.tuples(st.just("put_inbox"), _key, _few),
    st.tuples(st.just("delete_inbox"), _key),
    st.tuples(st.just("put_timeline"), _key, _few, _few),
    st.tuples(st.just("put_document"), _key, _key, _key),
    st.tuples(st.just("delete_document"), _key, _key),
    st.tuples(st.just("put_measured"), _key, _key, _few),
)


def _answer(store: Store, call: tuple[object, ...]) -> object:
    match call:
        case ("claim", str(me), int(now), int(lease)):
            at = START + timedelta(seconds=now)
            return store.claim(me, now=at, until=at + timedelta(seconds=lease))
        case ("put_inbox", str(key), int(value)):
            return store.put_inbox(key, {"value": value})
        case ("put_timeline", str(key), int(n), int(value)):
            store.put_timeline(key, n, {"value": value})
            return None
        case (str(name), *arguments):
            return getattr(store, name)(*arguments)
    raise AssertionError(call)


def _seen(store: Store) -> object:
    shelves = [store.timeline(k) for k in "ab"], [(store.documents(k), store.document(k, "a")) for k in "ab"]
    measured = [store.measured(k) for k in "ab"]
    return store.read_book(), store.read_lock(), list(store.inbox()), store.inbox_empty(), shelves, measured


@settings(max_examples=150, deadline=None)
@given(st.lists(CALLS, max_size=25))
def test_any_row_of_calls_gives_the_same_answers_as_the_store_in_memory(calls: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory, file = MemoryStore(), SqliteStore(Path(folder) / "desk.db", platform="neurectomy")
        try:
            for call in calls:
                assert _answer(memory, call) == _answer(file, call), call
                assert _seen(memory) == _seen(file), call
        finally:
            file.close()


def test_what_was_answered_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "desk.db", platform="neurectomy")
    first.stamp(1)
    first.save(1, 0, "{}")
    second = SqliteStore(tmp_path / "desk.db", platform="neurectomy")
    assert second.read_book().rev == 1
    assert SqliteStore(tmp_path / "desk.db", platform="other").read_book().body is None


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "kept" / "desk.db", platform="neurectomy")
    assert stat.S_IMODE((tmp_path / "kept" / "desk.db").stat().st_mode) == 0o600


def test_a_file_that_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "desk.db").write_text("this is a letter, and it is longer than the header of a database " * 4)
    with pytest.raises(StoreUnavailableError, match="cannot be opened as a store: file is not a database"):
        SqliteStore(tmp_path / "desk.db", platform="neurectomy")


def test_a_store_that_fails_says_so_and_has_done_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "desk.db", platform="neurectomy")
    store.put_inbox("a", {})
    store.close()
    with pytest.raises(StoreUnavailableError, match="did not do it"):
        store.put_inbox("b", {})
    again = SqliteStore(tmp_path / "desk.db", platform="neurectomy")
    assert [key for key, _ in again.inbox()] == ["a"]
