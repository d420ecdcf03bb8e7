"""A worker is stopped before or after any request of a call, or loses its answer: only when it ends changes."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.outcome import Act, Call, Done, Doubtful, Made, Refused
from tests.actions import buckets
from tests.actions.buckets import Crash, House, Worker, act, furnish


def first_call(house: House) -> tuple[Worker, Call]:
    """A worker that is about to make the one call of the accident."""
    worker = house.worker()
    call = act(worker, newer="remove").call
    return worker, call


def requests_of_the_call() -> int:
    with buckets.house() as house:
        furnish(house)
        worker, call = first_call(house)
        before = len(worker.wire.sent)
        assert isinstance(worker.make(call), Made)
        return len(worker.wire.sent) - before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_request_of_the_call_changes_only_when_it_ends(when: str) -> None:
    # What versioning is, a page, two heads, two copies, four markers taken away and one put.
    count = requests_of_the_call()
    assert count == 11
    for number in range(count):
        with buckets.house() as house:
            was = furnish(house)
            versions = house.versions()
            worker, call = first_call(house)
            worker.wire.stop = (len(worker.wire.sent) + number, when)
            with pytest.raises(Crash):
                worker.make(call)
            heir = worker.heir(house)
            assert isinstance(heir.run(newer="remove"), Done)
            assert house.there() == was, f"{when} request {number}"
            for key, ids in versions.items():
                assert house.versions()[key][: len(ids)] == ids
            # Undeleted, or copied over once: no crash makes a second copy of what is there.
            assert {key: len(ids) for key, ids in house.versions().items()} == {
                key: len(ids) + (key in ("overwritten", "both ü+ &/<x>")) for key, ids in versions.items()
            }


def test_the_lost_answer_of_any_request_of_the_call_changes_only_when_it_ends() -> None:
    for number in range(requests_of_the_call()):
        with buckets.house() as house:
            was = furnish(house)
            versions = house.versions()
            worker, call = first_call(house)
            worker.wire.stop = (len(worker.wire.sent) + number, "lost")
            assert isinstance(worker.make(call), Refused if number < 2 else Doubtful)
            assert isinstance(worker.run(newer="remove"), Done)
            assert house.there() == was, f"request {number}"
            assert sum(map(len, house.versions().values())) == sum(map(len, versions.values())) + 2


def test_a_worker_that_stops_after_any_look_is_followed_by_one_that_goes_on(monkeypatch: Any) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    with buckets.house() as house:
        was, worker = furnish(house), house.worker()
        for _ in range(60):
            match worker.look(newer="remove"):
                case Done():
                    break
                case Act(call=call):
                    worker.make(call)
                case _:
                    pass
            worker = worker.heir(house)
        assert house.there() == was
