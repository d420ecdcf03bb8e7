"""Rules about who hears of the responder's own trouble: somebody does, and not by what may be in trouble with it."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.policy.lint.finding import Flaw, Whole, error, repeats, warning
from chalicelib.policy.notifications import MailListener


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
