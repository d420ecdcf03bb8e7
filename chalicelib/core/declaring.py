"""How a person opens an incident: declared where no alarm did, confirmed, or raised to a graver one.

Rules. A declared incident needs no evidence, its declarer is its evidence; it moves what an incident moves, so it must
name a scenario that has a runbook and a scope where that runbook leads somewhere. Raising never narrows: the graver
incident takes over what the lesser one covered, and the lesser one's steps stop where they are. Nothing here
decides what may be done without a person.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.core.answering import IllegalCommandError, open_incident, with_note
from chalicelib.core.book import Book
from chalicelib.core.choices import chosen
from chalicelib.core.failback import filled, objection
from chalicelib.core.happened import Declare, Raise
from chalicelib.core.incident import Incident, covers
from chalicelib.core.incidents import confirmed, opened, put
from chalicelib.core.plan import Rules
from chalicelib.core.states import IncidentState
from chalicelib.policy.scenarios import ScopeKind


def declare(book: Book, command: Declare, rules: Rules, now: datetime) -> tuple[Book, str]:
    """An incident that no alarm opened, or a suspicion confirmed."""
    _allowed(book, command.scenario, command.scope, rules)
    _zone(command.scenario, command.scope, rules)
    because = f"declared by {command.said.who}{with_note(command.said.note)}"
    there = book.incident_at(command.scope)
    if there is None:
        book = opened(
            book,
            scenario=command.scenario,
            scope=command.scope,
            failed_at=now,
            declared_by=command.said.by,
            because=because,
            rules=rules,
            now=now,
        )
        opened_id = list(book.incidents)[-1]
        book = filled(book, opened_id, rules, now)
        return _with_choices(book, opened_id, command, f"incident {opened_id} is open", rules, now)
    if there.scenario == command.scenario and there.state is IncidentState.SUSPECTING:
        book = put(book, replace(there, declared_by=command.said.by))
        book = confirmed(book, there.id, because, rules, now)
        return _with_choices(book, there.id, command, f"incident {there.id} is confirmed", rules, now)
    raise IllegalCommandError(
        f"incident {there.id!r} ({there.scenario}, {there.state}) is open at scope {there.scope!r}; "
        "allowed: choose, approve, reject, escalate, acknowledge, abort, resolve, raise"
    )


def _with_choices(
    book: Book, incident_id: str, command: Declare, text: str, rules: Rules, now: datetime
) -> tuple[Book, str]:
    if not command.choices:
        return book, text
    book, because = chosen(book, incident_id, command.choices, command.said, rules, now)
    return book, f"{text}; {because}"


def raised(book: Book, command: Raise, rules: Rules, now: datetime) -> tuple[Book, str]:
    """A graver incident in place of this one. It counts from when the lesser one failed: the clocks go on."""
    lesser = open_incident(book, command.incident)
    scope = command.scope or _implied(command.scenario, lesser, rules)
    _allowed(book, command.scenario, scope, rules)
    scenario = rules.policy.scenario(command.scenario)
    if scenario.severity.rank < lesser.severity.rank or command.scenario == lesser.scenario:
        graver = ", ".join(
            s.name
            for s in rules.policy.scenarios.scenarios
            if s.severity.rank >= lesser.severity.rank and s.name != lesser.scenario and rules.policy.runbook(s.name)
        )
        raise IllegalCommandError(
            f"{command.scenario} ({scenario.severity}) is not graver than {lesser.scenario} ({lesser.severity}) of "
            f"{lesser.id!r}; allowed: {graver or 'nothing, it is the gravest that has a runbook'}"
        )
    if scenario.scope is not ScopeKind.PLATFORM and not covers(scope, lesser.scope):
        raise IllegalCommandError(f"scope {scope!r} does not cover {lesser.scope!r}, which is {lesser.id!r}'s")
    _zone(command.scenario, scope, rules)
    above = book.incident_at(scope)
    if above is not None and above.id != lesser.id:
        same = above.scenario == command.scenario and above.state is IncidentState.SUSPECTING
        hint = f"; declare {above.scenario} of {above.scope} to confirm it" if same else ""
        raise IllegalCommandError(
            f"incident {above.id!r} ({above.scenario}) is open at scope {above.scope!r} already{hint}"
        )
    book = opened(
        book,
        scenario=command.scenario,
        scope=scope,
        failed_at=lesser.failed_at,
        declared_by=command.said.by,
        because=f"raised from {lesser.scenario} by {command.said.who}{with_note(command.said.note)}",
        rules=rules,
        now=now,
        takes_over=(lesser.id,),
    )
    opened_id = list(book.incidents)[-1]
    return book, f"incident {opened_id} is open and took over {lesser.id}"


def _implied(scenario: str, lesser: Incident, rules: Rules) -> str:
    """The scope that a scenario is about, around what has failed."""
    if rules.policy.has_scenario(scenario):
        match rules.policy.scenario(scenario).scope:
            case ScopeKind.PLATFORM:
                return rules.policy.platform.name
            case ScopeKind.REGION:
                return lesser.scope.split("/", 1)[0]
            case _:
                pass
    return lesser.scope


def _allowed(book: Book, scenario: str, scope: str, rules: Rules) -> None:
    policy = rules.policy
    if not policy.has_scenario(scenario):
        known = ", ".join(s.name for s in policy.scenarios.scenarios)
        raise IllegalCommandError(f"there is no scenario {scenario!r}; allowed: {known}")
    if policy.runbook(scenario) is None:
        raise IllegalCommandError(f"scenario {scenario!r} has no runbook; write one in runbooks.yaml first")
    if why := objection(book, scenario, rules):
        raise IllegalCommandError(why)
    regions = policy.platform.regions
    root = scope.split("/", 1)[0]
    if root not in (roots := (regions.primary, regions.standby, policy.platform.name)):
        raise IllegalCommandError(f"scope {scope!r} starts with {root!r}; allowed: {', '.join(roots)}")
    if policy.scenario(scenario).scope is not ScopeKind.REGION:
        return
    if "/" in scope:
        raise IllegalCommandError(f"{scenario} is about a region; scope {scope!r} is below one, allowed: {root}")
    if scope != book.serving:
        raise IllegalCommandError(
            f"{scope!r} does not serve, {book.serving!r} does: its failover would lead into it; allowed: {book.serving}"
        )


def _zone(scenario: str, scope: str, rules: Rules) -> None:
    """A zone is named by its path, and policy must know it, or nobody could say by which id AWS knows it."""
    platform = rules.policy.platform
    if rules.policy.scenario(scenario).scope is not ScopeKind.ZONE:
        return
    known = [f"{platform.regions.primary}/{z.name}" for z in platform.zones.zones] if platform.zones else []
    if scope not in known:
        raise IllegalCommandError(
            f"{scenario} is about a zone; {scope!r} is none that platform.yaml knows, "
            f"allowed: {', '.join(known) or 'none'}"
        )
