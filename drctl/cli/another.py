"""init: policies for another platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chalicelib.actions.registry import ACTIONS
from chalicelib.policy.lint import ActionFacts
from chalicelib.policy.lint import lint as find
from chalicelib.policy.load import PolicyUnreadableError
from chalicelib.readiness.registry import NAMES as JUDGES
from drctl.another.asked import Asked, PlatformRefusedError
from drctl.another.make import FolderRefusedError, decisions, make
from drctl.cli.places import ROOT, fail, out


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command(rich_help_panel="Policies")(init)


def init(
    name: Annotated[str, typer.Argument(help="The platform's name; its resources are named after it.")],
    primary: Annotated[str, typer.Option("--primary", help="The region that serves.")],
    standby: Annotated[str, typer.Option("--standby", help="The region that takes over.")],
    witness: Annotated[str | None, typer.Option("--witness", help="A third region; chosen when left out.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="The AWS account, twelve digits.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="The domain that the platform serves.")] = None,
    display_name: Annotated[str | None, typer.Option("--display-name", help="What the public calls it.")] = None,
    policies: Annotated[
        Path | None, typer.Option("--policies", help="Where they go; ./policies-NAME when left out.")
    ] = None,
) -> None:
    """Write a whole set of policies for another platform, made from the shipped ones."""
    folder = policies or Path(f"policies-{name}")
    try:
        asked = Asked.read(
            name,
            primary=primary,
            standby=standby,
            witness=witness,
            account=account,
            domain=domain,
            display_name=display_name,
        )
        make(ROOT / "policies", asked, folder)
    except (PlatformRefusedError, FolderRefusedError, PolicyUnreadableError) as error:
        fail(str(error), 2)
    errors = [
        f
        for f in find(folder, actions={n: ActionFacts.of(a) for n, a in ACTIONS.items()}, judges=JUDGES)
        if f.severity == "error"
    ]
    out.print(
        f"[green]✓[/green] {folder}: policies of {asked.display_name}, {primary} → {standby}, witness {asked.witness}",
        soft_wrap=True,
    )
    out.print("\n[bold]What only you can decide[/bold]")
    for decision in decisions(folder):
        where = f"[cyan]{decision.file}:{decision.line}[/cyan]"
        out.print(f"  {where}  {decision.what}  [dim]now: {decision.found}[/dim]", soft_wrap=True)
    out.print(f"\nThen: drctl lint --policies {folder}, and make demo POLICIES={folder}", soft_wrap=True)
    if errors:
        fail("\n".join(f"{f.file}:{f.line} {f.field}: {f.because}" for f in errors))
