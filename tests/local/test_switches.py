"""A whole region failure in deployed worlds, with each kind of switch; and what is told when one is tampered with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dnslib import DNSRecord  # type: ignore[import-untyped]  # it ships no types

from chalicelib.core.incident import Incident, StepState
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch
from tests.local.stage import Stage, eventually, never, up
from tests.policy.broken import Broken
from tests.policy.switches import KINDS, METRIC

# Three whole failovers: `make test-long` runs them, `make test` does not.
pytestmark = pytest.mark.long
PATIENCE_S = 240.0


def failover(stage: Stage) -> Incident:
    """Until it is archived; a person approves what asks."""
    stage.healthy()
    stage.say("set-mode", mode="automatic", id="mode")
    stage.break_region(stage.primary)
    approved: set[str] = set()
    gives_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < gives_up_at:
        if found := stage.archive(stage.primary):
            return found
        for incident in stage.open():
            asking = [name for name, record in incident.steps.items() if record.state is StepState.ASKING]
            for step in set(asking) - approved:
                approved.add(step)
                yes = {"incident": incident.id, "step": step, "plan": incident.plan, "note": "accepted"}
                assert stage.say("approve", id=f"approve-{step}-{len(approved)}", **yes)["ok"]
        time.sleep(0.5)
    pytest.fail(str([(s, r.state, r.because) for i in stage.open() for s, r in i.steps.items()]))


def alert(stage: Stage, kind: str, *, within: float) -> Mapping[str, Any]:
    """PagerDuty's alert of that kind of finding."""

    def look() -> list[Mapping[str, Any]]:
        return [a for a in stage.seen("pagerduty")["alerts"] if a["dedup_key"].startswith(kind)]

    (found,) = eventually(look, within=within, what=f"an alert of {kind}")
    return found


def seen_at(stage: Stage) -> str | None:
    """The region that the responder last saw the switch at."""
    region: str | None = stage.told("status")["switch"]["region"]
    return region


def a_tick(stage: Stage) -> float:
    """A tick of the clock, in seconds, and what starting a function, a visit of the desk and a page take on a busy
    machine.
    """
    return 60 / stage.policy.speed + 15


def answered(stage: Stage) -> list[str]:
    """What the zone's authoritative server says on the wire."""
    traffic = stage.policy.platform.traffic
    port = int(stage.world.zones.name_servers()[traffic.name_servers[0]].rpartition(":")[2])
    reply = DNSRecord.parse(DNSRecord.question(traffic.record, "A").send("127.0.0.1", port, timeout=5))
    assert reply.header.aa
    return [str(r.rdata).rstrip(".") for r in reply.rr]


@pytest.mark.parametrize("kind", ["object", "arc"])
def test_the_deployed_responder_throws_the_switch_that_policy_has(kind: str, tmp_path: Path) -> None:
    broken = Broken.copied(tmp_path / "policies").edit("platform", METRIC, KINDS[kind])
    with up(tmp_path, speed=20, policies=broken.folder) as stage:
        assert answered(stage) == ["api.us-east-1.neurectomy.io"]
        incident = failover(stage)
        assert incident.ending == "recovered"
        assert incident.steps["verify-traffic"].facts == {"answered": stage.standby}
        assert answered(stage) == ["api.us-west-2.neurectomy.io"]
        assert stage.world.serving() == stage.standby
        switch = stage.policy.platform.traffic.switch
        match switch:
            case ArcSwitch():
                arc = stage.world.platform.arc
                assert (arc.is_on(switch.primary_control), arc.is_on(switch.standby_control)) == (False, True)
                assert stage.calls(service="route53-recovery-cluster", operation="UpdateRoutingControlStates")
            case ObjectSwitch():
                s3 = stage.client("s3", stage.standby)
                assert s3.head_object(Bucket=switch.bucket, Key=switch.key)
                # The way back, by a person: and an object that is gone sends everyone back by itself.
                s3.delete_object(Bucket=switch.bucket, Key=switch.key)
                told = alert(stage, "switch-moved", within=a_tick(stage))
                assert told["payload"]["summary"].startswith(
                    f"The traffic switch stands at {stage.primary}, expected {stage.standby}"
                )
                eventually(lambda: stage.world.serving() == stage.primary, within=20, what="the way back")
        assert not [c for c in stage.ours() if c.service == "monitoring" and c.operation == "PutMetricData"]


def test_a_switch_deleted_after_the_failover_rings_within_one_tick_and_moves_nobody(tmp_path: Path) -> None:
    with up(tmp_path, speed=10) as stage:
        switch = stage.policy.platform.traffic.switch
        assert isinstance(switch, MetricSwitch)
        assert failover(stage).ending == "recovered"
        assert stage.world.serving() == stage.standby
        eventually(lambda: seen_at(stage) == stage.standby, within=a_tick(stage), what="a look at the switch")
        assert stage.told("status")["findings"] == []
        stage.client("cloudwatch", switch.region).delete_alarms(AlarmNames=[switch.alarm])
        deleted_at = time.monotonic()
        told = alert(stage, "switch-lost", within=a_tick(stage))
        print(f"told {time.monotonic() - deleted_at:.1f} s after the deletion")  # noqa: T201  # shown with -s
        assert told["status"] == "open"
        assert switch.alarm in told["payload"]["summary"]
        never(lambda: stage.world.serving() != stage.standby, within=a_tick(stage))
        assert answered(stage) == ["api.us-west-2.neurectomy.io"]
        (finding,) = stage.told("status")["findings"]
        assert finding["kind"] == "switch-lost"
        assert {n["state"] for n in finding["notices"].values()} == {"sent"}
        assert f"switch seen at {stage.standby}" in stage.drctl("status").stdout
        assert not [a for a in stage.seen("pagerduty")["alerts"] if a["dedup_key"].startswith("switch-moved")]
