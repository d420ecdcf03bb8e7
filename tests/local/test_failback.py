"""Over and back in the deployed local world, real PostgreSQL behind RDS: by appointment there, by people's words back,
and the platform is as it was; twice, since the second round begins with what the first has made anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.core.incident import Incident, StepState
from tests.crash.as_was import differences, standing
from tests.local.stage import Stage, eventually, up

# Some minutes a round: `make test-long` runs it, `make test` does not.
pytestmark = pytest.mark.long
AWAY, BACK = "planned-switchover", "failback"
ROUNDS = 2


def over(stage: Stage, scenario: str, scope: str, before: int) -> Incident | None:
    """The newest archive of a scenario, once there are more than before; people answer meanwhile whatever it asks."""
    for incident in stage.open():
        for step, record in incident.steps.items():
            if incident.scenario == scenario and record.state is StepState.ASKING:
                for person in ("ana", "bob"):
                    name = f"{person}-{step}-{record.asked_at:%H%M%S%f}"
                    stage.say("approve", by=person, incident=incident.id, step=step, plan=incident.plan, id=name)
    closed = [i for i in stage.closed(scope) if i.scenario == scenario]
    return closed[-1] if len(closed) > before else None


def test_over_and_back_the_platform_is_as_it_was(tmp_path: Path) -> None:
    with up(tmp_path, speed=30) as stage:
        stage.healthy()
        stage.say("set-mode", mode="automatic", id="mode")
        before = standing(stage.world.platform)
        for n in range(ROUNDS):
            said = stage.drctl("declare", AWAY, stage.primary, "--by", "ana", "--note", "the window")
            assert said.returncode == 0, said.stderr
            there = eventually(lambda n=n: over(stage, AWAY, stage.primary, n), within=420, what="the way there")  # type: ignore[misc] # a lambda's default
            assert there.ending == "recovered"
            stage.say("acknowledge", id=f"unblock-{n}")
            shown = json.loads(stage.drctl("failback", "--json").stdout)
            assert shown["may_begin"], shown["why_not"]
            assert {s["what"] for s in shown["set"]} >= {
                "Bring up nodes in the standby",
                "Promote the database replica",
            }
            said = stage.drctl("failback", "--begin", "--at", "now", "--by", "ana", "--note", "the window is over")
            assert said.returncode == 0, said.stderr
            back = eventually(lambda n=n: over(stage, BACK, stage.standby, n), within=580, what="the way back")  # type: ignore[misc] # a lambda's default
            assert back.ending == "recovered"
            assert {r.state for r in back.steps.values()} == {StepState.DONE}
            assert back.step("promote").facts["loss_rows"] == 0.0
            stage.say("acknowledge", id=f"unblock-again-{n}")
            assert stage.world.serving() == stage.primary
            # The air gap's dumps come and go by the clock.
            found = differences(before, standing(stage.world.platform))
            assert [d for d in found if "/jobs.batch dr-dumps/" not in d] == []
