"""All of AWS is gone in the deployed local world, and two people lead the platform out of it from their machines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.core.incident import Incident, StepState
from chalicelib.store.codec import read_book, read_incident
from drctl.offline.store import SqliteStore
from tests.local.stage import DRCTL, Stage, environment, eventually, never, up

# A whole outage takes minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("offline")
    with up(folder, speed=60.0) as made:
        made.healthy()
        yield made


BY_TWO = {"leave", "traffic"}


class Night:
    """The operators' machine: its store, and what each of them says with their own kubeconfig."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        name = stage.policy.platform.name
        self.store = SqliteStore(stage.folder / ".offline" / f"{name}.db", platform=name)

    def approve(self, who: str, incident: Incident) -> None:
        """Whatever asks, all at once, as the screen says it."""
        env = environment() | {"DR_KUBECONFIG": str(self.stage.folder / ".local" / f"kubeconfig-{who}.yaml")}
        command: list[str | Path] = [DRCTL, "approve", incident.id, "--stage", "offline", "--note", "a test says so"]
        subprocess.run(command, cwd=self.stage.folder, env=env, capture_output=True, check=False)

    def answer(self) -> None:
        body = self.store.read_book().body
        for incident in read_book(body)[0].incidents.values() if body else ():
            asking = {s for s, r in incident.steps.items() if r.state is StepState.ASKING}
            if asking:
                self.approve("ana", incident)
            if asking & BY_TWO:
                self.approve("bob", incident)

    def over(self) -> Incident | None:
        self.answer()
        return next((read_incident(body) for _, body in self.store.documents("closed")), None)


def test_every_shift_of_aws_finds_its_marker_question_answered(stage: Stage) -> None:
    book = eventually(stage.book, within=60, what="a book")
    assert book.yielded is None


@dataclass
class Led:
    """The platform after people have led it out of AWS, and what the operator's screen said."""

    incident: Incident
    screen: str


@pytest.fixture(scope="module")
def led(stage: Stage) -> Led:
    stage.say("set-mode", mode="automatic", id="mode")
    assert stage.drctl("copy-book").returncode == 0
    stage.told("break", "provider")
    command: list[str | Path] = [DRCTL, "respond", "--offline", "--declare", "provider-outage", "--note", "AWS is gone"]
    screen = stage.folder / "respond.log"
    with screen.open("w") as log:
        process = subprocess.Popen(command, cwd=stage.folder, env=environment(), stdout=log, stderr=log)
        try:
            closed = eventually(Night(stage).over, within=280, what="the end")
        except BaseException:
            stage.told("mend")  # a world without AWS takes long to end
            raise
        finally:
            process.terminate()
            process.wait(20)
    return Led(closed, screen.read_text())


def test_the_platform_is_led_out_of_aws(stage: Stage, led: Led) -> None:
    assert (led.incident.scenario, led.incident.ending) == ("provider-outage", "recovered")
    outside = stage.world.outside
    assert outside is not None
    names = outside.outage.cloudflare
    assert outside.tertiary.cloudflare.record(names.zone, names.record)["content"] == names.target
    assert outside.tertiary.dumps.restores == 1


def test_when_aws_returns_its_side_says_by_whom_it_is_paused_and_moves_nothing(stage: Stage, led: Led) -> None:
    outside = stage.world.outside
    assert outside is not None
    names, since = outside.outage.cloudflare, datetime.now(UTC)
    assert [f["kind"] for f in stage.told("mend")] == ["lose"]
    eventually(lambda: (book := stage.book()) and book.paused, within=90, what="the pause of AWS's side")
    told = stage.told("status")
    assert told["paused_by"] == "the marker"
    acts = f"acts for {led.incident.id} from outside since {led.incident.opened_at:%Y-%m-%dT%H:%M:%SZ}"
    assert told["paused"] in (f"ana {acts}", f"bob {acts}")
    assert datetime.fromisoformat(told["paused_since"]) >= since
    # The same night the primary's region fails, and automation may do what it may: nothing of it is done.
    stage.break_region(stage.primary)
    held = eventually(
        lambda: next((i for i in stage.open() if i.scope == stage.primary and i.confirmed_at), None), within=120
    )
    never(lambda: moved(stage, since), within=10)
    assert stage.world.serving() == stage.primary
    lines = " ".join(str(e["text"]) for e in stage.timeline(held.id))
    assert "paused by the marker" in lines or "paused by the marker" in json.dumps(stage.told("show", held.id))
    assert outside.tertiary.cloudflare.record(names.zone, names.record)["content"] == names.target
    stage.told("mend")
    # A person who resumes while the marker still stands has decided so.
    assert stage.say("resume", id="resume", note="both sides were compared")["ok"]
    eventually(lambda: (book := stage.book()) and book.paused is None, within=60, what="the end of the pause")


def moved(stage: Stage, since: datetime) -> list[str]:
    """What the deployed functions have changed since then: nodes, database, secrets, network, restores."""
    changed = [
        f"{c.service} {c.operation}"
        for c in stage.ours(since)
        if c.service in ("rds", "eks", "secretsmanager", "ec2")
        and not c.operation.startswith(("Describe", "Get", "List"))
    ]
    standby = stage.world.platform.clusters[stage.policy.platform.clusters.standby.name]
    return changed + [r["metadata"]["name"] for r in standby.objects("restores.velero.io")]
