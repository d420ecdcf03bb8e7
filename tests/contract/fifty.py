"""One of fifty workers, in a process of its own: puts its share of events, then works at the desk until it has saved
often enough. Every third one claims for so short a time that others take the desk from under its hands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any, Final

from chalicelib.store.contract import Busy, Saved, Store, Superseded
from chalicelib.store.dynamodb import DynamoStore
from drctl.offline.store import SqliteStore
from tests.contract import stands

WORKERS: Final = 50
KEYS: Final = 200
SAVES_EACH: Final = 2
PLATFORM: Final = "neurectomy"
_LONG: Final = timedelta(seconds=5)
_SHORT: Final = timedelta(milliseconds=4)
_TRIES: Final = 2000


@dataclass
class Worked:
    """What one worker saw: keys whose first put was accepted, its epochs, revisions it saved, times it was shut out."""

    number: int
    accepted: list[str] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    shut_out: int = 0


def key(n: int) -> str:
    return f"signal/{n:03d}"


def opened(where: str, table: str) -> Store:
    """A store as this process opens it: a URL is a DynamoDB's, anything else is a file."""
    if where.startswith("http"):
        return DynamoStore(stands.client(where), table=table, platform=PLATFORM)
    return SqliteStore(Path(where), platform=PLATFORM)


def work(url: str, table: str, number: int, together: Barrier, over: Event, answers: Queue[Worked]) -> None:
    """Runs in its own process. Each key is put by four workers, at about the same time."""
    store = opened(url, table)
    worked = Worked(number)
    together.wait(60)
    for n in range(number % 12, KEYS, 12):
        if store.put_inbox(key(n), {"value": n}):
            worked.accepted.append(key(n))
    together.wait(60)
    for turn in range(_TRIES):
        if len(worked.revisions) >= SAVES_EACH or over.is_set():
            break
        # Who was shut out twice takes its time, or a slow machine would only ever see expired claims.
        lease = _LONG if number % 3 or worked.shut_out > 1 else _SHORT
        if visit(store, f"worker-{number}-{turn}", worked, lease):
            # A sender repeats itself: accepted again when the event was folded and deleted, and then a no-op.
            repeated = (number * 11 + turn * 17) % KEYS
            store.put_inbox(key(repeated), {"value": repeated})
        else:
            # Spread out, so that fifty do not ask in step.
            over.wait(0.2 + 0.01 * ((number * 7 + turn * 13) % 50))
    answers.put(worked)


def visit(store: Store, me: str, worked: Worked, lease: timedelta) -> bool:
    """One visit to the desk, in the protocol's order; False when somebody else had it, or took it."""
    now = datetime.now(UTC)
    claimed = store.claim(me, now=now, until=now + lease)
    if isinstance(claimed, Busy):
        return False
    worked.epochs.append(claimed.epoch)
    stored = store.stamp(claimed.epoch)
    if isinstance(stored, Superseded):
        worked.shut_out += 1
        return False
    book: dict[str, Any] = json.loads(stored.body) if stored.body else {"saves": 0, "sum": 0, "folded": []}
    waiting = list(store.inbox())
    for name, item in waiting:
        if name not in book["folded"]:
            book["folded"].append(name)
            book["sum"] += item["value"]
    book["saves"] += 1
    saved = store.save(claimed.epoch, stored.rev, json.dumps(book))
    if not isinstance(saved, Saved):
        worked.shut_out += 1
        return False
    worked.revisions.append(saved.rev)
    for name, _ in waiting:
        store.delete_inbox(name)
    store.release(me, claimed.epoch)
    return True
