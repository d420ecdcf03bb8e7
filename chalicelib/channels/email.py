"""Mail, through SES v2 in the standby region.

Internal mail shows its recipients to one another; mail to customers goes out as blind copies and holds nothing but the
headline, the customer sentences and the address of the status page. SES takes 50 recipients a call and cannot
deduplicate: a mail whose answer was lost may arrive twice. Its `Auto-Submitted` header keeps vacation replies away.
Sources: docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html (limits, errors, headers), RFC 3834, 5.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.channels.aws import judged
from chalicelib.channels.text import shorten
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.policy.notifications import NoticeEvent

if TYPE_CHECKING:
    from jinja2 import Template

MAX_RECIPIENTS: Final = 50
MAX_SUBJECT: Final = 200


class EmailChannel:
    """Mails `recipients` from `sender`. `ses` is a boto3 `sesv2` client with timeouts and without retries.

    `platform` is the display name, `status_url` the public page. A test of the channel goes to `tests` alone.
    """

    def __init__(
        self,
        name: str,
        *,
        ses: Any,
        sender: str,
        recipients: Iterable[str],
        platform: str,
        status_url: str,
        tests: Iterable[str] = (),
    ) -> None:
        self.name = name
        self._ses = ses
        self._sender = sender
        self._recipients = tuple(dict.fromkeys(recipients))
        self._tests = tuple(dict.fromkeys(tests))
        self._platform = platform
        self._status_url = status_url

    def send(self, message: Message, page: StatusPage) -> Outcome:  # noqa: ARG002 (the page is other channels' matter)
        """One call for every 50 recipients. Refused only if nobody was written to; Doubtful if some may have been."""
        to = self._tests if message.event is NoticeEvent.CHANNEL_TEST else self._recipients
        if not to:
            return Refused(
                code="NoRecipients", because=f"channel {self.name!r} has no recipients; nobody was written to"
            )
        groups = [to[n : n + MAX_RECIPIENTS] for n in range(0, len(to), MAX_RECIPIENTS)]
        content = self._content(message)
        outcomes = [self._send(message, content, group) for group in groups]
        bad = [o for o in outcomes if not isinstance(o, Made)]
        if len(outcomes) == 1:
            return outcomes[0]
        if not bad:
            return Made(because=f"SES took mail {message.id!r} for {len(to)} recipients")
        made = sum(len(g) for g, o in zip(groups, outcomes, strict=True) if isinstance(o, Made))
        if not made and isinstance(bad[0], Refused) and all(isinstance(o, Refused) for o in bad):
            return bad[0]
        return Doubtful(because=f"{made} of {len(to)} recipients were written to; then {bad[0].because}")

    def _send(self, message: Message, content: dict[str, Any], recipients: tuple[str, ...]) -> Outcome:
        field = "BccAddresses" if message.audience == "external" else "ToAddresses"
        try:
            answer = self._ses.send_email(
                FromEmailAddress=self._sender, Destination={field: list(recipients)}, Content={"Simple": content}
            )
        except (ClientError, BotoCoreError) as error:
            return judged(error, f"SES, mail {message.id!r}")
        count = f"{len(recipients)} recipient{'s' if len(recipients) > 1 else ''}"
        return Made(because=f"SES took mail {message.id!r} for {count} as {answer.get('MessageId')}")

    def _content(self, message: Message) -> dict[str, Any]:
        external = message.audience == "external"
        html = _template().render(
            external=external,
            message=message,
            platform=self._platform,
            status_url=self._status_url,
            asks=_asks(message),
            facts=() if external else _facts(message),
        )
        subject = message.headline if external else f"[{message.severity}] {message.headline}"
        return {
            "Subject": {"Data": shorten(subject, MAX_SUBJECT), "Charset": "UTF-8"},
            "Body": {
                "Text": {"Data": self._text(message), "Charset": "UTF-8"},
                "Html": {"Data": html, "Charset": "UTF-8"},
            },
            "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
        }

    def _text(self, message: Message) -> str:
        parts = [message.headline, *message.lines]
        parts += [f"{what}\nIt asks because {why}.\nTo approve: {typed}" for what, why, typed in _asks(message)]
        if message.audience == "internal":
            parts.append("\n".join(f"{name}: {value}" for name, value in _facts(message)))
        parts.append(f"Status page: {self._status_url}")
        return "\n\n".join(parts) + "\n"


def _asks(message: Message) -> list[tuple[str, str, str]]:
    """(what it will do, why it asks, what to type); nothing for customers, whatever the message holds."""
    if message.audience == "external":
        return []
    incident = shlex.quote(message.incident)
    return [
        (what, why.rstrip("."), f"drctl approve {incident} --step {shlex.quote(step)}")
        for step, what, why in message.asks
    ]


def _facts(message: Message) -> list[tuple[str, str]]:
    if message.event is NoticeEvent.CHANNEL_TEST:
        return [("Test", message.incident), ("Message", message.id)]
    finding = message.event in (NoticeEvent.FINDING_RAISED, NoticeEvent.FINDING_SETTLED)
    return [
        ("Finding" if finding else "Incident", message.incident),
        ("Scope", message.scope),
        ("Kind" if finding else "Scenario", message.scenario),
        ("Severity", message.severity.value),
        ("State", message.state),
        ("Open since", f"{message.opened_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("Message", message.id),
    ]


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 40 ms that only a mail pays

    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("mail.html.j2")
