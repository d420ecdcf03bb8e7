"""A synthetic alarm goes the whole way of a real one every day, and people are told when it does not come through.

Rules. It is a metric that is published in a region where the platform's alarms stand; an alarm of its own there sees it
and speaks to the same topic as the real ones. So what arrives has shown that CloudWatch evaluates, that the topic
reaches this region, and that it is read and folded here. It is known by its name and region and by nothing softer, is
looked at before any rule is, and opens, feeds and clears no incident. Sending is saved before it is done; sent twice is
one, since the alarm changes once, and what arrives counts from the first time. While one rings already (a person has
sent it) another would change nothing and never be heard, so it waits for the end of that. A region whose own incident
is open is not asked: that it does not answer is known. Never let a synthetic alarm stand for evidence that a region
serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final, assert_never

from chalicelib import names
from chalicelib.core.book import Book, Ring, Watermark
from chalicelib.core.findings import raised, settled
from chalicelib.core.happened import AlarmState, Signal, SignalKind
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.outcome import Call, Doubtful, Made, Outcome, Refused
from chalicelib.core.plan import Rules
from chalicelib.policy import Policy
from chalicelib.policy.scenarios import Severity

METRIC: Final = "SyntheticAlarm"
OPERATION: Final = ("cloudwatch", "put_metric_data")
AGAIN: Final = timedelta(minutes=1)
"""From one try to the next while nobody knows that it was taken."""
SKEW: Final = timedelta(seconds=5)
"""How far CloudWatch's clock may be behind ours."""
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Publish the metric in this region; nothing waits for it. `day` is the one that it is for, `2026-11-27`."""

    region: str
    day: str
    call: Call
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounding:
    """It is about to be published."""

    region: str
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounded:
    """What became of publishing it."""

    region: str
    day: str
    outcome: Outcome


def kind(region: str) -> str:
    """The kind of a region's finding: of each one at a time stands."""
    return f"synthetic-{region}"


def call(policy: Policy, region: str) -> Call:
    """What sends it."""
    return Call(
        system="aws",
        service=OPERATION[0],
        region=region,
        operation=OPERATION[1],
        params={
            "Namespace": names.metrics_namespace(policy),
            "MetricData": [{"MetricName": METRIC, "Value": 1.0, "Unit": "Count"}],
        },
        until=f"alarm {names.synthetic_alarm(policy)!r} arrives from {region}",
        reversible=True,
    )


def is_ring(made: Call) -> bool:
    """Whether a call sends one, and nothing else."""
    data = made.params.get("MetricData")
    sends = isinstance(data, list) and [d.get("MetricName") for d in data] == [METRIC]
    return (made.service, made.operation) == OPERATION and sends


def due(book: Book, rules: Rules, now: datetime) -> Iterator[Sound]:
    """Today's, in each region where it was not sent; from the first whole day on."""
    row, day = rules.policy.readiness.synthetic, _day(rules, now)
    if row is None or day is None or book.rings_since is None or day <= book.rings_since:
        return
    if book.paused or book.yielded:
        return
    for region in names.alarm_regions(rules.policy):
        ring, wanted = book.rings.get(region), f"{day:%Y-%m-%d}"
        if book.incident_at(region) or (ring and ring.day == wanted and not _again(ring, row.within, rules, now)):
            continue
        if (ring is None or ring.day != wanted) and _rings_already(book, region, row.within, rules, now):
            continue
        because = f"the synthetic alarm of {wanted} is due in {region}"
        yield Sound(region=region, day=wanted, call=call(rules.policy, region), because=because)


def sounding(book: Book, begun: Sounding, now: datetime) -> Book:
    """The book in which it is on its way; a further try keeps the time of the first."""
    ring = book.rings.get(begun.region)
    if ring is not None and ring.day == begun.day:
        return _put(book, begun.region, replace(ring, tried_at=now))
    arrived = ring.newest if ring else None
    new = Ring(day=begun.day, at=now, tried_at=now, state="sending", because="being sent", newest=arrived)
    return _put(book, begun.region, new)


def sounded(book: Book, done: Sounded) -> Book:
    """The book after what became of it; one that has arrived by now was sent, whatever the answer was."""
    ring = book.rings.get(done.region)
    if ring is None or ring.day != done.day or ring.state != "sending":
        return book
    match done.outcome:
        case Made(because=because):
            return _put(book, done.region, replace(ring, state="sent", because=because))
        case Refused(because=because) | Doubtful(because=because):
            return _put(book, done.region, replace(ring, because=because))
    assert_never(done.outcome)


def is_one(signal: Signal, policy: Policy) -> bool:
    """Whether a signal is of the synthetic alarm. An alarm of policy is always a real one."""
    mine = signal.name == names.synthetic_alarm(policy) and signal.name not in policy.signals.regions
    return mine and signal.kind is SignalKind.METRIC_ALARM and signal.region in names.alarm_regions(policy)


def heard(book: Book, signal: Signal, now: datetime) -> Book:
    """The book after one arrived: recorded with how long it took, and nothing else."""
    mark, region = book.watermarks.get(signal.source), signal.region or ""
    if mark and signal.changed_at <= mark.changed_at:
        return book
    mark = Watermark(
        name=signal.name,
        kind=signal.kind,
        state=signal.state,
        changed_at=signal.changed_at,
        reason=signal.reason,
        region=region,
    )
    book = replace(book, watermarks={**book.watermarks, signal.source: mark})
    if signal.state is not AlarmState.ALARM:
        return book
    ring = book.rings.get(region)
    if ring is None or ring.state == "arrived" or signal.changed_at < ring.at - SKEW:
        text = f"a synthetic alarm of {region} arrived that the clock had not sent; it opens nothing"
        return note(book, PLATFORM, "synthetic", text, now)
    took = max(0.0, (now - ring.at).total_seconds())
    because = f"the synthetic alarm of {region} arrived {took:.0f} s after it was sent"
    book = _put(book, region, replace(ring, state="arrived", because=because, newest=now, took_s=round(took, 1)))
    book = note(book, PLATFORM, "synthetic", f"{because}; it opens nothing", now)
    return settled(book, kind(region), because=because, now=now)


def aged(book: Book, rules: Rules, now: datetime) -> Book:
    """The book in which people are told of one that did not come through."""
    row, regions = rules.policy.readiness.synthetic, names.alarm_regions(rules.policy)
    for gone in sorted(set(book.rings) - set(regions if row else ())):
        book = replace(book, rings={r: ring for r, ring in book.rings.items() if r != gone})
        book = settled(book, kind(gone), because=f"policy sends none in {gone} any more", now=now)
    if row is None:
        return book if book.rings_since is None else replace(book, rings_since=None)
    if book.rings_since is None:
        return replace(book, rings_since=now)
    for region, ring in book.rings.items():
        if ring.state != "arrived" and now - ring.at > row.within and book.incident_at(region) is None:
            book = _told(book, region, ring, rules, now)
    return book


def newest(book: Book) -> datetime | None:
    """When one last arrived from the region of which that is longest ago; since when they are sent where none did yet.
    None where none is sent.
    """
    since = book.rings_since
    return None if since is None else min((ring.newest or since for ring in book.rings.values()), default=since)


def _told(book: Book, region: str, ring: Ring, rules: Rules, now: datetime) -> Book:
    allowed = rules.policy.real(rules.policy.readiness.synthetic.within) if rules.policy.readiness.synthetic else ""
    sent = "was sent" if ring.state == "sent" else f"could not be seen to be sent ({ring.because})"
    because = (
        f"the synthetic alarm of {region} {sent} at {ring.at:%Y-%m-%d %H:%M:%S} UTC and has not arrived within "
        f"{allowed}: whether a real alarm of that region would come through is not known"
    )
    headline = f"A synthetic alarm of {region} did not come through"
    return raised(
        book, kind(region), headline=headline, because=because, severity=Severity.MEDIUM, scope=region, now=now
    )


def _day(rules: Rules, now: datetime) -> datetime | None:
    """When the newest of the daily ones was due. The time of day is the clock's, whatever the speed."""
    row = rules.policy.readiness.synthetic
    if row is None:
        return None
    today = datetime.combine(now.astimezone(UTC).date(), time(row.hour), UTC)
    return today if today <= now else today - DAY


def _again(ring: Ring, within: timedelta, rules: Rules, now: datetime) -> bool:
    waited = now - ring.tried_at >= AGAIN / rules.policy.speed
    return ring.state == "sending" and waited and now - ring.at <= within


def _rings_already(book: Book, region: str, within: timedelta, rules: Rules, now: datetime) -> bool:
    """Whether the alarm was last heard to ring, and may still. That it ended may have been lost on the way."""
    name = names.synthetic_alarm(rules.policy)
    marks = (m for m in book.watermarks.values() if (m.name, m.region, m.state) == (name, region, AlarmState.ALARM))
    return any(now - mark.changed_at <= within for mark in marks)


def _put(book: Book, region: str, ring: Ring) -> Book:
    return replace(book, rings={**book.rings, region: ring})
