"""The channels, asked without sending anything to anybody, and the way by which a person is proven.

Slack's auth.test says whether a token is good (https://docs.slack.dev/reference/methods/auth.test) and posts nothing.
PagerDuty's Events API v2 only takes events (https://developer.pagerduty.com/docs/send-alert-event): any answer shows
that it is reached, and whether a routing key is good no one can tell without ringing somebody. A command is proven by
STS's regional endpoint in the standby: any answer shows that proving it does not need the region that failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, assert_never

from chalicelib.actions.contract import Answer, AwsOp, Op, Where
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.notifications import EmailChannel, PagerDutyChannel, SlackChannel, StatusPageChannel
from chalicelib.policy.people import Saying
from chalicelib.readiness import mail
from chalicelib.readiness.contract import Around, Said


class ChannelsJudge:
    """A verdict a channel. A channel that is broken stops no recovery, so none lowers anything."""

    name: ClassVar[str] = "channels"
    actions: ClassVar[frozenset[str]] = frozenset()
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="secretsmanager", operation="get_secret_value", resources=("{channel_secrets}",)),
        *mail.READS,
    )
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = "drctl verify-account; put the channel's secret anew"

    def look(self, around: Around) -> Mapping[str, Verdict]:
        return dict(_channels(around))

    def judge(self, facts: Mapping[str, Verdict], policy: Policy, now: datetime) -> Iterator[Said]:
        for name, verdict in facts.items():
            yield f"channel {name}", verdict


def _channels(around: Around) -> Iterator[tuple[str, Verdict]]:
    responder = around.policy.platform.responder
    for row in around.policy.notifications.channels:
        match row:
            case SlackChannel():
                token = _secret(around, row.secret, "bot_token")
                if not isinstance(token, str):
                    yield row.name, token
                    continue
                said = around.get(f"{around.slack_url}auth.test", {"Authorization": f"Bearer {token}"})
                yield row.name, slack(said)
            case PagerDutyChannel():
                key = _secret(around, row.secret, "routing_key")
                if not isinstance(key, str):
                    yield row.name, key
                    continue
                answer = around.get(f"{around.pagerduty_url}/", {})
                reached = Ready(because="it answers; whether the routing key is good only an event can tell")
                yield row.name, answer if isinstance(answer, NoData) else reached
            case EmailChannel():
                yield row.name, mail.email(row.sender, responder.region, around.reader)
            case StatusPageChannel():
                yield row.name, mail.page(responder.status_bucket, responder.region, around.reader)
            case _:
                assert_never(row)


def slack(said: Answer | NoData) -> Verdict:
    """What auth.test's answer means: `ok`, or an `error` such as `invalid_auth` or `token_revoked`."""
    if isinstance(said, NoData):
        return said
    try:
        body: Any = json.loads(said.text)
    except ValueError:
        return NoData(because=f"Slack answered {said.status} and no JSON")
    if not isinstance(body, Mapping) or said.status >= 500 or said.status == 429:
        return NoData(because=f"Slack answered {said.status}")
    if body.get("ok"):
        return Ready(because="Slack knows the token")
    return Lacking(because=f"Slack refuses the token: {body.get('error', 'without a reason')}")


def _secret(around: Around, name: str, key: str) -> str | Lacking | NoData:
    region = around.policy.platform.responder.region
    found = around.reader.aws("secretsmanager", region, "get_secret_value", SecretId=name)
    match found:
        case NoData():
            return found
        case Refused(code=code, because=because):
            return Lacking(because=f"its secret cannot be read: {because} ({code})")
    try:
        value = json.loads(found["SecretString"]).get(key)
    except (ValueError, KeyError, AttributeError):
        value = None
    return value if isinstance(value, str) and value else Lacking(because=f"secret {name!r} holds no {key!r}")


@dataclass(frozen=True, slots=True)
class Proving:
    """What the regional STS answered, and which people may break the glass."""

    answer: Answer | NoData
    people: tuple[str, ...]


class GlassJudge:
    """Whether a person can be proven and may decide while the primary region is dark. That the role stands is IAM's to
    say, in us-east-1; the session that signs the command shows it.
    """

    name: ClassVar[str] = "break-glass"
    actions: ClassVar[frozenset[str]] = frozenset()
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = ()
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = "edit policies/people.yaml; look at the functions' way to STS (network, endpoints)"

    def look(self, around: Around) -> Proving:
        host = f"https://sts.{around.policy.platform.responder.region}.amazonaws.com/"
        return Proving(around.get(host, {}), tuple(around.policy.people.who_may(Saying.BREAK_GLASS)))

    def judge(self, facts: Proving, policy: Policy, now: datetime) -> Iterator[Said]:
        region = policy.platform.responder.region
        if isinstance(facts.answer, NoData):
            yield f"STS in {region}", facts.answer
        else:
            yield f"STS in {region}", Ready(because=f"it answered {facts.answer.status}: commands can be proven there")
        if facts.people:
            yield "who may break the glass", Ready(because=f"{', '.join(facts.people)} may break the glass")
        else:
            yield "who may break the glass", Lacking(because="nobody in people.yaml may break the glass")
