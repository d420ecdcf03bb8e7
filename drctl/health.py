"""The responder's own health as rows: what is looked at, how it stands, and why. Pure: whoever calls has looked.

Well and wrong are what was seen; what could not be seen is neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from chalicelib import names, vitals
from chalicelib.core import channel_test
from chalicelib.core.book import Book
from chalicelib.core.incident import NoticeRecord, NoticeState
from chalicelib.core.plan import Rules
from chalicelib.policy import Policy

State = Literal["well", "wrong", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing."""

    what: str
    state: State
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was looked at in the table. `waiting_since` is of the item that came first, None when the inbox is empty or
    does not say.
    """

    now: datetime
    tick_at: datetime | None
    witness_at: datetime | None
    waiting: int
    waiting_since: datetime | None
    dead: int
    book: Book | None


def rows(seen: Seen, policy: Policy) -> Iterator[Row]:
    """Everything that the table says."""
    yield _beat("tick", seen.tick_at, seen.now, vitals.TICK.after, policy)
    yield _beat("witness", seen.witness_at, seen.now, vitals.TICK.after, policy)
    yield _inbox(seen, policy)
    letters = f"{seen.dead} that nobody has read; see `drctl dead list`" if seen.dead else "none"
    yield Row(what="dead letters", state="wrong" if seen.dead else "well", because=letters)
    if seen.book is None:
        yield Row(what="synthetic alarm, channels", state="unknown", because="nobody has been at the desk yet")
        return
    yield from _rings(seen.book, seen.now, policy)
    yield from _channels(seen.book, policy)


def alarms(region: str, found: Sequence[Mapping[str, Any]] | str) -> Iterator[Row]:
    """The alarms on the responder in one region, as DescribeAlarms gives them, or why they were not seen."""
    what = f"alarms in {region}"
    if isinstance(found, str):
        yield Row(what=what, state="unknown", because=found)
        return
    ringing = [a for a in found if a["StateValue"] == "ALARM"]
    for alarm in ringing:
        # What it means was written for whoever it wakes; CloudWatch's own reason is a row of figures.
        because = str(alarm.get("AlarmDescription") or alarm.get("StateReason", "ALARM"))
        yield Row(what=f"alarm {alarm['AlarmName']}", state="wrong", because=because)
    if not found:
        yield Row(what=what, state="wrong", because="there is none: the stack there is not deployed, or an older one")
    elif not ringing:
        yield Row(what=what, state="well", because=f"none of {len(found)} rings")


def listeners(region: str, found: Sequence[Mapping[str, Any]] | str) -> Iterator[Row]:
    """Who hears the trouble topic of a region, as ListSubscriptionsByTopic gives them, or why that was not seen. The
    address of a pager is as good as a key, and is not shown.
    """
    what = f"listeners in {region}"
    if isinstance(found, str):
        yield Row(what=what, state="unknown", because=found)
        return
    heard = [s for s in found if str(s["SubscriptionArn"]).startswith("arn:")]
    for other in (s for s in found if s not in heard):
        because = "has not confirmed its subscription, and hears nothing"
        yield Row(what=f"listener {_shown(other)} in {region}", state="wrong", because=because)
    if heard:
        yield Row(what=what, state="well", because=", ".join(_shown(s) for s in heard))
    else:
        yield Row(what=what, state="wrong", because="nobody hears when the responder itself is in trouble")


def _shown(subscription: Mapping[str, Any]) -> str:
    protocol, endpoint = str(subscription["Protocol"]), str(subscription.get("Endpoint", ""))
    return endpoint if protocol.startswith("email") else f"{protocol}://{endpoint.split('/')[2]}"


def _beat(what: str, at: datetime | None, now: datetime, allowed: timedelta, policy: Policy) -> Row:
    if at is None:
        return Row(what=what, state="unknown", because="it has left no mark yet")
    age = max(timedelta(), now - at)
    late = age > allowed / policy.speed
    because = f"the newest began {policy.real(age)} ago" if what == "tick" else f"last heard {policy.real(age)} ago"
    return Row(what=what, state="wrong" if late else "well", because=because)


def _inbox(seen: Seen, policy: Policy) -> Row:
    if not seen.waiting:
        return Row(what="inbox", state="well", because="empty")
    plural = "s" if seen.waiting > 1 else ""
    if seen.waiting_since is None:
        return Row(what="inbox", state="unknown", because=f"{seen.waiting} item{plural}, and since when is not said")
    age = max(timedelta(), seen.now - seen.waiting_since)
    late = age > vitals.INBOX.after / policy.speed
    because = f"{seen.waiting} item{plural}, the first has waited for {policy.real(age)}"
    return Row(what="inbox", state="wrong" if late else "well", because=because)


def _rings(book: Book, now: datetime, policy: Policy) -> Iterator[Row]:
    row = policy.readiness.synthetic
    for region in names.alarm_regions(policy):
        what, ring = f"synthetic alarm of {region}", book.rings.get(region)
        if row is None:
            yield Row(what=what, state="unknown", because="policy sends none (readiness.yaml)")
        elif ring is None:
            yield Row(what=what, state="unknown", because=f"none was sent yet; the next is due at {row.hour:02}:00 UTC")
        elif ring.state == "arrived":
            yield Row(
                what=what, state="well", because=f"{_at(ring.at)}: arrived {ring.took_s or 0:.0f} s after it was sent"
            )
        else:
            late = now - ring.at > row.within
            said = "sent, and has not arrived" if ring.state == "sent" else f"not seen to be sent: {ring.because}"
            yield Row(what=what, state="wrong" if late else "unknown", because=f"{_at(ring.at)}: {said}")


def _channels(book: Book, policy: Policy) -> Iterator[Row]:
    """What became of the newest notice by each channel that is still known: a test's, an incident's or a finding's."""
    newest: dict[str, NoticeRecord] = {}
    tested = book.tested.notices if book.tested else {}
    incidents = (*book.incidents.values(), *book.drills.values())
    told = (*(i.notices for i in incidents), *(f.notices for f in book.findings.values()))
    for notices in (tested, *told):
        for key, record in notices.items():
            channel = key.replace(">", "/").rpartition("/")[2]
            if channel not in newest or record.at > newest[channel].at:
                newest[channel] = record
    skipped = channel_test.untested(Rules(policy, {}))
    states: Mapping[NoticeState, State] = {NoticeState.SENT: "well", NoticeState.FAILED: "wrong"}
    for row in policy.notifications.channels:
        what, known = f"channel {row.name}", newest.get(row.name)
        if known:
            state, test = states.get(known.state, "unknown"), " (the weekly test)" if known in tested.values() else ""
            # What a channel says of what it took is its own number for it; of what it did not take, the reason.
            said = "" if known.state is NoticeState.SENT else f": {known.because}"
            yield Row(what=what, state=state, because=f"{_at(known.at)}: {known.state.value}{test}{said}")
        elif row.name in skipped:
            yield Row(what=what, state="unknown", because="never tried: policy names nobody for tests (test_mail)")
        else:
            yield Row(what=what, state="unknown", because=f"nothing was sent by it yet{_next_test(policy)}")


def _next_test(policy: Policy) -> str:
    row = policy.readiness.synthetic
    return f"; each is tried on {row.channels_on}, from {row.hour:02}:00 UTC on" if row and row.channels_on else ""


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
