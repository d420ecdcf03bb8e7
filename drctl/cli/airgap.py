"""airgap: the air-gapped copies, each with its age, its size and its lock; and a copy now."""

from __future__ import annotations

import json as jsons
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx2
import typer
from rich.table import Table

from chalicelib import names
from chalicelib.clients.vault_azure import VaultAtAzure
from chalicelib.clients.vault_s3 import VaultInS3
from chalicelib.clients.vaults import Vault, VaultError
from chalicelib.core.airgap import COPY, MANIFESTS, copies, held_at
from chalicelib.policy.airgap import S3Vault
from drctl.cli.places import JsonOption, Place, StageName, StageOption, fail, out, place, show_json

app = typer.Typer(help="The air-gapped copies.", no_args_is_help=False, invoke_without_command=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One copy in one vault. A copy without its manifest is not whole, and is none to restore from."""

    vault: str
    copy: str
    whole: bool
    age: str = ""
    late: bool = False
    size: int | None = None
    objects: int | None = None
    dump: str = ""
    lock: str = ""
    locked_until: str = ""


def register(main: typer.Typer) -> None:
    """Adds the commands."""
    main.add_typer(app, name="airgap", rich_help_panel="Looking")


@app.callback()
def status(context: typer.Context, stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """Each copy in each vault: its age, its size, whether it is whole, its lock. Exit 1 when a vault's newest whole
    copy is older than policy allows, 3 when a vault does not answer. Needs your own rights to look at the vaults.
    """
    if context.invoked_subcommand:
        return
    where = place(stage)
    found: list[Row] = []
    silent: dict[str, str] = {}
    for name, vault in vaults(where).items():
        try:
            found += rows(where, name, vault)
        except VaultError as error:
            silent[name] = f"vault {name!r}: {error}"
    late = [name for name in vaults(where) if name not in silent and _late(found, name)]
    if json:
        show_json([{k: getattr(row, k) for k in Row.__dataclass_fields__} for row in found])
    else:
        _print(found)
        for said in (*silent.values(), *(f"vault {name!r} holds no whole copy that is young enough" for name in late)):
            out.print(f"[red]✗[/red] {said}")
    raise typer.Exit(3 if silent else 1 if late else 0)


@app.command()
def copy(stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """Begins a new copy now, however young the newest is; the clock carries it on. It is not waited for."""
    where = place(stage)
    if where.policy.backups.airgap is None:
        fail("backups.yaml has no airgap: there is no vault to copy into")
    payload = jsons.dumps(asking(datetime.now(UTC))).encode()
    name = names.function(where.policy, "airgap")
    answer = where.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=payload)
    said = {"function": name, "accepted": answer["StatusCode"] == 202}
    if json:
        show_json(said)
    else:
        out.print(f"{name} was asked; see `drctl airgap`")


def asking(now: datetime) -> dict[str, Any]:
    """An event as the schedule's own, which asks for a new copy: the function knows no other shape."""
    said = {"version": "0", "id": f"{now:%Y%m%dT%H%M%SZ}", "source": "drctl", "detail-type": "A person asks for a copy"}
    return {**said, "account": "", "region": "", "time": now.isoformat(), "resources": [], "detail": {"begin": True}}


def vaults(where: Place) -> dict[str, Vault]:
    """The vaults of the place, with the caller's own rights."""
    airgap = where.policy.backups.airgap
    if airgap is None:
        fail("backups.yaml has no airgap: no copies are made outside the platform's reach")
    found: dict[str, Vault] = {}
    for row in airgap.vaults:
        if isinstance(row, S3Vault):
            client = where.client("s3", row.region)
            found[row.name] = VaultInS3(
                row, client, partial(where.client, "s3", row.region), partial(datetime.now, UTC)
            )
        else:
            held = (where.world or {}).get("neighbours")
            base = str(held["azure"]) if isinstance(held, dict) else f"https://{row.host}"
            secret = partial(_secret, where, row.sas_secret)
            found[row.name] = VaultAtAzure(row, httpx2.Client(trust_env=False), base, secret)
    return found


def _secret(where: Place, name: str) -> dict[str, Any]:
    held: dict[str, Any] = jsons.loads(where.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    return held


def rows(where: Place, name: str, vault: Vault) -> Iterator[Row]:
    """The newest first. VaultError when it does not answer."""
    top = vault.top(MANIFESTS)
    whole = copies(top)
    folders = [n.removeprefix(MANIFESTS).rstrip("/") for n in top if n.endswith("/")]
    now, policy = datetime.now(UTC), where.policy
    rpo = policy.backups.airgap.rpo if policy.backups.airgap else None
    for copy_ in sorted({*whole, *(f for f in folders if COPY.fullmatch(f))}, reverse=True):
        age = now - held_at(copy_)
        told = {"vault": name, "copy": copy_, "age": policy.real(age), "late": rpo is not None and age > rpo}
        if copy_ not in whole:
            yield Row(**told, whole=False)  # type: ignore[arg-type] # each is of the type that its field has
            continue
        text, stands = vault.document(f"{MANIFESTS}{copy_}.json"), vault.stands(f"{MANIFESTS}{copy_}.json")
        manifest = jsons.loads(text or "{}")
        until = stands.locked_until if stands else None
        yield Row(
            **told,  # type: ignore[arg-type] # each is of the type that its field has
            whole=True,
            size=manifest.get("size"),
            objects=manifest.get("objects"),
            dump=manifest.get("of", {}).get("dump", ""),
            lock=stands.lock if stands else "",
            locked_until=until.isoformat(timespec="seconds") if until else "",
        )


def _late(found: list[Row], vault: str) -> bool:
    return not any(r.whole and not r.late for r in found if r.vault == vault)


def _print(found: list[Row]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold dim")
    for column in ("vault", "copy", "whole", "age", "objects", "size", "lock", "until"):
        table.add_column(column, overflow="fold")
    for r in found:
        whole = "[green]yes[/green]" if r.whole else "[yellow]no[/yellow]"
        age = f"[red]{r.age}[/red]" if r.late else r.age
        counts = [f"{v:,}" if v is not None else "" for v in (r.objects, r.size)]
        table.add_row(r.vault, r.copy, whole, age, *counts, r.lock, r.locked_until)
    out.print(table)
