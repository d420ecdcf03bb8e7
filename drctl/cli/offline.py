"""respond, copy-book: the engine on an operator's machine, for the night in which AWS is gone (docs/offline.md)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from chalicelib.core.book import Book, Incident, StepState
from chalicelib.store.codec import read_book
from chalicelib.store.contract import Store, StoreUnavailableError
from drctl.cli.copies import FOLDER, folder_of
from drctl.cli.places import ROOT, JsonOption, Place, StageName, StageOption, fail, out, place, read_policies, show_json
from drctl.offline.book import found as begin
from drctl.offline.book import newest, said_of, take
from drctl.offline.engine import NoOutageError, Offline, Where, engine
from drctl.offline.store import SqliteStore
from drctl.world.supervisor import running

PANEL: Final = "Without AWS"
PAUSE_S: Final = 1.0
SHIFT: Final = timedelta(seconds=15)
"""Short, so that this screen is never far behind the book; a call may take six of them."""


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command(rich_help_panel=PANEL)(respond)
    app.command(name="copy-book", rich_help_panel=PANEL)(copy_book)


@dataclass(frozen=True)
class OfflinePlace(Place):
    """This machine: its store is a file, and its functions run here."""

    folder: Path = FOLDER

    @cached_property
    def store(self) -> Store:
        """The file in which the engine of this machine keeps its book."""
        try:
            return SqliteStore(self.folder / f"{self.policy.platform.name}.db", platform=self.policy.platform.name)
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
    there = place(stage)
    if stage is StageName.OFFLINE:
        fail("the stage offline is this machine; copy the book of another stage", 2)
    folder = folder_of()
    name = there.policy.platform.name
    try:
        copy = take(there.store, folder, name, whence=f"stage {stage}", now=datetime.now(UTC))
    except StoreUnavailableError as error:
        known = newest(folder, name)
        kept = known if isinstance(known, str) else said_of(known, there.policy, datetime.now(UTC))[0]
        fail(f"the book cannot be copied now: {error}; {kept}")
    if copy is None:
        fail(f"stage {stage} has no book yet")
    if json:
        show_json({"rev": copy.rev, "taken_at": copy.taken_at.isoformat(), "whence": copy.whence})
    else:
        out.print(f"[green]✓[/green] revision {copy.rev} of {copy.whence} lies in {folder}")


def respond(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="On this machine, without AWS.")] = False,
    declare: Annotated[str | None, typer.Option("--declare", help="Declare this scenario first.")] = None,
    note: Annotated[str, typer.Option("--note", help="Why; it goes on the timeline.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who says so; the tertiary cluster proves it.", envvar="DR_BY")] = "",
) -> None:
    """Work at the desk from this machine, until no incident is open. Only `--offline`: else AWS's own functions do."""
    if not offline:
        fail("in AWS the deployed functions work at the desk; name --offline to do it here, without AWS", 2)
    at = place(StageName.OFFLINE)
    if not isinstance(at, OfflinePlace):
        fail("the stage offline is this machine")
    _begin(at)
    if declare:
        scope = at.policy.platform.name
        payload = {"command": "declare", "scenario": declare, "scope": scope, "id": f"cli-{uuid4().hex}", "note": note}
        answer = at.engine.say({k: v for k, v in payload.items() if v} | ({"by": by} if by else {}))
        if not answer["ok"]:
            fail(str(answer["because"]))
        out.print(f"[green]✓[/green] {answer['because']}, declared by {answer['by']}")
    _stay(at)


def _begin(at: OfflinePlace) -> None:
    """The book to begin with, and what is known and what is not."""
    copy, now = newest(at.folder, at.policy.platform.name), datetime.now(UTC)
    fresh = begin(at.store, copy, at.policy, now)
    if not fresh:
        out.print("going on with the book of this machine")
    elif isinstance(copy, str):
        out.print(f"[red]{copy}[/red]: the book begins empty")
    else:
        for sentence in said_of(copy, at.policy, now):
            out.print(sentence)
    out.print(
        "[yellow]not known from here:[/yellow] whether AWS still takes writes, what its side has done, where its "
        "switch stands; nothing of it is fenced"
    )


def _stay(at: OfflinePlace) -> None:
    """Shifts, until no incident is open; what asks is told whenever it changes."""
    told: tuple[str, ...] = ()
    while True:
        at.engine.work(until=datetime.now(UTC) + SHIFT)
        book = _book(at)
        asks = tuple(_asking(book)) if book else ()
        if asks != told:
            for line in asks:
                out.print(line, soft_wrap=True)
            told = asks
        if book is None or not book.incidents:
            out.print("[green]no incident is open[/green]  (drctl show --stage offline)")
            return
        time.sleep(PAUSE_S)


def _book(at: OfflinePlace) -> Book | None:
    body = at.store.read_book().body
    return read_book(body)[0] if body else None


def _asking(book: Book) -> list[str]:
    found = []
    if book.paused:
        found.append(f"[red]PAUSED[/red] by {book.paused.by}: {book.paused.because}  (drctl resume --stage offline)")
    for incident in book.incidents.values():
        found += _asks_of(incident)
    return found


def _asks_of(incident: Incident) -> list[str]:
    lines = []
    for step, record in incident.steps.items():
        match record.state:
            case StepState.ASKING:
                command = f"drctl approve {incident.id} --stage offline --step {step}"
                lines.append(f"[yellow]asks[/yellow] {step}: {record.because}  ({command})")
            case StepState.STUCK:
                lines.append(f"[red]stuck[/red] {step}: {record.because}")
            case StepState.DONE:
                lines.append(f"[green]done[/green] {step}: {record.because}")
            case _:
                pass
    return lines
