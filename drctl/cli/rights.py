"""rights, permissions: whether the responder may do what it would have to, and whether it may do more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import httpx2
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table

from chalicelib import names
from chalicelib.actions.rights import PLACES, kube_rights
from chalicelib.policy import Policy
from drctl.cli.places import (
    POLICIES,
    JsonOption,
    Place,
    PoliciesOption,
    StageName,
    StageOption,
    fail,
    out,
    place,
    read_policies,
    show_json,
)
from drctl.deployment import accounts, generate, rbac
from drctl.deployment.compare import DEPLOYED, Compared, compare, document_of, region_of
from drctl.world.iam import FOR_ALL, Principal, Request

PANEL = "Looking"


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command(rich_help_panel=PANEL)(rights)
    app.command(rich_help_panel=PANEL)(permissions)


def rights(
    stage: StageOption = StageName.LOCAL,
    account: Annotated[
        str, typer.Option("--account", help="Only print the roles to create in this account of platform.yaml.")
    ] = "",
    policies: PoliciesOption = POLICIES,
    *,
    json: JsonOption = False,
) -> None:
    """Whether every declared right is there: in the clusters, asked by the deployed responder itself, and in IAM."""
    if account:
        _print_account(read_policies(policies), account)
        return
    where = place(stage)
    found = [*_in_clusters(where), *_let_in(where), *_in_iam(where)]
    missing = [row for row in found if row["allowed"] is not True]
    if json:
        show_json({"ok": not missing, "rights": found})
    else:
        table = Table(box=None, pad_edge=False, header_style="bold dim")
        for column in ("where", "right", "", "because"):
            table.add_column(column, overflow="fold")
        words = {True: "[green]there[/green]", False: "[red]missing[/red]", None: "[yellow]unknown[/yellow]"}
        for row in found:
            table.add_row(row["where"], row["right"], words[row["allowed"]], row["because"])
        out.print(table)
        out.print(f"{len(found)} rights are declared, {len(found) - len(missing)} are there")
    raise typer.Exit(1 if missing else 0)


def _print_account(policy: Policy, name: str) -> None:
    """The CloudFormation template of the roles in another account."""
    rows = policy.platform.accounts
    row = next((row for row in rows if name in (row.name, row.id)), None)
    if row is None:
        known = ", ".join(row.name for row in rows) or "none, everything stands in the responder's own"
        fail(f"--account: platform.yaml has no account {name!r}; there are: {known}", 2)
    typer.echo(generate.text(accounts.template(policy, row)), nl=False)


def _in_clusters(where: Place) -> list[dict[str, Any]]:
    """What the deployed `command` function is told by each cluster, with its own rights."""
    said = where.invoke("command", {"look": "rights"})
    if "rights" not in said:
        fail(
            f"the deployed responder cannot look at its rights: {said.get('because', said)}; deploy this version first"
        )
    return [
        {"where": r["cluster"], "right": r["right"], "allowed": r["allowed"], "because": r["because"]}
        for r in said["rights"]
    ]


def _let_in(where: Place) -> list[dict[str, Any]]:
    """Each function's access entry in each cluster: only one of them could ask for itself."""
    policy, rows = where.policy, []
    for where_ in PLACES:
        if not kube_rights(policy, where_):
            continue
        cluster = policy.platform.cluster(where_)
        for name in names.FUNCTIONS:
            row = {"where": cluster.name, "right": f"access entry of {names.function(policy, name)}"}
            try:
                role = _role(where, name)
                entry = where.client("eks", cluster.region).describe_access_entry(
                    clusterName=cluster.name, principalArn=role
                )["accessEntry"]
            except (BotoCoreError, ClientError) as error:
                rows.append({**row, **_not_read(error, "ResourceNotFoundException")})
                continue
            wanted = rbac.readers(policy) if name == names.READINESS else rbac.group(policy)
            groups = entry["kubernetesGroups"]
            because = f"groups are {', '.join(groups) or 'none'}" + ("" if wanted in groups else f", expected {wanted}")
            rows.append({**row, "allowed": wanted in groups, "because": because})
    return rows


def _in_iam(where: Place) -> list[dict[str, Any]]:
    """What the code declares, judged by each function's deployed role: one row a function and action."""
    rows = []
    for name in DEPLOYED:
        function = names.function(where.policy, name)
        try:
            principal = Principal(function, tuple(_documents(where, name)))
        except (BotoCoreError, ClientError) as error:
            # A function that is not there has no role; its region being silent says nothing.
            gone = ("NoSuchEntity", "ResourceNotFoundException")
            rows.append({"where": function, "right": "its role's policies", **_not_read(error, *gone)})
            continue
        for statement in document_of(where.policy, name)["Statement"]:
            for action in statement["Action"]:
                denied = [d for r in statement["Resource"] if (d := principal.denial(_sample(action, r, statement)))]
                right = f"{action} on {', '.join(statement['Resource'])}"
                rows.append({"where": function, "right": right, "allowed": not denied, "because": "; ".join(denied)})
    return rows


def _sample(action: str, resource: str, statement: Mapping[str, Any]) -> Request:
    """A request that the declared statement allows: each `?` stands for some character, as in a secret's ARN."""
    conditions = statement.get("Condition", {})
    context = dict(conditions.get("StringEquals", {}))
    context |= {key: tuple(values) for key, values in conditions.get(FOR_ALL, {}).items()}
    return Request(action, resource.replace("?", "x"), context)


def _role(where: Place, name: str) -> str:
    function = names.function(where.policy, name)
    client = where.client("lambda", region_of(where.policy, name))
    return str(client.get_function_configuration(FunctionName=function)["Role"])


def _documents(where: Place, name: str) -> list[Mapping[str, Any]]:
    """The inline policies of a function's role; Chalice and our templates give it no others."""
    iam, role = where.client("iam"), _role(where, name).rpartition("/")[2]
    policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return [iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] for policy in policies]


def _whole(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Statement": [statement for document_ in documents for statement in document_["Statement"]]}


def _not_read(error: Exception, *gone: str) -> dict[str, Any]:
    """Missing when the service says that it is not there; unknown when it says anything else, or nothing."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    return {"allowed": False if code in gone else None, "because": str(error)}


def permissions(stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """Per function: the operations that its code declares, that its policy grants, and that the gate saw it use."""
    where = place(stage)
    if where.world is None:
        fail("what was used is known of the local world only; its gate keeps the ledger")
    calls = httpx2.get(f"{where.world['control']}/ledger", trust_env=False, timeout=20).json()
    granted = {name: _whole(_documents(where, name)) for name in DEPLOYED}
    found = compare(where.policy, granted, ((c["function"], c["service"], c["operation"]) for c in calls))
    if json:
        show_json({"ok": all(f.ok for f in found), "functions": [_shown(f) for f in found]})
    else:
        _print(found)
    raise typer.Exit(0 if all(f.ok for f in found) else 1)


def _shown(found: Compared) -> dict[str, Any]:
    lists = {name: sorted(getattr(found, name)) for name in ("declared", "granted", "used")}
    lists |= {name: getattr(found, name) for name in ("undeclared", "missing", "excess", "unused")}
    return {"function": found.function, "ok": found.ok, **lists}


def _print(found: tuple[Compared, ...]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("function", "operation", "declared", "granted", "used"):
        table.add_column(column)
    for row in found:
        for action in sorted(row.declared | row.granted | row.used):
            marks = ["✓" if action in known else "-" for known in (row.declared, row.granted, row.used)]
            colour = "red" if action in {*row.undeclared, *row.missing, *row.excess} else ""
            table.add_row(row.function, f"[{colour}]{action}[/{colour}]" if colour else action, *marks)
    out.print(table)
    for row in found:
        for told, listed in (("used but not declared", row.undeclared), ("granted and never used", row.unused)):
            if listed:
                out.print(f"{row.function}: {told}: {', '.join(listed)}")
