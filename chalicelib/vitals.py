"""The responder's own health in numbers: what is published of it, and from when on each number is trouble.

Alarms are made from this table (drctl/deployment/trouble.py), and speak to people by a topic that no function of the
responder stands behind. Two rules keep them honest. What stands or stands still is published as a gauge by somebody
else than whom it is about: the tick's age by the probe and by the witness, so that a dead tick is a datapoint and not a
gap; where datapoints are missing CloudWatch looks further back than its periods say, and would be late (by how much is
not published; with three periods it is over five, in the example of
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html). What happens
once is counted where it happens and published at once: its alarm says that it happened and never that it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, Protocol

from chalicelib.core.sending import TELL_AGAIN, TELL_TIMEOUT, TELL_TRIES

MINUTE: Final = timedelta(minutes=1)
TOLD_WITHIN: Final = timedelta(minutes=5)
"""What is promised: from when something is wrong to when people are told."""
SETTLES: Final = timedelta(seconds=30)
"""An allowance of our own for what AWS gives no number for: from a line in the log to a datapoint, and from the end of
a period to an alarm's action.
"""
SERVICE: Final = "responder"
"""The dimension `service` of every metric here."""

TICKS: Final = "Ticks"
TICK_AGE: Final = "TickAge"
INBOX_AGE: Final = "InboxAge"
LEFT_IN_QUEUES: Final = "EventsLeft"
DEAD_LETTERS: Final = "DeadLetters"
SET_ASIDE: Final = "SetAside"
NOTICES_FAILED: Final = "NoticesFailed"
NOTICES_SENT: Final = "NoticesSent"
UNHEARD: Final = "ResponderUnheard"
SYNTHETIC_AGE: Final = "SyntheticAge"
Unit = Literal["Count", "Seconds"]
UNITS: Final[dict[str, Unit]] = {
    TICKS: "Count",
    TICK_AGE: "Seconds",
    INBOX_AGE: "Seconds",
    LEFT_IN_QUEUES: "Count",
    DEAD_LETTERS: "Count",
    SET_ASIDE: "Count",
    NOTICES_FAILED: "Count",
    NOTICES_SENT: "Count",
    UNHEARD: "Count",
    SYNTHETIC_AGE: "Seconds",
}


class Meter(Protocol):
    """Publishes one number at once; beside `service` it bears these dimensions."""

    def __call__(self, metric: str, value: float = 1, **dimensions: str) -> None: ...


def unheard(metric: str, value: float = 1, **dimensions: str) -> None:
    """A meter that nobody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """From when on a metric is trouble: when it is more than `above` in `periods` of `period` in a row.

    `after` is how long it has been wrong by then, `every` how often it is published (zero: at once). `silence`: it is
    trouble too that nobody publishes it. `passes`: it can be seen to be over.
    """

    metric: str
    above: float = 0
    after: timedelta = timedelta()
    every: timedelta = timedelta()
    silence: bool = False
    passes: bool = True
    period: timedelta = MINUTE
    periods: int = 1

    @property
    def told_within(self) -> timedelta:
        """From when it is wrong to when people are told, at the longest."""
        return self.after + self.every + self.period * self.periods + SETTLES


def _older_than(age: timedelta, metric: str, *, silence: bool = False) -> Watch:
    return Watch(metric=metric, above=age.total_seconds(), after=age, every=MINUTE, silence=silence)


FAILS_AFTER: Final = TELL_AGAIN * (2 ** (TELL_TRIES - 1) - 1) + TELL_TIMEOUT * TELL_TRIES
"""The waits between the tries of one notice, each twice the one before, and the tries themselves."""

TICK: Final = _older_than(timedelta(minutes=2), TICK_AGE, silence=True)
INBOX: Final = _older_than(timedelta(seconds=90), INBOX_AGE)
QUEUES: Final = Watch(metric=LEFT_IN_QUEUES, every=MINUTE)
DEAD: Final = Watch(metric=DEAD_LETTERS, passes=False)
ASIDE: Final = Watch(metric=SET_ASIDE, every=MINUTE, passes=False)
# A shift may end between two tries, and the next tick makes the next one.
CHANNEL: Final = Watch(metric=NOTICES_FAILED, after=FAILS_AFTER, every=MINUTE, passes=False)
# From a third region. A tick that comes some seconds late is not heard once, and not twice in a row.
HEARD: Final = Watch(metric=UNHEARD, after=timedelta(seconds=75), every=MINUTE, silence=True, periods=2)
WATCHES: Final = (TICK, INBOX, QUEUES, DEAD, ASIDE, CHANNEL, HEARD)


def synthetic(within: timedelta) -> Watch:
    """That none came through since yesterday's, which a finding tells first, if there still is somebody to find it."""
    age = timedelta(days=1) + 2 * within
    return Watch(metric=SYNTHETIC_AGE, above=age.total_seconds(), after=age, every=MINUTE)
