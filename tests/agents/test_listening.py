"""What the witness says of the responder: heard, or not heard, and never down."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.agents.listening import Listening
from chalicelib.store.beat import Beat, Who, millis
from chalicelib.store.contract import StoreUnavailableError
from chalicelib.vitals import HEARD, UNHEARD
from tests.agents.test_lookout import AT, POLICY, Clock


def listening(age: timedelta | None, *, silent: bool = False, speed: float = 1) -> tuple[str, list[float]]:
    published: list[float] = []

    def read(who: Who) -> Beat:
        assert who == "tick"
        if silent:
            raise StoreUnavailableError("DynamoDB did not answer get_item on 'desk'")
        return Beat({} if age is None else {"at": millis(AT - age)})

    def meter(metric: str, value: float = 1, **dimensions: str) -> None:
        assert (metric, dimensions) == (UNHEARD, {})
        published.append(value)

    policy = POLICY.model_copy(update={"speed": speed})
    return Listening(policy=policy, clock=Clock(), read=read, meter=meter).listen(), published


@pytest.mark.parametrize(("seconds", "unheard"), [(0, 0), (61, 0), (75, 0), (76, 1), (3600, 1)])
def test_a_tick_of_a_minute_ago_is_heard_and_one_of_long_ago_is_not(seconds: int, unheard: int) -> None:
    because, published = listening(timedelta(seconds=seconds))
    assert published == [unheard]
    assert because.startswith("the newest tick began")


@pytest.mark.parametrize(
    ("silent", "says"), [(True, "DynamoDB did not answer"), (False, "no tick has left a mark yet")]
)
def test_what_cannot_be_read_is_not_heard_and_says_why(silent: bool, says: str) -> None:
    because, published = listening(None, silent=silent)
    assert published == [1]
    assert says in because


def test_at_a_higher_speed_a_mark_is_old_sooner_and_never_before_a_beat_takes_its_real_time() -> None:
    assert listening(timedelta(seconds=8), speed=10)[1] == [1]
    assert listening(timedelta(seconds=7), speed=10)[1] == [0]
    assert listening(timedelta(seconds=6), speed=100)[1] == [0]


def test_one_tick_that_comes_late_wakes_nobody() -> None:
    assert HEARD.periods == 2
