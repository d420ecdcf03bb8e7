"""Which stage a command speaks to, and how: the local world through its gate, prod with one's own credentials."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NoReturn

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from chalicelib import names
from chalicelib.policy import Policy
from chalicelib.policy.load import PolicyUnreadableError, load
from chalicelib.store.contract import Store
from chalicelib.store.dynamodb import DynamoStore
from drctl import signing
from drctl.world import people
from drctl.world.supervisor import running

ROOT = Path.cwd()
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class StageName(StrEnum):
    """Where the responder is deployed."""

    LOCAL = "local"
    PROD = "prod"
    OFFLINE = "offline"


StageOption = Annotated[
    StageName,
    typer.Option("--stage", help="The local world, the real thing, or the engine on this machine.", envvar="DR_STAGE"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
PoliciesOption = Annotated[
    Path, typer.Option("--policies", help="The folder of the policies.", envvar="DR_POLICIES", show_default="policies")
]
POLICIES = ROOT / "policies"


def fail(message: str, code: int = 1) -> NoReturn:
    """Says what is wrong, and ends."""
    err.print(f"[red]✗[/red] {message}", soft_wrap=True)
    raise typer.Exit(code)


def show_json(value: object) -> None:
    """One JSON value, on one line when the output is no terminal."""
    typer.echo(json.dumps(value, indent=2 if out.is_terminal else None, default=str, ensure_ascii=False))


def read_policies(folder: Path, *, speed: float = 1.0) -> Policy:
    """The policies, or a clear end."""
    try:
        return load(folder, speed=speed)
    except PolicyUnreadableError as error:
        fail(str(error), 2)


@dataclass(frozen=True)
class Place:
    """A stage, and the clients that reach it."""

    stage: StageName
    policy: Policy
    world: Mapping[str, Any] | None

    @property
    def region(self) -> str:
        """The responder's own."""
        return self.policy.platform.responder.region

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client; in the local world it speaks to the gate."""
        config = Config(connect_timeout=3, read_timeout=70, retries={"total_max_attempts": 1})
        local: dict[str, str] = {}
        if self.world is not None:
            local = {
                "endpoint_url": str(self.world["gate"]),
                "aws_access_key_id": str(self.world["account"]),
                "aws_secret_access_key": people.SECRET,
            }
        return boto3.client(service, region_name=region or self.region, config=config, **local)

    @cached_property
    def store(self) -> Store:
        """The desk's store, for looking."""
        platform = self.policy.platform
        return DynamoStore(self.client("dynamodb"), table=platform.responder.table, platform=platform.name)

    def signed(self, payload: Mapping[str, Any], by: str) -> dict[str, Any]:
        """The command with a proof of who says it: one's own AWS credentials, or those of a person of the local world.

        `by` is that person; whoever is nobody of the local world can only claim to be somebody.
        """
        whole = {**payload, **({"by": by} if by else {})}
        if self.world is not None:
            person = people.speaker(self.policy, by)
            credentials = people.credentials_of(person) if person else None
            # Should nobody be able to prove it, it is at least said who claims to have said it.
            whole |= {"by": person.name} if person else {}
        else:
            credentials = boto3.Session().get_credentials()
            if credentials is None:
                fail("there are no AWS credentials to sign the command with; see `aws sts get-caller-identity`")
        if credentials is None:
            return whole
        return signing.signed(whole, self.policy, credentials=credentials, now=datetime.now(UTC))

    def invoke(self, function: str, payload: object) -> Any:
        """Invokes a deployed function and answers its result; ends clearly when it fails."""
        name = names.function(self.policy, function)
        try:
            answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload).encode())
        except (BotoCoreError, ClientError) as error:
            fail(f"function {name} in {self.region} ({self.stage}) was not reached: {error}")
        body = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            fail(f"function {name} in {self.region} ({self.stage}) failed: {body[:2000]}")
        return json.loads(body)


def place(stage: StageName, folder: Path | None = None) -> Place:
    """The stage's place; ends clearly when the local world is not up. Without a folder it is what DR_POLICIES names, or
    the shipped one; a local world that is up knows its own.
    """
    folder = folder or Path(os.environ.get("DR_POLICIES") or POLICIES)
    if stage is StageName.OFFLINE:
        from drctl.cli.offline import here  # the other stages do without it, and it builds on this module

        return here(folder)
    if stage is StageName.PROD:
        return Place(stage, read_policies(folder), None)
    world = running(ROOT / ".local" / "world.json")
    if world is None:
        fail("the local world is not up; start it with `make run`, or name --stage prod")
    folder = Path(str(world.get("policies") or folder))
    return Place(stage, read_policies(folder, speed=float(str(world["speed"]))), world)
