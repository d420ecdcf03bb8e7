"""report: what one incident took, step by step, against its budgets; as text, as a picture and as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from chalicelib.core.forewarning import foreseen
from chalicelib.core.times import Times
from chalicelib.reports.incident.lines import Bar, Lines, described, lines, took
from chalicelib.reports.incident.page import Failure, failures, page, steps
from chalicelib.reports.incident.picture import picture
from drctl.cli.as_json import incident_json
from drctl.cli.forecasts import from_archives, print_trend
from drctl.cli.looking import (
    COLOURS,
    book_of,
    find_incident,
    print_clocks,
    print_loss,
    rules_of,
    times_of,
)
from drctl.cli.places import JsonOption, StageName, StageOption, out, place, show_json

ACROSS: Final = 36
"""Characters of the time line."""


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command(rich_help_panel="Looking")(report)


def report(
    incident: Annotated[str | None, typer.Argument(help="Open or closed; the newest when left out.")] = None,
    stage: StageOption = StageName.LOCAL,
    *,
    svg: Annotated[Path | None, typer.Option("--svg", help="Writes the picture there.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Writes the whole report there, as one page.")] = None,
    json: JsonOption = False,
) -> None:
    """What an incident took: each step, each service against its RTO, the data loss, what failed, the trend."""
    where = place(stage)
    found = find_incident(where, incident)
    rules, now = rules_of(where, [found]), datetime.now(UTC)
    times = from_archives(where, found.scenario, times_of(where, found.scenario))
    book, ends = book_of(where), None
    if book and found.id in book.incidents and (ahead := foreseen(book, found, rules, now)):
        ends = (ahead.whole.median, ahead.whole.late)
    drawn, wrong = lines(found, rules, now, forecast=ends), failures(found, rules)
    timeline = where.store.timeline(found.id)
    if svg:
        svg.write_text(picture(drawn))
    if html:
        told = [(datetime.fromisoformat(str(e["at"])), str(e["kind"]), str(e["text"])) for e in timeline]
        html.write_text(page(found, rules, drawn, times=times, timeline=told))
    if json:
        whole = incident_json(found, rules, timeline)
        rows = [row._asdict() for row in steps(found, rules, drawn, times)]
        show_json({**whole, "report": {**report_json(drawn, wrong, times), "steps": rows}})
        return
    out.print(f"[bold]{drawn.heading}[/bold]  {found.id}, {found.ending or found.state}")
    out.print(f"[dim]{described(drawn)}[/dim]\n", soft_wrap=True)
    out.print(time_line(drawn))
    print_clocks(found, rules, rules.policy.speed)
    print_loss(found, rules)
    out.print("\n[bold]What failed[/bold]" + ("" if wrong else "  nothing"))
    for failure in wrong:
        out.print(f"  [yellow]{failure.what}[/yellow]: {failure.because}", soft_wrap=True)
    print_trend(times)
    for written in (svg, html):
        if written:
            out.print(f"[green]✓[/green] {written} written")


def time_line(drawn: Lines) -> Table:
    """The steps on a time line of characters: dots while a person is asked, blocks while it works."""
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    table.add_column("step", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column(f"0s to {took(drawn.end)}", no_wrap=True)
    table.add_column("", no_wrap=True)
    for bar in drawn.bars:
        name = f"[bold]▸ {bar.id}[/bold]" if bar.decides else f"  {bar.id}"
        colour = COLOURS[bar.state]
        said = ", ".join(word for word, so in ((bar.state, bar.state != "done"), ("late", bar.late)) if so)
        table.add_row(name, took(bar.end - bar.start), f"[{colour}]{_drawn(bar, drawn.end)}[/{colour}]", said)
    return table


def _drawn(bar: Bar, end: float) -> str:
    scale = ACROSS / max(end, 1.0)
    first, last = int(bar.start * scale), max(int(bar.start * scale) + 1, round(bar.end * scale))
    asked = range(0)
    if bar.asked is not None:
        asked = range(int(bar.asked * scale), round((bar.asked + bar.answer) * scale))
    cells = ["·" if n in asked else "█" for n in range(first, last)]
    return " " * first + "".join(cells)


def report_json(drawn: Lines, wrong: tuple[Failure, ...], times: Times) -> dict[str, Any]:
    """The report's own figures, in seconds of real time since the failure."""
    return {
        "because": described(drawn),
        "confirmed_s": drawn.seen,
        "ended_s": drawn.end,
        "decided_by": [b.id for b in drawn.bars if b.decides],
        "failed": [{"what": f.what, "because": f.because} for f in wrong],
        "trend": [
            {"run": r.source, "kind": r.kind, "ended_at": r.ended_at.isoformat(), "whole_s": r.whole}
            for r in times.runs
        ],
    }
