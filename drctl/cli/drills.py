"""drill, drills: begin a rehearsal of a runbook; the last of each, when the next is due, and what one showed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from chalicelib.core.book import Book
from chalicelib.core.drill_report import Report, report, trend
from chalicelib.core.drilling import hashes, next_due, stale
from chalicelib.core.incident import Incident
from chalicelib.core.plan import Rules
from chalicelib.policy import Policy
from chalicelib.policy.drills import DrillRow
from chalicelib.store.codec import read_incident
from drctl.cli.looking import book_of, rules_of
from drctl.cli.people import By, Note, say
from drctl.cli.places import JsonOption, Place, StageName, StageOption, fail, out, place, show_json

RESULTS = {"passed": "green", "failed": "red", "abandoned": "yellow", "": "cyan"}


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel="People")(drill)
    app.command(rich_help_panel="Looking")(drills)


def drill(
    runbook: Annotated[str, typer.Argument(help="Such as region-failure.")],
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    tabletop: Annotated[bool, typer.Option("--tabletop", help="People only: who answers, how fast.")] = False,
    live: Annotated[bool, typer.Option("--live", help="The planned move itself, by its own approvals.")] = False,
    json: JsonOption = False,
) -> None:
    """Rehearses a runbook: its plan aimed at copies, which are taken away again. `drctl drills` shows what it shows."""
    if tabletop and live:
        fail("--tabletop touches nothing and --live moves people: say one of them")
    kind = {"kind": "people" if tabletop else "live"} if tabletop or live else {}
    say(stage, {"command": "drill", "runbook": runbook, **kind}, by=by, note=note, json=json)


def drills(
    named: Annotated[str | None, typer.Argument(help="A drill, for its report.", metavar="DRILL")] = None,
    stage: StageOption = StageName.LOCAL,
    *,
    json: JsonOption = False,
) -> None:
    """The last drill of each runbook, when the next is due, how its time has moved; with a name its report. Exit 1 when
    a runbook asks before every step for want of a good drill, or the drill that is named failed.
    """
    where = place(stage)
    book = book_of(where)
    every = [*(book.drills.values() if book else ()), *_kept(where), *_live(where, book)]
    rules, now = rules_of(where, every), datetime.now(UTC)
    if named:
        case = next((c for c in every if c.id == named), None) or fail(
            f"there is no drill {named!r}; there are: {', '.join(c.id for c in every) or 'none'}"
        )
        found = report(case, rules, now)
        show_json(as_json(found, where.policy)) if json else print_one(found, where.policy)
        raise typer.Exit(1 if found.result == "failed" else 0)
    rows = list(rows_of(where.policy, book, [report(c, rules, now) for c in every], now))
    show_json(rows) if json else _print(rows)
    raise typer.Exit(1 if any(r["asks"] for r in rows) else 0)


def as_json(found: Report, policy: Policy) -> dict[str, Any]:
    """Durations as people write them in real time, times as ISO 8601."""
    return {
        "drill": found.id,
        "runbook": found.runbook,
        "kind": found.kind,
        "result": found.result or "running",
        "because": found.because,
        "began_at": found.began_at.isoformat(),
        "took": _real(policy, found.took),
        "clean_in": _real(policy, found.clean_in),
        "steps": [
            {
                "step": s.id,
                "title": s.title,
                "action": s.action,
                "state": s.state,
                "because": s.because,
                "started_at": s.started_at and s.started_at.isoformat(),
                "done_at": s.done_at and s.done_at.isoformat(),
                "took": _real(policy, s.took),
                "expected": _real(policy, s.expected),
                "clean_up": s.clean_up,
            }
            for s in found.steps
        ],
        "services": [
            {
                "service": c.service,
                "recovery_time": _real(policy, c.recovery_time),
                "rto": _real(policy, c.rto),
                "met": c.met,
            }
            for c in found.services
        ],
        "data_loss": _real(policy, found.loss),
        "rpo": _real(policy, found.rpo),
        "rpo_met": found.rpo_met,
        "not_rehearsed": [{"step": title, "because": why} for title, why in found.not_rehearsed],
        "answers": [{"by": by, "after": _real(policy, after)} for by, after in found.answers],
    }


def _kept(where: Place) -> list[Incident]:
    return [read_incident(body) for _, body in where.store.documents("drill")]


def _live(where: Place, book: Book | None) -> list[Incident]:
    """Planned moves that were drills: they are incidents, and kept as such."""
    open_ = book.incidents.values() if book else ()
    closed = (read_incident(body) for _, body in where.store.documents("closed"))
    return [i for i in (*open_, *closed) if i.drill is not None]


def rows_of(policy: Policy, book: Book | None, reports: Iterable[Report], now: datetime) -> Iterable[dict[str, Any]]:
    reports = sorted(reports, key=lambda r: r.began_at)
    real = hashes(Rules(policy))
    others = [r.runbook for r in reports if policy.drills.row(r.runbook) is None]
    rows: list[tuple[str, DrillRow | None]] = [(row.runbook, row) for row in policy.drills.rows]
    for runbook, row in [*rows, *((name, None) for name in dict.fromkeys(others))]:
        mine = [r for r in reports if r.runbook == runbook]
        last = mine[-1] if mine else None
        due = next_due(book, row) if book and row else None
        yield {
            "runbook": runbook,
            "kind": row.kind if row else "",
            "last": last.id if last else "",
            "began_at": last.began_at.isoformat(timespec="seconds") if last else "",
            "result": (last.result or "running") if last else "never",
            "took": _real(policy, last.took) if last else None,
            "next_due": due.isoformat(timespec="minutes") if due else "",
            "trend": trend(mine),
            "asks": stale(book, row, real[runbook], now) if book and row else "",
        }


def _real(policy: Policy, value: timedelta | None) -> str | None:
    return None if value is None else policy.real(value)


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("runbook", "kind", "last", "result", "took", "next due", "trend"):
        table.add_column(column, overflow="fold")
    for r in rows:
        colour = RESULTS.get(r["result"], "dim")
        result = f"[{colour}]{r['result']}[/{colour}]"
        began, due = r["began_at"][:16].replace("T", " "), r["next_due"][:10]
        table.add_row(r["runbook"], r["kind"], began, result, r["took"] or "", due, r["trend"])
    out.print(table)
    for r in rows:
        if r["asks"]:
            out.print(f"[yellow]![/yellow] {r['runbook']}: {r['asks']}, so every step of it asks")
    if last := [r["last"] for r in rows if r["last"]]:
        out.print(f"[dim]drctl drills {last[-1]} shows what one showed[/dim]")


def print_one(found: Report, policy: Policy) -> None:
    colour = RESULTS[found.result]
    out.print(f"[bold]{found.id}[/bold]  {found.runbook}, {found.kind}")
    out.print(f"[{colour}]{found.result or 'running'}[/{colour}]  {found.because}")
    took = policy.real(found.took) if found.took else "not over"
    clean = f", everything of it gone {policy.real(found.clean_in)} later" if found.clean_in is not None else ""
    out.print(f"began {found.began_at:%Y-%m-%d %H:%M:%S} UTC, took {took}{clean}")
    if found.steps:
        table = Table(box=None, pad_edge=False, header_style="bold dim")
        for column in ("step", "state", "took", "expected", ""):
            table.add_column(column, overflow="fold")
        for s in found.steps:
            name = f"[dim]clean-up[/dim] {s.title}" if s.clean_up else s.title
            table.add_row(
                name, s.state, _real(policy, s.took) or "", policy.real(s.expected), f"[dim]{s.because}[/dim]"
            )
        out.print(table)
    if found.services:
        table = Table(box=None, pad_edge=False, header_style="bold dim")
        for column in ("service", "recovery time", "RTO", ""):
            table.add_column(column)
        for c in found.services:
            met = {True: "[green]met[/green]", False: "[red]missed[/red]", None: ""}[c.met]
            table.add_row(c.display, _real(policy, c.recovery_time) or "", policy.real(c.rto), met)
        out.print(table)
    if found.loss is not None:
        verdict = "[green]within[/green]" if found.rpo_met else "[red]over[/red]"
        said = f"{verdict} the RPO of {policy.real(found.rpo)} that such a restore has"
        out.print(f"Data loss  {policy.real(found.loss)}, by the database's restore from backups: {said}")
    for by, after in found.answers:
        out.print(f"answered   {by} after {policy.real(after)}")
    if found.not_rehearsed:
        out.print("[bold]not rehearsed[/bold]")
        for title, why in found.not_rehearsed:
            out.print(f"  {title}  [dim]{why}[/dim]")
