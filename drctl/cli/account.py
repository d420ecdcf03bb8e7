"""verify-account: what policy claims, against what a real account says. Reads only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import ProfileNotFound
from rich.table import Table

from chalicelib.account.verdicts import Row, Verdict
from drctl.account.asking import Account, iam_policy
from drctl.account.verify import verify
from drctl.cli.places import POLICIES, JsonOption, PoliciesOption, fail, out, read_policies, show_json

COLOURS = {Verdict.AS_CLAIMED: "green", Verdict.DIFFERS: "red", Verdict.NOT_SEEN: "yellow"}
EXITS = {Verdict.AS_CLAIMED: 0, Verdict.DIFFERS: 1, Verdict.NOT_SEEN: 2}
CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command(name="verify-account", rich_help_panel="Deployment")(verify_account)


def verify_account(
    policies: PoliciesOption = POLICIES,
    profile: Annotated[str | None, typer.Option("--profile", help="Of the AWS configuration.")] = None,
    endpoint_url: Annotated[str | None, typer.Option("--endpoint-url", help="Another AWS, such as the gate.")] = None,
    *,
    print_policy: Annotated[bool, typer.Option("--print-policy", help="The IAM policy that one needs.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Rows that are as claimed too.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare an AWS account with the policies, changing nothing. Exit 1: something differs; 2: not all was seen."""
    if print_policy:
        show_json(iam_policy())
        return
    policy = read_policies(policies)
    try:
        session = boto3.Session(profile_name=profile)
    except ProfileNotFound as error:
        fail(f"--profile: {error}", 2)

    def client(service: str, region: str) -> Any:
        return session.client(service, region_name=region, endpoint_url=endpoint_url, config=CONFIG)

    rows = verify(policy, Account(client, policy.platform))
    if json:
        show_json([asdict(row) for row in rows])
    else:
        _print(rows, everything=everything)
    found = {row.verdict for row in rows}
    raise typer.Exit(next((EXITS[v] for v in (Verdict.DIFFERS, Verdict.NOT_SEEN) if v in found), 0))


def _print(rows: tuple[Row, ...], *, everything: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("verdict", "what", "policy says", "found", "policy's field"):
        table.add_column(column, overflow="fold")
    for row in rows:
        if everything or row.verdict is not Verdict.AS_CLAIMED:
            colour = COLOURS[row.verdict]
            what = f"{row.subject}: {row.what}"
            table.add_row(f"[{colour}]{row.verdict}[/{colour}]", what, row.claimed, row.found, row.field)
    if table.row_count:
        out.print(table)
    out.print(", ".join(f"{sum(row.verdict is v for row in rows)} {v}" for v in Verdict))
