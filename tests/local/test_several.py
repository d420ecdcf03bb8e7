"""Two breaks at once in the deployed local world, of which both cases move the cluster's applications: one goes first,
the other is held and says for whom, in drctl as on the timeline, and both end recovered. Then a switch that is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.core.happened import Approve, Said
from chalicelib.core.incident import Incident, StepState
from chalicelib.intake import codec
from tests.local.stage import Stage, eventually, up

# A whole case of some minutes: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long
DEPLOYMENTS, CONFIGURATION = "us-east-1/cluster/deployments", "us-east-1/cluster/configuration"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("several")
    with up(folder, speed=10.0) as made:
        made.healthy()
        made.say("set-mode", mode="approve", id="mode")
        yield made


def one(stage: Stage, scope: str, step: str, *states: StepState) -> Incident | None:
    """The open incident of that scope, once its step is in one of these states."""
    return next((i for i in stage.open() if i.scope == scope and i.step(step).state in states), None)


def approve(stage: Stage, scope: str, step: str) -> None:
    asking = eventually(lambda: one(stage, scope, step, StepState.ASKING), within=180, what=f"{step} asks")
    stage.say("approve", incident=asking.id, step=step, plan=asking.plan, id=f"yes-{step}", note="I looked at it")


def waiting(stage: Stage, one_: Incident, other: Incident) -> list[str]:
    """What the timeline of the one says of its waiting for the other."""
    texts = [str(e["text"]) for e in stage.timeline(one_.id) if e["kind"] == "held"]
    return [t for t in texts if f"waits for incident {other.id} (" in t]


def test_of_two_breaks_at_once_one_is_held_and_says_for_whom_and_both_end_recovered(stage: Stage) -> None:
    stage.told("break", "configuration")
    stage.told("break", "deployment", "redis")
    asked = [(CONFIGURATION, "revision"), (DEPLOYMENTS, "rollback")]
    configuration, deployment = (
        eventually(lambda where=where: one(stage, *where, StepState.ASKING), within=240, what=f"{where[1]} asks")  # type: ignore[misc] # a lambda's default
        for where in asked
    )
    # Both yeses lie in the inbox when the desk looks at it next: one of two moves is then decided upon first.
    arn = next(p.principals[0] for p in stage.policy.people.people if p.name == "ana")
    for number, (incident, step) in enumerate(((deployment, "rollback"), (configuration, "revision"))):
        said = Said(id=f"yes-{number}", by="ana", at=datetime.now(UTC), note="I looked at it", arn=arn)
        yes = Approve(said=said, incident=incident.id, plan=incident.plan, step=step)
        stage.store.put_inbox(codec.key(yes), codec.dump(yes))
    held = eventually(
        lambda: waiting(stage, configuration, deployment) or waiting(stage, deployment, configuration),
        within=120,
        what="a held step",
    )
    assert "to let go of applications of cluster neurectomy-use1" in held[0]
    stage.say("set-mode", mode="automatic", id="go-on")
    approve(stage, CONFIGURATION, "secrets")
    for scope in (DEPLOYMENTS, CONFIGURATION):
        closed = eventually(lambda scope=scope: stage.archive(scope), within=300, what=f"the end of {scope}")  # type: ignore[misc] # a lambda's default
        assert closed.ending == "recovered"
    first, then = sorted(
        (
            i.step(step)
            for i, step in ((stage.archive(CONFIGURATION), "revision"), (stage.archive(DEPLOYMENTS), "rollback"))
            if i
        ),
        key=lambda record: str(record.called_at),
    )
    assert first.first_done_at is not None
    assert then.called_at is not None
    assert first.first_done_at <= then.called_at
    stage.told("mend")
