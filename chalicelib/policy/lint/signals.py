"""Rules about what is observed: every voice is heard, every rule can speak, and a dark region does not silence it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, meant, note, one_of, repeats, warning
from chalicelib.policy.lint.regions import failed_region
from chalicelib.policy.scenarios import Automation
from chalicelib.policy.signals import ROUTE53_METRICS, ROUTE53_METRICS_REGION, Observer
from chalicelib.policy.where import Path

WATCHED: Final = 2
"""Places of a kind that must be watched, if one of them is to be told from all of them."""


def signal_name_is_single(whole: Whole) -> Iterator[Flaw]:
    """Alarms, probes, and the observers of one rule have names of their own."""
    signals = whole.policy.signals
    rows: list[tuple[Path, list[str]]] = [
        (("alarms",), [a.name for a in signals.alarms]),
        (("probes",), [p.name for p in signals.probes]),
    ]
    rows += [(("rules", i, "observers"), [o.name for o in r.observers]) for i, r in enumerate(signals.rules)]
    for path, names in rows:
        for i, first, name in repeats(names):
            yield error(
                *("signals", *path, i, "name"),
                allowed="a name that no other row here has",
                found=name,
                because=f"{name!r} already is {path[-1]}[{first}]; what names it could mean either",
            )


def signal_is_read(whole: Whole) -> Iterator[Flaw]:
    """An alarm or a probe that no rule reads wakes nobody."""
    signals = whole.policy.signals
    observers = [o for r in signals.rules for o in r.observers]
    heard = {a for o in observers for a in o.alarms}
    asked = {o.probe for o in observers}
    for part, names, read in (
        ("alarms", [a.name for a in signals.alarms], heard),
        ("probes", [p.name for p in signals.probes], asked),
    ):
        for i, name in enumerate(names):
            if name not in read:
                yield warning(
                    *("signals", part, i, "name"),
                    allowed=f"{part} that an observer of a rule names",
                    found=name,
                    because=f"no rule reads {name!r}: whatever it says, no incident opens",
                )


def rule_scenario_is_known(whole: Whole) -> Iterator[Flaw]:
    """A rule makes incidents of a scenario that is in the matrix."""
    known = [s.name for s in whole.policy.scenarios.scenarios]
    for i, rule in enumerate(whole.policy.signals.rules):
        if rule.scenario not in known:
            yield error(
                *("signals", "rules", i, "scenario"),
                allowed=one_of(known),
                found=rule.scenario,
                because=f"the rule would open incidents of {rule.scenario!r}, which is no scenario"
                + meant(rule.scenario, known),
            )


def wait_is_for_somebody(whole: Whole) -> Iterator[Flaw]:
    """What a rule waits for is watched in two places or more below it: with one, who says that the others are good?"""
    signals, known = whole.policy.signals, [s.name for s in whole.policy.scenarios.scenarios]
    for i, rule in enumerate(signals.rules):
        if rule.waits is None:
            continue
        path = ("signals", "rules", i, "waits")
        if rule.waits.scenario not in known:
            yield error(
                *(*path, "scenario"),
                allowed=one_of(known),
                found=rule.waits.scenario,
                because=f"the rule would wait for {rule.waits.scenario!r}, which is no scenario"
                + meant(rule.waits.scenario, known),
            )
        elif len(there := signals.awaited(rule)) < WATCHED:
            yield error(
                *(*path, "scenario"),
                allowed=f"a scenario that rules watch in {WATCHED} places or more below {rule.scope}",
                found=f"{rule.waits.scenario}, watched in {', '.join(r.scope for r in there) or 'none'}",
                because=f"a {rule.scenario} waits only while every other place is known to be good, so it never would",
            )
        if rule.waits.at_most <= rule.hold:
            yield error(
                *(*path, "at_most"),
                allowed=f"more than {show_duration(rule.hold)}, its hold",
                found=rule.waits.at_most,
                because=f"when a {rule.scenario} has held, its wait would be over already",
            )
        if rule.waits.listens > rule.waits.at_most:
            yield error(
                *(*path, "listens"),
                allowed=f"at most {show_duration(rule.waits.at_most)}, the whole wait",
                found=rule.waits.listens,
                because=f"a {rule.scenario} would listen longer than it may wait, and recovery times reckon with that",
            )


def explained_scope_is_watched(whole: Whole) -> Iterator[Flaw]:
    """What an incident explains is the scope of another rule, named just so."""
    rules = whole.policy.signals.rules
    for i, rule in enumerate(rules):
        known = sorted({r.scope for r in rules} - {rule.scope})
        for k, scope in enumerate(rule.speaks_for):
            if scope not in known:
                yield error(
                    *("signals", "rules", i, "speaks_for", k),
                    allowed=f"another rule's scope: {', '.join(known)}",
                    found=scope,
                    because=f"no rule watches {scope!r}: a {rule.scenario} at {rule.scope} would explain nothing there"
                    + meant(scope, known),
                )


def observer_source_is_known(whole: Whole) -> Iterator[Flaw]:
    """What an observer listens to is an alarm or a probe of signals.yaml."""
    signals = whole.policy.signals
    alarms, probes = [a.name for a in signals.alarms], [p.name for p in signals.probes]
    for i, rule in enumerate(signals.rules):
        for j, observer in enumerate(rule.observers):
            path = ("signals", "rules", i, "observers", j)
            for k, name in enumerate(observer.alarms):
                if name not in alarms:
                    yield _unheard((*path, "alarms", k), observer, name, alarms)
            if observer.probe and observer.probe not in probes:
                yield _unheard((*path, "probe"), observer, observer.probe, probes)
            if not (observer.probe or observer.alarms or observer.heartbeat or observer.audit):
                yield error(
                    *path,
                    allowed="at least one alarm, a probe, a heartbeat, or an audit",
                    found="none of them",
                    because=f"observer {observer.name!r} listens to nothing, so it never says anything",
                )
    if signals.health_check.alarm not in alarms:
        name = signals.health_check.alarm
        yield error(
            *("signals", "health_check", "alarm"),
            allowed=one_of(alarms),
            found=name,
            because=f"the health check speaks through {name!r}, which is no alarm{meant(name, alarms)}",
        )


def _unheard(path: Path, observer: Observer, name: str, known: list[str]) -> Flaw:
    return error(
        *path,
        allowed=one_of(known),
        found=name,
        because=f"observer {observer.name!r} listens to {name!r}, which is not there{meant(name, known)}",
    )


def observers_are_independent(whole: Whole) -> Iterator[Flaw]:
    """One voice heard by two observers of a rule would count twice."""
    for i, rule in enumerate(whole.policy.signals.rules):
        heard: dict[str, str] = {}
        for j, observer in enumerate(rule.observers):
            sources = [(("alarms", k), name) for k, name in enumerate(observer.alarms)]
            own = (("probe", observer.probe), ("heartbeat", observer.heartbeat), ("audit", observer.audit))
            for path, name in [*sources, *(((kind,), f"{kind}:{name}") for kind, name in own if name)]:
                if heard.setdefault(name, observer.name) != observer.name:
                    yield error(
                        *("signals", "rules", i, "observers", j, *path),
                        allowed="a voice that no other observer of the rule has",
                        found=name,
                        because=f"{name!r} already speaks through {heard[name]!r}: one failure would count twice",
                    )


def quorum_can_be_met(whole: Whole) -> Iterator[Flaw]:
    """A quorum larger than its observers is never met; where only people confirm, that may be meant."""
    for i, rule in enumerate(whole.policy.signals.rules):
        there, path = len(rule.observers), ("signals", "rules", i)
        if rule.opens > min(rule.quorum, there):
            yield error(
                *(*path, "opens"),
                allowed=f"at most {min(rule.quorum, there)}: the quorum is {rule.quorum}, the observers are {there}",
                found=rule.opens,
                because=f"an incident of {rule.scenario!r} would be confirmed before it is opened, or never open",
            )
        if rule.quorum > there:
            by_people = whole.policy.has_scenario(rule.scenario) and (
                whole.policy.scenario(rule.scenario).automatic is Automation.NO
            )
            yield (note if by_people else error)(
                *(*path, "quorum"),
                allowed=f"at most {there}, the number of its observers",
                found=rule.quorum,
                because=f"{rule.quorum} of {there} is never met: an incident of {rule.scenario!r} opens in doubt,"
                + (" and only a person confirms it" if by_people else " and never becomes certain"),
            )


def quorum_survives_the_failed_region(whole: Whole) -> Iterator[Flaw]:
    """An alarm or a probe in the failed region is silent when it matters, and silence counts for nothing."""
    for i, rule in enumerate(whole.policy.signals.rules):
        failed = failed_region(rule.scenario, whole.policy)
        if failed is None or rule.quorum > len(rule.observers):
            continue
        outside = [o.name for o in rule.observers if _speaks_outside(o, failed, whole.policy)]
        if len(outside) < rule.quorum:
            inside = ", ".join(o.name for o in rule.observers if o.name not in outside)
            yield warning(
                *("signals", "rules", i, "quorum"),
                allowed=f"at most {len(outside)}, the observers outside {failed}, or more of those",
                found=rule.quorum,
                because=f"when {failed} is dark, {inside} may have no data and only {', '.join(outside) or 'nobody'} is"
                f" left: {rule.quorum} are never bad, and the incident waits for a person to declare it",
            )


def _speaks_outside(observer: Observer, failed: str, policy: Policy) -> bool:
    # The heartbeat comes from the failed region, and its silence is what is heard, in the standby.
    return (
        observer.heartbeat is not None
        or any(a.region != failed for a in policy.signals.alarms if a.name in observer.alarms)
        or any(p.region != failed for p in policy.signals.probes if p.name == observer.probe)
    )


def route53_alarm_stands_in_us_east_1(whole: Whole) -> Iterator[Flaw]:
    """Route 53's health-check metrics exist only in us-east-1 (Route 53 developer guide, monitoring health checks)."""
    for i, alarm in enumerate(whole.policy.signals.alarms):
        if alarm.namespace == ROUTE53_METRICS and alarm.region != ROUTE53_METRICS_REGION:
            yield error(
                *("signals", "alarms", i, "region"),
                allowed=f"{ROUTE53_METRICS_REGION}, where Route 53's metrics are",
                found=alarm.region,
                because=f"{alarm.name!r} reads {alarm.metric} in {alarm.region}, where it never has data",
            )


def probe_looks_from_outside(whole: Whole) -> Iterator[Flaw]:
    """A probe in the region that it looks at goes dark with it, and one slower than its interval is never in time."""
    for i, probe in enumerate(whole.policy.signals.probes):
        if probe.region == probe.target:
            yield error(
                *("signals", "probes", i, "region"),
                allowed=f"a region other than its target, {probe.target}",
                found=probe.region,
                because=f"{probe.name!r} looks at {probe.target} from inside: when that fails, it says nothing",
            )
        if probe.timeout >= probe.interval:
            yield error(
                *("signals", "probes", i, "timeout"),
                allowed=f"less than {show_duration(probe.interval)}, its interval",
                found=probe.timeout,
                because=f"{probe.name!r} would still wait for one answer when the next is due",
            )
        known = [e.region for e in whole.policy.platform.endpoints]
        if probe.target not in known:
            yield error(
                *("signals", "probes", i, "target"),
                allowed=one_of(known),
                found=probe.target,
                because=f"{probe.name!r} looks at {probe.target}, which has no endpoint in platform.yaml",
            )


def heartbeats_bear_a_miss(whole: Whole) -> Iterator[Flaw]:
    """One lost heartbeat is no silence, and one that is late is no lost lease."""
    beats = whole.policy.signals.heartbeats
    for name in ("silent_after", "lease"):
        allowed = getattr(beats, name)
        if allowed < 3 * beats.every:
            yield error(
                *("signals", "heartbeats", name),
                allowed=f"at least {show_duration(3 * beats.every)}, three heartbeats",
                found=allowed,
                because=f"a heartbeat comes every {show_duration(beats.every)}: one that is lost would count",
            )


def scenario_is_watched(whole: Whole) -> Iterator[Flaw]:
    """What the responder recovers must be able to wake it; what others recover may go unseen."""
    watched = {r.scenario for r in whole.policy.signals.rules}
    for i, scenario in enumerate(whole.policy.scenarios.scenarios):
        if scenario.name in watched or scenario.automatic is Automation.NO or scenario.planned:
            continue
        own = scenario.automatic is Automation.PARTIAL
        yield (error if own else note)(
            *("scenarios", "scenarios", i, "name"),
            allowed=f"scenarios with a rule in signals.yaml: {', '.join(sorted(watched)) or 'none'}",
            found=scenario.name,
            because=f"no rule watches for {scenario.name!r}: "
            + ("nothing wakes the responder" if own else "it opens only when a person declares it"),
        )
