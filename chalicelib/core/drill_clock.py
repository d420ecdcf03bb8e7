"""Which drill the clock begins now: the one whose last good one is oldest against how often policy wants it.

Rules. The clock begins a drill in policy's window only, one a day, and never a live one. One that failed is not tried
again by the clock: a person mends what failed, and drills. What the clock says has an id of its day, so that an hour's
event that comes twice begins one drill.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, get_args

from chalicelib.core.book import Book
from chalicelib.core.drilling import hashes, next_due
from chalicelib.core.happened import CLOCK_ARN, Rehearse, Said
from chalicelib.core.plan import Rules
from chalicelib.policy import Policy
from chalicelib.policy.drills import Weekday
from chalicelib.policy.platform import Mode

AHEAD: Final = 0.9
"""From so much of the time between two drills on, one is begun: before the runbook's steps would ask."""
DAYS: Final[tuple[str, ...]] = get_args(Weekday)
_SAYS: Final = "clock-drill-"


def due_now(book: Book, policy: Policy, now: datetime) -> Rehearse | str:
    """What the clock says now, or why it says nothing."""
    window = policy.drills.window
    if window is None:
        return "policy gives the clock no window for drills"
    if DAYS[now.weekday()] not in window.days or not window.from_ <= now.hour < window.until:
        return f"outside the window: {', '.join(window.days)}, {window.from_} to {window.until} o'clock UTC"
    if book.incidents or book.drills or book.paused or book.mode is Mode.OBSERVE:
        return "an incident or a drill is open, or nothing may be touched"
    if held := _held_today(book, now):
        return f"{held} was held today, and the clock begins one a day"
    wanted = [
        (at, row) for row in policy.drills.rows if row.kind != "live" and (at := begins_at(book, policy, row.runbook))
    ]
    found = [(at, row) for at, row in wanted if at <= now]
    if not found:
        at, row = min(wanted, key=lambda w: w[0], default=(None, None))
        return f"none is due; next is {row.runbook}, from {at:%Y-%m-%d} on" if row and at else "none is due"
    row = min(found, key=lambda f: f[0])[1]
    said = Said(id=f"{_SAYS}{row.runbook}-{now:%Y%m%d}", by=CLOCK_ARN, at=now, arn=CLOCK_ARN)
    return Rehearse(said=said, runbook=row.runbook)


def begins_at(book: Book, policy: Policy, runbook: str) -> datetime | None:
    """From when on the clock begins a drill of the runbook; None while it does not."""
    row, last = policy.drills.row(runbook), book.drilled.get(runbook)
    due = next_due(book, row) if row else None
    if row is None or due is None or (last is not None and last.result == "failed"):
        return None
    if last is not None and last.of_plan != hashes(Rules(policy)).get(runbook, last.of_plan):
        return last.at + timedelta(seconds=1)  # its structure is another now
    return due - row.every * (1 - AHEAD)


def _held_today(book: Book, now: datetime) -> str:
    """The drill of this day, by whomever it was begun, or what the clock began of it, should it have been abandoned."""
    kept = next((d.id for d in book.drilled.values() if d.at.date() == now.date()), "")
    said = (r.id for r in book.replies if r.ok and r.id.startswith(_SAYS) and r.id.endswith(f"-{now:%Y%m%d}"))
    return kept or next(said, "")
