"""Nothing recovery waits for is asked of the failed region, or of a control plane that lives there: by the ledger.

The primary region is dark with its alarms, or slow (half a minute an answer), or answers with errors only. Each time a
whole failover in the deployed world goes to its end, and the gate's ledger names every call that went there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.core.incident import Incident, StepState
from drctl.world.ledger import Call
from tests.local.stage import Stage, up

# Three whole failovers: `make test-long` runs them, `make test` does not.
pytestmark = pytest.mark.long
PATIENCE_S = 300.0
GLOBAL = {"route53", "iam", "sts", "route53-recovery-control-config", "cloudfront", "globalaccelerator"}
"""What is signed for us-east-1 because its control plane lives there; STS has regional endpoints, and only those."""
ASIDE = {
    ("monitoring", "DescribeAlarms"),
    ("ec2", "DescribeNetworkAcls"),
    ("ec2", "CreateNetworkAclEntry"),
    ("rds", "DescribeDBInstances"),
    ("eks", "DescribeCluster"),
}
"""What is asked there beside the path: whether alarms changed, and what the fence and the backups' protection need."""


def dark(stage: Stage) -> None:
    stage.break_region(stage.primary, silent=True)


def slow(stage: Stage) -> None:
    stage.ail(stage.primary, "slow", 30.0)


def failing(stage: Stage) -> None:
    stage.ail(stage.primary, "error")


def failover(stage: Stage, breaks: Callable[[Stage], None]) -> Incident:
    """Until it is archived; a person approves what asks."""
    stage.healthy()
    stage.say("set-mode", mode="automatic", id="mode")
    breaks(stage)
    approved: set[str] = set()
    gives_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < gives_up_at:
        if found := stage.archive(stage.primary):
            return found
        for incident in stage.open():
            for step, record in incident.steps.items():
                asked = f"{step}-{record.asked_at:%H%M%S}" if record.asked_at else step
                if record.state is StepState.ASKING and asked not in approved:
                    approved.add(asked)
                    yes = {"incident": incident.id, "step": step, "plan": incident.plan, "note": "accepted"}
                    assert stage.say("approve", id=f"approve-{asked}", **yes)["ok"]
        time.sleep(0.5)
    told = [f"{entry['at']} {entry['kind']}: {entry['text']}" for i in stage.seen_of(stage.primary) for entry in i]
    pytest.fail("\n".join(told) or "nothing was opened")


@pytest.mark.parametrize("breaks", [dark, slow, failing], ids=lambda f: f.__name__)
def test_a_failover_waits_for_nothing_there(breaks: Callable[[Stage], None], tmp_path: Path) -> None:
    with up(tmp_path, speed=20) as stage:
        incident = failover(stage, breaks)
        assert incident.ending == "recovered"
        assert stage.world.serving() == stage.standby
        assert incident.confirmed_at
        calls = [c for c in stage.recovering(incident.confirmed_at) if c.function_region == stage.standby]
        there = [c for c in calls if c.region == stage.primary]
        assert calls
        assert there, "what is done aside is tried there too"
        assert {(c.service, c.operation) for c in there} <= ASIDE
        assert not {c.service for c in there} & GLOBAL
        # Each of them failed, or took its half minute, and was nobody's condition: every step of the path is done.
        path = {n: r for n, r in incident.steps.items() if r.state is not StepState.LEFT}
        assert all(r.state is StepState.DONE for r in path.values())
        assert answered_well(there) == []


def answered_well(there: list[Call]) -> list[Call]:
    """The calls into the ailing region that came back with what was asked, in time to be of use."""
    return [c for c in there if c.status and c.status < 400 and c.ms < 5000]
