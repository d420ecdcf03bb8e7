"""What people say to the responder: each command invokes one function of the named stage, with a typed payload."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import typer

from chalicelib.core.book import case_of
from chalicelib.policy.platform import Mode
from chalicelib.store.codec import read_book
from drctl.cli.places import JsonOption, Place, StageName, StageOption, err, fail, out, place, show_json

By = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who says so. Your AWS credentials prove it; the local world has the people of policy.",
        envvar="DR_BY",
    ),
]
Note = Annotated[str, typer.Option("--note", help="Why; it goes on the timeline.")]
IncidentArgument = Annotated[str | None, typer.Argument(help="The incident; may be left out when only one is open.")]
PANEL = "People"


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (
        declare,
        repin,
        choose,
        approve,
        reject,
        escalate,
        acknowledge,
        abort,
        resolve,
        pause,
        resume,
        review,
    ):
        app.command(rich_help_panel=PANEL)(command)
    app.command(name="break-glass", rich_help_panel=PANEL)(break_glass)
    app.command(name="raise", rich_help_panel=PANEL)(raise_)
    app.command(name="set-mode", rich_help_panel=PANEL)(set_mode)
    app.command(name="yield", rich_help_panel=PANEL)(yield_)
    app.command(name="keep-switch", rich_help_panel=PANEL)(keep_switch)


def say(stage: StageName, payload: dict[str, Any], *, by: str, note: str, json: bool) -> None:
    """Sends a command and shows what became of it; exit 1 when it was refused."""
    where = place(stage)
    whole = where.signed({"id": f"cli-{uuid4().hex}", **payload, **({"note": note} if note else {})}, by)
    err.print(f"[dim]stage {stage}, {where.policy.platform.name}, {where.region}[/dim]")
    answer = where.invoke("command", whole)
    if json:
        show_json(answer)
    elif answer["ok"]:
        out.print(f"[green]✓[/green] {answer['because']}")
    else:
        fail(str(answer["because"]))
    raise typer.Exit(0 if answer["ok"] else 1)


def the_incident(where: Place, named: str | None) -> str:
    """The named incident, or the only open one; ends clearly when that is not one."""
    if named:
        return named
    body = where.store.read_book().body
    known = list(read_book(body)[0].incidents) if body else []
    if len(known) == 1:
        return known[0]
    return fail(f"name the incident; open: {', '.join(known) or 'none'}")


def declare(
    scenario: Annotated[str, typer.Argument(help="Such as region-failure.")],
    scope: Annotated[str, typer.Argument(help="Such as eu-west-1.")],
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    choices: Annotated[
        list[str] | None,
        typer.Option("--choose", metavar="NAME=VALUE", help="What its steps are to take; may be given several times."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Open an incident that no alarm has opened, or confirm a suspected one."""
    payload: dict[str, Any] = {"command": "declare", "scenario": scenario, "scope": scope}
    say(stage, payload | ({"choices": chosen(choices)} if choices else {}), by=by, note=note, json=json)


def choose(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[INCIDENT] NAME=VALUE...",
            help="What is chosen, such as as_of=2026-11-26T03:00:00Z; the incident may be left out when one is open.",
        ),
    ],
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Give an incident's steps what only a person can say; what was approved for another choice is void."""
    named = words[0] if "=" not in words[0] else None
    given = chosen(words[1:] if named else words)
    incident = the_incident(place(stage), named)
    say(stage, {"command": "choose", "incident": incident, "choices": given}, by=by, note=note, json=json)


def chosen(words: list[str]) -> dict[str, str]:
    """`NAME=VALUE` words by name; ends clearly where one is none, is there twice, or there are none."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            fail(f"{word!r} is no choice; allowed: NAME=VALUE, such as as_of=2026-11-26T03:00:00Z", 2)
        if name in found:
            fail(f"{name!r} is chosen twice: {found[name]!r} and {value!r}", 2)
        found[name] = value
    return found or fail("nothing is chosen; allowed: NAME=VALUE, such as as_of=2026-11-26T03:00:00Z", 2)


def raise_(
    scenario: Annotated[str, typer.Argument(help="The graver one, such as provider-outage.")],
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    scope: Annotated[str | None, typer.Option("--scope", help="Where; otherwise what the scenario implies.")] = None,
    json: JsonOption = False,
) -> None:
    """Say that it is worse than thought: a graver incident takes this one over."""
    payload = {"command": "raise", "scenario": scenario, "incident": the_incident(place(stage), incident)}
    say(stage, payload | ({"scope": scope} if scope else {}), by=by, note=note, json=json)


def repin(
    incident: Annotated[
        str | None, typer.Argument(help="The incident, or the debt; may be left out when one is open.")
    ] = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Let an open incident follow the policy that is deployed now; what was approved must be approved again."""
    say(stage, {"command": "repin", "incident": the_incident(place(stage), incident)}, by=by, note=note, json=json)


def approve(
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    step: Annotated[str | None, typer.Option("--step", help="Only this step; otherwise all that ask.")] = None,
    plan: Annotated[str | None, typer.Option("--plan", help="The hash of the plan you saw.")] = None,
    json: JsonOption = False,
) -> None:
    """Allow what asks. Without --plan, the plan that the incident follows now is shown and meant."""
    payload = {"command": "approve", **seen(place(stage), incident, plan)}
    say(stage, payload | ({"step": step} if step else {}), by=by, note=note, json=json)


def seen(where: Place, incident: str | None, plan: str | None) -> dict[str, str]:
    """The incident, and the plan that is meant: the one named, or the one it follows now."""
    named = the_incident(where, incident)
    body = where.store.read_book().body
    known = case_of(read_book(body)[0], named) if body else None
    return {"incident": named, "plan": plan or (known.plan if known else "unknown")}


def break_glass(
    step: Annotated[str, typer.Argument(help="The step that asks two people.")],
    note: Annotated[str, typer.Option("--note", help="Why nobody else could be asked.")],
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    *,
    plan: Annotated[str | None, typer.Option("--plan", help="The hash of the plan you saw.")] = None,
    json: JsonOption = False,
) -> None:
    """Allow a step alone that two people must approve. It pages everyone, and is reviewed afterwards."""
    payload = {"command": "break-glass", "step": step, **seen(place(stage), incident, plan)}
    say(stage, payload, by=by, note=note, json=json)


def review(
    debt: Annotated[str, typer.Argument(help="What is owed, as `drctl status` names it.")],
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Say that you have looked at what somebody else did behind a broken glass."""
    say(stage, {"command": "review", "debt": debt}, by=by, note=note, json=json)


def reject(
    step: Annotated[str, typer.Argument(help="The step that asks.")],
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Refuse a step; the incident waits there until somebody approves, aborts or resolves."""
    named = the_incident(place(stage), incident)
    say(stage, {"command": "reject", "incident": named, "step": step}, by=by, note=note, json=json)


def escalate(
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Page the next rung of the ladder now."""
    named = the_incident(place(stage), incident)
    say(stage, {"command": "escalate", "incident": named}, by=by, note=note, json=json)


def acknowledge(
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    block: Annotated[bool, typer.Option("--block", help="End the block windows instead.")] = False,
    json: JsonOption = False,
) -> None:
    """Say that you are on it: the ladder stops climbing. With --block: the block windows end."""
    payload = {"command": "acknowledge"}
    if not block:
        payload["incident"] = the_incident(place(stage), incident)
    say(stage, payload, by=by, note=note, json=json)


def abort(
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Start no further step. What is done stays done."""
    named = the_incident(place(stage), incident)
    say(stage, {"command": "abort", "incident": named}, by=by, note=note, json=json)


def resolve(
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Say that it is over."""
    named = the_incident(place(stage), incident)
    say(stage, {"command": "resolve", "incident": named}, by=by, note=note, json=json)


def pause(stage: StageOption = StageName.LOCAL, by: By = "", note: Note = "", *, json: JsonOption = False) -> None:
    """Stop every call that changes something, until `resume`."""
    say(stage, {"command": "pause"}, by=by, note=note, json=json)


def resume(stage: StageOption = StageName.LOCAL, by: By = "", note: Note = "", *, json: JsonOption = False) -> None:
    """End a pause."""
    say(stage, {"command": "resume"}, by=by, note=note, json=json)


def set_mode(
    mode: Annotated[Mode, typer.Argument(help="observe touches nothing; approve asks for everything.")],
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """How much the responder does without a person."""
    say(stage, {"command": "set-mode", "mode": mode.value}, by=by, note=note, json=json)


def yield_(
    incident: IncidentArgument = None,
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    note: Note = "",
    *,
    json: JsonOption = False,
) -> None:
    """Let every other incident go first with what both move. What is on its way is finished first."""
    say(stage, {"command": "yield", "incident": the_incident(place(stage), incident)}, by=by, note=note, json=json)


def keep_switch(
    region: Annotated[str, typer.Argument(help="Where the traffic switch stands, as `drctl status` shows it.")],
    note: Annotated[str, typer.Option("--note", help="Why it is meant to stand there.")],
    stage: StageOption = StageName.LOCAL,
    by: By = "",
    *,
    json: JsonOption = False,
) -> None:
    """Say that the traffic switch, thrown by hand, is meant to stand there, until it is moved again."""
    say(stage, {"command": "keep-switch", "region": region}, by=by, note=note, json=json)
