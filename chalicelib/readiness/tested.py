"""The weekly test of every channel (core/channel_test.py): that it was made when it was due, and how each channel did.

It is read from the desk's book, which the desk alone writes: nothing is sent. A test is held back while an incident or
a drill is open, and is due when that ends; until then it is late all the same. A notice that is still being tried is
neither well nor ill.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, assert_never

from chalicelib.actions.contract import Op, Where
from chalicelib.core import channel_test
from chalicelib.core.book import Book, ChannelTest
from chalicelib.core.incident import NoticeState
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData
from chalicelib.core.plan import Rules
from chalicelib.policy import Policy
from chalicelib.readiness.contract import Around, Said

WEEKLY = "weekly test of channels"


class ChannelTestJudge:
    """A verdict on the test, and one a channel that it has tried. A channel stops no recovery, so none lowers."""

    name: ClassVar[str] = "channel-test"
    actions: ClassVar[frozenset[str]] = frozenset()
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = ()
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = (
        "drctl health names each channel's newest notice; put its secret or address right; drctl ring shows whether "
        "an alarm reaches the desk at all"
    )

    def look(self, around: Around) -> Book | None:
        return around.book

    def judge(self, facts: Book | None, policy: Policy, now: datetime) -> Iterator[Said]:
        due = channel_test.newest_due(policy, now)
        if due is None:
            return
        if facts is None or (facts.tested is None and facts.rings_since is None):
            yield WEEKLY, NoData(because="the desk has not worked yet, so no test was due")
            return
        yield WEEKLY, _made(facts, due, policy, now)
        if facts.tested is None:
            return
        skipped = channel_test.untested(Rules(policy))
        for channel in policy.notifications.channels:
            subject = f"weekly test of {channel.name}"
            if channel.name in skipped:
                yield subject, NoData(because="no audience is kept for tests (notifications.yaml test_mail)")
            else:
                yield subject, _did(facts.tested, channel.name, policy, now)


def _made(book: Book, due: datetime, policy: Policy, now: datetime) -> Verdict:
    """Late is what is two rounds over its time: the clock begins it within a minute."""
    begun = book.tested.at if book.tested else book.rings_since
    assert begun is not None  # noqa: S101  # looked at before
    last = f"the last one began at {begun:%Y-%m-%d %H:%M} UTC" if book.tested else "none was made yet"
    if begun >= due:
        return Ready(because=last if book.tested else f"{last}, and none was due since {begun:%Y-%m-%d %H:%M} UTC")
    if now - due <= policy.readiness.stale_after:
        return Ready(because=f"it is due since {due:%H:%M} UTC; {last}")
    waits = "it waits for what is open to end" if book.incidents or book.drills else "the clock has not begun it"
    return Lacking(because=f"the test of {due:%Y-%m-%d %H:%M} UTC was not made: {waits}; {last}")


def _did(test: ChannelTest, channel: str, policy: Policy, now: datetime) -> Verdict:
    record = test.notices.get(channel_test.key_of(channel))
    late = now - test.at > channel_test.WITHIN + policy.readiness.stale_after
    if record is None:
        waits = f"{test.id} has not been sent to it"
        return Lacking(because=f"{waits}, though it began long ago") if late else NoData(because=f"{waits} yet")
    match record.state:
        case NoticeState.SENT:
            return Ready(because=f"{test.id} was delivered at {record.at:%Y-%m-%d %H:%M} UTC")
        case NoticeState.FAILED:
            return Lacking(because=f"{test.id} failed: {record.because}")
        case NoticeState.SENDING | NoticeState.DOUBTFUL | NoticeState.LAPSED:
            why = f": {record.because}" if record.because else ""
            return NoData(because=f"{test.id} is {record.state.value}{why}; whether it arrived is not known")
    assert_never(record.state)
