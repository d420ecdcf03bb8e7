"""The status page's files, from what customers may see.

Pure: the same page gives the same bytes. The HTML has no script, loads nothing from anywhere, and says by its own
Content-Security-Policy that it may not: it has to be readable while everything else is down. Levels are told by
word and shape, never by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from chalicelib.core.message import ComponentStatus, PublicIncident, StatusPage
from chalicelib.policy.notifications import StatusLevel
from chalicelib.reports.statuspage.banner import banner, level_of
from chalicelib.reports.statuspage.feed import feed
from chalicelib.reports.statuspage.summary import summary_json

if TYPE_CHECKING:
    from jinja2 import Template

_IMPACT: Final[dict[str, tuple[ComponentStatus, str]]] = {
    "none": ("operational", "No impact"),
    "minor": ("degraded_performance", "Minor impact"),
    "major": ("partial_outage", "Major impact"),
    "critical": ("major_outage", "Critical impact"),
}


class File(NamedTuple):
    """One file of the site: key in the bucket, content type, body."""

    key: str
    content_type: str
    body: bytes


def files(page: StatusPage, levels: Sequence[StatusLevel]) -> tuple[File, ...]:
    """Every file, in the order in which they are to be put: what the page links to, then the page."""
    return (
        File("api/v2/summary.json", "application/json; charset=utf-8", summary_json(page)),
        File("history.atom", "application/atom+xml; charset=utf-8", feed(page)),
        File("index.html", "text/html; charset=utf-8", html(page, levels).encode()),
    )


def html(page: StatusPage, levels: Sequence[StatusLevel]) -> str:
    """index.html. `levels` are policy's rows, which give each level its name and meaning."""
    newest = sorted(page.incidents, key=lambda i: i.started_at, reverse=True)
    past = [i for i in newest if i.status == "resolved"]
    return _template().render(
        page=page,
        banner=banner(page, levels),
        levels=levels,
        display={level: level_of(level, levels).display for level in {c.status for c in page.components}},
        open=[i for i in newest if i.status != "resolved"],
        days=[(day, list(found)) for day, found in groupby(past, key=lambda i: i.started_at.date())],
        impact=_IMPACT,
        updates=lambda i: sorted(i.updates, key=lambda u: u.at, reverse=True),
        took=took,
    )


def took(incident: PublicIncident) -> str:
    """How long a resolved incident lasted, as a person says it: `under a minute`, `42 min`, `1 h 5 min`, `2 d 3 h`."""
    length = (incident.resolved_at or incident.started_at) - incident.started_at
    minutes = round(length / timedelta(minutes=1))
    if minutes < 1:
        return "under a minute"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n)


def clock(at: datetime) -> str:
    """`24 Nov 2026, 01:49 UTC`."""
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def machine(at: datetime) -> str:
    """What stands in `datetime=`."""
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 40 ms that only a published page pays

    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = clock
    environment.filters["machine"] = machine
    return environment.get_template("index.html.j2")
