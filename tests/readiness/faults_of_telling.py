"""Faults of the channels, and of who may break the glass."""

from __future__ import annotations

from tests.crash.platform_in_process import POLICY
from tests.readiness.day import Day
from tests.readiness.fault import Change, Fault
from tests.readiness.faults_of_secrets import secret_is_back, secret_is_gone

PLATFORM = POLICY.platform
SLACK = next(c for c in POLICY.notifications.channels if c.kind == "slack")
PAGER = next(c for c in POLICY.notifications.channels if c.kind == "pagerduty")
EMAIL = next(c for c in POLICY.notifications.channels if c.kind == "email")
PAGE = next(c for c in POLICY.notifications.channels if c.kind == "status-page")


def token_is_revoked(day: Day) -> None:
    where = PLATFORM.responder.region, SLACK.secret
    day.kept[SLACK.secret] = day.platform.secrets.secrets[where]
    day.platform.secrets.add(*where, {"bot_token": "xoxb-revoked"})


def ses_sends(*, sending: bool) -> Change:
    def done(day: Day) -> None:
        day.platform.ses.sending = sending

    return done


def unverified(day: Day) -> None:
    day.kept["senders"] = set(day.platform.ses.senders)
    day.platform.ses.senders.clear()


def verified(day: Day) -> None:
    day.platform.ses.senders.update(day.kept["senders"])


def page_is_gone(day: Day) -> None:
    day.kept["page"] = day.platform.s3.buckets.pop(PLATFORM.responder.status_bucket)


def page_is_back(day: Day) -> None:
    day.platform.s3.buckets[PLATFORM.responder.status_bucket] = day.kept["page"]


def nobody_breaks_the_glass(day: Day) -> None:
    roles = [r.model_copy(update={"may": tuple(s for s in r.may if s != "break-glass")}) for r in POLICY.people.roles]
    day.policy = POLICY.model_copy(update={"people": POLICY.people.model_copy(update={"roles": tuple(roles)})})


def somebody_does(day: Day) -> None:
    day.policy = POLICY


TELLING = (
    Fault(
        kind="Slack's token was revoked",
        done=token_is_revoked,
        mended=secret_is_back(PLATFORM.responder.region, SLACK.secret),
        judge="channels",
        subject=f"channel {SLACK.name}",
        said="Slack refuses the token: invalid_auth",
        lowers=False,
    ),
    Fault(
        kind="PagerDuty's key is gone",
        done=secret_is_gone(PLATFORM.responder.region, PAGER.secret),
        mended=secret_is_back(PLATFORM.responder.region, PAGER.secret),
        judge="channels",
        subject=f"channel {PAGER.name}",
        said="its secret cannot be read",
        lowers=False,
    ),
    Fault(
        kind="SES sends nothing",
        done=ses_sends(sending=False),
        mended=ses_sends(sending=True),
        judge="channels",
        subject=f"channel {EMAIL.name}",
        said="sends nothing for this account (SHUTDOWN)",
        lowers=False,
    ),
    Fault(
        kind="the sender is not verified",
        done=unverified,
        mended=verified,
        judge="channels",
        subject=f"channel {EMAIL.name}",
        said="is not verified in us-west-2, by itself or by its domain",
        lowers=False,
    ),
    Fault(
        kind="the status page has no bucket",
        done=page_is_gone,
        mended=page_is_back,
        judge="channels",
        subject=f"channel {PAGE.name}",
        said="does not exist",
        lowers=False,
    ),
    Fault(
        kind="nobody may break the glass",
        done=nobody_breaks_the_glass,
        mended=somebody_does,
        judge="break-glass",
        subject="who may break the glass",
        said="nobody in people.yaml may break the glass",
        lowers=False,
    ),
)
