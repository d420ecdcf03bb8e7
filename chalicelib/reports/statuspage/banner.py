"""The one line above everything: how the platform is, derived from its components.

Rules. The banner is as bad as the worst component, never better and never worse; nobody sets it. Open incidents do
not darken it: where an incident hurts, it hurts a component. Wording for people is policy's (`StatusLevel`); the
wording in the JSON is Atlassian's, since programs compare it.
Source: the `status` object of metastatuspage.com/api ("blended component status").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from chalicelib.core.message import ComponentStatus, StatusPage
from chalicelib.policy.notifications import StatusLevel

Indicator = Literal["none", "minor", "major", "critical"]

BAD_TO_WORSE: Final[tuple[ComponentStatus, ...]] = (
    "operational",
    "under_maintenance",
    "degraded_performance",
    "partial_outage",
    "major_outage",
)
_ATLASSIAN: Final[dict[ComponentStatus, tuple[Indicator, str]]] = {
    "operational": ("none", "All Systems Operational"),
    # Planned work is no disturbance; the four documented indicators hold no word of its own.
    "under_maintenance": ("none", "Service Under Maintenance"),
    "degraded_performance": ("minor", "Partially Degraded Service"),
    "partial_outage": ("major", "Partial System Outage"),
    "major_outage": ("critical", "Major Service Outage"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """`level` is the worst component's. `title` and `meaning` are for people, `indicator` and `description` for
    programs.
    """

    level: ComponentStatus
    title: str
    meaning: str
    indicator: Indicator
    description: str


def worst(page: StatusPage) -> ComponentStatus:
    """The worst component's level; operational when there are no components."""
    return max((c.status for c in page.components), key=BAD_TO_WORSE.index, default="operational")


def indicator(page: StatusPage) -> tuple[Indicator, str]:
    """Statuspage's `status`: (indicator, description)."""
    return _ATLASSIAN[worst(page)]


def banner(page: StatusPage, levels: Sequence[StatusLevel]) -> Banner:
    """The banner in policy's words. KeyError names the level that policy has no row for."""
    level = worst(page)
    row = level_of(level, levels)
    sign, description = _ATLASSIAN[level]
    touched = [c for c in page.components if c.status != "operational"]
    if level == "operational":
        title, meaning = "All systems operational", row.meaning
    else:
        title = row.display
        meaning = f"{row.meaning} {len(touched)} of {len(page.components)} components affected."
    return Banner(level=level, title=title, meaning=meaning, indicator=sign, description=description)


def level_of(status: ComponentStatus, levels: Sequence[StatusLevel]) -> StatusLevel:
    """Policy's row of a level; KeyError when notifications.yaml has none."""
    for level in levels:
        if level.name == status:
            return level
    known = ", ".join(level.name for level in levels)
    raise KeyError(f"status level {status!r} has no row in notifications.yaml; there are: {known}")
