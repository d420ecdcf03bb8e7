"""Every channel of policy, each built when it is first needed.

A channel that cannot be built (a secret that is missing or has another shape) answers `Refused` or `Doubtful` itself,
and the message goes down its fallback chain; the other channels never hear of it. After a refusal the channel is built
anew the next time, so that a secret somebody mended is read again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.channels.aws import judged
from chalicelib.channels.contract import Channel
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Doubtful, Outcome, Refused
from chalicelib.policy import Policy
from chalicelib.policy import notifications as rows
from chalicelib.policy.people import Saying

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger("responder")
Secret = Callable[[str], Mapping[str, str]]
"""A secret's JSON by its name. May raise what boto3 raises; KeyError(reason) when it cannot be had, ValueError when it
is not JSON, SecretSilentError(reason) when its store did not answer.
"""


def build(
    policy: Policy,
    *,
    http: httpx2.Client,
    secret: Secret,
    ses: Any,
    s3: Any,
    slack_base_url: str | None = None,
    pagerduty_base_url: str | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Mapping[str, Channel]:
    """The channels by name. Nothing is read, imported or connected until one is asked to send.

    `ses` and `s3` are boto3 clients (`sesv2`, `s3`) of the standby region with timeouts and retries off; by `monotonic`
    a channel knows how long it has been sending, in seconds.
    """

    def make(row: rows.Channel) -> Channel:
        platform = policy.platform
        match row:
            case rows.PagerDutyChannel():
                from chalicelib.channels.pagerduty import PagerDutyChannel

                return PagerDutyChannel(
                    row.name,
                    http=http,
                    routing_key=_entry(secret, row.secret, "routing_key"),
                    base_url=pagerduty_base_url or "https://events.pagerduty.com",
                    client=f"{platform.display_name} disaster recovery",
                    links=((platform.responder.status_url, "Status page"),),
                    monotonic=monotonic,
                )
            case rows.SlackChannel():
                from chalicelib.channels.slack import SlackChannel

                token = _entry(secret, row.secret, "bot_token")
                return SlackChannel(
                    row.name,
                    token=token,
                    channel=row.channel,
                    approvers=policy.people.in_slack(Saying.APPROVE),
                    base_url=slack_base_url,
                )
            case rows.EmailChannel():
                from chalicelib.channels.email import EmailChannel

                return EmailChannel(
                    row.name,
                    ses=ses,
                    sender=row.sender,
                    recipients=row.recipients,
                    tests=policy.notifications.test_mail,
                    platform=platform.display_name,
                    status_url=platform.responder.status_url,
                )
            case rows.StatusPageChannel():
                from chalicelib.channels.status_page import StatusPageChannel
                from chalicelib.reports.statuspage.render import files

                levels = policy.notifications.status_levels
                bucket = platform.responder.status_bucket
                return StatusPageChannel(row.name, s3=s3, bucket=bucket, render=lambda page: files(page, levels))
            case _:
                assert_never(row)

    return {row.name: _Lazy(row.name, partial(make, row)) for row in policy.notifications.channels}


class UnusableSecretError(Exception):
    """A secret that is not there or does not hold what the channel needs; never shows what it holds."""


class SecretSilentError(Exception):
    """Nobody answered when the secret was asked for; it may be had the next time."""


def _entry(secret: Secret, name: str, key: str) -> str:
    try:
        found = secret(name)
    except KeyError as error:
        raise UnusableSecretError(
            f"secret {name!r} could not be read: {error.args[0] if error.args else name}"
        ) from error
    except ValueError as error:
        # The error's own words may quote what was read.
        raise UnusableSecretError(f"secret {name!r} is not JSON; it must hold an object with {key!r}") from error
    value = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise UnusableSecretError(f"secret {name!r} holds no {key!r}; put it there as a JSON entry")
    return value.strip()


class _Lazy:
    """A channel that is built at its first message, and answers for its own absence."""

    def __init__(self, name: str, make: Callable[[], Channel]) -> None:
        self.name = name
        self._make = make
        self._channel: Channel | None = None

    def send(self, message: Message, page: StatusPage) -> Outcome:
        try:
            self._channel = self._channel or self._make()
            outcome = self._channel.send(message, page)
        except (ClientError, BotoCoreError) as error:
            return judged(error, f"channel {self.name!r} could not be built")
        except UnusableSecretError as error:
            return Refused(code="UnusableSecret", because=f"channel {self.name!r} could not be built: {error}")
        except SecretSilentError as error:
            return Doubtful(because=f"channel {self.name!r} could not be built: {error}; it is built anew next time")
        except Exception as error:
            # Not swallowed: it goes to the log with its traceback and to the timeline as a refusal, and the message
            # goes to the fallback. Recovery does not stop over a defect in how it is told.
            log.exception("channel %r failed on message %r", self.name, message.id)
            self._channel = None
            code = type(error).__name__
            return Refused(code=code, because=f"channel {self.name!r} failed with {code}; its traceback is in the log")
        if isinstance(outcome, Refused):
            self._channel = None
        return outcome
