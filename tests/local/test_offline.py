"""All of AWS is gone in the deployed local world, and two people lead the platform out of it from their machines."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.core.book import Incident, StepState
from chalicelib.store.codec import read_book, read_incident
from drctl.offline.store import SqliteStore
from tests.local.stage import DRCTL, Stage, environment, eventually, up

# A whole outage takes minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("offline")
    with up(folder, speed=60.0) as made:
        made.healthy()
        yield made


class Night:
    """The operators' machine: its store, and what each of them says with their own kubeconfig."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        name = stage.policy.platform.name
        self.store = SqliteStore(stage.folder / ".offline" / f"{name}.db", platform=name)

    def approve(self, who: str, incident: Incident, step: str) -> None:
        env = environment() | {"DR_KUBECONFIG": str(self.stage.folder / ".local" / f"kubeconfig-{who}.yaml")}
        command: list[str | Path] = [
            DRCTL,
            "approve",
            incident.id,
            "--stage",
            "offline",
            "--step",
            step,
            "--note",
            "a test says so",
        ]
        subprocess.run(command, cwd=self.stage.folder, env=env, capture_output=True, check=False)

    def answer(self) -> None:
        body = self.store.read_book().body
        for incident in read_book(body)[0].incidents.values() if body else ():
            for step in [s for s, r in incident.steps.items() if r.state is StepState.ASKING]:
                for who in ("ana", "bob"):
                    self.approve(who, incident, step)

    def over(self) -> Incident | None:
        self.answer()
        return next((read_incident(body) for _, body in self.store.documents("closed")), None)


def test_every_shift_of_aws_finds_its_marker_question_answered(stage: Stage) -> None:
    book = eventually(stage.book, within=60, what="a book")
    assert book.yielded is None


def test_the_platform_is_led_out_of_aws(stage: Stage) -> None:
    assert stage.drctl("copy-book").returncode == 0
    stage.told("break", "provider")
    command: list[str | Path] = [
        DRCTL,
        "respond",
        "--offline",
        "--declare",
        "provider-outage",
        "--note",
        "AWS does not answer",
    ]
    with (stage.folder / "respond.log").open("w") as log:
        process = subprocess.Popen(command, cwd=stage.folder, env=environment(), stdout=log, stderr=log)
        try:
            closed = eventually(Night(stage).over, within=280, what="the end")
        finally:
            process.terminate()
            process.wait(20)
    assert (closed.scenario, closed.ending) == ("provider-outage", "recovered")
    outside = stage.world.outside
    assert outside is not None
    names = outside.outage.cloudflare
    assert outside.tertiary.cloudflare.record(names.zone, names.record)["content"] == names.target
    assert outside.tertiary.dumps.restores == 1
    assert [f["kind"] for f in stage.told("mend")] == ["lose"]
