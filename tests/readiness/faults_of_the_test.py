"""Faults of the weekly test of channels, as the desk's book has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chalicelib.core.channel_test import key_of
from chalicelib.core.incident import NoticeRecord, NoticeState
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import Day, channels_tested
from tests.readiness.fault import Fault

FIRST = POLICY.notifications.channels[0].name


def two_weeks_old(day: Day) -> None:
    day.book = channels_tested(day.platform.clock.now() - timedelta(weeks=2))


def anew(day: Day) -> None:
    day.book = channels_tested(day.platform.clock.now())


def _changed(day: Day, record: NoticeRecord | None) -> None:
    test = day.book.tested
    assert test is not None
    others = {key: one for key, one in test.notices.items() if key != key_of(FIRST)}
    day.book = replace(day.book, tested=replace(test, notices=others | ({key_of(FIRST): record} if record else {})))


def failed(day: Day) -> None:
    test = day.book.tested
    assert test is not None
    its = replace(test.notices[key_of(FIRST)], state=NoticeState.FAILED, because="invalid_auth")
    _changed(day, its)


def never_sent(day: Day) -> None:
    day.book = channels_tested(day.platform.clock.now() - timedelta(hours=2))
    _changed(day, None)


CHANNEL_TEST = (
    Fault(
        kind="the weekly test of channels is overdue",
        done=two_weeks_old,
        mended=anew,
        judge="channel-test",
        subject="weekly test of channels",
        said="was not made: the clock has not begun it; the last one began at",
        lowers=False,
    ),
    Fault(
        kind="a channel failed in the weekly test",
        done=failed,
        mended=anew,
        judge="channel-test",
        subject=f"weekly test of {FIRST}",
        said="failed: invalid_auth",
        lowers=False,
    ),
    Fault(
        kind="a channel was left out of the weekly test",
        done=never_sent,
        mended=anew,
        judge="channel-test",
        subject=f"weekly test of {FIRST}",
        said="has not been sent to it, though it began long ago",
        lowers=False,
    ),
)
