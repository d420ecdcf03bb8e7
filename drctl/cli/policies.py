"""lint, plan, schema, generate: what the policies say."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from chalicelib.actions.contract import AwsOp, Op
from chalicelib.actions.registry import ACTIONS
from chalicelib.clients.aws import READ_ONLY
from chalicelib.core.plan import Plan, PlanError, Step
from chalicelib.core.plan import plan as make_plan
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.lint import ActionFacts
from chalicelib.policy.lint import lint as find
from chalicelib.policy.scenarios import Automation
from chalicelib.policy.schema import drift as schema_drift
from chalicelib.policy.schema import write as write_schemas
from drctl.cli.places import POLICIES, ROOT, JsonOption, PoliciesOption, fail, out, read_policies, show_json
from drctl.deployment import generate
from drctl.deployment.permissions import targets, words

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}

SHORT: Final = 6
"""Steps; the plan of a longer runbook would not be a page any more with what each looks at."""


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command(rich_help_panel="Policies")(lint)
    app.command(rich_help_panel="Policies")(plan)
    app.command(rich_help_panel="Policies")(schema)
    app.command(name="generate", rich_help_panel="Policies")(generate_files)


def lint(
    policies: PoliciesOption = POLICIES,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Errors only.")] = False,
    json: JsonOption = False,
) -> None:
    """Judges all policy files together. Exit 1 when there is an error."""
    findings = find(policies, actions={name: ActionFacts.of(action) for name, action in ACTIONS.items()})
    errors = [f for f in findings if f.severity == "error"]
    if json:
        show_json([asdict(f) for f in findings])
    else:
        for f in errors if quiet else findings:
            colour = COLOURS[f.severity]
            out.print(
                f"[{colour}]{f.severity}[/{colour}] [bold]{f.file}:{f.line}[/bold] {f.field}  [dim]{f.rule}[/dim]"
            )
            out.print(f"  {f.because}")
            out.print(f"  [dim]allowed:[/dim] {f.allowed}")
            out.print(f"  [dim]found:  [/dim] {f.found}\n")
        counts = ", ".join(f"{sum(f.severity == s for f in findings)} {s}s" for s in COLOURS)
        out.print(f"{policies}: {counts}")
    raise typer.Exit(1 if errors else 0)


def plan(
    scenario: Annotated[str, typer.Argument(help="A scenario of scenarios.yaml, such as region-failure.")],
    policies: PoliciesOption = POLICIES,
    *,
    json: JsonOption = False,
) -> None:
    """The steps of a scenario: order, times, what asks and why, the calls each will make."""
    policy = read_policies(policies)
    try:
        made = make_plan(scenario, policy=policy)
    except PlanError as error:
        fail(str(error), 2)
    times = schedule(made, policy)
    if json:
        show_json(
            {
                "scenario": scenario,
                "title": made.title,
                "hash": made.hash,
                "steps": [_step_json(s, scenario, policy, times[s.id]) for s in made.steps],
                "undos": [{"id": s.id, "title": s.title, "undoes": s.undoes, "unless": s.unless} for s in made.undos],
            }
        )
        return
    row = policy.scenario(scenario)
    out.print(f"[bold]{row.display}[/bold]: {made.title}")
    out.print(f"severity {row.severity}, automatic: {row.automatic}, plan {made.hash}\n")
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("at", "step", "what", "limit"):
        table.add_column(column, justify="right" if column in ("at", "limit") else "left", no_wrap=column != "what")
    for step in made.steps:
        asks = why_it_asks(step, scenario, policy)
        table.add_row(
            "+" + show_duration(times[step.id][0]),
            step.id,
            f"{step.title}  [yellow]asks[/yellow]" if asks else step.title,
            show_duration(step.deadline),
        )
    out.print(table)
    _section("Asks a person", [(s.id, why_it_asks(s, scenario, policy)) for s in made.steps])
    title = "Calls that change something[/bold] (each by the one executor, tried once)[bold]"
    _section(title, [(s.id, call) for s in made.steps for call in calls(s, policy)])
    if made.undos:
        _section("Taken back when a person ends it on the way", [(s.id, _undoing(s)) for s in made.undos])
    if made.steps and len(made.steps) <= SHORT:
        _section("Looks at", [(s.id, ", ".join(looks(s))) for s in made.steps])
    end = max(t[1] for t in times.values())
    out.print(f"\nAbout {show_duration(end)} when every expected time is kept and people answer as policy expects.")


def _undoing(step: Step) -> str:
    spared = f", unless {step.unless} has begun" if step.unless else ""
    return f"{step.title}, once {step.undoes} has begun{spared}"


def _section(title: str, rows: list[tuple[str, str]]) -> None:
    out.print(f"\n[bold]{title}[/bold]")
    told = [f"  {step}: {text}" for step, text in rows if text] or ["  nothing"]
    for line in told:
        out.print(line)


def looks(step: Step) -> list[str]:
    """What the step's action reads, by the names of its operations."""
    reads = ACTIONS[step.action].reads
    return [f"{op.service} {op.operation}" if isinstance(op, AwsOp) else op.named for op in reads]


def schedule(made: Plan, policy: Policy) -> dict[str, tuple[timedelta, timedelta]]:
    """Step id → (earliest start, end), by expected times and the time in which a person answers."""
    times: dict[str, tuple[timedelta, timedelta]] = {}
    for step in made.steps:
        start = max((times[n][1] for n in step.needs), default=timedelta())
        asks = policy.platform.responder.answer_time if why_it_asks(step, made.scenario, policy) else timedelta()
        times[step.id] = (start, start + asks + step.expected)
    return times


def why_it_asks(step: Step, scenario: str, policy: Policy) -> str:
    """Why a person is asked before this step, empty when nobody is, as far as policy alone can say."""
    if policy.scenario(scenario).automatic is Automation.NO:
        return f"policy allows nothing automatic for {scenario}"
    return step.asks_because or ("" if step.automatic else "policy says that a person decides this step")


def calls(step: Step, policy: Policy) -> list[str]:
    """The calls that the step may make, with their targets, as far as one can say before looking."""
    named = [_named(op, step, policy) for op in ACTIONS[step.action].calls if not (isinstance(op, AwsOp) and op.batch)]
    named += _batches(step, policy)
    if step.action == "verify-write":
        database = policy.platform.database
        named.append(
            f"postgres: a row into {database.heartbeat_table} of {database.name}, by the applications' address"
        )
    return list(dict.fromkeys(n for n in named if n))


def _batches(step: Step, policy: Policy) -> list[str]:
    """Each call that is made of many, with what changes something in it."""
    found: dict[tuple[str, str], list[str]] = {}
    for op in ACTIONS[step.action].calls:
        if isinstance(op, AwsOp) and op.batch and not op.operation.startswith(READ_ONLY):
            found.setdefault((op.service, op.batch), []).append(op.operation)
    regions = {row.bucket: row.region for row in policy.backups.restorable}
    bucket, prefix = step.params.get("bucket", ""), step.params.get("prefix", "")
    where = f"in {regions.get(bucket, 'no region of policy')}, {bucket}/{prefix}"
    return [f"aws: {service} {batch} {where}: {', '.join(made)}" for (service, batch), made in found.items()]


def _named(op: Op, step: Step, policy: Policy) -> str:
    # A step is aimed at a cluster by its runbook; an operation says where it goes.
    primary = step.params.get("cluster", op.where) == "primary"
    place = policy.platform.regions.primary if primary else policy.platform.regions.standby
    if isinstance(op, AwsOp):
        # A key is used by the bucket that is written to, on our behalf: a right, and no call of ours.
        no_call = op.operation.startswith("get_") or op.service == "kms"
        if no_call or op.switch not in (None, policy.platform.traffic.switch.kind):
            return ""
        condition = op.condition[1].format(**words(policy)) if op.condition else ""
        return f"aws: {op.service} {op.operation} in {place}, {', '.join(targets(policy, op)) or condition}"
    cluster = policy.platform.cluster("primary" if primary else "standby").name
    about = f" for {step.service}" if step.service else ""
    return f"kubernetes: {op.verb} {op.named}{about} in {cluster}"


def _step_json(step: Step, scenario: str, policy: Policy, times: tuple[timedelta, timedelta]) -> dict[str, Any]:
    return {
        "id": step.id,
        "title": step.title,
        "action": step.action,
        "needs": list(step.needs),
        "asks": why_it_asks(step, scenario, policy) or None,
        "reversible": step.reversible,
        "starts_s": times[0].total_seconds(),
        "ends_s": times[1].total_seconds(),
        "deadline_s": step.deadline.total_seconds(),
        "calls": calls(step, policy),
    }


def schema(
    folder: Annotated[Path, typer.Option("--out", help="Where the schemas go.")] = POLICIES / "schemas",
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what differs; exit 1 when something does.")] = False,
) -> None:
    """JSON Schemas of the policy files, for editors."""
    differs = schema_drift(folder)
    if not check:
        write_schemas(folder)
        out.print(f"{folder}: {len(differs)} written")
        return
    for sentence in differs:
        out.print(sentence)
    raise typer.Exit(1 if differs else 0)


def generate_files(
    policies: PoliciesOption = POLICIES,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where they go: .chalice for the shipped policies, else the policies' own .chalice."
        ),
    ] = None,
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what differs; exit 1 when something does.")] = False,
) -> None:
    """Chalice's configuration, IAM policies and templates, from policy and code."""
    policy = read_policies(policies)
    folder = folder or (ROOT if policies.resolve() == POLICIES.resolve() else policies) / ".chalice"
    if check:
        differs = generate.drift(folder, policy)
        for sentence in differs:
            out.print(sentence)
        raise typer.Exit(1 if differs else 0)
    for path in generate.write(folder, policy):
        out.print(f"{path} written")
