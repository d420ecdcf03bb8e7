"""How long a plan takes: the longest way through its steps, and how long a failure goes unseen before that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.core.plan import Plan
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.signals import Observer, Signals


@dataclass(frozen=True, slots=True)
class Part:
    """One summand: what takes the time, and how much."""

    what: str
    takes: timedelta

    def __str__(self) -> str:
        return f"{self.what} {show_duration(self.takes)}"


@dataclass(frozen=True, slots=True)
class Way:
    """Summands in the order in which they pass."""

    parts: tuple[Part, ...] = ()

    @property
    def total(self) -> timedelta:
        """All of it."""
        return sum((p.takes for p in self.parts), timedelta())

    def __str__(self) -> str:
        """`9m15s = 2 of 3 observers bad 1m30s + held for 10s + …`."""
        return f"{show_duration(self.total)} = {' + '.join(str(p) for p in self.parts if p.takes)}"

    def then(self, *parts: Part) -> Way:
        """This way, and more after it."""
        return Way((*self.parts, *parts))


def longest(plan: Plan, answer_time: timedelta) -> Mapping[str, Way]:
    """The longest way to the end of each step; a step that may ask also takes a person's answer before it."""
    ways: dict[str, Way] = {}
    for step in plan.steps:  # a plan's order has every step after what it needs
        before = max((ways[n] for n in step.needs), key=lambda w: w.total, default=Way())
        asked = (Part(f"a person's answer to {step.id}", answer_time),) if step.may_ask else ()
        ways[step.id] = before.then(*asked, Part(step.id, step.expected))
    return ways


def detection(scenario: str, policy: Policy) -> Way:
    """How long a failure is there before its incident is confirmed; empty where only a person declares it.

    The rule's quorum is reached by the last of its quickest observers: an alarm takes its period times its
    evaluation periods (the health check's own also its interval times failures), a probe its interval times failures,
    a heartbeat the time after which it is silent. When AWS itself speaks nobody can say, so it is left out. The rule's
    wait counts whole: it begins before the hold ends.
    """
    ways = []
    for rule in policy.signals.rules:
        times = sorted(t for o in rule.observers if (t := _seen_after(o, policy.signals)) is not None)
        if rule.scenario == scenario and rule.quorum <= len(times):
            seen = Part(f"{rule.quorum} of {len(times)} observers bad after", times[rule.quorum - 1])
            waits = (Part(f"waiting for an {rule.waits.scenario} at most", rule.waits.at_most),) if rule.waits else ()
            ways.append(Way((seen, Part("held for", rule.hold), *waits)))
    return max(ways, key=lambda w: w.total, default=Way())


def _seen_after(observer: Observer, signals: Signals) -> timedelta | None:
    """The quickest of an observer's voices; None when it has none that is known."""
    check = signals.health_check
    times = [
        alarm.period * alarm.evaluation_periods
        + (check.interval * check.failures if alarm.name == check.alarm else timedelta())
        for alarm in signals.alarms
        if alarm.name in observer.alarms
    ]
    times += [p.interval * p.failures for p in signals.probes if p.name == observer.probe]
    times += [signals.heartbeats.silent_after] if observer.heartbeat else []
    return min(times, default=None)
