"""Every channel is tried once a week, so that a broken one is found on a quiet day and not on the day.

Rules. The test is told like everything else: journaled, then sent, tried again after a doubt; no fallback speaks for a
channel here. It begins only while no incident is open, says in its first words that nothing is wrong, and what rings by
it is resolved at once. Mail goes to the audience that policy keeps for tests and to nobody else; the status page is put
as it stands. A channel that fails is a finding, told by the others, and settled when it is next seen to work. Never let
a test speak for an incident, and never send one to customers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Final, assert_never

from chalicelib.core.answers import Telling, Told, Withdrawn
from chalicelib.core.book import Book, ChannelTest
from chalicelib.core.findings import raised, settled
from chalicelib.core.incident import NoticeRecord, NoticeState
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.message import Message
from chalicelib.core.notices import Owed, unsettled
from chalicelib.core.plan import Rules
from chalicelib.core.sending import begun, ended, without
from chalicelib.policy import Policy
from chalicelib.policy.notifications import EmailChannel, NoticeEvent, PagerDutyChannel
from chalicelib.policy.scenarios import Severity

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WITHIN: Final = timedelta(minutes=5)
"""A test's deadline; a channel that takes longer is told late, as with any notice."""
OVER: Final = "over"


def kind(channel: str) -> str:
    """The kind of a channel's finding."""
    return f"channel-{channel}"


def opened(book: Book, rules: Rules, now: datetime) -> Book:
    """The book in which this week's test has begun, once it is due and nobody recovers."""
    row = rules.policy.readiness.synthetic
    if row is None or row.channels_on is None:
        return book if book.tested is None else replace(book, tested=None)
    since = book.tested.at if book.tested else book.rings_since
    if since is None or book.incidents or book.drills:
        return book
    day = newest_due(rules.policy, now)
    if day is None or day <= since:
        return book
    test = ChannelTest(id=f"channel-test-{day:%Y%m%d}", at=now)
    book = replace(book, tested=test)
    names = ", ".join(o.channel for o in _owed(test, rules))
    return note(book, PLATFORM, "channel-test", f"{test.id}: a test goes by {names}", now)


def newest_due(policy: Policy, now: datetime) -> datetime | None:
    """When the newest test that should have begun by now was due; None where policy has none."""
    row = policy.readiness.synthetic
    if row is None or row.channels_on is None:
        return None
    today = datetime.combine(now.astimezone(UTC).date(), time(row.hour), UTC)
    day = today - timedelta(days=(today.weekday() - DAYS.index(row.channels_on)) % 7)
    return day if day <= now else day - timedelta(weeks=1)


def key_of(channel: str) -> str:
    """The key of a channel's notice in a test; what takes a page back is another one."""
    return f"{NoticeEvent.CHANNEL_TEST.value}/{channel}"


def outstanding(book: Book, rules: Rules) -> tuple[Owed, ...]:
    """What is still to be sent."""
    return unsettled(tuple(_owed(book.tested, rules)), book.tested.notices) if book.tested else ()


def untested(rules: Rules) -> tuple[str, ...]:
    """The channels that are not tried: mail for which policy keeps no audience."""
    told = rules.policy.notifications
    return tuple(c.name for c in told.channels if isinstance(c, EmailChannel) and not told.test_mail)


def message(test: ChannelTest, owed: Owed, rules: Rules, at: datetime) -> Message:
    """The message of one."""
    over = owed.about == OVER
    name = rules.policy.platform.display_name
    said = "This is the weekly test of this channel; nobody needs to do anything."
    return Message(
        id=f"{test.id}/{owed.key}",
        event=NoticeEvent.CHANNEL_TEST,
        audience="internal",
        channel=owed.channel,
        incident=test.id,
        scope=rules.policy.platform.name,
        scenario="channel-test",
        severity=Severity.LOW,
        state="test",
        headline=f"Test, nothing is wrong: {name}'s disaster-recovery responder reaches you by {owed.channel}",
        lines=(said,),
        closes=over,
        opened_at=test.at,
        due_at=owed.due_at,
        at=at,
    )


def fold_notice(book: Book, test: ChannelTest, answer: Telling | Told | Withdrawn, rules: Rules, now: datetime) -> Book:
    """The book after one was begun, answered or withdrawn; what failed becomes a finding, what worked settles it."""
    match answer:
        case Telling(key=key, due_at=due_at):
            return _put(book, test, {**test.notices, key: begun(test.notices.get(key), due_at, now)})
        case Told(key=key, outcome=outcome):
            changed = ended(test.notices.get(key), outcome, rules, now)
            if changed is None:
                return book
            book = _put(book, test, {**test.notices, key: changed})
            book = note(book, PLATFORM, f"notice-{changed.state}", f"{test.id}/{key}: {changed.because}", now)
            return _judged(book, key.split("/")[-1], changed.state, changed.because, rules, now)
        case Withdrawn(key=left):
            notices = without(test.notices, left, now) if left else None
            return book if notices is None else _put(book, test, notices)
    assert_never(answer)


def _judged(book: Book, channel: str, state: NoticeState, because: str, rules: Rules, now: datetime) -> Book:
    if state is NoticeState.FAILED:
        return raised(
            book,
            kind(channel),
            headline=f"Channel {channel} does not work",
            because=f"the weekly test of channel {channel} failed: {because}",
            severity=Severity.MEDIUM,
            scope=rules.policy.platform.name,
            now=now,
        )
    if state is NoticeState.SENT:
        return settled(book, kind(channel), because=f"the test of channel {channel} was delivered: {because}", now=now)
    return book


def _owed(test: ChannelTest, rules: Rules) -> Iterator[Owed]:
    skipped = untested(rules)
    for channel in rules.policy.notifications.channels:
        if channel.name in skipped:
            continue
        first = _one(test, channel.name, "")
        yield first
        told = test.notices.get(first.key)
        if isinstance(channel, PagerDutyChannel) and told and told.state is NoticeState.SENT:
            yield _one(test, channel.name, OVER)


def _one(test: ChannelTest, channel: str, about: str) -> Owed:
    return Owed(
        key="/".join(part for part in (NoticeEvent.CHANNEL_TEST.value, about, channel) if part),
        event=NoticeEvent.CHANNEL_TEST,
        about=about,
        channel=channel,
        audience="internal",
        due_at=test.at + WITHIN,
    )


def _put(book: Book, test: ChannelTest, notices: Mapping[str, NoticeRecord]) -> Book:
    return replace(book, tested=replace(test, notices=notices))
