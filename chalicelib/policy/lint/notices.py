"""Rules about who is told: every event has a channel, every channel is there, and a broken one has somewhere to go."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, get_args

from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, one_of, repeats, warning
from chalicelib.policy.notifications import NoticeEvent, PagerDutyChannel, StatusLevel
from chalicelib.policy.scenarios import Severity
from chalicelib.policy.where import Path

_MATRIX: Final = (
    NoticeEvent.INCIDENT_DETECTED,
    NoticeEvent.DR_ACTIVATED,
    NoticeEvent.RECOVERY_STARTED,
    NoticeEvent.RECOVERY_PROGRESS,
    NoticeEvent.RECOVERY_COMPLETE,
)


def event_is_told(whole: Whole) -> Iterator[Flaw]:
    """Each event of the notification matrix has a row; the responder's own should have one."""
    told = {n.event for n in whole.policy.notifications.matrix}
    for event in NoticeEvent:
        if event not in told and event is not NoticeEvent.CHANNEL_TEST:
            yield (error if event in _MATRIX else warning)(
                *("notifications", "matrix"),
                allowed=f"a row for each of {', '.join(NoticeEvent)}",
                found=f"no row for {event.value}",
                because=f"nobody is told of {event.value!r}",
            )


def notice_has_a_channel(whole: Whole) -> Iterator[Flaw]:
    """A row without channels tells nobody, and one without severities is never owed."""
    for i, notice in enumerate(whole.policy.notifications.matrix):
        if not notice.internal and not notice.external:
            yield error(
                *("notifications", "matrix", i),
                allowed="at least one channel, internal or external",
                found="neither",
                because=f"{notice.event.value!r} has a row and no channel: nobody is told",
            )
        if not notice.severities:
            yield error(
                *("notifications", "matrix", i, "severities"),
                allowed="at least one severity",
                found="none",
                because=f"{notice.event.value!r} is for incidents of no severity: nobody is ever told",
            )


def event_has_one_row(whole: Whole) -> Iterator[Flaw]:
    """Two rows for one event and severity would have two deadlines."""
    first: dict[tuple[str, str], int] = {}
    for i, notice in enumerate(whole.policy.notifications.matrix):
        for k, severity in enumerate(notice.severities):
            n = first.setdefault((notice.event, severity), i)
            if n != i:
                yield error(
                    *("notifications", "matrix", i, "severities", k),
                    allowed="each event once a severity",
                    found=severity.value,
                    because=f"{notice.event.value!r} of severity {severity.value} already is matrix[{n}]",
                )


def what_rings_is_resolved(whole: Whole) -> Iterator[Flaw]:
    """What was opened at a pager is resolved there at the incident's end, however it ends, or it rings on."""
    told = whole.policy.notifications
    pagers = {c.name for c in told.channels if isinstance(c, PagerDutyChannel)}
    rings = {
        (severity, name) for n in told.matrix for severity in n.severities for name in n.internal if name in pagers
    }
    for event in (NoticeEvent.RECOVERY_COMPLETE, NoticeEvent.STOOD_DOWN):
        for severity in Severity:
            row = told.row(event, severity)
            silent = sorted(n for s, n in rings if s is severity and (row is None or n not in row.internal))
            if silent:
                at = ("notifications", "matrix", *((told.matrix.index(row), "internal") if row else ()))
                yield error(
                    *at,
                    allowed=f"a row for {event.value} of severity {severity.value} with {', '.join(silent)}",
                    found=", ".join(row.internal) if row else "no row",
                    because=f"{', '.join(silent)} rings for severity {severity.value}, and nothing tells it of "
                    f"{event.value!r}: what was opened there stays open",
                )


def channel_is_known(whole: Whole) -> Iterator[Flaw]:
    """Whatever names a channel names one that there is."""
    told = whole.policy.notifications
    known = [c.name for c in told.channels]
    named: list[tuple[Path, str]] = []
    for i, notice in enumerate(told.matrix):
        named += [(("matrix", i, "internal", k), name) for k, name in enumerate(notice.internal)]
        named += [(("matrix", i, "external", k), name) for k, name in enumerate(notice.external)]
    for i, rung in enumerate(told.ladder):
        named += [(("ladder", i, "channels", k), name) for k, name in enumerate(rung.channels)]
    named += [(("channels", i, "fallback"), c.fallback) for i, c in enumerate(told.channels) if c.fallback]
    for path, name in named:
        if name not in known:
            yield error(
                *("notifications", *path),
                allowed=one_of(known),
                found=name,
                because=f"{name!r} is no channel, so nobody would be told{meant(name, known)}",
            )


def channel_is_single(whole: Whole) -> Iterator[Flaw]:
    """A name stands for one channel."""
    for i, first, name in repeats(c.name for c in whole.policy.notifications.channels):
        yield error(
            *("notifications", "channels", i, "name"),
            allowed="a name that no other channel has",
            found=name,
            because=f"{name!r} already is channels[{first}]; only the last of them would be used",
        )


def channel_is_used(whole: Whole) -> Iterator[Flaw]:
    """A channel that nothing names tells nobody."""
    told = whole.policy.notifications
    used = {name for n in told.matrix for name in (*n.internal, *n.external)}
    used |= {name for r in told.ladder for name in r.channels} | {c.fallback or "" for c in told.channels}
    for i, channel in enumerate(told.channels):
        if channel.name not in used:
            yield warning(
                *("notifications", "channels", i, "name"),
                allowed="channels that a row, a rung or a fallback names",
                found=channel.name,
                because=f"nothing is ever sent by {channel.name!r}",
            )


def fallbacks_make_no_circle(whole: Whole) -> Iterator[Flaw]:
    """A chain of fallbacks ends: a circle comes back to a channel that is already broken."""
    channels = whole.policy.notifications.channels
    following = {c.name: c.fallback for c in channels}
    told: set[str] = set()
    for i, channel in enumerate(channels):
        chain = [channel.name]
        while (after := following.get(chain[-1])) and after not in chain:
            chain.append(after)
        if after == channel.name and not told & set(chain):
            told |= set(chain)
            way = " → ".join([*chain, channel.name])
            yield error(
                *("notifications", "channels", i, "fallback"),
                allowed="a channel whose own fallbacks do not come back here",
                found=way,
                because=f"{channel.name!r} falls back to itself through {way}: when all are broken, nobody is left",
            )


def internal_notice_stays_inside(whole: Whole) -> Iterator[Flaw]:
    """What is written for the team must not fall back onto a public page."""
    told = whole.policy.notifications
    internal = {name for n in told.matrix for name in n.internal} | {name for r in told.ladder for name in r.channels}
    following = {c.name: c.fallback for c in told.channels}
    public = {c.name for c in told.channels if c.kind == "status-page"}
    for i, channel in enumerate(told.channels):
        reached, at = {channel.name}, channel.fallback
        while at and at not in reached:
            reached.add(at)
            at = following.get(at)
        leaks = public & (reached - {channel.name})
        if channel.name in internal and channel.name not in public and leaks:
            yield error(
                *("notifications", "channels", i, "fallback"),
                allowed="channels that the public does not read",
                found=channel.fallback,
                because=f"{channel.name!r} carries internal notices and falls back to the public {min(leaks)!r}",
            )


def finding_stays_inside(whole: Whole) -> Iterator[Flaw]:
    """A finding is worded for the team alone; a channel to customers in its row would be told nothing."""
    for i, notice in enumerate(whole.policy.notifications.matrix):
        if notice.event in (NoticeEvent.FINDING_RAISED, NoticeEvent.FINDING_SETTLED) and notice.external:
            yield error(
                *("notifications", "matrix", i, "external"),
                allowed="no external channel",
                found=", ".join(notice.external),
                because=f"{notice.event.value!r} names what is inside, and customers are never told it",
            )


def ladder_climbs(whole: Whole) -> Iterator[Flaw]:
    """Each rung comes later than the one before, and pages somebody."""
    ladder = whole.policy.notifications.ladder
    if not ladder:
        yield error(
            *("notifications", "ladder"),
            allowed="at least one rung",
            found="none",
            because="nobody is paged when an incident is not acknowledged",
        )
    for i, rung in enumerate(ladder):
        if not rung.channels:
            yield error(
                *("notifications", "ladder", i, "channels"),
                allowed="at least one channel",
                found="none",
                because=f"the rung of {rung.who!r} pages by no channel",
            )
    for i, (before, rung) in enumerate(pairwise(ladder), start=1):
        if rung.after <= before.after:
            yield error(
                *("notifications", "ladder", i, "after"),
                allowed=f"more than {show_duration(before.after)}, when {before.who!r} is paged",
                found=rung.after,
                because=f"{rung.who!r} would be paged no later than {before.who!r}, who is to answer first",
            )


def status_level_is_there(whole: Whole) -> Iterator[Flaw]:
    """The status page has words for every level that a component can have."""
    levels: list[str] = [level.name for level in whole.policy.notifications.status_levels]
    wanted: tuple[str, ...] = get_args(StatusLevel.model_fields["name"].annotation)
    for name in wanted:
        if levels.count(name) != 1:
            yield error(
                *("notifications", "status_levels"),
                allowed=f"each of {', '.join(wanted)} once",
                found=f"{name} {levels.count(name)} times",
                because=f"the status page would not know how to say {name!r}",
            )
