"""respond, copy-book: the engine on an operator's machine, for the night in which AWS is gone (docs/offline.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from chalicelib.store.contract import Store, StoreUnavailableError
from drctl.cli import night
from drctl.cli.copies import FOLDER, copied, folder_of
from drctl.cli.places import ROOT, JsonOption, Place, StageName, StageOption, fail, out, place, read_policies, show_json
from drctl.offline.book import Copy, NoCopy, newest, said_of, set_aside
from drctl.offline.book import found as begin
from drctl.offline.engine import NoOutageError, Offline, Where, engine
from drctl.offline.secrets import Secrets
from drctl.offline.store import SqliteStore
from drctl.world.supervisor import running

PANEL: Final = "Without AWS"


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command(rich_help_panel=PANEL)(respond)
    app.command(name="copy-book", rich_help_panel=PANEL)(copy_book)


@dataclass(frozen=True)
class OfflinePlace(Place):
    """This machine: its store is a file, and its functions run here."""

    folder: Path = FOLDER

    @property
    def path(self) -> Path:
        """The file in which the engine of this machine keeps its book."""
        return self.folder / f"{self.policy.platform.name}.db"

    @property
    def secrets(self) -> Secrets:
        """The operator's own secrets."""
        return Secrets(where(self.folder, self.world).secrets)

    @cached_property
    def store(self) -> Store:
        """The book there."""
        try:
            return SqliteStore(self.path, platform=self.policy.platform.name)
        except StoreUnavailableError as error:
            fail(str(error))

    @cached_property
    def engine(self) -> Offline:
        """The engine of this machine."""
        try:
            return engine(self.policy, self.store, where(self.folder, self.world))
        except NoOutageError as error:
            fail(str(error), 2)

    def client(self, service: str, region: str | None = None) -> Any:
        """Nothing of AWS is asked from here."""
        fail(f"{service} in {region or self.region} is AWS's, and the stage offline asks nothing of AWS")

    def signed(self, payload: Mapping[str, Any], by: str) -> dict[str, Any]:
        """As it is: the tertiary cluster says whose kubeconfig this is."""
        return {**payload, **({"by": by} if by else {})}

    def invoke(self, function: str, payload: object) -> Any:
        """Commands are carried out here; there are no other functions."""
        if function != "command" or not isinstance(payload, Mapping):
            fail(f"function {function!r} runs in AWS only")
        return self.engine.say(payload)


def here(policies: Path) -> OfflinePlace:
    """This machine, with the local world beside it when that is up."""
    world = running(ROOT / ".local" / "world.json")
    speed = float(str(world["speed"])) if world else 1.0
    folder = Path(str(world.get("policies") or policies)) if world else policies
    return OfflinePlace(StageName.OFFLINE, read_policies(folder, speed=speed), world, folder_of())


def where(folder: Path, world: Mapping[str, Any] | None) -> Where:
    """The operator's files by DR_KUBECONFIG (or KUBECONFIG) and DR_SECRETS; in the local world, where its hosts are."""
    told: Mapping[str, Any] = (world or {}).get("offline") or {}
    kubeconfig = os.environ.get("DR_KUBECONFIG") or told.get("kubeconfig") or os.environ.get("KUBECONFIG")
    return Where(
        kubeconfig=Path(str(kubeconfig or Path.home() / ".kube" / "config")),
        secrets=Path(os.environ.get("DR_SECRETS") or str(told.get("secrets") or folder / "secrets.json")),
        resolve=dict(told.get("resolve") or {}),
        database_tls=not told,
        **{name: str(told[name]) for name in ("cloudflare", "pagerduty", "slack") if name in told},
    )


def copy_book(stage: StageOption = StageName.LOCAL, *, json: JsonOption = False) -> None:
    """Copy the book onto this machine: `respond --offline` begins with the newest copy. Run it from cron."""
    if stage is StageName.OFFLINE:
        fail("the stage offline is this machine; copy the book of another stage", 2)
    there = place(stage)
    folder = folder_of()
    name = there.policy.platform.name
    try:
        copy = copied(there)
    except (OSError, StoreUnavailableError) as error:
        known = newest(folder, name)
        kept = known.because if isinstance(known, NoCopy) else said_of(known, there.policy, datetime.now(UTC))[0]
        fail(f"the book cannot be copied now: {error}; {kept}")
    if copy is None:
        fail(f"stage {stage} has no book yet")
    if json:
        wrote_at = copy.wrote_at and copy.wrote_at.isoformat()
        told = {"rev": copy.rev, "taken_at": copy.taken_at.isoformat(), "whence": copy.whence, "wrote_at": wrote_at}
        show_json(told)
    else:
        out.print(f"[green]✓[/green] revision {copy.rev} of {copy.whence} lies in {folder}")


def respond(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="On this machine, without AWS.")] = False,
    declare: Annotated[str | None, typer.Option("--declare", help="Declare this scenario first.")] = None,
    note: Annotated[str, typer.Option("--note", help="Why; it goes on the timeline.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so; the tertiary cluster proves it.", envvar="DR_BY")] = "",
    empty: Annotated[bool, typer.Option("--empty", help="Begin with an empty book, without a copy.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only look at what it needs; exit 1 if it is missing.")
    ] = False,
) -> None:
    """Work at the desk from this machine, until no incident is open. Only `--offline`: else AWS's own functions do."""
    if not offline:
        fail("in AWS the deployed functions work at the desk; name --offline to do it here, without AWS", 2)
    at = place(StageName.OFFLINE)
    if not isinstance(at, OfflinePlace):
        fail("the stage offline is this machine")
    copy = newest(at.folder, at.policy.platform.name)
    if check:
        lacking = night.look(at.engine, at.secrets, copy)
        if lacking:
            fail(f"missing: {', '.join(lacking)}")
        return
    _begin(at, copy, empty=empty)
    night.look(at.engine, at.secrets, copy)
    if declare:
        scope = at.policy.platform.name
        payload = {"command": "declare", "scenario": declare, "scope": scope, "id": f"cli-{uuid4().hex}", "note": note}
        answer = at.engine.say({k: v for k, v in payload.items() if v} | ({"by": by} if by else {}))
        if not answer["ok"]:
            fail(str(answer["because"]))
        out.print(f"[green]✓[/green] {answer['because']}, declared by {answer['by']}")
    night.stay(at.engine, copy)


def _begin(at: OfflinePlace, copy: Copy | NoCopy, *, empty: bool) -> None:
    """The book of this machine: the one in which something is open, or a new one that begins with the copy."""
    now = datetime.now(UTC)
    if aside := set_aside(at.path, at.policy.platform.name, now):
        out.print(f"the book of an earlier night, in which nothing was open, lies now at {aside}", soft_wrap=True)
    if at.store.read_book().body is not None:
        out.print("going on with the book of this machine")
        return
    if isinstance(copy, NoCopy) and not empty:
        what = "bring one here from another operator's machine, or begin without: add --empty (what is open, paused or"
        fail(f"{copy.because}; {what} owed in AWS is then not known, nor where people go)")
    begin(at.store, copy, at.policy, now)
