"""status, show, dead letters: looking at the desk. Reads the store only."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from chalicelib.core.book import Book
from chalicelib.core.bounds import proposed
from chalicelib.core.debt_asks import PREFIX
from chalicelib.core.findings import told
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.plan import Plan, Rules
from chalicelib.core.report import clocks, data_loss
from chalicelib.core.times import NONE, Times
from chalicelib.core.wording import asks, held, progress
from chalicelib.intake import codec
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.runbooks import Choice
from chalicelib.store.codec import read_book, read_incident, read_plan, read_policy, read_times
from drctl.cli.as_json import finding_json, held_json, incident_json, switch_json
from drctl.cli.copies import keep
from drctl.cli.outlook import print_forecast, running_json
from drctl.cli.places import JsonOption, Place, StageName, StageOption, fail, out, place, show_json

PANEL = "Looking"
COLOURS = {
    StepState.DONE: "green",
    StepState.RUNNING: "cyan",
    StepState.ACTING: "cyan",
    StepState.ASKING: "yellow",
    StepState.HELD: "yellow",
    StepState.STUCK: "red",
    StepState.PENDING: "dim",
    StepState.LEFT: "yellow",
}
FUNCTIONS = {"sns": "on_alarm_sns", "eventbridge": "on_alarm_event", "direct": "on_alarm_direct", "command": "command"}


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command(rich_help_panel=PANEL)(status)
    app.command(rich_help_panel=PANEL)(show)
    dead = typer.Typer(help="Events that could not be read: list them, replay them.", no_args_is_help=True)
    dead.command(name="list")(dead_list)
    dead.command(name="replay")(dead_replay)
    app.add_typer(dead, name="dead", rich_help_panel=PANEL)


def book_of(where: Place) -> Book | None:
    """The book as it is stored now, None when nothing was ever saved."""
    body = where.store.read_book().body
    return read_book(body)[0] if body else None


def rules_of(where: Place, incidents: Sequence[Incident]) -> Rules:
    """The policy, and the plans and policies these incidents follow."""
    plans: dict[str, Plan] = {}
    policies: dict[str, Policy] = {}
    for incident in incidents:
        if body := where.store.document("plan", incident.plan):
            plans[incident.plan] = read_plan(body)
        if incident.policy != where.policy.digest and (kept := where.store.document("policy", incident.policy)):
            policies[incident.policy] = read_policy(kept)
    measured = {scenario: times_of(where, scenario) for scenario in {i.scenario for i in incidents}}
    return Rules(where.policy, plans, policies, measured=measured)


def times_of(where: Place, scenario: str) -> Times:
    """What was measured of a scenario, as the desk keeps it."""
    body = where.store.measured(scenario)
    return read_times(body) if body else NONE


def status(stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """What is open, in which mode, where the traffic switch stands, who holds the desk, what is owed."""
    where = place(stage)
    book, lock = book_of(where), where.store.read_lock()
    if stage is not StageName.OFFLINE:
        keep(where)
    dead = len(where.store.documents("dead"))
    if book is None:
        if json:
            show_json({"stage": stage, "open": [], "book": None})
        else:
            out.print(f"stage {stage}: nothing has ever happened here; mode will be the policy's initial one")
        return
    if json:
        show_json(
            {
                "stage": stage,
                "mode": book.mode,
                "serving": book.serving,
                "paused": book.paused and book.paused.because,
                "paused_by": book.paused and book.paused.by,
                "paused_since": book.paused and book.paused.at.isoformat(),
                "open": [
                    {
                        "incident": i.id,
                        "state": i.state,
                        "because": i.because,
                        "held": held_json(i),
                        "forecast": running_json(book, i, rules_of(where, [i])),
                    }
                    for i in book.incidents.values()
                ],
                "blocks": [b.because for b in book.blocks],
                "debts": [d.because for d in book.debts],
                "switch": switch_json(book),
                "switch_kept": book.meant
                and f"{book.meant.by} means it to be at {book.meant.region}: {book.meant.because}",
                "drills": [{"drill": d.id, "because": d.because} for d in book.drills.values()],
                "findings": [finding_json(f) for f in book.findings.values()],
                "dead_letters": dead,
                "desk_held_until": lock and lock.until.isoformat(),
            }
        )
        return
    platform = where.policy.platform
    out.print(f"[bold]{platform.display_name}[/bold]  stage {stage}, responder in {where.region}")
    paused = (
        f"  [red]PAUSED[/red] by {book.paused.by} at {book.paused.at:%H:%M:%S} UTC: {book.paused.because}"
        if book.paused
        else ""
    )
    out.print(f"mode [bold]{book.mode}[/bold], traffic goes to [bold]{book.serving}[/bold]{paused}")
    if book.switch:
        at = f"seen at {book.switch.region}" if book.switch.region else "never seen thrown"
        silent = "  [yellow]no answer now[/yellow]" if book.switch.silent_since else ""
        since = f"since {book.switch.since:%Y-%m-%d %H:%M:%S} UTC"
        out.print(f"switch [bold]{at}[/bold]{silent}  [dim]{since}: {book.switch.because}[/dim]")
    _print_drills(book)
    if book.meant:
        word = f"[bold]{book.meant.by}[/bold] means it to be there since {book.meant.at:%Y-%m-%d %H:%M:%S} UTC"
        out.print(f"  {word}: {book.meant.because}")
    _print_findings(book)
    for block in book.blocks:
        out.print(f"[yellow]blocked[/yellow] {block.because}  [dim](drctl acknowledge --block)[/dim]")
    _print_debts(book)
    if dead:
        out.print(f"[yellow]{dead} events could not be read[/yellow]  [dim](drctl dead list)[/dim]")
    if not book.incidents:
        out.print("[green]no incident is open[/green]")
        closed = where.store.documents("closed")
        for incident_id, body in closed[-3:]:
            ended = read_incident(body)
            out.print(f"  [dim]{incident_id}: {ended.ending} at {ended.ended_at:%Y-%m-%d %H:%M:%S} UTC[/dim]")
        return
    rules = rules_of(where, list(book.incidents.values()))
    for incident in book.incidents.values():
        _print_open(book, incident, rules)


def _print_drills(book: Book) -> None:
    for drill in book.drills.values():
        out.print(f"drill [bold]{drill.id}[/bold]  [dim]{drill.because} (drctl drills {drill.id})[/dim]")


def _print_findings(book: Book) -> None:
    for finding in book.findings.values():
        if finding.kind.startswith(PREFIX) and finding.settled_at is None:
            continue  # what is owed is shown as such, below
        out.print(
            f"[{'green' if finding.settled_at else 'red'}]{finding.headline}[/]"
            f"  [dim]{finding.id}, {finding.severity}[/dim]"
        )
        out.print(f"  {finding.settled_because or finding.because}")
        out.print(f"  [dim]told: {told(finding)}[/dim]")


def _print_debts(book: Book) -> None:
    for debt in book.debts:
        settled = f"  [dim](drctl review {debt.what})[/dim]" if debt.kind == "review" else ""
        if debt.case and any(r.state is StepState.ASKING for r in debt.case.steps.values()):
            settled = f"  [yellow]asks[/yellow] [dim](drctl approve {debt.case.id})[/dim]"
        for record in debt.case.steps.values() if debt.case else ():
            if record.state is StepState.STUCK:
                settled = f"  [yellow]stuck[/yellow] {record.because}"
        out.print(f"[yellow]owed[/yellow] {debt.because}{settled}")


def _print_open(book: Book, incident: Incident, rules: Rules) -> None:
    out.print(f"\n[bold]{incident.id}[/bold]  {incident.severity}, [bold]{incident.state}[/bold]")
    out.print(f"  {incident.because}")
    out.print(f"  {progress(incident, rules)}")
    print_forecast(book, incident, rules)
    print_choices(incident, rules)
    would = {step_id: call for step_id, call, _ in asks(incident, rules)}
    steps = rules.plan_of(incident.plan, incident.scenario, incident.chosen).steps
    unchosen = [s.id for s in steps if s.missing and incident.step(s.id).state is StepState.ASKING]
    for step_id, record in incident.steps.items():
        if record.state in (StepState.ASKING, StepState.STUCK) and step_id not in unchosen:
            out.print(f"  [yellow]{record.state}[/yellow] {step_id}: {record.because}")
        if step_id in would:
            out.print(f"    [dim]it is: {would[step_id]}[/dim]", soft_wrap=True)
    if unchosen:
        wanted = (c for c in to_choose(incident, rules) if not c.default)
        typed = " ".join(f"{c.name}={proposed(c, incident) or '…'}" for c in wanted)
        out.print(f"  [yellow]not chosen yet[/yellow], what these need: {', '.join(unchosen)}")
        out.print(f"    drctl choose {incident.id} {typed}", soft_wrap=True)
    if would:
        out.print(
            f"  answer with: drctl approve {incident.id} (--step {next(iter(would))} for one of them)", soft_wrap=True
        )
    for step_id, because in held(incident, rules.of(incident.policy)):
        out.print(f"  [yellow]held[/yellow] {step_id}: {because}")


def show(
    incident: Annotated[str | None, typer.Argument(help="Open or closed; the newest when left out.")] = None,
    stage: StageOption = StageName.LOCAL,
    *,
    json: JsonOption = False,
) -> None:
    """One incident: its steps, clocks, data loss, notices and timeline."""
    where = place(stage)
    found = find_incident(where, incident)
    rules = rules_of(where, [found])
    timeline = where.store.timeline(found.id)
    if json:
        book = book_of(where)
        going_on = running_json(book, found, rules) if book and found.id in book.incidents else None
        show_json({**incident_json(found, rules, timeline), "forecast": going_on})
        return
    speed = where.policy.speed
    out.print(
        f"[bold]{found.id}[/bold]  {found.severity}, [bold]{found.ending or found.state}[/bold], plan {found.plan}"
    )
    out.print(f"{found.because}\n")
    print_choices(found, rules)
    print_steps(found, rules)
    print_clocks(found, rules, speed)
    if (book := book_of(where)) and found.id in book.incidents:
        print_forecast(book, found, rules)
    print_loss(found, rules)
    late = [k for k, n in found.notices.items() if n.at > n.due_at]
    sent = sum(n.state == "sent" for n in found.notices.values())
    out.print(f"\n[bold]Notices[/bold]  {sent} sent, {len(found.notices) - sent} not, {len(late)} after their deadline")
    for key, notice in found.notices.items():
        if notice.state != "sent":
            out.print(f"  [yellow]{notice.state}[/yellow] {key}: {notice.because}")
    out.print("\n[bold]Timeline[/bold] (UTC)")
    for entry in timeline:
        at = datetime.fromisoformat(str(entry["at"]))
        out.print(f"  [dim]{at:%H:%M:%S}[/dim] {entry['kind']:<12} {entry['text']}", soft_wrap=True)


def print_choices(incident: Incident, rules: Rules) -> None:
    """What was chosen and by whom, and what may still be; nothing where the runbook asks for nothing."""
    runbook = rules.of(incident.policy).policy.runbook(incident.scenario)
    for choice in runbook.choices if runbook else ():
        if made := incident.choices.get(choice.name):
            said = f"{made.by}, {made.at:%H:%M:%S} UTC"
            out.print(f"  [green]chosen[/green] {choice.name}={made.value}  [dim]{said}[/dim]")
    for choice in to_choose(incident, rules):
        seen = f", proposed is {found}" if (found := proposed(choice, incident)) else ""
        how = (
            f"may be chosen[/dim] {choice.name}={choice.default}"
            if choice.default
            else f"to be chosen[/yellow] {choice.name}"
        )
        out.print(f"  {'[dim]' if choice.default else '[yellow]'}{how} ({choice.kind}): {choice.asks}{seen}")


def to_choose(incident: Incident, rules: Rules) -> tuple[Choice, ...]:
    """What the runbook lets a person choose, and nobody has chosen yet."""
    runbook = rules.of(incident.policy).policy.runbook(incident.scenario)
    return tuple(c for c in (runbook.choices if runbook else ()) if c.name not in incident.choices)


def print_steps(incident: Incident, rules: Rules) -> None:
    """The steps as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("step", "state", "took", "because"):
        table.add_column(column, overflow="fold")
    for step in rules.plan_of(incident.plan, incident.scenario, incident.chosen).steps:
        record = incident.step(step.id)
        took = ""
        if record.started_at and record.first_done_at:
            took = show_duration(_rounded((record.first_done_at - record.started_at) * rules.policy.speed))
        colour = COLOURS[record.state]
        table.add_row(step.id, f"[{colour}]{record.state}[/{colour}]", took, record.because)
    out.print(table)


def print_clocks(incident: Incident, rules: Rules, speed: float) -> None:
    """Each service's recovery time against its RTO, in real time."""
    found = clocks(incident, rules, incident.ended_at or datetime.now(UTC))
    if not found:
        return
    table = Table(box=None, pad_edge=False, header_style="bold dim", title_justify="left")
    for column in ("service", "tier", "recovery time", "RTO", ""):
        table.add_column(column)
    for clock in found:
        taken = show_duration(_rounded(clock.recovery_time * speed)) if clock.recovery_time else "not back"
        verdict = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "[dim]running[/dim]"}[clock.met]
        rto = show_duration(_rounded(clock.rto * speed)) + (" (inherited)" if clock.inherited else "")
        table.add_row(clock.display, str(clock.tier), taken, rto, verdict)
    note = f" [dim](times are {speed:g} times what was measured here: what they are in real time)[/dim]"
    out.print("\n[bold]Recovery[/bold]" + (note if speed > 1 else ""))
    out.print(table)


def print_loss(incident: Incident, rules: Rules) -> None:
    """What the promotion lost, against the RPO, in real time."""
    if found := data_loss(incident, rules):
        colour = {True: "green", False: "red", None: "yellow"}[found.met]
        out.print(f"\n[bold]Data loss[/bold]  [{colour}]{found.because}[/{colour}]", soft_wrap=True)


def find_incident(where: Place, named: str | None) -> Incident:
    """An open or closed incident; the newest when none is named. Ends clearly when there is none."""
    book = book_of(where)
    open_ones = list(book.incidents.values()) if book else []
    closed = [read_incident(body) for _, body in where.store.documents("closed")]
    known = sorted([*closed, *open_ones], key=lambda i: i.opened_at)
    for incident in reversed(known):
        if named in (None, incident.id):
            return incident
    return fail(f"there is no incident {named or 'at all'}; known: {', '.join(i.id for i in known) or 'none'}")


def dead_list(stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """What could not be read, why, and by which way it came."""
    letters = [(key, codec.read_dead(body)) for key, body in place(stage).store.documents("dead")]
    if json:
        show_json(
            [
                {"key": k, "reason": u.reason, "way": u.way, "at": u.received_at.isoformat(), "raw": u.raw}
                for k, u in letters
            ]
        )
        return
    for key, letter in letters:
        out.print(
            f"[bold]{key[:16]}[/bold]  {letter.received_at:%Y-%m-%d %H:%M:%S} UTC by {letter.way}: {letter.reason}"
        )
    if not letters:
        out.print("everything that came in could be read")


def dead_replay(
    key: Annotated[str, typer.Argument(help="The first digits of its key.")], stage: StageOption = StageName.LOCAL
) -> None:
    """Sends a dead letter through the same way in again; when it is read this time, it is taken off the list."""
    where = place(stage)
    found = [(k, codec.read_dead(body)) for k, body in where.store.documents("dead") if k.startswith(key)]
    if len(found) != 1:
        fail(f"{len(found)} dead letters begin with {key!r}, expected one; see `drctl dead list`")
    whole, letter = found[0]
    try:
        payload = jsonlib.loads(letter.raw)
    except ValueError:
        fail(f"{whole[:16]} is no JSON and cannot come in again: {letter.reason}")
    if letter.way == "sns" and "Records" not in payload:
        payload = {"Records": [payload]}
    answer = where.invoke(FUNCTIONS[letter.way], payload)
    if isinstance(answer, dict) and (answer.get("signals") or answer.get("ok")):
        where.store.delete_document("dead", whole)
        out.print(f"[green]✓[/green] it was read this time, and is off the list: {answer}")
    else:
        fail(f"it still cannot be read, and stays: {answer}")


def _rounded(value: timedelta) -> timedelta:
    return timedelta(seconds=round(value.total_seconds()))
