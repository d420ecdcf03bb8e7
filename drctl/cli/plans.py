"""plan: the steps of a scenario as a page that one would act on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.padding import Padding
from rich.table import Table

from chalicelib.actions.contract import AwsOp, CloudflareOp, KubeOp, Op
from chalicelib.actions.lifecycles_paused import BUCKETS
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.versions import where as where_of
from chalicelib.clients.aws import READ_ONLY
from chalicelib.core.bounds import WrongChoiceError, read
from chalicelib.core.plan import Plan, PlanError, Step
from chalicelib.core.plan import plan as make_plan
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.runbooks import Choice
from drctl.cli.asking import (
    WRITES,
    asked_sentence,
    begins,
    choice_sentence,
    from_the_journal,
    may_choose,
    typed,
    voices,
    why_it_asks,
)
from drctl.cli.people import chosen
from drctl.cli.places import POLICIES, JsonOption, PoliciesOption, fail, out, read_policies, show_json
from drctl.deployment.permissions import targets
from drctl.deployment.words import words

KEEPS: Final = frozenset({"logs-kept", "objects-kept"})
"""Actions that write evidence."""
SUFFIX: Final = "-??????"
"""What stands for the six characters that Secrets Manager adds to a name."""
GROUPS: Final = frozenset({"og:*", "pg:*", "subgrp:*"})
"""Beside its database RDS wants a right on these; nothing of them is changed."""
SHORT: Final = 9
"""Steps; the plan of a longer runbook would not be a page any more with what each looks at."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel="Policies")(plan)


def plan(
    scenario: Annotated[str, typer.Argument(help="A scenario of scenarios.yaml, such as region-failure.")],
    policies: PoliciesOption = POLICIES,
    *,
    choices: Annotated[
        list[str] | None,
        typer.Option("--choose", metavar="NAME=VALUE", help="The plan as it is with this choice."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """The steps of a scenario: order, times, what asks and why, the calls each will make."""
    policy = read_policies(policies)
    given = _given(scenario, chosen(choices) if choices else {}, policy)
    try:
        made = make_plan(scenario, policy=policy, choices=given)
    except PlanError as error:
        fail(str(error), 2)
    times = schedule(made, policy)
    if json:
        show_json(
            {
                "scenario": scenario,
                "title": made.title,
                "hash": made.hash,
                "choices": [_choice_json(c, made) for c in may_choose(scenario, policy)],
                "steps": [_step_json(s, scenario, policy, times[s.id]) for s in made.steps],
                "infrastructure": leaned_on(made, policy),
                "undos": [{"id": s.id, "title": s.title, "undoes": s.undoes, "unless": s.unless} for s in made.undos],
                "begins": begins(scenario, policy),
                "waits": [
                    {"scope": r.scope, "scenario": r.waits.scenario, "at_most": show_duration(r.waits.at_most)}
                    for r in policy.signals.rules
                    if r.scenario == scenario and r.waits
                ],
                "typed": dict(typed(made, policy, given)),
                "voices": voices(policy),
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
    _section("Before that", [(b["where"], b["because"]) for b in begins(scenario, policy)])
    if wanted := may_choose(scenario, policy):
        _section("A person chooses", [(c.name, choice_sentence(c, made, policy, given)) for c in wanted])
    if lines := typed(made, policy, given):
        _section("What is typed", lines)
    if said := from_the_journal(scenario, policy):
        _section("Read from the journal when it is declared", [(c.name, c.asks) for c in said])
    _section("Asks a person", [(s.id, asked_sentence(s, scenario, policy)) for s in made.steps])
    if by_hand := [(s.id, s.params["ask"]) for s in made.steps if s.action == "person"]:
        _section("Done by hand", by_hand)
    title = "Calls that change something[/bold] (each by the one executor, tried once)[bold]"
    _section(title, [(s.id, call) for s in made.steps for call in calls(s, policy)])
    if rows := leaned_on(made, policy):
        _section("Leans on, beside services", [(r["display"], _lean_sentence(r)) for r in rows])
    if made.undos:
        _section("Taken back when a person ends it on the way", [(s.id, _undoing(s)) for s in made.undos])
    if made.steps and len(made.steps) <= SHORT:
        _section("Looks at", [(s.id, ", ".join(looks(s))) for s in made.steps])
    end = max(t[1] for t in times.values())
    out.print(f"\nAbout {show_duration(end)} when every expected time is kept and people answer as policy expects.")


def leaned_on(made: Plan, policy: Policy) -> list[dict[str, Any]]:
    """The infrastructure that a plan's services lean on, or that the plan brings back: its type, what is looked at, the
    actions that bring it back, and the plan's own steps among them.
    """
    found = []
    for row in policy.services.infrastructure:
        leaning = [s.name for s in policy.services.services if row.name in s.depends_on]
        back = [s.id for s in made.steps if s.action in row.way_back and (s.service is None or s.service in leaning)]
        if back or any(s.service in leaning for s in made.steps):
            found.append(
                {
                    "name": row.name,
                    "display": row.display,
                    "type": row.type,
                    "services": leaning,
                    "checks": [str(check) for check in row.checks],
                    "way_back": list(row.way_back),
                    "steps": back,
                }
            )
    return found


def _lean_sentence(row: Mapping[str, Any]) -> str:
    steps, more = row["steps"][:3], len(row["steps"][3:])
    here = f"; here by {', '.join(steps)}" + (f" and {more} more" if more else "") if steps else "; not by this plan"
    looked = f"looked at: {', '.join(row['checks']) or 'nothing'}"
    return f"{row['type']}, for {', '.join(row['services'])}; {looked}; way back: {', '.join(row['way_back'])}{here}"


def _undoing(step: Step) -> str:
    spared = f", unless {step.unless} has begun" if step.unless else ""
    return f"{step.title}, once {step.undoes} has begun{spared}"


def _section(title: str, rows: list[tuple[str, str]]) -> None:
    out.print(f"\n[bold]{title}[/bold]")
    for line in [f"{step}: {text}" for step, text in rows if text] or ["nothing"]:
        # A line that is too long goes on below itself, not at the edge.
        out.print(Padding(line, (0, 0, 0, 2), expand=False))


def _given(scenario: str, choices: dict[str, str], policy: Policy) -> dict[str, str]:
    """The choices as they would be kept; ends clearly where one could not be made."""
    known = {c.name: c for c in may_choose(scenario, policy)}
    for name in choices:
        if name not in known:
            fail(f"{scenario} has no choice {name!r} in runbooks.yaml; allowed: {', '.join(known) or 'nothing'}", 2)
    try:
        return {name: read(known[name], value, None, policy, datetime.now(UTC)) for name, value in choices.items()}
    except WrongChoiceError as error:
        fail(str(error), 2)


def _choice_json(choice: Choice, made: Plan) -> dict[str, Any]:
    return {
        "name": choice.name,
        "kind": choice.kind,
        "asks": choice.asks,
        "default": choice.default,
        "taken_by": [s.id for s in made.steps if choice.name in s.takes],
        "waited_for_by": [s.id for s in made.steps if choice.name in s.missing],
    }


def looks(step: Step) -> list[str]:
    """What the step's action reads, by the names of its operations."""
    reads = ACTIONS[step.action].reads
    named = (f"{op.service} {op.operation}" if isinstance(op, AwsOp) else op.named for op in reads)
    return list(dict.fromkeys(named))


def schedule(made: Plan, policy: Policy) -> dict[str, tuple[timedelta, timedelta]]:
    """Step id → (earliest start, end), by expected times and the time in which a person answers."""
    times: dict[str, tuple[timedelta, timedelta]] = {}
    for step in made.steps:
        start = max((times[n][1] for n in step.needs), default=timedelta())
        asks = policy.platform.responder.answer_time if why_it_asks(step, made.scenario, policy) else timedelta()
        times[step.id] = (start, start + asks + step.expected)
    return times


def _its_side(op: Op, step: Step) -> bool:
    """Whether a step that says which side of the database it is about comes to this operation."""
    side = step.params.get("side")
    # The lease lies beside the desk, in the standby region, and is the primary's.
    where = "primary" if isinstance(op, AwsOp) and op.service == "dynamodb" else op.where
    return side is None or where == side


def calls(step: Step, policy: Policy) -> list[str]:
    """The calls that the step may make, with their targets, as far as one can say before looking."""
    ops = [op for op in ACTIONS[step.action].calls if _its_side(op, step)]
    named = [_named(op, step, policy) for op in ops if not (isinstance(op, AwsOp) and op.batch)]
    named += _batches(step, policy)
    if step.action in WRITES:
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
    where = _batch_goes(step, policy)
    return [f"aws: {service} {batch} {where}: {', '.join(made)}" for (service, batch), made in found.items()]


def _batch_goes(step: Step, policy: Policy) -> str:
    """Where a call that is made of many goes: evidence into its bucket, snapshots where the instances are, and
    versions of objects into the bucket that the step, or a person on the day, names.
    """
    containment = policy.platform.containment
    if step.action in KEEPS and containment:
        return f"in {containment.evidence.region}, {containment.evidence.bucket}/incidents"
    if step.action == "volumes-snapshotted":
        return f"in {policy.platform.regions.primary}, the snapshots that it takes"
    regions = {row.bucket: row.region for row in policy.backups.restorable}
    bucket, prefix = where_of(step.params)
    return (
        f"in {regions[bucket]}, {bucket}/{prefix}"
        if bucket in regions
        else "in the bucket's region, the folder that is chosen"
    )


def _named(op: Op, step: Step, policy: Policy) -> str:
    # A step is aimed at a cluster by its runbook; an operation says where it goes.
    if isinstance(op, CloudflareOp):
        outage = policy.platform.outage
        return f"{op.named} in the zone of {policy.platform.traffic.record}" if outage and op.verb != "list" else ""
    aimed = step.params.get("cluster", op.where)
    if aimed == "tertiary" and isinstance(op, KubeOp):
        about = f" for {step.service}" if step.service else ""
        return f"kubernetes: {op.verb} {op.named}{about} in {policy.platform.cluster('tertiary').name}"
    primary = aimed == "primary"
    place = policy.platform.regions.primary if primary else policy.platform.regions.standby
    if isinstance(op, AwsOp):
        # A key is used by the bucket that is written to, on our behalf: a right, and no call of ours.
        no_call = op.operation.startswith("get_") or op.service == "kms"
        if no_call or op.switch not in (None, policy.platform.traffic.switch.kind):
            return ""
        condition = op.condition[1].format(**words(policy)) if op.condition else ""
        place = "each bucket's region" if op.resources == BUCKETS else place
        return f"aws: {op.service} {op.operation} in {place}, {', '.join(_plain(policy, op)) or condition}"
    cluster = policy.platform.cluster("primary" if primary else "standby").name
    about = f" for {step.service}" if step.service else ""
    return f"kubernetes: {op.verb} {op.named}{about} in {cluster}"


def _plain(policy: Policy, op: AwsOp) -> list[str]:
    """The targets as a person knows them: a secret without what its ARN ends with, a database without its groups."""
    return [t.removesuffix(SUFFIX) for t in targets(policy, op) if t not in GROUPS]


def _step_json(step: Step, scenario: str, policy: Policy, times: tuple[timedelta, timedelta]) -> dict[str, Any]:
    return {
        "id": step.id,
        "title": step.title,
        "action": step.action,
        "needs": list(step.needs),
        "asks": why_it_asks(step, scenario, policy) or None,
        "people": step.people,
        "reversible": step.reversible,
        "starts_s": times[0].total_seconds(),
        "ends_s": times[1].total_seconds(),
        "deadline_s": step.deadline.total_seconds(),
        "calls": calls(step, policy),
    }
