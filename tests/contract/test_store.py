"""What the desk asks of a store, tried on every store there is: in memory, in a SQLite file, and in
DynamoDB on three stand-ins.

The conditions are DynamoDB's: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import pytest
from moto import mock_aws

from chalicelib.store.contract import Busy, Claimed, Saved, Store, StoredBook, StoreUnavailableError, Superseded
from chalicelib.store.dynamodb import DynamoStore
from chalicelib.store.memory import MemoryStore
from drctl.offline.store import SqliteStore
from tests.contract import stands

NOW: Final = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
LEASE: Final = timedelta(seconds=60)
UNTIL: Final = NOW + LEASE
Kind = Literal["memory", "sqlite", "moto", "ministack", "dynalite"]
Opened = Callable[[str], Store]
_numbers = itertools.count()


@pytest.fixture(params=["memory", "sqlite", "moto", "ministack", "dynalite"])
def kind(request: pytest.FixtureRequest) -> Kind:
    name: Kind = request.param
    return name


@pytest.fixture
def opened(kind: Kind, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens the store of a platform; all platforms of one test lie in one new table."""
    if kind == "memory":
        shelves: dict[str, MemoryStore] = {}
        yield lambda platform: shelves.setdefault(platform, MemoryStore())
        return
    if kind == "sqlite":
        file = request.getfixturevalue("tmp_path") / "store.db"
        yield lambda platform: SqliteStore(file, platform=platform)
        return
    if kind == "moto":
        with mock_aws():
            yield _in_table(stands.client(None))
        return
    yield _in_table(stands.client(request.getfixturevalue(kind)))


def _in_table(dynamodb: Any) -> Opened:
    name = stands.table(dynamodb, f"contract-{next(_numbers)}")
    return lambda platform: DynamoStore(dynamodb, table=name, platform=platform)


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened("neurectomy")


def held(store: Store, me: str = "ann", *, now: datetime = NOW) -> int:
    """The epoch of a claim that must succeed."""
    claimed = store.claim(me, now=now, until=now + LEASE)
    assert isinstance(claimed, Claimed), claimed
    return claimed.epoch


# The inbox


def test_an_inbox_item_that_is_absent_is_put_and_one_that_is_there_is_left_as_it_was(store: Store) -> None:
    assert store.put_inbox("signal/a", {"n": 1}) is True
    assert store.put_inbox("signal/a", {"n": 2}) is False
    assert list(store.inbox()) == [("signal/a", {"n": 1})]


def test_the_inbox_comes_by_key_and_whole(store: Store) -> None:
    item = {"text": "späte Änderung → 🚨", "none": None, "deep": {"list": [1, 2.5, True], "empty": {}}}
    for key in ("signal/b", "command/a", "signal/a"):
        store.put_inbox(key, item)
    assert list(store.inbox()) == [("command/a", item), ("signal/a", item), ("signal/b", item)]


def test_an_inbox_larger_than_one_answer_is_read_to_its_end(store: Store) -> None:
    # One Query answers at most 1 MB; the rest comes with ExclusiveStartKey.
    for n in range(24):
        store.put_inbox(f"signal/{n:02d}", {"raw": "x" * 100_000})
    assert [key for key, _ in store.inbox()] == [f"signal/{n:02d}" for n in range(24)]


def test_a_deleted_item_is_gone_and_deleting_it_again_is_fine(store: Store) -> None:
    assert store.inbox_empty()
    store.put_inbox("signal/a", {})
    assert not store.inbox_empty()
    store.delete_inbox("signal/a")
    store.delete_inbox("signal/a")
    assert store.inbox_empty()
    assert list(store.inbox()) == []


def test_an_item_that_was_deleted_can_be_put_again(store: Store) -> None:
    store.put_inbox("signal/a", {"n": 1})
    store.delete_inbox("signal/a")
    assert store.put_inbox("signal/a", {"n": 2}) is True


# The lock


def test_the_first_claim_gets_epoch_one(store: Store) -> None:
    assert store.read_lock() is None
    assert store.claim("ann", now=NOW, until=UNTIL) == Claimed(1)
    assert store.read_lock() == Busy("ann", UNTIL)


def test_a_claim_of_a_desk_that_somebody_holds_names_the_holder_and_until_when(store: Store) -> None:
    held(store)
    assert store.claim("bob", now=NOW + timedelta(seconds=59), until=UNTIL + LEASE) == Busy("ann", UNTIL)
    assert store.read_lock() == Busy("ann", UNTIL)


def test_a_busy_desk_keeps_its_epoch(store: Store) -> None:
    held(store)
    for n in range(5):
        assert isinstance(store.claim(f"bob{n}", now=NOW, until=UNTIL), Busy)
    store.release("ann", 1)
    assert store.claim("bob", now=NOW, until=UNTIL) == Claimed(2)


def test_a_claim_holds_up_to_the_very_moment_it_ends_and_no_longer(store: Store) -> None:
    held(store)
    assert isinstance(store.claim("bob", now=UNTIL, until=UNTIL + LEASE), Busy)
    assert store.claim("bob", now=UNTIL + timedelta(milliseconds=1), until=UNTIL + LEASE) == Claimed(2)


def test_my_own_claim_again_is_granted_under_a_new_epoch(store: Store) -> None:
    held(store)
    assert store.claim("ann", now=NOW, until=UNTIL + LEASE) == Claimed(2)
    assert store.read_lock() == Busy("ann", UNTIL + LEASE)


def test_a_released_desk_is_free_at_once(store: Store) -> None:
    epoch = held(store)
    store.release("ann", epoch)
    assert store.read_lock() is None
    assert store.claim("bob", now=NOW, until=UNTIL) == Claimed(2)


def test_the_epoch_never_goes_back_over_claims_expiries_and_releases(store: Store) -> None:
    now, epochs = NOW, []
    for n in range(12):
        epochs.append(held(store, f"worker-{n % 3}", now=now))
        if n % 2:
            store.release(f"worker-{n % 3}", epochs[-1])
        else:
            now += LEASE + timedelta(seconds=1)
    assert epochs == list(range(1, 13))


def test_a_release_by_somebody_else_changes_nothing(store: Store) -> None:
    epoch = held(store)
    store.release("bob", epoch)
    assert store.read_lock() == Busy("ann", UNTIL)


def test_a_release_of_an_older_epoch_of_mine_changes_nothing(store: Store) -> None:
    older = held(store)
    held(store)
    store.release("ann", older)
    assert store.read_lock() == Busy("ann", UNTIL)


def test_a_release_after_somebody_else_took_the_desk_leaves_it_theirs(store: Store) -> None:
    mine = held(store)
    later = UNTIL + timedelta(seconds=1)
    held(store, "bob", now=later)
    store.release("ann", mine)
    assert store.read_lock() == Busy("bob", later + LEASE)


def test_releasing_a_desk_that_was_never_held_changes_nothing(store: Store) -> None:
    store.release("ann", 1)
    assert store.read_lock() is None
    assert store.claim("ann", now=NOW, until=UNTIL) == Claimed(1)


def test_releasing_twice_is_fine(store: Store) -> None:
    epoch = held(store)
    store.release("ann", epoch)
    store.release("ann", epoch)
    assert store.read_lock() is None


# The book


def test_a_book_that_was_never_saved_is_revision_nought_without_a_body(store: Store) -> None:
    assert store.read_book() == StoredBook(0, 0, None)
    assert store.stamp(1) == StoredBook(1, 0, None)


def test_a_stamp_answers_the_book_as_it_was_last_saved(store: Store) -> None:
    store.stamp(1)
    store.save(1, 0, "first")
    assert store.stamp(2) == StoredBook(2, 1, "first")
    assert store.read_book() == StoredBook(2, 1, "first")


def test_stamping_my_own_epoch_again_is_granted(store: Store) -> None:
    store.stamp(3)
    assert store.stamp(3) == StoredBook(3, 0, None)


def test_a_stamp_older_than_the_books_is_refused_and_leaves_it(store: Store) -> None:
    store.stamp(5)
    refused = store.stamp(4)
    assert isinstance(refused, Superseded)
    assert "5" in refused.because
    assert "4" in refused.because
    assert store.read_book().epoch == 5


def test_saves_count_revisions(store: Store) -> None:
    store.stamp(1)
    for n in range(4):
        assert store.save(1, n, f"body {n}") == Saved(n + 1)
    assert store.read_book() == StoredBook(1, 4, "body 3")


def test_a_save_after_a_newer_stamp_is_refused_and_changes_nothing(store: Store) -> None:
    store.stamp(1)
    store.save(1, 0, "mine")
    store.stamp(2)
    refused = store.save(1, 1, "too late")
    assert isinstance(refused, Superseded)
    assert "epoch 2" in refused.because
    assert store.read_book() == StoredBook(2, 1, "mine")


def test_a_first_save_after_a_newer_stamp_is_refused(store: Store) -> None:
    store.stamp(1)
    store.stamp(2)
    assert isinstance(store.save(1, 0, "too late"), Superseded)
    assert store.read_book() == StoredBook(2, 0, None)


def test_a_save_without_a_stamp_is_refused(store: Store) -> None:
    assert isinstance(store.save(1, 0, "nobody read it"), Superseded)
    assert store.read_book().body is None


def test_a_save_over_a_revision_that_i_did_not_read_is_refused(store: Store) -> None:
    store.stamp(1)
    for n in range(3):
        store.save(1, n, f"body {n}")
    assert isinstance(store.save(1, 1, "from an older book"), Superseded)
    assert isinstance(store.save(1, 7, "from a book that never was"), Superseded)
    assert store.read_book() == StoredBook(1, 3, "body 2")


def test_my_own_save_whose_answer_was_lost_counts_as_saved(store: Store) -> None:
    store.stamp(1)
    store.save(1, 0, "first")
    assert store.save(1, 0, "first") == Saved(1)
    store.save(1, 1, "second")
    assert store.save(1, 1, "second") == Saved(2)
    assert store.read_book() == StoredBook(1, 2, "second")


def test_somebody_elses_save_under_their_epoch_is_not_mistaken_for_mine(store: Store) -> None:
    store.stamp(1)
    store.stamp(2)
    store.save(2, 0, "theirs")
    assert isinstance(store.save(1, 0, "mine"), Superseded)
    assert store.read_book() == StoredBook(2, 1, "theirs")


def test_a_book_of_two_hundred_kilobytes_is_kept_whole(store: Store) -> None:
    body = "Zürich → ☁ " * 15_000
    store.stamp(1)
    assert store.save(1, 0, body) == Saved(1)
    assert store.read_book().body == body


# The timeline and the documents


def test_a_timeline_entry_is_put_once_and_the_first_one_stays(store: Store) -> None:
    store.put_timeline("us-east-1-x", 0, {"text": "first"})
    store.put_timeline("us-east-1-x", 0, {"text": "again"})
    assert list(store.timeline("us-east-1-x")) == [{"text": "first"}]


def test_a_timeline_comes_by_number_and_is_the_incidents_own(store: Store) -> None:
    for n in (10, 9, 100, 0, 2):
        store.put_timeline("a", n, {"n": n})
    store.put_timeline("a.b", 1, {"n": "other"})
    assert [entry["n"] for entry in store.timeline("a")] == [0, 2, 9, 10, 100]
    assert list(store.timeline("nobody")) == []


def test_a_document_is_immutable(store: Store) -> None:
    store.put_document("plan", "abc", "first")
    store.put_document("plan", "abc", "second")
    assert store.document("plan", "abc") == "first"


def test_a_document_that_is_not_there_is_none(store: Store) -> None:
    assert store.document("plan", "abc") is None
    assert list(store.documents("plan")) == []


def test_documents_come_by_key_and_by_kind(store: Store) -> None:
    for key in ("b", "a", "c"):
        store.put_document("closed", key, f"body of {key}")
    store.put_document("dead", "z", "other")
    assert list(store.documents("closed")) == [(k, f"body of {k}") for k in "abc"]


def test_a_dead_letter_that_was_replayed_is_removed_and_removing_it_again_is_fine(store: Store) -> None:
    store.put_document("dead", "z", "raw")
    store.delete_document("dead", "z")
    store.delete_document("dead", "z")
    assert store.document("dead", "z") is None


# What was measured


def test_what_was_measured_is_there_for_its_scenario_alone(store: Store) -> None:
    assert store.measured("region-failure") is None
    store.put_measured("region-failure", "first", 1)
    store.put_measured("region-failure", "second", 1)
    assert store.measured("region-failure") == "second"
    assert store.measured("pod-failure") is None


def test_a_worker_who_lost_the_desk_does_not_write_over_what_the_next_one_measured(store: Store) -> None:
    store.put_measured("region-failure", "newer", 2)
    store.put_measured("region-failure", "older", 1)
    assert store.measured("region-failure") == "newer"


# Two platforms in one table


def test_two_platforms_in_one_table_have_desks_of_their_own(opened: Opened) -> None:
    one, other = opened("neurectomy"), opened("neurectomy-2")
    assert held(one) == 1
    assert held(other, "bob") == 1
    one.stamp(1)
    one.save(1, 0, "one's")
    assert other.read_book() == StoredBook(0, 0, None)
    assert other.read_lock() == Busy("bob", UNTIL)


def test_two_platforms_in_one_table_see_nothing_of_each_other(opened: Opened) -> None:
    one, other = opened("neurectomy"), opened("neurectomy-2")
    one.put_inbox("signal/a", {"of": "one"})
    one.put_timeline("i", 0, {"of": "one"})
    one.put_document("plan", "p", "one's")
    one.put_measured("region-failure", "one's", 1)
    assert other.measured("region-failure") is None
    assert other.inbox_empty()
    assert list(other.timeline("i")) == []
    assert other.document("plan", "p") is None
    assert other.put_inbox("signal/a", {"of": "other"}) is True
    other.delete_inbox("signal/a")
    assert list(one.inbox()) == [("signal/a", {"of": "one"})]


# A store that does not answer


ASKS: Final[tuple[tuple[str, Callable[[Store], object]], ...]] = (
    ("put_inbox", lambda s: s.put_inbox("a", {})),
    ("inbox", lambda s: s.inbox()),
    ("inbox_empty", lambda s: s.inbox_empty()),
    ("delete_inbox", lambda s: s.delete_inbox("a")),
    ("claim", lambda s: s.claim("ann", now=NOW, until=UNTIL)),
    ("release", lambda s: s.release("ann", 1)),
    ("stamp", lambda s: s.stamp(1)),
    ("save", lambda s: s.save(1, 0, "body")),
    ("read_book", lambda s: s.read_book()),
    ("read_lock", lambda s: s.read_lock()),
    ("put_timeline", lambda s: s.put_timeline("a", 0, {})),
    ("timeline", lambda s: s.timeline("a")),
    ("put_document", lambda s: s.put_document("plan", "a", "")),
    ("document", lambda s: s.document("plan", "a")),
    ("documents", lambda s: s.documents("plan")),
    ("delete_document", lambda s: s.delete_document("dead", "a")),
    ("measured", lambda s: s.measured("a")),
    ("put_measured", lambda s: s.put_measured("a", "", 1)),
)


@pytest.mark.parametrize("ask", [a for _, a in ASKS], ids=[name for name, _ in ASKS])
def test_a_dead_endpoint_is_an_unavailable_store_whatever_is_asked(ask: Callable[[Store], object]) -> None:
    # Port 9 is discard's: nothing listens there on loopback.
    dead = DynamoStore(stands.client("http://127.0.0.1:9"), table="contract", platform="neurectomy")
    with pytest.raises(StoreUnavailableError, match="did not answer"):
        ask(dead)


@pytest.mark.parametrize("ask", [a for _, a in ASKS], ids=[name for name, _ in ASKS])
def test_a_table_that_is_missing_is_an_unavailable_store_whatever_is_asked(ask: Callable[[Store], object]) -> None:
    with mock_aws():
        missing = DynamoStore(stands.client(None), table="never-made", platform="neurectomy")
        with pytest.raises(StoreUnavailableError, match=r"never-made.*ResourceNotFoundException"):
            ask(missing)
