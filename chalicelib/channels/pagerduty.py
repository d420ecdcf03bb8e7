"""PagerDuty, through Events API v2: the channel that wakes people.

Which dedup_key a message goes under decides whether a telephone rings:
- Events of one key are one alert. A further trigger is appended to its log and notifies nobody: while the alert is
  acknowledged it stays quiet, and while it is not, its escalation policy is under way already.
- So what is *news* of an incident (detected, late steps) goes under the incident's own key, and what a person must
  *answer* (an approval, a stuck step, a rung of the ladder) goes under the message's id, a key of its own, which
  opens an alert of its own and rings. Sent twice, either is one alert: that is what makes a doubt harmless.
- A message that closes the incident resolves the incident's key and those of its earlier pages (`Message.keys`).
  Resolving what is resolved, or never was, is answered 202 and does nothing, so the whole may be repeated.
- `acknowledge` is never sent. It halts PagerDuty's own escalation, and only a person can truthfully say "I have it".

Whom a key rings is decided by the escalation policy behind the routing key, not here; the ladder's rung is told in
the text. Sources: developer.pagerduty.com/docs/events-api-v2/trigger-events (fields, event actions, deduplication) and
…/overview (202, 400 never to be retried, 429 and 5xx to be retried, 512 KB).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from chalicelib.channels.text import shorten
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Doubtful, Made, Outcome, Refused
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.scenarios import Severity

if TYPE_CHECKING:
    import httpx2

SEVERITY: Final = {
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "critical",
}
RINGS: Final = frozenset({NoticeEvent.APPROVAL_NEEDED, NoticeEvent.STEP_STUCK, NoticeEvent.ESCALATED})
"""What a person must answer, and therefore must ring again although somebody was paged before."""
MAX_SUMMARY: Final = 1024
MAX_KEY: Final = 255
MAX_ITEMS: Final = 40
MAX_ITEM: Final = 1000
"""40 lines and 40 asks of 1,000 characters stay under 512 KB in the worst of encodings."""
CONNECT_SECONDS: Final = 1.5
ANSWER_SECONDS: Final = 3.0
CLOSING_SECONDS: Final = 4.5
"""How long a closing message may go on resolving keys: the desk gives a message five seconds."""


def dedup_key(incident: str, message_id: str) -> str:
    """The key that a message goes under: its id if it must ring, the incident's otherwise.

    At most 255 characters; a longer one is cut and ends in a digest of the whole, so that keys stay apart.
    """
    event = message_id.removeprefix(f"{incident}/").partition("/")[0]
    key = message_id if event in RINGS else incident
    if len(key) <= MAX_KEY:
        return key
    return f"{key[: MAX_KEY - 17]}~{hashlib.sha256(key.encode()).hexdigest()[:16]}"


class PagerDutyChannel:
    """Pages through one integration. `routing_key` has 32 characters; `client` names us in PagerDuty's timeline.

    `links` are (address, text) shown with the alert. `http` is used with explicit timeouts and must not retry.
    """

    def __init__(
        self,
        name: str,
        *,
        http: httpx2.Client,
        routing_key: str,
        base_url: str = "https://events.pagerduty.com",
        client: str = "disaster-recovery responder",
        links: Iterable[tuple[str, str]] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._http = http
        self._routing_key = routing_key
        self._url = f"{base_url.rstrip('/')}/v2/enqueue"
        self._client = client
        self._links = tuple(links)
        self._monotonic = monotonic

    def send(self, message: Message, page: StatusPage) -> Outcome:  # noqa: ARG002 (the page is other channels' matter)
        """Trigger, or resolve when the message closes the incident."""
        if message.closes:
            return self._close(message)
        key = dedup_key(message.incident, message.id)
        return self._post(self._trigger(message, key), f"page {message.id!r}")

    def _close(self, message: Message) -> Outcome:
        # The incident's own alert goes last: while any is open, so is the one that a person looks at first.
        own = dedup_key(message.incident, message.incident)
        pages = (dedup_key(message.incident, m) for m in message.keys)
        keys = [k for k in dict.fromkeys(pages) if k != own] + [own]
        until = self._monotonic() + CLOSING_SECONDS
        for n, key in enumerate(keys):
            if n and self._monotonic() >= until:
                return Doubtful(because=f"PagerDuty took the end of {n} of {len(keys)} alerts in time; all again later")
            event = {"routing_key": self._routing_key, "event_action": "resolve", "dedup_key": key}
            outcome = self._post(event, f"the end of alert {key!r}")
            if not isinstance(outcome, Made):
                return outcome
        return Made(because=f"PagerDuty took the end of {len(keys)} alert{'s' if len(keys) > 1 else ''}")

    def _trigger(self, message: Message, key: str) -> dict[str, Any]:
        details: dict[str, Any] = {
            "lines": _capped(message.lines),
            "incident": message.incident,
            "state": message.state,
            "opened_at": message.opened_at.isoformat(),
        }
        if message.asks:
            details["asks"] = _capped(
                f"drctl approve {message.incident} --step {step}: {what}, because {why}"
                for step, what, why in message.asks
            )
        return {
            "routing_key": self._routing_key,
            "event_action": "trigger",
            "dedup_key": key,
            "client": self._client,
            "links": [{"href": href, "text": text} for href, text in self._links],
            "payload": {
                "summary": shorten(_summary(message), MAX_SUMMARY),
                "source": message.scope,
                "severity": SEVERITY[message.severity],
                "timestamp": message.at.isoformat(),
                "component": message.scope,
                "group": message.scenario,
                "class": message.event.value,
                "custom_details": details,
            },
        }

    def _post(self, event: dict[str, Any], what: str) -> Outcome:
        import httpx2  # imported by whoever made the client; here only for its errors and timeouts

        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        try:
            answer = self._http.post(self._url, json=event, timeout=timeout, follow_redirects=False)
        except httpx2.TimeoutException as error:
            return Doubtful(because=f"PagerDuty did not answer to {what} in time ({type(error).__name__})")
        except httpx2.TransportError as error:
            return Doubtful(because=f"PagerDuty could not be asked to take {what}: {type(error).__name__}: {error}")
        return _judged(answer, what)


def _judged(answer: httpx2.Response, what: str) -> Outcome:
    """*overview*'s table of response codes. Anything it does not list is judged by its class."""
    said = shorten(answer.text, 300)
    if answer.status_code == 202:
        return Made(because=f"PagerDuty took {what}")
    if answer.status_code in (408, 429) or answer.status_code >= 500:
        wait = answer.headers.get("retry-after")
        later = f"; it asks to come back in {wait} s" if wait else ""
        return Doubtful(because=f"PagerDuty answered {answer.status_code} to {what}{later}: {said}")
    return Refused(code=str(answer.status_code), because=f"PagerDuty refused {what} with {answer.status_code}: {said}")


def _summary(message: Message) -> str:
    """What is read out on the telephone: the headline, then as much of the sentences as fits."""
    return " · ".join((message.headline, *message.lines))


def _capped(items: Iterable[str]) -> list[str]:
    found = [shorten(item, MAX_ITEM) for item in items]
    if len(found) > MAX_ITEMS:
        return [*found[: MAX_ITEMS - 1], f"and {len(found) - MAX_ITEMS + 1} more"]
    return found
