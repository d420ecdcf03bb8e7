"""readiness: what the newest round found of each runbook, as the deployed responder judged it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import TypeAdapter
from rich.table import Table

from chalicelib.core.happened import Readiness
from chalicelib.core.judging import Report, RunbookReport
from chalicelib.reports.readiness.render import html
from chalicelib.store.contract import StoreUnavailableError
from chalicelib.store.rounds import Rounds
from drctl.cli.places import JsonOption, StageName, StageOption, fail, out, place, show_json

WORDS: Final[Mapping[Readiness, str]] = {
    Readiness.READY: "[green]ready[/green]",
    Readiness.WITH_FINDINGS: "[yellow]ready, with findings[/yellow]",
    Readiness.UNKNOWN: "[yellow]not known[/yellow]",
    Readiness.NOT_READY: "[red]not ready[/red]",
}
ScenarioArgument = Annotated[str | None, typer.Argument(help="One runbook, whole; left out, a line for each.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel="Looking")(readiness)


PageOption = Annotated[Path | None, typer.Option("--page", help="Write the operators' page into this file.")]


def readiness(
    scenario: ScenarioArgument = None,
    stage: StageOption = StageName.LOCAL,
    page: PageOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Whether each runbook could succeed right now, as the newest round found it. Exit 0 when all that is shown is
    ready, findings that lower nothing among it; 1 when a runbook is not ready; 3 when that is not known, the round is
    older than two periods, or none was made.
    """
    where = place(stage)
    platform, allowed = where.policy.platform, where.policy.readiness.stale_after
    try:
        report = Rounds(where.client("dynamodb"), table=platform.responder.table, platform=platform.name).newest()
    except StoreUnavailableError as error:
        fail(str(error), 3)
    if report is None:
        fail("no round of readiness was made yet", 3)
    shown = [r for r in report.runbooks if scenario in (None, r.scenario)]
    if not shown:
        fail(f"no runbook {scenario!r} was judged; there are: {', '.join(r.scenario for r in report.runbooks)}", 2)
    age = datetime.now(UTC) - report.at
    if page:
        page.write_text(html(report, where.policy), encoding="utf-8")
    if json:
        plain = TypeAdapter(Report).dump_python(report, mode="json")
        plain["runbooks"] = [r for r in plain["runbooks"] if scenario in (None, r["scenario"])]
        show_json({**plain, "stale": age > allowed})
    else:
        _print(report, shown, whole=scenario is not None)
        if age > allowed:
            out.print(f"[red]the round is {where.policy.real(age)} old, allowed are {where.policy.real(allowed)}[/red]")
    raise typer.Exit(status(shown, age, allowed))


def status(shown: Sequence[RunbookReport], age: timedelta, allowed: timedelta) -> int:
    """The exit status."""
    states = {r.state for r in shown}
    if Readiness.NOT_READY in states:
        return 1
    return 3 if Readiness.UNKNOWN in states or age > allowed else 0


def word(row: RunbookReport) -> str:
    """The state in a word. Ready where no step could be looked at is a word on what is around them, and says so."""
    around = row.by_what_is_around and row.state is Readiness.READY
    return "[yellow]ready, its steps not seen[/yellow]" if around else WORDS[row.state]


def _print(report: Report, shown: Sequence[RunbookReport], *, whole: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("runbook", "", "since (UTC)", "because"):
        table.add_column(column, overflow="fold")
    for row in shown:
        table.add_row(row.scenario, word(row), f"{row.since:%Y-%m-%d %H:%M:%S}", row.because)
    out.print(table)
    for runbook in shown:
        rows = [r for r in runbook.rows if whole or r.state == "lacking"]
        if rows:
            out.print(f"\n[bold]{runbook.display}[/bold]")
            out.print(_rows(rows))
        for thing in runbook.unseen if whole else ():
            out.print(f"not looked at beforehand: {thing.subject}: {thing.because}", style="dim")
    out.print(f"\nthe round began at {report.at:%Y-%m-%d %H:%M:%S} UTC and took {report.seconds:.0f} s", style="dim")


def _rows(rows: Sequence[Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("what", "", "since", "because", "whose", "mend"):
        table.add_column(column, overflow="fold")
    for row in rows:
        mark = {"ready": "[green]✓[/green]", "unknown": "[yellow]?[/yellow]", "lacking": "[red]✗[/red]"}[row.state]
        wrong = row.state != "ready"
        table.add_row(
            row.subject,
            mark,
            f"{row.since:%H:%M:%S}",
            row.because + ("" if not wrong or row.lowers else " (lowers nothing)"),
            row.owner if wrong else "",
            row.mend if wrong else "",
        )
    return table
