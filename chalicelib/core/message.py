"""What people are told: one message, worded once, whatever channel carries it.

Rules. A message is made from the book alone, so a retry says the same. `id` is its identity: where a channel can
deduplicate it is the key. An external message holds no internal name, host or identifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.scenarios import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to tell, ready to send.

    `id` is `<incident>/<event>[/<n>]/<channel>`; `incident` groups the messages of one incident (PagerDuty's
    dedup_key, Slack's thread). `lines` are whole sentences, most important first. `asks` are the steps a person must
    answer now, as (step id, what it will do, why it asks). `due_at` is its deadline from the matrix. `keys` are the ids
    of the incident's earlier messages that this channel may have delivered: what a closing message must resolve.
    """

    id: str
    event: NoticeEvent
    audience: Literal["internal", "external"]
    channel: str
    incident: str
    scope: str
    scenario: str
    severity: Severity
    state: str
    headline: str
    lines: tuple[str, ...]
    asks: tuple[tuple[str, str, str], ...] = ()
    closes: bool = False
    keys: tuple[str, ...] = ()
    opened_at: datetime
    due_at: datetime
    at: datetime


ComponentStatus = Literal["operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"]
IncidentStatus = Literal["investigating", "identified", "monitoring", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A public component and its level."""

    name: str
    status: ComponentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update of a public incident: Atlassian Statuspage's word, when, and a sentence for customers."""

    status: IncidentStatus
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicIncident:
    """An incident as customers see it. `key` is opaque; newest update first."""

    key: str
    name: str
    status: IncidentStatus
    impact: Literal["none", "minor", "major", "critical"]
    started_at: datetime
    resolved_at: datetime | None
    components: tuple[str, ...]
    updates: tuple[Update, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPage:
    """The whole public page. The banner is derived from the components, by whoever renders it."""

    name: str
    url: str
    at: datetime
    components: tuple[Component, ...]
    incidents: tuple[PublicIncident, ...]
