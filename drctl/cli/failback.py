"""failback: what a move away from the primary has set, what takes it back, and the word by which that begins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from chalicelib.core.book import Book
from chalicelib.core.incident import Incident
from chalicelib.core.way_back import StepLine, WayBack, way_back
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.store.codec import read_incident
from drctl.cli.looking import COLOURS, book_of, rules_of
from drctl.cli.people import By, Note, say
from drctl.cli.places import JsonOption, Place, StageName, StageOption, fail, out, place, show_json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel="People")(failback)


def failback(
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    begin: Annotated[bool, typer.Option("--begin", help="Declare it. Without this it is only looked at.")] = False,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="now|TIME",
            help="With --begin: when the standby stops taking writes, such as 2026-11-26T03:00:00Z; it asks once more "
            "then. Left out, it is asked for.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """The way back to the primary after a failover or a planned move: what it would do, what the move has set, what is
    owed, what was written on the wrong side. With --begin it is declared; it is never begun by itself.
    """
    where = place(stage)
    book, scenario = book_of(where), _scenario(where.policy)
    if begin:
        if book is None:
            fail("nothing has ever happened here, so there is nothing to take back")
        payload: dict[str, Any] = {"command": "declare", "scenario": scenario, "scope": book.serving}
        say(stage, payload | ({"choices": {"at": at}} if at else {}), by=by, note=note, json=json)
    if at is not None:
        fail("--at says when a way back stops the standby's writes; allowed: with --begin, later drctl choose at=…", 2)
    if book is None:
        show_json(None) if json else out.print(f"stage {stage}: nothing has ever happened here")
        return
    found = _found(where, book)
    show_json(as_json(found, where.policy)) if json else _print(found, where.policy, stage)


def _scenario(policy: Policy) -> str:
    names = [s.name for s in policy.scenarios.scenarios if s.returns]
    return names[0] if names else fail("no scenario of scenarios.yaml returns, so nothing can be taken back by a plan")


def _found(where: Place, book: Book) -> WayBack:
    wanted = {s.incident for s in book.settings} | ({book.failover.incident} if book.failover else set())
    moves = tuple(read_incident(body) for name, body in where.store.documents("closed") if name in wanted)
    rules = rules_of(where, [*moves, *_open(book)])
    return way_back(book, moves, rules)


def _open(book: Book) -> list[Incident]:
    return list(book.incidents.values())


def as_json(found: WayBack, policy: Policy) -> dict[str, Any]:
    """Durations as people write them in real time, times as ISO 8601."""
    failover, going = found.failover, found.incident
    return {
        "scenario": found.scenario,
        "serving": found.serving,
        "failover": failover
        and {"incident": failover.incident, "scenario": failover.scenario, "at": failover.at.isoformat()},
        "may_begin": not found.why_not and going is None,
        "why_not": found.why_not or None,
        "incident": going and {"incident": going.id, "state": going.state, "because": going.because},
        "set": [{"what": s.what, "before": s.before or None, "taken_back_by": s.taken_back_by} for s in found.set],
        "blocks": list(found.blocks),
        "owed": [{"what": what, "because": because} for what, because in found.owed],
        "wrong_side": {"because": found.wrong_side, "rows": found.rows, "seconds": _scaled(found.seconds, policy)},
        "steps": [
            {
                "step": s.id,
                "title": s.title,
                "count": s.count,
                "people": s.asks,
                "expected": show_duration(s.expected * policy.speed),
                "state": s.state,
                "because": s.because or None,
            }
            for s in found.steps
        ],
    }


def _scaled(seconds: float | None, policy: Policy) -> float | None:
    return None if seconds is None else round(seconds * policy.speed, 1)


def _print(found: WayBack, policy: Policy, stage: StageName) -> None:
    out.print(f"[bold]{policy.platform.display_name}[/bold]  stage {stage}")
    if found.failover is None:
        out.print(f"[bold]{found.serving}[/bold] serves. [green]Nothing is to be taken back.[/green]")
        if not found.set and found.incident is None:
            out.print(f"[dim]{found.why_not}[/dim]", soft_wrap=True)
            return
    else:
        moved, shown = found.failover, policy.scenario(found.failover.scenario).display
        out.print(f"[bold]{found.serving}[/bold] serves since {_at(moved.at)}, by {moved.incident} ({shown})")
    _print_state(found)
    for block in found.blocks:
        out.print(f"[yellow]blocked[/yellow] {escape(block)}  [dim](drctl acknowledge --block)[/dim]", soft_wrap=True)
    if found.set:
        out.print("\n[bold]What the move has set[/bold]")
        table = _table("it did", "it was", "taken back by")
        for line in found.set:
            table.add_row(line.what, escape(line.before) or "[dim]-[/dim]", line.taken_back_by)
        out.print(table)
    out.print("\n[bold]Still owed by the move[/bold]")
    for what, because in found.owed:
        out.print(f"  [yellow]{what}[/yellow]: {escape(because)}", soft_wrap=True)
    if not found.owed:
        out.print("  [green]nothing[/green]")
    out.print("\n[bold]Written on the wrong side[/bold]")
    out.print(f"  {escape(found.wrong_side)}", soft_wrap=True)
    _print_steps(found.steps, policy, going=found.incident is not None)


def _print_state(found: WayBack) -> None:
    if found.incident is not None:
        ends = found.incident
        out.print(f"[cyan]The way back is under way[/cyan]: {ends.id}, {ends.state}  [dim](drctl show {ends.id})[/dim]")
        out.print(f"  {escape(ends.because)}", soft_wrap=True)
    elif found.why_not:
        out.print(f"[yellow]The way back cannot begin yet[/yellow]: {escape(found.why_not)}", soft_wrap=True)
    else:
        out.print("[green]The way back may begin[/green]: drctl failback --begin --at now  [dim](or --at TIME)[/dim]")


def _print_steps(steps: tuple[StepLine, ...], policy: Policy, *, going: bool) -> None:
    asks = sum(s.asks > 0 for s in steps)
    out.print(f"\n[bold]{'Its steps' if going else 'What it would do'}[/bold]  [dim]{asks} steps ask people[/dim]")
    table = _table("step", "", "who decides", "about", *(("now",) if going else ()))
    for s in steps:
        who = {0: "[dim]-[/dim]", 1: "[yellow]a person[/yellow]"}.get(s.asks, f"[yellow]{s.asks} people[/yellow]")
        title = f"{s.title} [dim]({s.count})[/dim]" if s.count > 1 else s.title
        row = [s.id, title, who, show_duration(s.expected * policy.speed)]
        if going and s.state is not None:
            colour = COLOURS[s.state]
            quiet = s.state in ("done", "pending")
            row.append(f"[{colour}]{s.state}[/{colour}]" + ("" if quiet else f": {escape(s.because)}"))
        table.add_row(*row)
    out.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
