"""What a person may say, and what it does to the book.

Rules. A legal command changes the book and gets a reply; an illegal one raises `IllegalCommandError`, whose text
says what is allowed, and changes nothing. Whoever may not say it has said nothing (authority.py). A command that was
already taken in changes nothing and raises nothing. A command never makes a call: it changes what is due.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from chalicelib.core.answering import (
    IllegalCommandError,
    approve,
    break_glass,
    open_incident,
    reject,
    review,
    with_note,
)
from chalicelib.core.authority import objection
from chalicelib.core.book import Book, Pause, Reply
from chalicelib.core.happened import (
    Abort,
    Acknowledge,
    Approve,
    BreakGlass,
    Command,
    Declare,
    Escalate,
    Reject,
    Resolve,
    Resume,
    Review,
    SetMode,
    Status,
)
from chalicelib.core.happened import Pause as PauseCommand
from chalicelib.core.incidents import moved, note, opened, paged, put
from chalicelib.core.plan import Rules
from chalicelib.core.states import Event, IncidentState
from chalicelib.policy.scenarios import ScopeKind

__all__ = ["REPLIES_KEPT", "IllegalCommandError", "fold_command", "replied"]

REPLIES_KEPT: Final = 100


def fold_command(book: Book, command: Command, *, rules: Rules, now: datetime) -> Book:
    """The book after the command; IllegalCommandError when it is not allowed now. A known id changes nothing."""
    if any(r.id == command.said.id for r in book.replies):
        return book
    if why := objection(command, rules.policy):
        raise IllegalCommandError(why)
    book, because = _carry_out(book, command, rules, now)
    return replied(book, command, ok=True, because=because)


def replied(book: Book, command: Command, *, ok: bool, because: str) -> Book:
    """The book that remembers what became of the command.

    The replies are also how a repeated command is known, so questions, which change nothing, are forgotten first.
    """
    reply = Reply(id=command.said.id, ok=ok, because=because, question=isinstance(command, Status), by=command.said.who)
    replies = (*book.replies, reply)
    if len(replies) > REPLIES_KEPT:
        oldest = next((n for n, r in enumerate(replies[:-1]) if r.question), 0)
        replies = replies[:oldest] + replies[oldest + 1 :]
    return replace(book, replies=replies)


def _carry_out(book: Book, command: Command, rules: Rules, now: datetime) -> tuple[Book, str]:
    said = command.said
    match command:
        case Declare():
            return _declare(book, command, rules, now)
        case Approve():
            return approve(book, command, rules, now)
        case Reject():
            return reject(book, command, now)
        case BreakGlass():
            return break_glass(book, command, rules, now)
        case Review():
            return review(book, command, now)
        case Escalate():
            incident = open_incident(book, command.incident)
            return paged(
                book, incident.id, f"{said.who} escalated{with_note(said.note)}", rules, now
            ), "the next rung is paged"
        case Acknowledge():
            return _acknowledge(book, command, now)
        case Abort() | Resolve():
            incident = open_incident(book, command.incident)
            event = Event.ABORTED if isinstance(command, Abort) else Event.RESOLVED
            return moved(
                book, incident.id, event, f"{said.who} said so{with_note(said.note)}", now
            ), f"{incident.id} is closing"
        case PauseCommand():
            if book.paused:
                raise IllegalCommandError(f"already paused by {book.paused.by}; allowed: resume")
            pause = Pause(by=said.by, at=now, because=said.note or "no reason given")
            return note(
                replace(book, paused=pause), "", "paused", f"paused by {said.who}{with_note(said.note)}", now
            ), "paused"
        case Resume():
            if not book.paused:
                raise IllegalCommandError("nothing is paused; allowed: pause")
            return note(
                replace(book, paused=None), "", "resumed", f"resumed by {said.who}{with_note(said.note)}", now
            ), "resumed"
        case SetMode(mode=mode):
            text = f"mode {book.mode} → {mode} by {said.who}{with_note(said.note)}"
            return note(replace(book, mode=mode), "", "mode", text, now), f"the mode is {mode}"
        case Status():
            return book, f"{len(book.incidents)} open, mode {book.mode}{', paused' if book.paused else ''}"
    assert_never(command)


def _declare(book: Book, command: Declare, rules: Rules, now: datetime) -> tuple[Book, str]:
    policy = rules.policy
    if not policy.has_scenario(command.scenario):
        known = ", ".join(s.name for s in policy.scenarios.scenarios)
        raise IllegalCommandError(f"there is no scenario {command.scenario!r}; allowed: {known}")
    if policy.runbook(command.scenario) is None:
        raise IllegalCommandError(f"scenario {command.scenario!r} has no runbook; write one in runbooks.yaml first")
    regions = policy.platform.regions
    root = command.scope.split("/", 1)[0]
    if root not in (roots := (regions.primary, regions.standby, policy.platform.name)):
        raise IllegalCommandError(f"scope {command.scope!r} starts with {root!r}; allowed: {', '.join(roots)}")
    kind = policy.scenario(command.scenario).scope
    if kind is ScopeKind.REGION and "/" in command.scope:
        raise IllegalCommandError(
            f"{command.scenario} is about a region; scope {command.scope!r} is below one, allowed: {root}"
        )
    if kind is ScopeKind.REGION and command.scope != book.serving:
        raise IllegalCommandError(
            f"{command.scope!r} does not serve, {book.serving!r} does: its failover would lead into it; "
            f"allowed: {book.serving}"
        )
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
        return book, f"incident {opened_id} is open"
    if there.scenario == command.scenario and there.state is IncidentState.SUSPECTING:
        book = put(book, replace(there, declared_by=command.said.by))
        return moved(book, there.id, Event.CONFIRMED, because, now), f"incident {there.id} is confirmed"
    raise IllegalCommandError(
        f"incident {there.id!r} ({there.scenario}, {there.state}) is open at scope {there.scope!r}; "
        "allowed: approve, reject, escalate, acknowledge, abort, resolve"
    )


def _acknowledge(book: Book, command: Acknowledge, now: datetime) -> tuple[Book, str]:
    said = command.said
    if command.incident is None:
        if not book.blocks:
            raise IllegalCommandError("there is no block window to acknowledge; name an incident to acknowledge it")
        ended = ", ".join(b.scope for b in book.blocks)
        text = f"block window of {ended} ended by {said.who}{with_note(said.note)}"
        return note(replace(book, blocks=()), "", "acknowledged", text, now), text
    incident = open_incident(book, command.incident)
    if incident.acknowledged_by:
        return book, f"already acknowledged by {incident.acknowledged_by}"
    book = put(book, replace(incident, acknowledged_by=said.by, acknowledged_at=now))
    return note(book, incident.id, "acknowledged", f"{said.who} is on it{with_note(said.note)}", now), "acknowledged"
