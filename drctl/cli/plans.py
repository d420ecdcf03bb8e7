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
from chalicelib.core.bounds import WrongChoiceError, allowed, read
from chalicelib.core.plan import Plan, PlanError, Step
from chalicelib.core.plan import plan as make_plan
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.runbooks import Choice, ChoiceKind
from chalicelib.policy.scenarios import Automation
from drctl.cli.people import chosen
from drctl.cli.places import POLICIES, JsonOption, PoliciesOption, fail, out, read_policies, show_json
from drctl.deployment.permissions import targets
from drctl.deployment.words import words

WRITES: Final = frozenset({"verify-write", "verify-home-write", "verify-outage-write"})
ASKED: Final = frozenset({"person", "wrong-side-listed"}) | WRITES
"""Actions that declare no call and ask all the same: the one asks only, the others call the database itself."""
KEEPS: Final = frozenset({"logs-kept", "objects-kept"})
"""Actions that write evidence."""
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
                "waits": [
                    {"scope": r.scope, "scenario": r.waits.scenario, "at_most": show_duration(r.waits.at_most)}
                    for r in policy.signals.rules
                    if r.scenario == scenario and r.waits
                ],
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
    for line in confirmed_by(scenario, policy):
        out.print(line)
    if wanted := may_choose(scenario, policy):
        _section("A person chooses", [(c.name, choice_sentence(c, made, policy, given)) for c in wanted])
        _section("What is typed", typed(scenario, made, policy, given))
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
    if any(step.action == "record-moved" for step in made.steps):
        out.print(f"\n[bold]Run it[/bold] without AWS: drctl respond --offline --declare {scenario} --note …")
        out.print("  approve in another terminal: drctl approve --stage offline   (docs/offline.md)")
    end = max(t[1] for t in times.values())
    out.print(f"\nAbout {show_duration(end)} when every expected time is kept and people answer as policy expects.")


def confirmed_by(scenario: str, policy: Policy) -> list[str]:
    """What has to be so before the plan starts, and whom a suspicion waits for first, one line a rule that waits."""
    return [
        f"\n[bold]Before that[/bold]\n  confirmed by {rule.quorum} of {len(rule.observers)} observers bad for "
        f"{show_duration(rule.hold)}; waits for an {rule.waits.scenario} that is open below {rule.scope}, at most "
        f"{show_duration(rule.waits.at_most)} since the failure began, and only while all of "
        f"{', '.join(r.scope for r in policy.signals.awaited(rule))} but that one are good"
        + (f"; listens {show_duration(rule.waits.listens)} for one to open" if rule.waits.listens else "")
        for rule in policy.signals.rules
        if rule.scenario == scenario and rule.waits
    ]


def leaned_on(made: Plan, policy: Policy) -> list[dict[str, Any]]:
    """The infrastructure that a plan's services lean on, or that the plan brings back: its type, what is looked at, the
    actions that bring it back, and the plan's own steps among them.
    """
    found = []
    for row in policy.services.infrastructure:
        leaning = [s.name for s in policy.services.services if row.name in s.depends_on]
        back = [s.id for s in made.steps if s.action in row.way_back]
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


def may_choose(scenario: str, policy: Policy) -> tuple[Choice, ...]:
    """What a person may choose for a scenario's steps."""
    runbook = policy.runbook(scenario)
    return tuple(c for c in runbook.choices if c.kind is not ChoiceKind.JOURNAL) if runbook else ()


def from_the_journal(scenario: str, policy: Policy) -> tuple[Choice, ...]:
    """What the journal of a move says for the steps that take it back."""
    runbook = policy.runbook(scenario)
    return tuple(c for c in runbook.choices if c.kind is ChoiceKind.JOURNAL) if runbook else ()


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


def choice_sentence(choice: Choice, made: Plan, policy: Policy, given: Mapping[str, str]) -> str:
    """`the last moment of good data; allowed: a time …, at most 30d back, proposed by point; waited for by restore`."""
    if choice.name in given:
        return f"{choice.asks}; {given[choice.name]} is chosen"
    way = "ahead" if choice.kind is ChoiceKind.WHEN else "back"
    bound = f", at most {policy.real(choice.reach)} {way}" if choice.reach else ""
    seen = f"; step {choice.seen_by} proposes one and says the earliest" if choice.seen_by else ""
    waiting = [s.id for s in made.steps if choice.name in s.missing]
    waits = f"; waited for by {', '.join(waiting)}" if waiting else ""
    if choice.default:
        waits = f"; {choice.default} as long as nobody chooses"
    return f"{choice.asks}; allowed: {allowed(choice, policy, datetime.now(UTC))}{bound}{seen}{waits}"


def typed(scenario: str, made: Plan, policy: Policy, given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The commands that lead through the plan, in order."""
    scopes = list(dict.fromkeys(r.scope for r in policy.signals.rules if r.scenario == scenario)) or ["SCOPE"]
    # Never `none` by itself: whoever copies the line would put nothing back.
    words = {c.name: given.get(c.name, c.name.upper()) for c in may_choose(scenario, policy)}
    nothing = "; none where nothing of it was lost" if any(c.none for c in may_choose(scenario, policy)) else ""
    free = [c.name for c in may_choose(scenario, policy) if c.default]
    said = [(name, f"{name}={word}") for name, word in words.items()]
    needed, other = (" ".join(w for name, w in said if (name in free) is which) for which in (False, True))
    first = next((s.id for s in made.steps if why_it_asks(s, scenario, policy)), "")
    return [
        ("confirm", " or ".join(_begun_by(scenario, scope, policy) for scope in scopes)),
        ("look", "drctl show, which says what every step found, and proposes"),
        *([("choose", f"drctl choose {needed}{nothing}")] if needed else []),
        *(
            [("choose otherwise", f"drctl choose {other}, any of them, before what takes it has begun")]
            if other
            else []
        ),
        *(
            [("allow", f"drctl approve --step {first}, and so on with each that asks; drctl reject stops one")]
            if first
            else []
        ),
    ]


def _begun_by(scenario: str, scope: str, policy: Policy) -> str:
    return "drctl failback --begin" if policy.scenario(scenario).returns else f"drctl declare {scenario} {scope}"


def asked_sentence(step: Step, scenario: str, policy: Policy) -> str:
    """Why it asks, and whether there is a way back."""
    why = why_it_asks(step, scenario, policy)
    return f"{why}; cannot be undone" if why and not step.reversible and "cannot be undone" not in why else why


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
    if not ACTIONS[step.action].calls and step.action not in ASKED:
        return ""
    two = "two people: " if step.people > 1 else ""
    if policy.scenario(scenario).automatic is Automation.NO:
        return two + (step.asks_because or f"policy allows nothing automatic for {scenario}")
    return step.asks_because or ("" if step.automatic else "policy says that a person decides this step")


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
