"""What a worker works with, and how it reads the book that others left.

An incident that cannot be read, or whose plan is gone, is set aside for a person and never fatal to the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol, TypeVar

from chalicelib.aside import Start, at_once
from chalicelib.core.book import Book, Ring
from chalicelib.core.copies import Seen
from chalicelib.core.due import Tell
from chalicelib.core.elsewhere import Heeded
from chalicelib.core.happened import Signal, Unreadable
from chalicelib.core.incident import Incident, NoticeState
from chalicelib.core.incidents import PLATFORM, note
from chalicelib.core.measured import measured
from chalicelib.core.message import Message, StatusPage
from chalicelib.core.outcome import Call, Doubtful, Next, Outcome
from chalicelib.core.plan import Plan, PlanError, Rules, Step
from chalicelib.core.repinning import adrift
from chalicelib.core.switch import Found
from chalicelib.core.synthetic import Sound, Sounded, newest
from chalicelib.core.times import NONE, Kind, Times
from chalicelib.intake import codec
from chalicelib.policy import Policy
from chalicelib.policy.load import PolicyUnreadableError
from chalicelib.store.codec import dump_incident, dump_times, read_book, read_plan, read_policy, read_times
from chalicelib.store.contract import Store, StoreUnavailableError
from chalicelib.vitals import (
    DEAD_LETTERS,
    NOTICES_FAILED,
    NOTICES_SENT,
    SYNTHETIC_AGE,
    SYNTHETIC_TRAVEL,
    Meter,
    unheard,
)

log = logging.getLogger("responder")
T = TypeVar("T")


class Hands(Protocol):
    """How the desk sees and touches the world. Only `make` and `tell` change anything."""

    def look(self, step: Step, incident: Incident, policy: Policy, now: datetime) -> Next:
        """Let the step's action observe by the policy that its incident follows, and say what is missing."""
        ...

    def switch(self, policy: Policy) -> Found:
        """Where the traffic switch of this policy stands, asked of itself."""
        ...

    def copies(self, policy: Policy) -> Mapping[str, Seen]:
        """The newest whole air-gapped copy in each vault of this policy."""
        ...

    def somebody_else(self, policy: Policy) -> Heeded:
        """Whether another engine acts for the platform from outside; bounded, and asked before anything is called."""
        ...

    def make(self, call: Call) -> Outcome:
        """Make one call, once."""
        ...

    def tell(self, message: Message, page: StatusPage) -> Outcome:
        """Send one message, once."""
        ...

    def alarm_states(self, alarms: Sequence[tuple[str, str]]) -> Sequence[Signal]:
        """The states of these alarms (name, region); one that does not answer is left out."""
        ...


class Clock(Protocol):
    """The time, and how to let it pass."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Lets that much time pass."""
        ...


def in_turn(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Runs jobs one after another; the deployed responder runs them side by side."""
    return [job() for job in jobs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a worker works with. `together` runs independent jobs, in turn or side by side, and keeps their order;
    `aside` begins one that nothing waits for.
    """

    store: Store
    hands: Hands
    policy: Policy
    clock: Clock
    together: Callable[[Sequence[Callable[[], object]]], list[object]] = in_turn
    side_by_side: int = 4
    aside: Start = at_once
    meter: Meter = unheard

    def keep(self, unreadable: Unreadable) -> str:
        """Keeps what could not be read, with its reason, to be listed and replayed; answers its key."""
        key = codec.dead_key(unreadable)
        self.store.put_document("dead", key, codec.dump_dead(unreadable))
        self.meter(DEAD_LETTERS)
        log.warning("an event could not be read and is kept as %s: %s", key, unreadable.reason)
        return key


_COUNTED: Final = {NoticeState.SENT: NOTICES_SENT, NoticeState.FAILED: NOTICES_FAILED}


def count_told(meter: Meter, book: Book, told: Sequence[Tell]) -> None:
    """Publishes which of these notices were taken, and which failed for good; a doubt is neither yet."""
    for work in told:
        test = book.tested if book.tested and book.tested.id == work.incident else None
        case = book.incidents.get(work.incident) or book.drills.get(work.incident)
        of = case or book.findings.get(work.incident) or test
        record = of.notices.get(work.key) if of else None
        if record and (metric := _COUNTED.get(record.state)):
            meter(metric, channel=work.message.channel)


def count_ring(tools: Tools, book: Book, before: Mapping[str, Ring]) -> None:
    """Publishes how long ago a synthetic alarm last came through, in real seconds, nothing where none is sent; and for
    each region how long one took that has arrived since `before`. No alarm watches that: policy has one limit for it,
    and what is not there by then is a finding before it can be a number.
    """
    if (at := newest(book)) is not None:
        tools.meter(SYNTHETIC_AGE, round(max(0.0, (tools.clock.now() - at).total_seconds())))
    for region, ring in book.rings.items():
        known = before.get(region)
        if ring.took_s is not None and (known is None or known.newest != ring.newest):
            tools.meter(SYNTHETIC_TRAVEL, ring.took_s, region=region)


def sounded(hands: Hands, work: Sound) -> list[Sounded]:
    """Sends a synthetic alarm; a failure on the way leaves a doubt, and it is sent again."""
    outcome: Outcome
    try:
        outcome = hands.make(work.call)
    except Exception as error:
        log.exception("the synthetic alarm of %s could not be sent", work.region)
        outcome = Doubtful(because=f"it failed on the way: {type(error).__name__}: {error}")
    return [Sounded(region=work.region, day=work.day, outcome=outcome)]


def read_stored(
    tools: Tools, body: str | None, plans: dict[str, Plan], policies: dict[str, Policy]
) -> tuple[Book, int]:
    """The book, and how many of its incidents had to be set aside; `plans` and `policies` gain what it leans on."""
    policy, now, count = tools.policy, tools.clock.now(), 0
    if body is None:
        return Book(mode=policy.platform.responder.initial_mode, serving=policy.platform.regions.primary), count
    book, aside = read_book(body)
    for incident in (*book.incidents.values(), *book.drills.values(), *(d.case for d in book.debts if d.case)):
        if why := _policy_unread(tools, incident, policies):
            book = adrift(book, incident.id, why, policy.digest, now)
        if why := _plan_missing(tools, incident, plans, policies):
            aside[incident.id] = f"{why}: {dump_incident(incident)}"
            book = replace(
                book,
                incidents={k: v for k, v in book.incidents.items() if k != incident.id},
                drills={k: v for k, v in book.drills.items() if k != incident.id},
                debts=tuple(d for d in book.debts if d.case is not incident),
            )
    for incident_id, why in aside.items():
        kept = tools.keep(Unreadable(raw=why, reason=why[:300], received_at=now, way="direct"))
        count += 1
        log.error("incident %s was set aside as %s: %s", incident_id, kept, why)
        text = f"incident {incident_id} cannot be read and is set aside as {kept}; a person must look"
        book = note(book, PLATFORM, "set-aside", text, now)
    return book, count


def _policy_unread(tools: Tools, incident: Incident, policies: dict[str, Policy]) -> str | None:
    """Why the policy that it follows cannot be read, None when it is here. One that was never kept is today's."""
    digest = incident.policy
    if digest == tools.policy.digest or digest in policies:
        return None
    body = tools.store.document("policy", digest)
    if body is None:
        return f"its policy {digest!r} is not kept"
    try:
        policies[digest] = read_policy(body)
    except PolicyUnreadableError as error:
        log.warning("the kept policy %s cannot be read by this code: %s", digest, error)
        return f"its policy {digest!r} cannot be read by this code: {error}"
    return None


def _plan_missing(tools: Tools, incident: Incident, plans: dict[str, Plan], policies: dict[str, Policy]) -> str | None:
    if incident.plan not in plans and (body := tools.store.document("plan", incident.plan)) is not None:
        plans[incident.plan] = read_plan(body)
    try:
        Rules(tools.policy, plans, policies).of(incident.policy).plan_of(
            incident.plan, incident.scenario, incident.chosen
        )
    except (KeyError, PlanError) as error:
        return f"its plan is gone: {error}"
    return None


def times_of(tools: Tools, scenario: str) -> Times:
    """What was measured of a scenario. A forecast is worth no recovery: what cannot be read was not measured."""
    try:
        body = tools.store.measured(scenario)
        return read_times(body) if body else NONE
    except (StoreUnavailableError, ValueError):
        log.exception("what was measured of %s cannot be read; forecasts go by the runbook's written times", scenario)
        return NONE


def keep_times(tools: Tools, incident: Incident, rules: Rules, *, epoch: int, kind: Kind = "incident") -> None:
    """Takes what an incident that has ended measured into its scenario's runs, once. StoreUnavailableError passes
    through, so that whoever comes next does it; nothing else keeps an incident from its archive.
    """
    try:
        run = measured(incident, rules, kind=kind)
        if run is None:
            return
        body = tools.store.measured(incident.scenario)
        known = read_times(body) if body else NONE
    except StoreUnavailableError:
        raise
    except Exception:  # whatever it is, the archive has it all, and a person can look
        log.exception("what %s measured could not be kept", incident.id)
        return
    if (times := known.with_run(run)) != known:
        tools.store.put_measured(incident.scenario, dump_times(times), epoch)
