"""policies/notifications.yaml: who is told what, by when, through which channel."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.scenarios import Severity


class NoticeEvent(StrEnum):
    """What can be told. The first five are the notification matrix; the others are the responder's own."""

    INCIDENT_DETECTED = "incident-detected"
    DR_ACTIVATED = "dr-activated"
    RECOVERY_STARTED = "recovery-started"
    RECOVERY_PROGRESS = "recovery-progress"
    RECOVERY_COMPLETE = "recovery-complete"
    APPROVAL_NEEDED = "approval-needed"
    STEP_LATE = "step-late"
    STEP_STUCK = "step-stuck"
    ESCALATED = "escalated"
    STOOD_DOWN = "stood-down"
    FINDING_RAISED = "finding-raised"
    FINDING_SETTLED = "finding-settled"
    BUDGET_SPENT = "budget-spent"
    FORECAST_MISS = "forecast-miss"
    CHANNEL_TEST = "channel-test"
    """By every channel, once a week; it needs no row."""


class PagerDutyChannel(Row):
    """Events API v2. `secret` holds JSON with `routing_key`."""

    name: Name
    kind: Literal["pagerduty"]
    secret: str
    fallback: Name | None = None


class SlackChannel(Row):
    """chat.postMessage. `secret` holds JSON with `bot_token`."""

    name: Name
    kind: Literal["slack"]
    secret: str
    channel: str
    fallback: Name | None = None


class EmailChannel(Row):
    """SES v2 in the standby region."""

    name: Name
    kind: Literal["email"]
    sender: str
    recipients: tuple[str, ...]
    fallback: Name | None = None


class StatusPageChannel(Row):
    """Static files in the standby region's bucket."""

    name: Name
    kind: Literal["status-page"]
    fallback: Name | None = None


Channel = Annotated[PagerDutyChannel | SlackChannel | EmailChannel | StatusPageChannel, Field(discriminator="kind")]


class Notice(Row):
    """One row of the matrix. `every` repeats it while the incident is open."""

    event: NoticeEvent
    internal: tuple[Name, ...] = ()
    external: tuple[Name, ...] = ()
    within: Duration
    every: Duration | None = None
    severities: tuple[Severity, ...]


class Rung(Row):
    """One rung of the escalation ladder: who is paged when nobody acknowledged for `after`."""

    who: str
    after: Duration
    channels: tuple[Name, ...]


class StatusLevel(Row):
    """A level of the status page, with the value of Statuspage's component status."""

    name: Literal["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"]
    display: str
    meaning: str


class MailListener(Row):
    """An address that the trouble topic itself writes to; it must confirm the subscription once."""

    kind: Literal["email"]
    address: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class WebListener(Row):
    """An address that the trouble topic posts to, such as a pager's own CloudWatch integration. Whoever knows it may
    ring, so it is no policy's text: `secret` names a secret whose JSON holds it as `url`, in each region that has a
    trouble topic (the responder's and the witness's) under the same name.
    """

    kind: Literal["https"]
    secret: Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]+$")]


Listener = Annotated[MailListener | WebListener, Field(discriminator="kind")]


class Notifications(Row):
    """Channels, the matrix, the ladder, the levels, and who hears of the responder's own trouble without its help."""

    channels: tuple[Channel, ...]
    matrix: tuple[Notice, ...]
    ladder: tuple[Rung, ...]
    status_levels: tuple[StatusLevel, ...]
    # A policy that was kept with an incident before there were listeners is still read.
    trouble: tuple[Listener, ...] = ()
    test_mail: tuple[str, ...] = Field(default=(), description="who gets the weekly test of each channel of mail")

    def row(self, event: NoticeEvent, severity: Severity) -> Notice | None:
        """The row of the matrix for an event of an incident of that severity; None when nobody is told."""
        return next((n for n in self.matrix if n.event is event and severity in n.severities), None)

    def channel(self, name: str) -> Channel:
        """The channel with that name; KeyError when there is none."""
        return {c.name: c for c in self.channels}[name]
