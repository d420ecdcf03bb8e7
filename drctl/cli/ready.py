"""ready: what of the newest good backup would not run in the standby, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import typer
from botocore.config import Config
from rich.table import Table

from chalicelib.actions.contract import Op
from chalicelib.actions.reader import LiveReader, Ports
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients, checks
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.web import Web
from drctl.cli.places import JsonOption, Place, StageName, StageOption, out, place, show_json
from drctl.readiness import Row, readiness, worst
from drctl.standby_fit import Unfit

WORDS = {True: "[green]runs[/green]", False: "[red]would not run[/red]", None: "[yellow]not known[/yellow]"}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(rich_help_panel="Looking")(ready)


def ready(stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """What of the newest good backup would not run in the standby, and why. Looks only; needs your own rights in both
    regions. Exit 1 when something would not run, 3 when that is not known.
    """
    where = place(stage)
    rows = readiness(where.policy, reading(where), datetime.now(UTC))
    if json:
        show_json([as_json(row) for row in rows])
        raise typer.Exit(worst(rows))
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("service", "backup", "in the standby", "because"):
        table.add_column(column, overflow="fold")
    for row in rows:
        why = [f"{want.by}: {verdict.because}" for want, verdict in row.found]
        table.add_row(row.service, row.backup, WORDS[row.runs], "\n".join(why))
    out.print(table)
    counts = {runs: sum(r.runs is runs for r in rows) for runs in WORDS}
    out.print(f"\n{counts[True]} would run, {counts[False]} would not, of {counts[None]} it is not known")
    raise typer.Exit(worst(rows))


def reading(where: Place) -> Any:
    """A reader of the place for given operations: the responder's own, with the caller's credentials."""
    aws, policy = PlaceClients(where), where.policy
    platform = policy.platform
    ports = Ports(
        aws=aws,
        kube=KubeClients(aws, (platform.clusters.primary, platform.clusters.standby), now=lambda: datetime.now(UTC)),
        database=DatabaseClients(aws, platform.database, platform.responder.region, tls=True, checks=checks(policy)),
        web=Web({}),
        dns=Dns({}),
    )

    def reader(declared: tuple[Op, ...]) -> LiveReader:
        return LiveReader(ports, declared)

    return reader


class PlaceClients(AwsClients):
    """The clients of a place; in the local world they speak to the gate."""

    def __init__(self, where: Place) -> None:
        keys: dict[str, Any] = {}
        self._endpoint: dict[str, str] = {}
        if where.world is not None:
            keys = {"aws_access_key_id": str(where.world["account"]), "aws_secret_access_key": "local"}
            self._endpoint = {"endpoint_url": str(where.world["gate"])}
        super().__init__(boto3.Session(**keys))

    def _client(self, service: str, region: str, *, writes: bool) -> Any:
        if not self._endpoint:
            return super()._client(service, region, writes=writes)
        config = Config(connect_timeout=2, read_timeout=10, s3={"addressing_style": "path"})
        key = (service, region, writes)
        if key not in self._made:
            self._made[key] = self.session.client(service, region_name=region, config=config, **self._endpoint)
        return self._made[key]


def as_json(row: Row) -> dict[str, Any]:
    """One service for other programs."""
    return {
        "service": row.service,
        "backup": row.backup,
        "runs": row.runs,
        "found": [
            {
                "by": want.by,
                "wants": want.kind,
                "name": want.name,
                "verdict": "unfit" if isinstance(verdict, Unfit) else "unknown",
                "because": verdict.because,
            }
            for want, verdict in row.found
        ],
    }
