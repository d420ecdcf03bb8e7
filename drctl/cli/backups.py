"""backups: what is kept, how old the newest is, what is missing. backup now: asks the responder for a fresh one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from chalicelib.core.schedules import Place
from chalicelib.policy import Policy
from drctl.backups.audit import Kept, Page, audit
from drctl.backups.look import look
from drctl.cli import promises
from drctl.cli.people import By, Note, say
from drctl.cli.places import JsonOption, StageName, StageOption, fail, out, place, show_json
from drctl.cli.ready import reading

COLOURS = {"within": "green", "half": "yellow", "three quarters": "yellow", "missed": "red", "not known": "yellow"}
ASKED = "backup-now"
"""The scenario whose runbook takes a backup and follows it."""
SHOWN = 5
"""Gaps and drifts a schedule that are shown as text; JSON has all."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(rich_help_panel="Looking")(backups)
    asked = typer.Typer(help="Ask for a backup.", no_args_is_help=True)
    asked.callback()(_nothing)
    asked.command()(now)
    app.add_typer(asked, name="backup", rich_help_panel="People")


def _nothing() -> None:
    """Ask for a backup."""


def now(
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    schedule: Annotated[str, typer.Option("--schedule", help="Whose template is taken.")] = "",
    cluster: Annotated[str, typer.Option("--cluster", help="primary or standby.")] = "primary",
    json: JsonOption = False,
) -> None:
    """Take a backup now from a schedule's template, as `velero backup create --from-schedule` does. The responder makes
    it, through its gates, and follows it to its end: see `drctl show`.
    """
    where, at = place(stage), place_of(cluster)
    rows = [s.name for s in where.policy.backups.on(at)]
    if not rows:
        fail(f"policy writes no schedule for the {at} cluster, so there is no template to take a backup from")
    wanted = schedule or rows[0]
    if wanted not in rows:
        fail(f"--schedule is {wanted!r}, allowed are {', '.join(rows)}")
    scope = f"{where.policy.platform.cluster(at).region}/backups/{wanted}"
    payload = {"command": "declare", "scenario": ASKED, "scope": scope}
    say(stage, payload, by=by, note=note or f"a fresh {wanted} backup", json=json)


def backups(
    stage: StageOption = StageName.LOCAL,
    *,
    cluster: Annotated[str, typer.Option("--cluster", help="primary or standby.")] = "primary",
    json: JsonOption = False,
) -> None:
    """Per schedule: the newest backup and its age against the RPO, how many are kept of how many, gaps, the standby's
    copy, drift. Then what policy promises of replication, the replica, the endpoint's check and the alarms, with what
    mends it. Looks only; needs your own rights. Exit 1 when something is missing, 3 when it is not known.
    """
    where, at = place(stage), place_of(cluster)
    page = audit(where.policy, at, look(where.policy, at, reading(where)), datetime.now(UTC))
    seen = promises.seen(where)
    if json:
        show_json({**as_json(page), "promises": promises.as_json(seen)})
    else:
        show(page, where.policy)
        promises.show(seen)
    schedules = 0 if page.whole else 3 if page.unseen and all(r.whole for r in page.rows) else 1
    worst = {schedules, promises.worst(seen)}
    raise typer.Exit(next((status for status in (1, 3) if status in worst), 0))


def place_of(cluster: str) -> Place:
    """The place that --cluster names; ends clearly when it names none."""
    if cluster == "primary":
        return "primary"
    if cluster == "standby":
        return "standby"
    raise typer.BadParameter(f"{cluster!r} is no cluster; allowed are primary and standby", param_hint="--cluster")


def show(page: Page, policy: Policy) -> None:
    """As text for a terminal."""
    colour = COLOURS[page.risk]
    age = f"{policy.real(page.age)} old" if page.age is not None else "nowhere to be seen"
    out.print(
        f"newest good backup [bold]{age}[/bold], RPO {policy.real(page.rpo)}: [{colour}]{page.risk}[/{colour}]"
        f"  [dim]{page.at:%Y-%m-%d %H:%M:%S} UTC[/dim]\n"
    )
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("schedule", "newest", "age", "kept", "gaps", "copy", "drift"):
        table.add_column(column, overflow="fold", no_wrap=column == "newest")
    for row in page.rows:
        table.add_row(
            row.schedule,
            row.newest or "[red]none[/red]",
            policy.real(row.age) if row.age is not None else "-",
            _kept(row),
            f"[red]{len(row.gaps)}[/red]" if row.gaps else "none",
            _copied(row),
            f"[red]{len(row.drift)}[/red]" if row.drift else "none",
        )
    out.print(table)
    for row in page.rows:
        for line in lines(row):
            out.print(f"[red]✗[/red] {line}", soft_wrap=True)
    if page.unknown:
        out.print(f"[dim]policy says nothing of {', '.join(page.unknown)}[/dim]")
    for why in page.unseen:
        out.print(f"[yellow]not seen[/yellow] {why}", soft_wrap=True)


def lines(row: Kept) -> list[str]:
    """What is wrong with a schedule's backups, a sentence each, the newest first."""
    found = [d.sentence() for d in row.drift]
    gaps = sorted(row.gaps, key=lambda g: g.at, reverse=True)
    found += [f"{row.schedule} has no good backup of {g.at:%Y-%m-%d %H:%M} UTC: {g.because}" for g in gaps[:SHOWN]]
    if len(gaps) > SHOWN:
        found.append(f"{row.schedule} has {len(gaps) - SHOWN} more gaps, back to {gaps[-1].at:%Y-%m-%d %H:%M} UTC")
    for one in row.uncopied[-SHOWN:]:
        names = ", ".join(k.rpartition("/")[2] for k in one.missing[:3])
        more = f" and {len(one.missing) - 3} more" if len(one.missing) > 3 else ""
        found.append(f"backup {one.backup!r} is not whole in the standby's copy: {names}{more} missing")
    return found


def _kept(row: Kept) -> str:
    if not row.wanted:
        return "[dim]none due yet[/dim]"
    young = f" [dim]({row.promised} in time)[/dim]" if row.wanted < row.promised else ""
    text = f"{row.kept} of {row.wanted}"
    return (f"[red]{text}[/red]" if row.kept < row.wanted else f"[green]{text}[/green]") + young


def _copied(row: Kept) -> str:
    if row.copied is None:
        return "[yellow]not known[/yellow]"
    if not row.good:
        return "[dim]-[/dim]"
    text = f"{row.copied} of {row.good}"
    return f"[red]{text}[/red]" if row.uncopied else f"[green]{text}[/green]"


def as_json(page: Page) -> dict[str, Any]:
    """For other programs. Ages in seconds."""
    return {
        "at": page.at.isoformat(),
        "rpo_seconds": page.rpo.total_seconds(),
        "age_seconds": _seconds(page.age),
        "risk": page.risk,
        "whole": page.whole,
        "schedules": [
            {
                "schedule": r.schedule,
                "newest": r.newest,
                "age_seconds": _seconds(r.age),
                "kept": r.kept,
                "wanted": r.wanted,
                "promised": r.promised,
                "good": r.good,
                "gaps": [{"at": g.at.isoformat(), "because": g.because} for g in r.gaps],
                "copied": r.copied,
                "uncopied": [{"backup": u.backup, "missing": list(u.missing)} for u in r.uncopied],
                "drift": [
                    {
                        "field": d.field or "the schedule",
                        "policy": d.policy,
                        "stands": d.stands,
                        "since": d.since and d.since.isoformat(),
                        "because": d.sentence(),
                    }
                    for d in r.drift
                ],
            }
            for r in page.rows
        ],
        "unknown": list(page.unknown),
        "unseen": list(page.unseen),
    }


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()
