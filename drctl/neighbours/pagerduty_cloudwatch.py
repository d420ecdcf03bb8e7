"""PagerDuty's integration for Amazon CloudWatch: an address that an SNS topic posts alarms to.

Source: support.pagerduty.com/main/docs/aws-cloudwatch-integration-guide: the address is
`https://events.pagerduty.com/integration/<integration key>/enqueue`, PagerDuty confirms the subscription by itself, an
alarm in ALARM opens an incident, and the same alarm's OK resolves it. How a message is posted:
docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html (`x-amz-sns-message-type`, JSON as
`text/plain`, a confirmation by a GET of its SubscribeURL). What PagerDuty goes by to know the same alarm again is
documented nowhere; here it is the alarm's ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

PATH: Final = re.compile(r"/integration/([0-9a-zA-Z]{32})/enqueue")
TYPE: Final = "x-amz-sns-message-type"


class Answer(NamedTuple):
    """The status and text that go back, and an address to be visited: that confirms a subscription."""

    status: int
    text: str
    visit: str = ""


@dataclass(slots=True)
class Trouble:
    """One alarm from its ALARM until its OK, with every further ALARM in between."""

    key: str
    alarm: str
    arn: str
    topic: str
    description: str
    reason: str
    opened_at: datetime
    status: Literal["open", "resolved"] = "open"
    resolved_at: datetime | None = None
    times: int = 1


class CloudWatchIntegration:
    """The model: no I/O. `keys` are the integration keys that exist."""

    def __init__(self, clock: Callable[[], datetime], *, keys: Iterable[str]) -> None:
        self.clock = clock
        self.keys = frozenset(keys)
        self.topics: list[str] = []
        self.trouble: list[Trouble] = []

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One message of a topic; 404 for a key of nobody, 400 for what is no message of SNS."""
        match = PATH.fullmatch(path)
        if match is None or match[1] not in self.keys:
            return Answer(404, "no such integration")
        kind = {k.lower(): v for k, v in headers.items()}.get(TYPE, "")
        try:
            envelope = json.loads(body)
            if kind == "SubscriptionConfirmation":
                self.topics.append(str(envelope["TopicArn"]))
                return Answer(200, "OK", visit=str(envelope["SubscribeURL"]))
            if kind != "Notification":
                return Answer(400, f"{TYPE} is {kind!r}")
            return self._alarm(match[1], str(envelope["TopicArn"]), json.loads(envelope["Message"]))
        except (ValueError, KeyError, TypeError) as error:
            return Answer(400, f"no message of SNS about an alarm: {error}")

    def seen(self) -> list[dict[str, Any]]:
        """Every alarm that came, oldest first; times in ISO 8601."""
        plain = [asdict(t) for t in self.trouble]
        return [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in t.items()} for t in plain]

    def _alarm(self, key: str, topic: str, message: Mapping[str, Any]) -> Answer:
        state, arn = message["NewStateValue"], str(message["AlarmArn"])
        there = next((t for t in self.trouble if (t.key, t.arn, t.status) == (key, arn, "open")), None)
        if state == "OK" and there:
            there.status, there.resolved_at = "resolved", self.clock()
        if state == "ALARM" and there:
            there.times += 1
        elif state == "ALARM":
            self.trouble.append(
                Trouble(
                    key=key,
                    alarm=str(message["AlarmName"]),
                    arn=arn,
                    topic=topic,
                    description=str(message.get("AlarmDescription") or ""),
                    reason=str(message["NewStateReason"]),
                    opened_at=self.clock(),
                )
            )
        return Answer(200, "OK")
