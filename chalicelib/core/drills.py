"""What a person, or the clock, says of drills: begin one, answer one, end one.

Rules. A drill touches copies, so it begins only where something may be touched at all; a tabletop touches nothing and
may begin in any mode. The planned move as a drill is an incident like any other, with its own approvals: only its
result counts as a drill. Nothing here makes a call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from chalicelib.core import drilling
from chalicelib.core.answering import IllegalCommandError, with_note
from chalicelib.core.book import Book
from chalicelib.core.declaring import declare
from chalicelib.core.happened import CLOCK_ARN, Abort, Acknowledge, Declare, Rehearse
from chalicelib.core.incident import Drill
from chalicelib.core.incidents import put
from chalicelib.core.plan import Rules, plan
from chalicelib.policy.platform import Mode

KINDS: Final = ("copies", "people", "live")


def rehearse(book: Book, command: Rehearse, rules: Rules, now: datetime) -> tuple[Book, str]:
    """Begins a drill, or says why none begins now."""
    row, said = rules.policy.drills.row(command.runbook), command.said
    # A live one moves people: it is begun by its name only.
    kind = command.kind or (row.kind if row and row.kind != "live" else "copies")
    if kind not in KINDS:
        raise IllegalCommandError(f"kind is {kind!r}, allowed: {', '.join(KINDS)}")
    if kind != "people":
        _touches(book)
    if kind == "live":
        return _live(book, command, rules, now)
    by = said.by if said.arn == CLOCK_ARN else said.who
    try:
        book, name = drilling.begun(book, command.runbook, kind, f"{by}{with_note(said.note)}", rules, now)
    except drilling.DrillError as error:
        raise IllegalCommandError(str(error)) from error
    left = len(drilling.of(book.drills[name]).not_rehearsed)
    return book, f"drill {name} has begun" + (
        f"; {left} steps cannot be rehearsed (drctl drills {name})" if left else ""
    )


def to_a_drill(book: Book, command: Acknowledge | Abort, now: datetime) -> tuple[Book, str]:
    """What people say to a drill that goes on."""
    return _dropped(book, command, now) if isinstance(command, Abort) else _answered(book, command, now)


def _answered(book: Book, command: Acknowledge, now: datetime) -> tuple[Book, str]:
    try:
        return drilling.answered(book, str(command.incident), command.said.who, now)
    except drilling.DrillError as error:
        raise IllegalCommandError(str(error)) from error


def _dropped(book: Book, command: Abort, now: datetime) -> tuple[Book, str]:
    case = book.drills[command.incident]
    if drilling.of(case).over_at is not None:
        raise IllegalCommandError(f"drill {case.id!r} is over already ({drilling.of(case).result}), and is cleaned up")
    because = f"abandoned: {command.said.who} ended it{with_note(command.said.note)}"
    return drilling.over(book, case.id, "abandoned", because, now), f"drill {case.id} is abandoned, and is cleaned up"


def _touches(book: Book) -> None:
    if book.mode is Mode.OBSERVE:
        raise IllegalCommandError("the mode is observe, in which nothing is touched, copies included; allowed: people")
    if book.paused:
        raise IllegalCommandError(
            f"paused by {book.paused.by}: {book.paused.because}; allowed: people, or resume first"
        )


def _live(book: Book, command: Rehearse, rules: Rules, now: datetime) -> tuple[Book, str]:
    policy, said = rules.policy, command.said
    if not policy.has_scenario(command.runbook) or not policy.scenario(command.runbook).planned:
        planned = ", ".join(s.name for s in policy.scenarios.scenarios if s.planned) or "none"
        raise IllegalCommandError(
            f"{command.runbook!r} is no planned move, so it is never done for practice: {planned}"
        )
    if said.arn == CLOCK_ARN:
        raise IllegalCommandError("a live drill moves people, so a person begins it")
    if book.drills or book.incidents:
        there = ", ".join((*book.drills, *book.incidents))
        raise IllegalCommandError(f"{there} is open, and a live drill begins when nothing is")
    wanted = Declare(said=said, scenario=command.runbook, scope=book.serving)
    before = set(book.incidents)
    book, because = declare(book, wanted, rules, now)
    (opened,) = set(book.incidents) - before
    drill = Drill(kind="live", of_plan=plan(command.runbook, policy=policy).hash, by=said.who)
    return put(book, replace(book.incidents[opened], drill=drill)), f"{because}, as a live drill: its own steps ask"
