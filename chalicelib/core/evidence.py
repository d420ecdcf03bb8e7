"""What the observers of a scenario say, and whether that is enough.

Rules. Three verdicts, never converted: Bad (somebody saw it fail), Good (somebody saw it work), NoData (nobody saw).
An alarm in INSUFFICIENT_DATA, an alarm that never spoke, a probe that has not run, an event of AWS that is too old to
count (service_events.py): NoData. Only Bad counts towards a
quorum, only Good towards clearing. Observers are independent; alarms of one observer are one voice.
Never add a timeout that turns silence into Bad; silence is evidence only where an observer of its own says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from chalicelib.core import service_events
from chalicelib.core.book import Book, Watermark
from chalicelib.core.happened import AlarmState, Signal
from chalicelib.core.incident import covers
from chalicelib.policy import Policy
from chalicelib.policy.signals import Observer, Rule

OURS: Final = ("probe:", "heartbeat:", "audit:")
"""How the sources of our own looks begin."""


class Verdict(StrEnum):
    """What one observer says."""

    BAD = "bad"
    GOOD = "good"
    NO_DATA = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One observer's verdict, since when, and why."""

    observer: str
    verdict: Verdict
    since: datetime | None
    because: str
    flapping: bool = False


def observations(book: Book, rule: Rule, policy: Policy, now: datetime) -> tuple[Observation, ...]:
    """One observation an observer of the rule, in policy's order."""
    return tuple(_ask(book, observer, policy, now) for observer in rule.observers)


def flips(mark: Watermark | None, signal: Signal, policy: Policy) -> tuple[datetime, ...]:
    """When this source changed its mind lately, this signal taken in. Silence between two is no change of mind."""
    if mark is None:
        return ()
    kept = tuple(at for at in mark.flips if signal.changed_at - at <= policy.signals.flapping.within)
    speaks = {AlarmState.ALARM, AlarmState.OK}
    return (*kept, signal.changed_at) if {mark.state, signal.state} == speaks else kept


def _ask(book: Book, observer: Observer, policy: Policy, now: datetime) -> Observation:
    rule = policy.signals.flapping
    marks = _marks(book, observer, policy, now)
    for state, verdict in ((AlarmState.ALARM, Verdict.BAD), (AlarmState.OK, Verdict.GOOD)):
        saying = [m for m in marks if m.state is state]
        if saying:
            first = min(saying, key=lambda m: m.changed_at)
            often = max(sum(now - at <= rule.within for at in m.flips) for m in saying)
            flapping = often >= rule.changes
            said = f", but changed {often} times within {policy.real(rule.within)}" if flapping else ""
            return Observation(
                observer=observer.name,
                verdict=verdict,
                since=first.changed_at,
                because=f"{observer.name} is {verdict}: {first.name} {first.state} ({first.reason}){said}",
                flapping=flapping,
            )
    return Observation(
        observer=observer.name,
        verdict=Verdict.NO_DATA,
        since=None,
        because=f"{observer.name} has no data: {', '.join(m.name for m in marks) or 'it'} said nothing yet",
    )


def _marks(book: Book, observer: Observer, policy: Policy, now: datetime) -> list[Watermark]:
    regions = policy.signals.regions
    marks = [
        m
        for source, m in book.watermarks.items()
        if not source.startswith(OURS) and m.event is None
        if m.name in observer.alarms and m.region in (None, regions.get(m.name))
    ]
    marks += [m for m in book.watermarks.values() if m.event and service_events.counts(m, observer, policy, now)]
    marks += [book.watermarks[source] for source in _ours(observer) if source in book.watermarks]
    return marks


def _ours(observer: Observer) -> list[str]:
    """The sources of our own looks that speak for an observer."""
    heard = [
        (f"probe:{observer.probe}", observer.probe),
        (f"heartbeat:{observer.heartbeat}", observer.heartbeat),
        (f"audit:{observer.audit}", observer.audit),
    ]
    return [source for source, there in heard if there]


def rules_reading(signal: Signal, policy: Policy) -> tuple[Rule, ...]:
    """The rules that have an observer which this signal speaks for."""
    if signal.source.startswith(OURS):
        return tuple(r for r in policy.signals.rules if any(signal.source in _ours(o) for o in r.observers))
    if signal.event:
        heard = service_events.speaks_for
        return tuple(r for r in policy.signals.rules if any(heard(signal, o, policy) for o in r.observers))
    regions = policy.signals.regions
    if signal.region not in (None, regions.get(signal.name)):
        return ()
    return tuple(r for r in policy.signals.rules if any(signal.name in o.alarms for o in r.observers))


def opens(signal: Signal, rule: Rule, policy: Policy) -> bool:
    """Whether an observer that this signal speaks for may open the rule's incident, and say since when it is."""
    if signal.event is None:
        return True
    return any(o.opens and service_events.speaks_for(signal, o, policy) for o in rule.observers)


def rule_of(scenario: str, scope: str, policy: Policy) -> Rule | None:
    """The rule that watches this scenario at this scope."""
    for rule in policy.signals.rules:
        if rule.scenario == scenario and (covers(rule.scope, scope) or covers(scope, rule.scope)):
            return rule
    return None


def bad(found: tuple[Observation, ...]) -> tuple[Observation, ...]:
    """Those that saw it broken."""
    return tuple(o for o in found if o.verdict is Verdict.BAD)


def steady(found: tuple[Observation, ...]) -> tuple[Observation, ...]:
    """Those that saw it broken, and have not been changing their mind."""
    return tuple(o for o in bad(found) if not o.flapping)


def sentence(found: tuple[Observation, ...]) -> str:
    """`2 of 3 observers are bad: route53, standby-probe; cluster has no data`."""
    ill = bad(found)
    others = [
        f"{o.observer} {'is good' if o.verdict is Verdict.GOOD else 'has no data'}" for o in found if o not in ill
    ]
    head = f"{len(ill)} of {len(found)} observers {'is' if len(ill) == 1 else 'are'} bad"
    named = f": {', '.join(o.observer + (' (flapping, held)' if o.flapping else '') for o in ill)}" if ill else ""
    return head + named + (f"; {', '.join(others)}" if others else "")
