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
from chalicelib.core.choices import choose
from chalicelib.core.debts import owed_to_undo
from chalicelib.core.declaring import declare, raised
from chalicelib.core.drills import rehearse, to_a_drill
from chalicelib.core.happened import (
    Abort,
    Acknowledge,
    Approve,
    BreakGlass,
    Choose,
    Command,
    Declare,
    Escalate,
    GiveWay,
    KeepSwitch,
    Raise,
    Rehearse,
    Reject,
    Repin,
    Resolve,
    Resume,
    Review,
    SetMode,
    Status,
)
from chalicelib.core.happened import Pause as PauseCommand
from chalicelib.core.incidents import moved, note, paged, put
from chalicelib.core.plan import Rules
from chalicelib.core.repinning import repin
from chalicelib.core.states import Event
from chalicelib.core.switch_kept import keep
from chalicelib.core.yielding import give_way

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
            return declare(book, command, rules, now)
        case Raise():
            return raised(book, command, rules, now)
        case Repin():
            return repin(book, command, rules, now)
        case Choose():
            return choose(book, command, rules, now)
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
        case Rehearse():
            return rehearse(book, command, rules, now)
        case Acknowledge() | Abort() if command.incident in book.drills:
            return to_a_drill(book, command, now)
        case Acknowledge():
            return _acknowledge(book, command, now)
        case Abort() | Resolve():
            incident = open_incident(book, command.incident)
            event = Event.ABORTED if isinstance(command, Abort) else Event.RESOLVED
            book = moved(book, incident.id, event, f"{said.who} said so{with_note(said.note)}", now)
            return owed_to_undo(book, incident.id, rules, now), f"{incident.id} is closing"
        case PauseCommand() | Resume() | SetMode():
            return _for_all(book, command, now)
        case GiveWay():
            return give_way(book, command, rules, now)
        case KeepSwitch():
            return keep(book, command, rules, now)
        case Status():
            return book, f"{len(book.incidents)} open, mode {book.mode}{', paused' if book.paused else ''}"
    assert_never(command)


def _for_all(book: Book, command: PauseCommand | Resume | SetMode, now: datetime) -> tuple[Book, str]:
    said = command.said
    match command:
        case PauseCommand():
            if book.paused:
                raise IllegalCommandError(f"already paused by {book.paused.by}; allowed: resume")
            book = replace(book, paused=Pause(by=said.by, at=now, because=said.note or "no reason given"))
            return note(book, "", "paused", f"paused by {said.who}{with_note(said.note)}", now), "paused"
        case Resume():
            if not book.paused:
                raise IllegalCommandError("nothing is paused; allowed: pause")
            book = replace(book, paused=None)
            return note(book, "", "resumed", f"resumed by {said.who}{with_note(said.note)}", now), "resumed"
        case SetMode(mode=mode):
            text = f"mode {book.mode} → {mode} by {said.who}{with_note(said.note)}"
            return note(replace(book, mode=mode), "", "mode", text, now), f"the mode is {mode}"
    assert_never(command)


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
