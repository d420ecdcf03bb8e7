"""Rules about time: whether detection, people and steps together keep what was promised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from chalicelib.core.plan import Plan
from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.finding import Flaw, Whole, error, note
from chalicelib.policy.lint.ways import Way, detection, longest
from chalicelib.policy.services import Service
from chalicelib.policy.where import Path

SWITCH = "switch-traffic"
"""The action after which users reach the other region."""
PROOF = "verify-write"
"""The action that proves the database."""
PROOFS = frozenset({PROOF, "verify-home-write"})
"""And the one that proves the primary's, before people are sent back there."""


def rto_can_be_kept(whole: Whole) -> Iterator[Flaw]:
    """Per scenario and service: detection, answers and steps up to its last one and the switch, against its RTO."""
    answer = whole.policy.platform.responder.answer_time
    for scenario in whole.policy.scenarios.scenarios:
        plan = whole.plan(scenario.name)
        if plan is None or not scenario.held_to_rto:
            continue
        seen, ways = detection(scenario.name, whole.policy), longest(plan, answer)
        for i, service in enumerate(whole.policy.services.services):
            rto, ends = whole.rto(service), _ends(plan, service, whole)
            if rto is None or not ends:
                continue
            slowest = max((ways[e] for e in ends), key=lambda w: w.total)
            way = seen.then(*slowest.parts)
            path = ("services", "services", i, "tier")
            yield _judged(path, rto, way, f"{service.name!r} in a {scenario.name}", "RTO")


def _ends(plan: Plan, service: Service, whole: Whole) -> list[str]:
    """The steps after which a service is back: its own last ones (for the database its proof) and the switch."""
    database = service.name == whole.policy.platform.database.service
    own = [s for s in plan.steps if s.service == service.name or (database and s.action == PROOF)]
    if not own:
        return []
    last = [s.id for s in own if not any(s.id in o.needs for o in own)]
    return last + [s.id for s in plan.steps if s.action == SWITCH]


def recovery_time_can_be_kept(whole: Whole) -> Iterator[Flaw]:
    """A scenario's promised recovery time, where its runbook is what recovers it."""
    answer = whole.policy.platform.responder.answer_time
    for i, scenario in enumerate(whole.policy.scenarios.scenarios):
        plan = whole.plan(scenario.name)
        if plan is None or not plan.steps or scenario.recovery_time is None or not scenario.recovered_by_runbook:
            continue
        slowest = max(longest(plan, answer).values(), key=lambda w: w.total)
        way = detection(scenario.name, whole.policy).then(*slowest.parts)
        path = ("scenarios", "scenarios", i, "recovery_time")
        yield _judged(path, scenario.recovery_time, way, f"a {scenario.name}", "recovery time")


def _judged(path: Path, promised: timedelta, way: Way, subject: str, what: str) -> Flaw:
    allowed = f"at most {show_duration(promised)}, its {what}"
    if way.total > promised:
        over = show_duration(way.total - promised)
        return error(
            *path,
            allowed=allowed,
            found=way,
            because=f"{subject} takes {way}: {over} more than its {what} of {show_duration(promised)}",
        )
    left = show_duration(promised - way.total)
    return note(
        *path,
        allowed=allowed,
        found=way,
        because=f"{subject} takes {show_duration(way.total)} of its {what} of {show_duration(promised)}; {left} left",
    )


def recovery_time_is_a_range(whole: Whole) -> Iterator[Flaw]:
    """The lower end of a recovery time is not above the upper one."""
    for i, scenario in enumerate(whole.policy.scenarios.scenarios):
        low, high = scenario.recovery_time_min, scenario.recovery_time
        if low is not None and (high is None or low > high):
            yield error(
                *("scenarios", "scenarios", i, "recovery_time_min"),
                allowed="at most recovery_time, and only with it",
                found=low,
                because=f"{scenario.name!r} recovers in {show_duration(low)} at best"
                f" and in {show_duration(high) if high else 'a time that is not given'} at most",
            )


def deadline_holds_expected(whole: Whole) -> Iterator[Flaw]:
    """A step that is late before it can be done would page people every time."""
    for i, runbook in enumerate(whole.policy.runbooks.runbooks):
        for j, step in enumerate(runbook.steps):
            if step.deadline < step.expected:
                yield error(
                    *("runbooks", "runbooks", i, "steps", j, "deadline"),
                    allowed=f"at least {show_duration(step.expected)}, what the step is expected to take",
                    found=step.deadline,
                    because=f"step {step.id!r} would be late before it can be done",
                )


LOGS_UPLOADED: Final = timedelta(minutes=5)
"""By RDS: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html, "every five minutes"."""


def a_restore_can_keep_its_rpo(whole: Whole) -> Iterator[Flaw]:
    """A restore as of a time loses what RDS has not uploaded yet."""
    database = whole.policy.platform.database
    wanted = database.restore_rpo
    if wanted is not None and wanted * whole.policy.speed < LOGS_UPLOADED:
        yield error(
            *("platform", "database", "restore_rpo"),
            allowed=f"at least {show_duration(LOGS_UPLOADED)}",
            found=wanted,
            because="RDS uploads a database's logs every five minutes, and a restore loses what was not uploaded yet",
        )


def lag_fits_the_database_rpo(whole: Whole) -> Iterator[Flaw]:
    """A lag that is still called well must not lose more than the RPO allows."""
    database = whole.policy.platform.database
    if database.lag_threshold > database.rpo:
        yield error(
            *("platform", "database", "lag_threshold"),
            allowed=f"at most {show_duration(database.rpo)}, the database's RPO",
            found=database.lag_threshold,
            because="a replica that is called well would already have lost more than the RPO allows",
        )
