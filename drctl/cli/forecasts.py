"""forecast: the plan, run thousands of times over measured step times, and which RTO it keeps how often."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from chalicelib.core.forecast import Chance, Share
from chalicelib.core.foreseen import DETECTION, Foreseen, foresee, planned
from chalicelib.core.forewarning import basis, percent
from chalicelib.core.measured import measured
from chalicelib.core.plan import Plan, PlanError
from chalicelib.core.plan import plan as make_plan
from chalicelib.core.times import NONE, Kind, Times
from chalicelib.policy import Policy
from chalicelib.policy.base import show_duration
from chalicelib.policy.lint.ways import detection
from chalicelib.store.codec import read_incident
from drctl.cli.asking import why_it_asks
from drctl.cli.looking import rules_of, times_of
from drctl.cli.outlook import basis_json
from drctl.cli.places import POLICIES, ROOT, JsonOption, Place, PoliciesOption, StageName, fail, out, place, show_json
from drctl.cli.places import read_policies as read
from drctl.world.supervisor import running

RUNS: Final = 5000
SHOWN: Final = 6
"""Lines of what decides a tier."""
BAR: Final = 10


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command(rich_help_panel="Looking")(forecast)


def forecast(
    scenario: Annotated[str, typer.Argument(help="A scenario of scenarios.yaml, such as region-failure.")],
    policies: PoliciesOption = POLICIES,
    stage: Annotated[
        StageName | None,
        typer.Option(
            "--stage", help="Whose measurements; the local world's when it is up, else none.", envvar="DR_STAGE"
        ),
    ] = None,
    *,
    runs: Annotated[int, typer.Option("--runs", min=1, max=1_000_000, help="How often the plan is run.")] = RUNS,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same.")] = 1,
    json: JsonOption = False,
) -> None:
    """The chance of meeting each tier's RTO, and the step that decides it, from measured times."""
    policy, times, whence = measurements(scenario, policies, stage)
    try:
        made = make_plan(scenario, policy=policy)
    except PlanError as error:
        fail(str(error), 2)
    if not made.steps:
        fail(f"the plan of {scenario} has no steps: there is nothing to forecast", 2)
    asking = {s.id for s in made.steps if why_it_asks(s, scenario, policy)}
    nodes = planned(made, times, policy=policy, asking=asking, detected=detection(scenario, policy).total)
    # What is drawn decides nothing; it need not be unguessable.
    found = foresee(nodes, made, times, policy=policy, runs=runs, draw=random.Random(seed).random)  # noqa: S311
    if json:
        show_json(forecast_json(made, found, times, seed=seed, whence=whence))
        return
    show(made, found, times, policy=policy, seed=seed, whence=whence)


def measurements(scenario: str, folder: Path, stage: StageName | None) -> tuple[Policy, Times, str]:
    """The policy, what was measured of the scenario, and where. What the archives hold and the desk's own runs do not
    is taken in here: they may be older than the measuring.
    """
    if stage is None and running(ROOT / ".local" / "world.json") is None:
        return known(read(folder), scenario), NONE, "no stage was asked"
    where = place(stage or StageName.LOCAL)
    policy = known(where.policy, scenario)
    times = from_archives(where, scenario, times_of(where, scenario))
    return policy, times, f"stage {where.stage}"


def known(policy: Policy, scenario: str) -> Policy:
    """The policy; ends clearly where it has no such scenario."""
    if not policy.has_scenario(scenario):
        names = ", ".join(s.name for s in policy.scenarios.scenarios)
        fail(f"there is no scenario {scenario!r} in scenarios.yaml; there are: {names}", 2)
    return policy


def from_archives(where: Place, scenario: str, times: Times) -> Times:
    """These times and those of every archived incident and drill of the scenario."""
    families: tuple[tuple[str, Kind], ...] = (("closed", "incident"), ("drill", "drill"))
    archives = [(read_incident(body), kind) for family, kind in families for _, body in where.store.documents(family)]
    for incident, kind in archives:
        if incident.scenario != scenario:
            continue
        try:
            run = measured(incident, rules_of(where, [incident]), kind=kind)
        except KeyError:
            continue  # its plan was kept by nobody, so what its steps waited for is not known
        times = times.with_run(run) if run else times
    return times


def show(made: Plan, found: Foreseen, times: Times, *, policy: Policy, seed: int, whence: str) -> None:
    """The forecast as a page."""
    runs = found.whole.runs
    out.print(f"[bold]{policy.scenario(made.scenario).display}[/bold]: {made.title}")
    drawn = f"{runs:,} runs, seed {seed}" if runs > 1 else "one run: no time has any spread"
    out.print(f"[dim]plan {made.hash}, {drawn}, {whence}[/dim]")
    out.print(f"Rests on {basis(found.basis)}.\n", soft_wrap=True)
    if found.tiers:
        out.print(_tiers(found))
        out.print()
        out.print(_services(found))
        tier, chance = found.tiers[0]
        _ways(f"What decides tier {tier}", chance)
    else:
        why = "people decide its steps, or it is planned, or its plan brings no service back"
        out.print(f"No tier's RTO is promised in this scenario: {why}.", soft_wrap=True)
        _ways("What decides its end", found.whole)
    since = "after the failure" if any(s.id == DETECTION for s in found.whole.decides) else "after it was declared"
    ends = f"\nAll of it is done {_took(found.whole.median)} {since}"
    ends += f", in nine of ten runs by {_took(found.whole.late)}" if runs > 1 else ""
    if found.limit is not None:
        ends += f"; within the promised {_took(found.limit)} in {_coloured(found.whole)}"
    out.print(ends + ".", soft_wrap=True)
    print_trend(times)


def _tiers(found: Foreseen) -> Table:
    table = _table("tier", "RTO", "chance", "", "half by", "9 of 10 by", "decided by")
    for tier, chance in found.tiers:
        rtos = sorted({o.rto for o in found.services if o.tier == tier})
        first = next((share for share in chance.decides if share.id != DETECTION), None)
        table.add_row(
            str(tier),
            ", ".join(_took(rto) for rto in rtos),
            _coloured(chance),
            _bar(chance),
            _took(chance.median),
            _took(chance.late),
            _named(first) if first else "",
        )
    return table


def _services(found: Foreseen) -> Table:
    table = _table("service", "tier", "RTO", "chance", "half by", "9 of 10 by")
    for o in found.services:
        rto = _took(o.rto) + (" (inherited)" if o.inherited else "")
        row = (o.display, str(o.tier), rto, _coloured(o.chance), _took(o.chance.median), _took(o.chance.late))
        table.add_row(*row)
    return table


def _ways(title: str, chance: Chance) -> None:
    missed = chance.runs - chance.met
    of = f"in the {missed:,} runs that miss" if 0 < missed < chance.runs else "in all runs"
    out.print(f"\n[bold]{title}[/bold] [dim]({of}; a second saved elsewhere saves nothing)[/dim]")
    table = _table("on the way", "takes", "", "rests on", header=False)
    for share in chance.decides[:SHOWN]:
        table.add_row(f"{share.on:.0%}", _took(share.seconds), _named(share), f"[dim]{_rests(share)}[/dim]")
    out.print(table)


def print_trend(times: Times) -> None:
    """The newest runs, so that one sees whether it gets quicker; nothing where none was measured."""
    if not times.runs:
        return
    out.print("\n[bold]Measured[/bold] [dim](newest first)[/dim]")
    table = _table("ended", "kind", "whole", "steps", "run", header=False)
    for run in times.runs[:SHOWN]:
        whole = _took(run.whole) if run.whole is not None else "[dim]not whole[/dim]"
        ended = f"{run.ended_at:%Y-%m-%d %H:%M}"
        table.add_row(ended, run.kind, whole, f"{len(run.steps)} steps", f"[dim]{run.source}[/dim]")
    out.print(table)


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold dim", show_header=header)
    right = ("tier", "chance", "half by", "9 of 10 by", "on the way", "takes", "whole")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _named(share: Share) -> str:
    if share.id == DETECTION:
        return "until it is noticed and confirmed"
    return f"a person's answer to {share.id}" if share.takes == "answer" else share.id


def _rests(share: Share) -> str:
    times = {0: "written, never measured", 1: "measured once"}
    return times.get(share.rests_on, f"measured {share.rests_on} times")


def _colour(chance: Chance) -> str:
    return "green" if chance.share >= 0.95 else "yellow" if chance.share >= 0.5 else "red"


def _coloured(chance: Chance) -> str:
    return f"[{_colour(chance)}]{percent(chance)}[/{_colour(chance)}]"


def _bar(chance: Chance) -> str:
    filled = round(chance.share * BAR)
    return f"[{_colour(chance)}]{'█' * filled}[/{_colour(chance)}][dim]{'░' * (BAR - filled)}[/dim]"


def _took(seconds: float) -> str:
    return show_duration(timedelta(seconds=round(seconds)))


def forecast_json(made: Plan, found: Foreseen, times: Times, *, seed: int, whence: str) -> dict[str, Any]:
    """The forecast as JSON; durations in seconds of real time since the failure."""
    return {
        "scenario": made.scenario,
        "plan": made.hash,
        "runs": found.whole.runs,
        "seed": seed,
        "from": whence,
        "rests_on": {**basis_json(found), "because": basis(found.basis)},
        "tiers": [{"tier": tier, **chance_json(chance)} for tier, chance in found.tiers],
        "services": [
            {"service": o.service, "tier": o.tier, "rto_s": o.rto, "inherited": o.inherited}
            | {k: v for k, v in chance_json(o.chance).items() if k != "decides"}
            for o in found.services
        ],
        "whole": {"limit_s": found.limit, **chance_json(found.whole)},
        "measured": [
            {"run": r.source, "kind": r.kind, "ended_at": r.ended_at.isoformat(), "whole_s": r.whole}
            for r in times.runs
        ],
    }


def chance_json(chance: Chance) -> dict[str, Any]:
    """One goal's chance, its ends, and what decides it."""
    return {
        "chance": chance.share,
        "median_s": chance.median,
        "nine_of_ten_s": chance.late,
        "decides": [
            {"step": s.id, "takes": s.takes, "on_the_way": s.on, "seconds": round(s.seconds, 1), "measured": s.rests_on}
            for s in chance.decides
        ],
    }
