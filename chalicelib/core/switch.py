"""Where the traffic switch stands, compared every tick with where the book has it; a difference is a finding.

Rules. The switch is only ever looked at from here, in every mode, paused or not. While a switch step is under way
either side is right, and a look that began before that changed says nothing about now: it is made again. Three things
are told apart and never turned into one another. It stands elsewhere: people are told at once. It is not there, or
refuses to say: at once, since the next failover cannot throw it. Nobody answers: that is no data, told once it has
lasted, and never that it moved; nor does it settle what was seen before. Nothing here moves traffic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from chalicelib.core.book import Book, Sight
from chalicelib.core.findings import raised, settled, standing
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.plan import Rules
from chalicelib.core.states import IncidentState
from chalicelib.policy.scenarios import Severity

LOOK_EVERY: Final = timedelta(seconds=50)
"""From the beginning of one to the next. A tick is a minute away; one that comes a little early must not leave the look
to the one after it, however long the last took to be answered.
"""
SILENT_AFTER: Final = 3 * LOOK_EVERY
"""Three ticks. One look tries twice already; what is silent for a minute or two is most often back by itself, and a
page for each blip would teach people to sleep through the one that matters."""
MOVED: Final = "switch-moved"
LOST: Final = "switch-lost"
SILENT: Final = "switch-silent"
_ACTION: Final = "switch-traffic"
_AFTERMATH: Final[Mapping[str, str]] = {
    "metric": "that alone moves nobody, since its health check keeps what it last knew",
    "object": "if it is gone people are sent to the primary, since its health check is inverted",
    "arc": "what its health check makes of that is not known",
}
"""By kind of switch, what its absence does to people (InsufficientDataHealthStatus and Inverted in
docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html; of a control that is gone it says nothing).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """The switch answered: it sends people to `region`. `whole` is False while it is neither wholly here nor there."""

    region: str
    because: str
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Unset:
    """The switch is there and knows no position: nobody has thrown it since it was made."""

    because: str


Found = Stands | Unset | NoData | Refused
"""What a look at the switch brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtSwitch:
    """Ask the switch where it stands; nothing waits for the answer. `expected` are the regions that would be right."""

    expected: tuple[str, ...]
    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchSeen:
    """What such a look brought; when it began, and what was expected then."""

    expected: tuple[str, ...]
    at: datetime
    found: Found


def expected(book: Book, rules: Rules) -> tuple[str, ...]:
    """The regions that the switch may send people to now: the one that serves, or that a person means, and either while
    it is being thrown.
    """
    regions = rules.policy.platform.regions
    if _thrown(book, rules):
        return (regions.primary, regions.standby)
    return (book.meant.region if book.meant else book.serving,)


def forgotten(book: Book, rules: Rules, now: datetime) -> Book:
    """The book without a person's word about the switch, once an incident throws it or has it there itself."""
    if book.meant is None:
        return book
    if book.meant.region == book.serving:
        return _forgotten(book, f"{book.serving} serves now", now)
    return _forgotten(book, "an incident throws the switch", now) if _thrown(book, rules) else book


def look_due(book: Book, rules: Rules, now: datetime) -> Iterator[LookAtSwitch]:
    """The look, when the newest is a tick old."""
    at = next_look_at(book, rules)
    if at is None or at <= now:
        because = "where the switch stands is compared every tick"
        yield LookAtSwitch(expected=expected(book, rules), at=now, because=because)


def next_look_at(book: Book, rules: Rules) -> datetime | None:
    """When the next look is due; None while there was none."""
    return book.switch.at + LOOK_EVERY / rules.policy.speed if book.switch else None


def seen(book: Book, answer: SwitchSeen, rules: Rules, now: datetime) -> Book:
    """The book with what was seen of the switch, and with what people must know of it raised or settled."""
    right = expected(book, rules)
    if answer.expected != right:
        return book
    before, found = book.switch, answer.found
    if book.meant and isinstance(found, Stands) and not (found.whole and found.region == book.meant.region):
        book = _forgotten(book, f"the switch stands elsewhere: {found.because}", now)
        right = expected(book, rules)
    book = replace(book, switch=_sight(book, answer, rules, now))
    match found:
        case Stands():
            book = settled(book, LOST, because=f"the traffic switch answers again: {found.because}", now=now)
            book = settled(book, SILENT, because=f"the traffic switch answers again: {found.because}", now=now)
            return _compared(book, found, right, rules, now)
        case Refused():
            because = f"the traffic switch was asked and says no: {found.because} ({found.code})"
            book = settled(book, SILENT, because=because, now=now)
            aftermath = _AFTERMATH[rules.policy.platform.traffic.switch.kind]
            said = f"{because}; {aftermath}, and nothing can throw it until a person mends it; {_last(before)}"
            return _raised(book, LOST, "The traffic switch cannot be thrown", said, Severity.HIGH, rules, now)
        case Unset():
            book = settled(book, LOST, because=f"the traffic switch is there again: {found.because}", now=now)
            return _silent(book, found.because, before, rules, now)
        case NoData():
            return _silent(book, found.because, before, rules, now)
    assert_never(found)


def alike(one: Book, other: Book) -> bool:
    """Whether two books differ in nothing but when the switch was looked at last, which is worth no write."""
    if one.switch and other.switch:
        one = replace(one, switch=replace(one.switch, at=other.switch.at))
    return one == other


def _thrown(book: Book, rules: Rules) -> bool:
    return any(_throws(incident, rules) for incident in book.incidents.values())


def _forgotten(book: Book, because: str, now: datetime) -> Book:
    if book.meant is None:
        return book
    text = f"that {book.meant.by} means the traffic switch to stand at {book.meant.region} counts no more: {because}"
    return note(replace(book, meant=None), PLATFORM, "switch-kept", text, now)


def _throws(incident: Incident, rules: Rules) -> bool:
    """Whether a step of it has called to throw the switch, or may have, and has not seen it thrown yet."""
    steps = rules.of(incident.policy).plan_of(incident.plan, incident.scenario, incident.chosen).steps
    records = [incident.step(s.id) for s in steps if s.action == _ACTION]
    if incident.state is IncidentState.CLOSING:
        return any(r.calls and r.state in (StepState.ACTING, StepState.RUNNING) for r in records)
    return any(r.calls and r.state is not StepState.DONE for r in records)


def _compared(book: Book, found: Stands, right: tuple[str, ...], rules: Rules, now: datetime) -> Book:
    if found.region in right and (found.whole or len(right) > 1):
        return settled(book, MOVED, because=f"the traffic switch stands at {found.region}: {found.because}", now=now)
    if found.region in right:
        headline = f"The traffic switch is not wholly at {found.region}"
        said = f"{found.because}; it sends people to {found.region}, and half of it says otherwise: a person must look"
        return _raised(book, MOVED, headline, said, Severity.HIGH, rules, now)
    headline = f"The traffic switch stands at {found.region}, expected {book.serving}"
    said = (
        f"{found.because}: it sends people to {found.region}, the responder left it at {book.serving}, and none of its "
        "steps is throwing it; it is not moved back by itself, a person must look"
    )
    return _raised(book, MOVED, headline, said, Severity.CRITICAL, rules, now)


def _silent(book: Book, because: str, before: Sight | None, rules: Rules, now: datetime) -> Book:
    since = book.switch.silent_since if book.switch else None
    if since is None:
        return settled(book, SILENT, because=f"the traffic switch answers, and was never thrown: {because}", now=now)
    if standing(book, SILENT) is None and now - since < SILENT_AFTER / rules.policy.speed:
        return book
    said = (
        f"nobody could say where the traffic switch stands since {since:%H:%M:%S} UTC: {because}; that is no sign that "
        f"it moved, and it is asked again every minute; {_last(before)}"
    )
    return _raised(book, SILENT, "Nobody can say where the traffic switch stands", said, Severity.MEDIUM, rules, now)


def _raised(
    book: Book, kind: str, headline: str, because: str, severity: Severity, rules: Rules, now: datetime
) -> Book:
    record = rules.policy.platform.traffic.record
    return raised(book, kind, headline=headline, because=because, severity=severity, scope=record, now=now)


def _last(before: Sight | None) -> str:
    return f"it was last seen at {before.region}" if before and before.region else "it was never seen thrown before"


def _sight(book: Book, answer: SwitchSeen, rules: Rules, now: datetime) -> Sight:
    before, found = book.switch, answer.found
    region = found.region if isinstance(found, Stands) else (before.region if before else None)
    # A new check without data is healthy: one that was never thrown is at the primary. One that has forgotten where it
    # was says nothing.
    new = isinstance(found, Unset) and region is None and book.serving == rules.policy.platform.regions.primary
    says_nothing = isinstance(found, NoData | Unset) and not new
    silent_since = ((before.silent_since if before else None) or now) if says_nothing else None
    if before and (before.because, before.region) == (found.because, region):
        return replace(before, at=answer.at, silent_since=silent_since)
    return Sight(at=answer.at, because=found.because, since=now, region=region, silent_since=silent_since)
