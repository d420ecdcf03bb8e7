"""replay: saved events through the real intake and core, with the clock at each event's own time. Nothing is done."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from chalicelib import names
from chalicelib.core.book import Book
from chalicelib.core.copies import LookAtCopies
from chalicelib.core.due import Held, Work, due
from chalicelib.core.fold import fold
from chalicelib.core.happened import Signal, Tick, Unreadable
from chalicelib.core.plan import Rules
from chalicelib.core.states import IncidentState
from chalicelib.core.switch import LookAtSwitch
from chalicelib.core.synthetic import Sound
from chalicelib.intake import alarms
from chalicelib.policy import Policy
from chalicelib.policy.platform import Mode
from drctl.cli.places import POLICIES, PoliciesOption, fail, out, read_policies


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command(rich_help_panel="Policies")(replay)


def replay(
    files: Annotated[list[Path], typer.Argument(help="JSON or JSON lines; SNS, EventBridge or direct events.")],
    policies: PoliciesOption = POLICIES,
    *,
    mode: Annotated[Mode, typer.Option("--mode", help="As if in this mode.")] = Mode.AUTOMATIC,
    json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:
    """What the responder would decide on saved events. Nothing outside is asked or changed."""
    policy = read_policies(policies)
    rules = Rules(policy)
    book = Book(mode=mode, serving=policy.platform.regions.primary)
    at = datetime.min.replace(tzinfo=UTC)
    for event in (e for f in files for e in events(f)):
        for found in read(event, policy):
            if isinstance(found, Unreadable):
                _print({"at": None, "incident": None, "unreadable": found.reason}, json=json)
                continue
            # Late events do not turn the clock back.
            at = max(at, found.changed_at)
            before, book = book, fold(book, found, rules=rules, now=at)
            for line in lines(book, rules, at, quiet=why_quiet(before, found, policy)):
                _print(line, json=json)
    if book.incidents:
        # A suspicion must hold for a while: what it would come to if nothing else happened.
        at += max(rule.hold for rule in policy.signals.rules)
        for line in lines(fold(book, Tick(), rules=rules, now=at), rules, at, quiet=""):
            _print(line, json=json)


def why_quiet(book: Book, signal: Signal, policy: Policy) -> str:
    """Why this signal opens no incident, if it does not."""
    known = book.watermarks.get(signal.source)
    expected = policy.signals.regions.get(signal.name)
    if known and signal.changed_at <= known.changed_at:
        return f"{signal.name} is {signal.state}: no newer than what is known of it ({known.state})"
    if expected is None and not signal.source.startswith("probe:"):
        return f"{signal.name} is {signal.state}: policy does not know this alarm"
    if expected and signal.region != expected:
        return f"{signal.name} is {signal.state} in {signal.region}: policy watches the one in {expected}"
    return f"{signal.name} is {signal.state}: {signal.reason}"


def events(file: Path) -> Iterator[Any]:
    """The events of a file: one JSON value, a list of them, or one a line."""
    try:
        text = file.read_text()
    except OSError as error:
        fail(f"{file}: {error.strerror}", 2)
    try:
        whole = jsonlib.loads(text)
    except ValueError:
        for n, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    yield jsonlib.loads(line)
                except ValueError as error:
                    fail(f"{file}:{n}: neither the file nor this line is JSON: {error}", 2)
        return
    yield from whole if isinstance(whole, list) else [whole]


def read(event: Any, policy: Policy) -> tuple[Signal | Unreadable, ...]:
    """Through the intake that fits the event's shape."""
    now, accounts = datetime.now(UTC), names.believed_accounts(policy)
    if isinstance(event, Mapping) and "Records" in event:
        return alarms.from_sns(event, received_at=now, accounts=accounts, topics=names.believed_topics(policy))
    if isinstance(event, Mapping) and "alarmData" in event:
        return alarms.from_direct(event, received_at=now, accounts=accounts)
    return alarms.from_eventbridge(event, received_at=now, accounts=accounts)


def lines(book: Book, rules: Rules, at: datetime, *, quiet: str) -> Iterator[dict[str, Any]]:
    """One object an incident, or one that says why there is none."""
    if not book.incidents:
        yield {
            "at": at.isoformat(),
            "incident": None,
            "scope": None,
            "scenario": None,
            "state": None,
            "because": quiet,
            "work": [],
        }
        return
    # Replayed events say nothing of where the switch stands, of copies, and of synthetic alarms.
    work = [w for w in due(book, rules=rules, now=at) if not isinstance(w, LookAtSwitch | LookAtCopies | Sound)]
    for incident in book.incidents.values():
        yield {
            "at": at.isoformat(),
            "incident": incident.id,
            "scope": incident.scope,
            "scenario": incident.scenario,
            "state": IncidentState(incident.state).value,
            "because": incident.because,
            "work": [f"{type(w).__name__.lower()}: {_about(w)}" for w in work if w.incident == incident.id],
        }


def _about(work: Work | Held) -> str:
    return work.because


def _print(line: Mapping[str, Any], *, json: bool) -> None:
    if json:
        typer.echo(jsonlib.dumps(line, ensure_ascii=False))
        return
    if "unreadable" in line:
        out.print(f"[red]unreadable[/red] {line['unreadable']}")
        return
    head = f"[bold]{line['incident']}[/bold] {line['state']}" if line["incident"] else "[dim]no incident[/dim]"
    out.print(f"[dim]{line['at']}[/dim] {head}\n  {line['because']}")
    for work in line["work"]:
        out.print(f"  [cyan]→[/cyan] {work}")
