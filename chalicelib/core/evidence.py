"""What the observers of a scenario say, and whether that is enough.

Rules. Three verdicts, never converted: Bad (somebody saw it fail), Good (somebody saw it work), NoData (nobody saw).
An alarm in INSUFFICIENT_DATA, an alarm that never spoke, a probe that has not run: NoData. Only Bad counts towards a
quorum, only Good towards clearing. Observers are independent; alarms of one observer are one voice.
Never add a timeout that turns silence into Bad; silence is evidence only where an observer of its own says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.core.book import Book, Watermark, covers
from chalicelib.core.happened import AlarmState, Signal
from chalicelib.policy import Policy
from chalicelib.policy.signals import Observer, Rule


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


def observations(book: Book, rule: Rule, policy: Policy) -> tuple[Observation, ...]:
    """One observation an observer of the rule, in policy's order."""
    return tuple(_ask(book, observer, policy) for observer in rule.observers)


def _ask(book: Book, observer: Observer, policy: Policy) -> Observation:
    marks = _marks(book, observer, policy)
    for state, verdict in ((AlarmState.ALARM, Verdict.BAD), (AlarmState.OK, Verdict.GOOD)):
        saying = [m for m in marks if m.state is state]
        if saying:
            first = min(saying, key=lambda m: m.changed_at)
            return Observation(
                observer=observer.name,
                verdict=verdict,
                since=first.changed_at,
                because=f"{observer.name} is {verdict}: {first.name} {first.state} ({first.reason})",
            )
    return Observation(
        observer=observer.name,
        verdict=Verdict.NO_DATA,
        since=None,
        because=f"{observer.name} has no data: {', '.join(m.name for m in marks) or 'it'} said nothing yet",
    )


def _marks(book: Book, observer: Observer, policy: Policy) -> list[Watermark]:
    regions = policy.signals.regions
    marks = [
        m
        for source, m in book.watermarks.items()
        if not source.startswith("probe:") and m.name in observer.alarms and m.region in (None, regions.get(m.name))
    ]
    if observer.probe and (mark := book.watermarks.get(f"probe:{observer.probe}")):
        marks.append(mark)
    return marks


def rules_reading(signal: Signal, policy: Policy) -> tuple[Rule, ...]:
    """The rules that have an observer which this signal speaks for."""
    if signal.source.startswith("probe:"):
        name = signal.source.removeprefix("probe:")
        return tuple(r for r in policy.signals.rules if any(o.probe == name for o in r.observers))
    regions = policy.signals.regions
    if signal.region not in (None, regions.get(signal.name)):
        return ()
    return tuple(r for r in policy.signals.rules if any(signal.name in o.alarms for o in r.observers))


def rule_of(scenario: str, scope: str, policy: Policy) -> Rule | None:
    """The rule that watches this scenario at this scope."""
    for rule in policy.signals.rules:
        if rule.scenario == scenario and (covers(rule.scope, scope) or covers(scope, rule.scope)):
            return rule
    return None


def bad(found: tuple[Observation, ...]) -> tuple[Observation, ...]:
    """Those that saw it broken."""
    return tuple(o for o in found if o.verdict is Verdict.BAD)


def sentence(found: tuple[Observation, ...]) -> str:
    """`2 of 3 observers are bad: route53, standby-probe; cluster has no data`."""
    ill = bad(found)
    others = [
        f"{o.observer} {'is good' if o.verdict is Verdict.GOOD else 'has no data'}" for o in found if o not in ill
    ]
    head = f"{len(ill)} of {len(found)} observers {'is' if len(ill) == 1 else 'are'} bad"
    named = f": {', '.join(o.observer for o in ill)}" if ill else ""
    return head + named + (f"; {', '.join(others)}" if others else "")
