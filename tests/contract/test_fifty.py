"""Fifty real processes at one desk at once, on two independent DynamoDBs and on one file."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from typing import Final, Literal

import pytest

from tests.contract import fifty, stands
from tests.contract.fifty import KEYS, WORKERS, Worked, key, work

_WITHIN: Final = 90.0


@pytest.mark.parametrize("kind", ["ministack", "dynalite", "sqlite"])
def test_fifty_processes_at_once_lose_no_event_and_no_save(
    kind: Literal["ministack", "dynalite", "sqlite"], request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        url, table = str(request.getfixturevalue("tmp_path") / "fifty.db"), ""
    else:
        url = request.getfixturevalue(kind)
        table = stands.table(stands.client(url), "fifty")
    answers = _at_once(url, table)
    store = fifty.opened(url, table)
    last = Worked(WORKERS)
    # The next tick: it takes in what was put after the last of the fifty had looked.
    while not fifty.visit(store, "tick", last, fifty._LONG):
        continue
    answers.append(last)

    accepted = Counter(name for a in answers for name in a.accepted)
    assert accepted == Counter({key(n): 1 for n in range(KEYS)})

    epochs = Counter(e for a in answers for e in a.epochs)
    assert max(epochs.values()) == 1
    assert sorted(epochs) == list(range(1, len(epochs) + 1))

    revisions = sorted(r for a in answers for r in a.revisions)
    assert revisions == list(range(1, len(revisions) + 1))
    assert len(revisions) >= WORKERS

    stored = store.read_book()
    book = json.loads(stored.body or "{}")
    assert book["saves"] == stored.rev == len(revisions)
    assert sorted(book["folded"]) == [key(n) for n in range(KEYS)]
    assert book["sum"] == sum(range(KEYS))
    assert store.inbox_empty()


def _at_once(url: str, table: str) -> list[Worked]:
    # A fork server has the imports done and no threads: fifty forks of it are cheap and safe.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.contract.fifty"])
    together, over = processes.Barrier(WORKERS), processes.Event()
    answers: multiprocessing.queues.Queue[Worked] = processes.Queue()
    started = [
        processes.Process(target=work, args=(url, table, n, together, over, answers), daemon=True)
        for n in range(WORKERS)
    ]
    try:
        for process in started:
            process.start()
        return [answers.get(timeout=_WITHIN) for _ in started]
    finally:
        over.set()
        for process in started:
            process.join(5)
            process.kill()
