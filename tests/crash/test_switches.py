"""A whole region failure on platforms whose traffic is switched by an object or by ARC."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.core.incident import StepState
from drctl.neighbours.arc import REGIONS
from tests.crash.ending import archive, effects, untrue
from tests.crash.platform_in_process import SPEED
from tests.crash.story import Story
from tests.policy.switches import platform_with


@pytest.mark.parametrize(
    ("kind", "thrown"), [("object", "s3.PutObject"), ("arc", "route53-recovery-cluster.UpdateRoutingControlStates")]
)
def test_the_failover_moves_traffic_once_and_asks_the_name_servers(kind: str, thrown: str, tmp_path: Path) -> None:
    story = Story(policy=platform_with(kind, tmp_path / kind, speed=SPEED))
    if kind == "arc":
        story.platform.traffic.arc.take_away(REGIONS[-1])
    ended = story.tell()
    incident = archive(ended)
    assert incident.ending == "recovered"
    assert {record.state for record in incident.steps.values()} == {StepState.DONE, StepState.LEFT}
    assert incident.steps["verify-traffic"].facts == {"answered": "us-west-2"}
    assert not untrue(ended, faults=0)
    assert ended.serving() == "us-west-2"
    assert ended.outside.calls.count("dns") >= len(ended.policy.platform.traffic.name_servers)
    assert thrown in ended.outside.effects
    assert "cloudwatch.PutMetricData" not in ended.outside.effects
    if kind == "arc":
        assert effects(ended)[thrown] == 1
