"""What the `drctl` program runs."""

from __future__ import annotations

import typer

from drctl.cli import (
    account,
    airgap,
    another,
    backups,
    drills,
    failback,
    forecasts,
    health,
    intrusions,
    looking,
    offline,
    people,
    plans,
    policies,
    readiness,
    ready,
    replay,
    reports,
    rights,
    worlds,
)

app = typer.Typer(
    help="Disaster recovery: look at it, decide, rehearse it in a local world.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for part in (
    *(
        policies,
        plans,
        another,
        looking,
        backups,
        rights,
        ready,
        readiness,
        people,
        offline,
        replay,
        worlds,
        account,
        airgap,
    ),
):
    part.register(app)
for part in (forecasts, reports, drills, failback, intrusions, health):
    part.register(app)


def main() -> None:
    """Runs the command line."""
    app()
