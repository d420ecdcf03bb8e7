"""Messages as the desk would send them, for the tests of the channels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.core.message import Component, Message, PublicIncident, StatusPage, Update
from chalicelib.policy.notifications import NoticeEvent
from chalicelib.policy.scenarios import Severity

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
INCIDENT = "us-east-1-region-failure-20260101T115500"


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now


def message(event: NoticeEvent = NoticeEvent.INCIDENT_DETECTED, about: str = "", **changes: Any) -> Message:
    parts = [INCIDENT, event.value, *([about] if about else []), "pagerduty"]
    fields: dict[str, Any] = {
        "id": "/".join(parts),
        "event": event,
        "audience": "internal",
        "channel": "pagerduty",
        "incident": INCIDENT,
        "scope": "us-east-1",
        "scenario": "region-failure",
        "severity": Severity.HIGH,
        "state": "responding",
        "headline": "Region failure at us-east-1: detected",
        "lines": ("Three observers agree that us-east-1 is down.", "Incident opened, mode automatic."),
        "opened_at": AT - timedelta(minutes=5),
        "due_at": AT + timedelta(minutes=1),
        "at": AT,
    }
    return Message(**{**fields, **changes})


ASK = ("promote", "aws rds promote_read_replica in us-west-2", "nobody has proven that the old primary takes no writes")
CUSTOMERS: dict[str, Any] = {
    "audience": "external",
    "headline": "NEURECTOMY: Region failure",
    "lines": ("Our primary location is unavailable; we are moving to our standby location.",),
}


def page(**changes: Any) -> StatusPage:
    update = Update(status="investigating", at=AT - timedelta(minutes=5), text="We are investigating a problem.")
    incident = PublicIncident(
        key="0123456789ab",
        name="Region failure",
        status="investigating",
        impact="major",
        started_at=AT - timedelta(minutes=5),
        resolved_at=None,
        components=("API",),
        updates=(update,),
    )
    fields: dict[str, Any] = {
        "name": "NEURECTOMY",
        "url": "https://status.example.com",
        "at": AT,
        "components": (
            Component(name="API", status="major_outage"),
            Component(name="Builds", status="operational"),
        ),
        "incidents": (incident,),
    }
    return StatusPage(**{**fields, **changes})
