"""The book: everything the desk knows and must not forget, as frozen values.

Rules. The book is the whole truth between two invocations: what is due is derived from it alone. It holds only what
cannot be derived again. Times are aware UTC. Every type is stored as JSON under `Book.format`; a field is added with
a default, so that an older book is still read. Never put a plan or a policy in it: they have items of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from chalicelib.core.happened import AlarmState, Readiness, ServiceEvent, SignalKind
from chalicelib.core.incident import Drilled, Incident, NoticeRecord
from chalicelib.core.message import PublicIncident
from chalicelib.core.states import IncidentState
from chalicelib.policy.platform import Mode
from chalicelib.policy.scenarios import Severity

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """The newest change taken in from one source. `flips` are the times at which it went from good to bad or back;
    `event` is what policy asks of it, where an AWS service said it.
    """

    name: str
    kind: SignalKind
    state: AlarmState
    changed_at: datetime
    reason: str
    region: str | None = None
    flips: tuple[datetime, ...] = ()
    event: ServiceEvent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nobody's calls start while this stands."""

    by: str
    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """After a failover nothing moves by itself again until `until`, or until a person acknowledges."""

    scope: str
    until: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """An obligation that outlives its incident: a step that was left, tried every tick until it is done.

    `case` is what is known of it, as an incident of its own with that one step; its id is the debt's. None in a book
    of format 1, and of a review, whose debts only remind. `by` is who made it, and cannot be who lifts it.
    """

    kind: Literal["fence", "step", "review"]
    what: str
    incident: str
    since: datetime
    because: str
    case: Incident | None = None
    by: str = ""
    arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that people must know and that is no incident (findings.py): so since `since`, until `settled_at`.

    `kind` is what it is about, of which one at a time stands; `scope` the thing it is about, as people call it.
    """

    id: str
    kind: str
    headline: str
    because: str
    severity: Severity
    scope: str
    since: datetime
    settled_at: datetime | None = None
    settled_because: str = ""
    notices: Mapping[str, NoticeRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySight:
    """What was last seen of one vault of air-gapped copies: its newest whole copy ('' for none), since when it is
    looked at, and why the newest look brought nothing ('' when it did).
    """

    at: datetime
    newest: str
    since: datetime
    silent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The newest synthetic alarm of one region (synthetic.py): for which day, when it was first sent, and what
    became of it. `newest` is when one last arrived, this one or an earlier; `took_s` how long this one was on its way.
    """

    day: str
    at: datetime
    tried_at: datetime
    state: Literal["sending", "sent", "arrived"]
    because: str
    newest: datetime | None = None
    took_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTest:
    """The newest test of every channel (channel_test.py): when it began, and what became of each one's notice."""

    id: str
    at: datetime
    notices: Mapping[str, NoticeRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What was last seen of the traffic switch, and since when it is seen so; `at` is when the newest look began.

    `region` is the last that it was seen to send people to, None while it never was. `silent_since` is the first of the
    looks in a row that brought nothing.
    """

    at: datetime
    because: str
    since: datetime
    region: str | None = None
    silent_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the newest round said of a runbook (readiness.py); `at` is when it began, `since` when it was first so."""

    at: datetime
    since: datetime
    state: Readiness
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """A named person's word that the traffic switch is where it is meant to be, until it is moved again."""

    region: str
    by: str
    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Yielded:
    """Another engine acts for the platform (`incident` is theirs), or nobody could say whether one does (None)."""

    since: datetime
    because: str
    incident: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """The move away from the primary that nobody has taken back yet, by its incident; `at` is when traffic went."""

    incident: str
    scenario: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one step of a move away has set, and how it was `before`, in its action's own words. `cluster` is the place
    that the step was aimed at.
    """

    incident: str
    step: str
    action: str
    cluster: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a timeline, numbered within its incident (or within 'platform')."""

    incident: str
    n: int
    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of a command, and who had said it; a `question` changed nothing."""

    id: str
    ok: bool
    because: str
    question: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Everything the desk knows. `serving` is the region the traffic was last known to go to; `readiness` is what is
    known of each runbook, by scenario. `drills` are no incidents, whatever they look like. `drilled` is the last one of
    each runbook, `drills_since` when policy's drills were first heard of here. `failover` and `settings` are what a
    failback takes back (failback.py). `rings` are the synthetic alarms by region, `rings_since` when policy's were
    first heard of.
    """

    mode: Mode
    serving: str
    format: int = FORMAT
    paused: Pause | None = None
    blocks: tuple[Block, ...] = ()
    debts: tuple[Debt, ...] = ()
    watermarks: Mapping[str, Watermark] = field(default_factory=dict)
    replies: tuple[Reply, ...] = ()
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    outbox: tuple[Entry, ...] = ()
    entries: int = 0
    history: tuple[PublicIncident, ...] = ()
    findings: Mapping[str, Finding] = field(default_factory=dict)
    switch: Sight | None = None
    readiness: Mapping[str, Judgement] = field(default_factory=dict)
    meant: Meant | None = None
    copies: Mapping[str, CopySight] = field(default_factory=dict)
    yielded: Yielded | None = None
    drills: Mapping[str, Incident] = field(default_factory=dict)
    drilled: Mapping[str, Drilled] = field(default_factory=dict)
    drills_since: datetime | None = None
    failover: Failover | None = None
    settings: tuple[Setting, ...] = ()
    rings: Mapping[str, Ring] = field(default_factory=dict)
    rings_since: datetime | None = None
    tested: ChannelTest | None = None

    def incident_at(self, scope: str) -> Incident | None:
        """The open incident that what fails at `scope` belongs to, a closing one excepted."""
        for incident in self.incidents.values():
            if incident.state is not IncidentState.CLOSING and incident.holds(scope):
                return incident
        return None


def case_of(book: Book, name: str) -> Incident | None:
    """The open incident or drill of that id, or what a debt of that id knows."""
    found = book.incidents.get(name) or book.drills.get(name)
    return found or next((d.case for d in book.debts if d.case and d.case.id == name), None)
