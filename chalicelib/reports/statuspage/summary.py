"""api/v2/summary.json: the page in the shape of Atlassian Statuspage's public read API.

Whatever reads other companies' pages (dashboards, chat bots, supplier monitors) reads this one. `incidents` holds those
that are not resolved, as there; identifiers are 12 characters, digests of public words only.
Statuspage keeps a date of birth for each component and the book does not: `created_at` and `updated_at` of a component
are the page's own time, the moment at which what stands there was so.
Source: metastatuspage.com/api, "Summary"; fields as of the public pages of several companies.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from chalicelib.core.message import PublicIncident, StatusPage, Update
from chalicelib.reports.statuspage.banner import indicator


def summary(page: StatusPage) -> dict[str, Any]:
    """The JSON as plain values."""
    sign, description = indicator(page)
    page_id = _id(page.url)
    components = [_component(n, page) for n in range(len(page.components))]
    return {
        "page": {
            "id": page_id,
            "name": page.name,
            "url": page.url,
            "time_zone": "Etc/UTC",
            "updated_at": _at(page.at),
        },
        "components": components,
        "incidents": [
            _incident(i, page, {c["name"]: c for c in components}) for i in page.incidents if i.status != "resolved"
        ],
        "scheduled_maintenances": [],
        "status": {"indicator": sign, "description": description},
    }


def summary_json(page: StatusPage) -> bytes:
    """The file. Its keys stand in a fixed order, so that equal pages are equal bytes."""
    return (json.dumps(summary(page), ensure_ascii=False, indent=1) + "\n").encode()


def _component(n: int, page: StatusPage) -> dict[str, Any]:
    component = page.components[n]
    return {
        "id": _id("component", component.name),
        "name": component.name,
        "status": component.status,
        "created_at": _at(page.at),
        "updated_at": _at(page.at),
        "position": n + 1,
        "description": None,
        "showcase": False,
        "start_date": None,
        "group_id": None,
        "page_id": _id(page.url),
        "group": False,
        "only_show_if_degraded": False,
    }


def _incident(incident: PublicIncident, page: StatusPage, components: dict[str, dict[str, Any]]) -> dict[str, Any]:
    updates = sorted(incident.updates, key=lambda u: u.at, reverse=True)
    monitoring = [u.at for u in updates if u.status == "monitoring"]
    return {
        "id": incident.key,
        "name": incident.name,
        "status": incident.status,
        "created_at": _at(incident.started_at),
        "updated_at": _at(updates[0].at if updates else incident.started_at),
        "monitoring_at": _at(monitoring[-1]) if monitoring else None,
        "resolved_at": _at(incident.resolved_at) if incident.resolved_at else None,
        "impact": incident.impact,
        "shortlink": f"{page.url.rstrip('/')}/#incident-{incident.key}",
        "started_at": _at(incident.started_at),
        "page_id": _id(page.url),
        "incident_updates": [_update(u, incident) for u in updates],
        "components": [components[name] for name in incident.components if name in components],
    }


def _update(update: Update, incident: PublicIncident) -> dict[str, Any]:
    return {
        "id": _id(incident.key, update.status, _at(update.at), update.text),
        "status": update.status,
        "body": update.text,
        "incident_id": incident.key,
        "created_at": _at(update.at),
        "updated_at": _at(update.at),
        "display_at": _at(update.at),
        "affected_components": None,
        "deliver_notifications": True,
        "custom_tweet": None,
        "tweet_id": None,
    }


def _at(at: datetime) -> str:
    """`2026-01-01T00:00:00.000Z`: ISO 8601 in UTC with milliseconds, as Statuspage writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _id(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
