"""lint, schema, generate: what the policies say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from chalicelib.actions.registry import ACTIONS
from chalicelib.policy.lint import ActionFacts
from chalicelib.policy.lint import lint as find
from chalicelib.policy.schema import drift as schema_drift
from chalicelib.policy.schema import write as write_schemas
from chalicelib.readiness.registry import NAMES as JUDGES
from drctl.cli.places import POLICIES, ROOT, JsonOption, PoliciesOption, out, read_policies, show_json
from drctl.deployment import generate

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command(rich_help_panel="Policies")(lint)
    app.command(rich_help_panel="Policies")(schema)
    app.command(name="generate", rich_help_panel="Policies")(generate_files)


def lint(
    policies: PoliciesOption = POLICIES,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Errors only.")] = False,
    json: JsonOption = False,
) -> None:
    """Judges all policy files together. Exit 1 when there is an error."""
    findings = find(policies, actions={n: ActionFacts.of(a) for n, a in ACTIONS.items()}, judges=JUDGES)
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
