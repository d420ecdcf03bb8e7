"""What an operator sees in the night without AWS: what is there and what is not known, what asks, what waits.

Each line is said once, with its time; what asks comes with the command that answers it. The screen says nothing that
the book does not say too: whoever comes later reads the same with `drctl show --stage offline`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.markup import escape

from chalicelib.core.book import Book
from chalicelib.core.incident import Incident, StepRecord, StepState
from chalicelib.core.plan import plan
from chalicelib.policy import Policy
from chalicelib.store.codec import read_book, read_incident
from drctl.cli.places import out
from drctl.offline import sight
from drctl.offline.book import Copy, NoCopy
from drctl.offline.engine import Offline
from drctl.offline.secrets import Secrets

PAUSE_S: Final = 1.0
SHIFT: Final = timedelta(seconds=15)
"""Short, so that this screen is never far behind the book; a call may take six of them."""
BLOCKS: Final[Mapping[sight.State, tuple[str, str]]] = {
    "missing": ("[red]✗[/red]", "Missing: mend these, nothing goes on without them"),
    "there": ("[green]✓[/green]", "Here"),
    "silent": ("[yellow]![/yellow]", "Silent: nobody is told by these, call people"),
    "unknown": ("[yellow]?[/yellow]", "Not known from here"),
}


def look(engine: Offline, secrets: Secrets, copy: Copy | NoCopy) -> list[str]:
    """Prints what the night needs and what nobody can know from here; answers what is missing."""
    policy, now = engine.policy, engine.tools.clock.now()
    wrote_at = None if isinstance(copy, NoCopy) else copy.wrote_at
    serving = policy.platform.regions.primary
    if not isinstance(copy, NoCopy):
        serving = read_book(copy.body)[0].serving or serving
    found = (sight.book(copy, policy, now), *engine.sight(secrets), *sight.never_known(policy, serving, wrote_at, now))
    for state, (mark, title) in BLOCKS.items():
        block = [one for one in found if one.state == state]
        if block:
            out.print(f"[bold]{title}[/bold]")
        for one in block:
            out.print(f"  {mark} [bold]{one.what}[/bold]: {escape(one.because)}", soft_wrap=True, highlight=False)
    return [one.what for one in found if one.state == "missing"]


def stay(engine: Offline, copy: Copy | NoCopy) -> None:
    """Shifts, until no incident is open; every new sentence is printed once."""
    told: set[tuple[str, ...]] = set()
    opened: set[str] = set()
    while True:
        engine.work(until=datetime.now(UTC) + SHIFT)
        body = engine.store.read_book().body
        book = read_book(body)[0] if body else None
        for key, line in lines(book, engine.policy, copy) if book else ():
            if key not in told:
                told.add(key)
                out.print(f"{datetime.now(UTC):%H:%M:%S} {line}", soft_wrap=True, highlight=False)
        opened |= set(book.incidents) if book else set()
        if book is None or not book.incidents:
            _ended(engine, opened)
            return
        time.sleep(PAUSE_S)


def lines(book: Book, policy: Policy, copy: Copy | NoCopy) -> Iterator[tuple[tuple[str, ...], str]]:
    """What the book has to say now, each with what makes it new."""
    if book.paused:
        text = f"[red]PAUSED[/red] by {book.paused.by} at {book.paused.at:%H:%M:%S} UTC: {escape(book.paused.because)}"
        yield ("paused", str(book.paused.at)), f"{text}  (drctl resume --stage offline --note …)"
    for incident in book.incidents.values():
        titles = {s.id: s.title for s in plan(incident.scenario, policy=policy).steps}
        asking = tuple(s for s, r in incident.steps.items() if r.state is StepState.ASKING)
        if len(asking) > 1:
            command = f"drctl approve {incident.id} --stage offline --note …"
            yield (incident.id, *asking), f"[yellow]asks[/yellow]  {len(asking)} steps; for all at once: {command}"
        for step, record in incident.steps.items():
            if line := _line(incident, step, record, titles.get(step, "")):
                yield (incident.id, step, record.state, str(record.asked_at), record.because), line
            if lost := _lost(record, policy, copy):
                yield (incident.id, step, "lost"), lost


def _line(incident: Incident, step: str, record: StepRecord, title: str) -> str:
    match record.state:
        case StepState.ASKING:
            command = f"drctl approve {incident.id} --stage offline --step {step} --note …"
            asks = f"[yellow]asks[/yellow]  [bold]{step}[/bold]: {title}: {escape(record.because)}"
            return f"{asks}\n           {command}"
        case StepState.STUCK:
            return f"[red]stuck[/red] {step}: {escape(record.because)}"
        case StepState.DONE:
            return f"[green]done[/green]  {step}: {escape(record.because)}"
        case StepState.RUNNING | StepState.ACTING:
            return f"[dim]waits {step}: {escape(record.because)}[/dim]" if record.because else ""
        case StepState.PENDING | StepState.HELD | StepState.LEFT:
            return ""


def _lost(record: StepRecord, policy: Policy, copy: Copy | NoCopy) -> str:
    """The least that is lost: from what the dump holds to the last write that the copy knows of."""
    held = record.facts.get("holds_until")
    if not isinstance(held, str) or isinstance(copy, NoCopy) or copy.wrote_at is None:
        return ""
    least = copy.wrote_at - datetime.fromisoformat(held)
    if least <= timedelta():
        return ""
    seconds = f"{least.total_seconds() * policy.speed:,.0f} s"
    return (
        f"[yellow]lost[/yellow]  at least {policy.real(least)} ({seconds}) of writes: AWS was last heard to write at"
        f" {copy.wrote_at:%Y-%m-%d %H:%M:%S} UTC; how much more is not known"
    )


def _ended(engine: Offline, opened: set[str]) -> None:
    for _, body in engine.store.documents("closed"):
        incident = read_incident(body)
        if incident.id in opened:
            out.print(f"[bold]{incident.id} is over: {incident.ending}[/bold]")
            out.print("when AWS is back: compare both sides before anybody says resume there (docs/offline.md)")
    out.print("[green]no incident is open[/green]  (drctl show --stage offline)")
