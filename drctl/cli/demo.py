"""demo: a whole region failure, unattended, with a scripted person who approves what asks."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2

from chalicelib import names
from chalicelib.core.book import Book
from chalicelib.core.incident import Incident, StepState
from chalicelib.core.report import clocks
from chalicelib.policy import Policy
from chalicelib.policy.people import Saying
from chalicelib.store.beats import Beats
from chalicelib.store.codec import read_book, read_incident
from chalicelib.store.dynamodb import DynamoStore
from drctl import signing
from drctl.cli.as_json import incident_json
from drctl.cli.looking import print_clocks, print_loss, print_steps, rules_of
from drctl.cli.places import Place, StageName, out
from drctl.world import people

PATIENCE_S: Final = 210.0
READS: Final = ("Describe", "Get", "List", "Query", "Head")


async def demo(root: Path, policies: Path, *, speed: float, folder: Path) -> int:
    """0 when the incident is resolved and every tier-1 service was back within its RTO."""
    from drctl.world.local import LocalWorld

    with out.status("starting the local world (the first time it installs what it runs on)") as status:
        world = LocalWorld(root, policies, speed=speed, told=status.update)
        await world.__aenter__()
    try:
        out.print(f"[green]up[/green] in {world.ready_in:.1f} s; the responder is deployed, speed {speed:g}")
        incident = await asyncio.to_thread(play, world)
        return await asyncio.to_thread(report, world, incident, folder)
    finally:
        await world.__aexit__(None, None, None)


def play(world: Any) -> Incident | None:
    """Breaks the primary region and plays the person; answers the closed incident, None when patience ran out."""
    policy: Policy = world.policy
    region = policy.platform.regions.primary
    store = DynamoStore(
        world.clients("dynamodb", policy.platform.responder.region),
        table=policy.platform.responder.table,
        platform=policy.platform.name,
    )
    say(world, {"command": "set-mode", "mode": "automatic"})
    _healthy(world)
    out.print(f"[red]breaking[/red] {region}: its APIs, cluster, database, services and alarms are silent")
    control = world.world.control_url
    httpx2.post(
        f"{control}/faults", json={"kind": "lose", "region": region, "silent": True}, trust_env=False
    ).raise_for_status()
    began, shown = time.monotonic(), dict[str, int]()
    while time.monotonic() - began < PATIENCE_S:
        book = _book(store)
        for incident_id in _known(store, book):
            _follow(store, incident_id, shown, began, speed=policy.speed)
        if book:
            _answer(world, book)
        closed = [read_incident(body) for _, body in store.documents("closed")]
        ended = [i for i in closed if i.scope == region]
        if ended and not (book and book.incidents):
            return ended[-1]
        time.sleep(0.5)
    out.print(f"[red]✗[/red] not over after {PATIENCE_S:.0f} s")
    return None


def say(world: Any, payload: dict[str, Any], *, by: str = "") -> dict[str, Any]:
    """Invokes the deployed `command` function as `drctl` does, signed by a person of policy: the first, or this one."""
    policy: Policy = world.policy
    client = world.clients("lambda", policy.platform.responder.region)
    person = people.speaker(policy, by)
    if person is None:
        raise LookupError(f"{by!r} is nobody of people.yaml")
    whole = signing.signed(
        {"id": f"demo-{uuid4().hex}", **payload},
        policy,
        credentials=people.credentials_of(person),
        now=datetime.now(UTC),
    )
    name = names.function(policy, "command")
    answer: dict[str, Any] = json.loads(
        client.invoke(FunctionName=name, Payload=json.dumps(whole).encode())["Payload"].read()
    )
    out.print(f"  [yellow]{person.name}[/yellow] {payload['command']}: {answer.get('because', answer)}")
    return answer


def _healthy(world: Any) -> None:
    """Waits until the primary serves and is heard, so that what breaks was whole."""
    policy: Policy = world.policy
    responder = policy.platform.responder
    beats = Beats(world.clients("dynamodb", responder.region), table=responder.table, platform=policy.platform.name)
    url = world.world_url(world.policy.platform.regions.primary) + "/health"
    gives_up_at = time.monotonic() + 30
    while time.monotonic() < gives_up_at:
        serves = httpx2.get(url, trust_env=False, timeout=5).status_code == 200
        if serves and all(beats.read(who).moment("at") for who in ("primary", "witness", "replica")):
            return
        time.sleep(0.2)


def _book(store: DynamoStore) -> Book | None:
    body = store.read_book().body
    return read_book(body)[0] if body else None


def _known(store: DynamoStore, book: Book | None) -> list[str]:
    return [*(book.incidents if book else ()), *(key for key, _ in store.documents("closed"))]


def _follow(store: DynamoStore, incident_id: str, shown: dict[str, int], began: float, *, speed: float) -> None:
    """Prints what is new on an incident's timeline."""
    for entry in store.timeline(incident_id)[shown.get(incident_id, 0) :]:
        shown[incident_id] = shown.get(incident_id, 0) + 1
        at = (time.monotonic() - began) * speed
        colour = {"asks": "yellow", "stuck": "red", "late": "red", "done": "green"}.get(str(entry["kind"]), "cyan")
        clock = f"+{int(at) // 60:>2}m{int(at) % 60:02d}s"
        out.print(
            f"[dim]{clock}[/dim] [{colour}]{entry['kind']:<12}[/{colour}] {entry['text']}",
            soft_wrap=True,
        )


def _answer(world: Any, book: Book) -> None:
    """The person: reads what asks, and approves it with the plan that was shown."""
    for incident in book.incidents.values():
        if incident.confirmed_at and not incident.acknowledged_at:
            say(world, {"command": "acknowledge", "incident": incident.id})
        for step_id, record in incident.steps.items():
            if record.state is StepState.ASKING:
                wanted = {"command": "approve", "incident": incident.id, "plan": incident.plan, "step": step_id}
                said = {voice.by for voice in record.voices}
                able = [p for p in world.policy.people.who_may(Saying.APPROVE) if p not in said]
                say(world, wanted | {"note": "the region is gone, we accept the possible loss"}, by=able[0])


def print_calls(world: Any) -> None:
    """How many AWS calls the deployed functions made, by the gate's ledger."""
    calls = httpx2.get(f"{world.world.control_url}/ledger", trust_env=False, timeout=10).json()
    ours = [call for call in calls if call["function"]]
    counted = Counter(f"{call['service']} {call['operation']}" for call in ours)
    changing = sum(n for name, n in counted.items() if not name.split()[1].startswith(READS))
    most = ", ".join(f"{n} {name}" for name, n in counted.most_common(6))
    out.print(f"\n{len(ours)} AWS calls by the responder, {changing} of them writes: {most}, …")


def report(world: Any, incident: Incident | None, folder: Path) -> int:
    """Prints the report, writes it under `folder`, and says whether the demo succeeded."""
    if incident is None:
        return 1
    place = Place(
        StageName.LOCAL, world.policy, {"gate": world.world.gate_url, "account": world.policy.platform.account}
    )
    rules = rules_of(place, [incident])
    found = clocks(incident, rules, incident.ended_at or datetime.now(UTC))
    out.print()
    print_steps(incident, rules)
    print_clocks(incident, rules, world.policy.speed)
    print_loss(incident, rules)
    print_calls(world)
    folder.mkdir(parents=True, exist_ok=True)
    whole = incident_json(incident, rules, place.store.timeline(incident.id))
    path = folder / "demo.json"
    path.write_text(json.dumps(whole, indent=2, default=str) + "\n")
    out.print(f"\nwritten to {path}")
    missed = [c.display for c in found if c.tier == 1 and not c.met]
    if incident.ending != "recovered" or missed or not found:
        out.print(
            f"[red]✗[/red] the incident ended {incident.ending}; tier-1 services late: {', '.join(missed) or 'none'}"
        )
        return 1
    out.print(f"[green]✓[/green] {incident.id} is recovered, and every tier-1 service was back within its RTO")
    return 0
