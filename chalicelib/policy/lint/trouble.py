"""Rules about who hears of the responder's own trouble: somebody does, and not by what may be in trouble with it."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error, repeats, warning
from chalicelib.policy.notifications import EmailChannel, MailListener, NoticeEvent


def trouble_is_heard(whole: Whole) -> Iterator[Flaw]:
    """An alarm on the responder speaks to a topic; without a listener it speaks to nobody."""
    if not whole.policy.notifications.trouble:
        yield error(
            *("notifications", "trouble"),
            allowed="at least one listener, `kind: email` or `kind: https`",
            found="none",
            because="nobody hears when the responder itself stands still: its alarms speak to nobody",
        )


def trouble_listener_is_single(whole: Whole) -> Iterator[Flaw]:
    """SNS has one subscription for an address, and a template that makes it twice fights over it."""
    heard = whole.policy.notifications.trouble
    for i, first, name in repeats(row.address if isinstance(row, MailListener) else row.secret for row in heard):
        yield error(
            *("notifications", "trouble", i),
            allowed="each address and each secret once",
            found=name,
            because=f"{name!r} already is trouble[{first}]",
        )


def trouble_rings(whole: Whole) -> Iterator[Flaw]:
    """A mail in the night waits for the morning."""
    heard = whole.policy.notifications.trouble
    if heard and all(isinstance(row, MailListener) for row in heard):
        yield warning(
            *("notifications", "trouble"),
            allowed="a listener of `kind: https` that rings somebody",
            found="mail alone",
            because="trouble with the responder would wait until somebody reads their mail",
        )


def test_goes_to_every_channel(whole: Whole) -> Iterator[Flaw]:
    """A row of the matrix for it would never be owed: the test goes by every channel, whatever a row says."""
    for i, notice in enumerate(whole.policy.notifications.matrix):
        if notice.event is NoticeEvent.CHANNEL_TEST:
            yield error(
                *("notifications", "matrix", i, "event"),
                allowed="no row for it",
                found=notice.event.value,
                because="the weekly test goes by every channel, and this row is never read",
            )


def mail_can_be_tested(whole: Whole) -> Iterator[Flaw]:
    """A channel of mail is never tried on its own readers."""
    told, row = whole.policy.notifications, whole.policy.readiness.synthetic
    mail = [c.name for c in told.channels if isinstance(c, EmailChannel)]
    if row and row.channels_on and mail and not told.test_mail:
        yield warning(
            *("notifications", "test_mail"),
            allowed="an address that gets the weekly test",
            found="none",
            because=f"{', '.join(mail)} would not be tried, and would be found broken on the day",
        )


def health_is_rehearsed(whole: Whole) -> Iterator[Flaw]:
    """That an alarm comes through and that every channel works is seen before the day."""
    row = whole.policy.readiness.synthetic
    if row is None or row.channels_on is None:
        yield warning(
            *("readiness", "synthetic"),
            allowed="a row with `channels_on`",
            found="none" if row is None else "no day for the channels",
            because="whether an alarm comes through, and whether each channel works, would be seen on the day",
        )
