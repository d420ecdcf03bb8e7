"""A thrown switch stays where it is, whatever is lost later: on the real action, the real clients and the stand-ins.

And the one that does not: an object as switch falls back by itself, which is why the linter wants two conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.actions.contract import Target
from chalicelib.actions.reader import LiveReader
from chalicelib.actions.registry import ACTIONS
from chalicelib.actions.switches.position import READS, position
from chalicelib.actions.switches.stand import Position
from chalicelib.actions.verify_traffic import VerifyTraffic
from chalicelib.bootstrap import Responder
from chalicelib.core.outcome import Act, Call, Done, Doubtful, Made, Next, NoData, Refused, Stuck, Wait
from chalicelib.core.rehearsal import COPY, DRILL
from chalicelib.executor import Executor
from chalicelib.policy.outage import ByDay, Cloudflare
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch
from drctl.neighbours import cloudflare as neighbour
from drctl.neighbours.arc import REGIONS
from tests.crash.platform_in_process import Platform
from tests.policy.broken import Broken
from tests.policy.switches import METRIC, OBJECT, platform_with

EAST, WEST = "us-east-1", "us-west-2"
KINDS = ("metric", "object", "arc")


class Stage:
    """One platform, and one worker of it that throws its switch."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.platform = Platform(policy=platform_with(kind, folder / kind, speed=10))
        self.traffic = self.platform.traffic
        self.worker: Responder = self.platform.responder()
        self.executor = Executor(ports=self.worker.ports, actions=ACTIONS, channels={})

    def look(self, name: str, to: str) -> Next:
        action, now = ACTIONS[name], self.platform.clock.now()
        target = Target(step="traffic", incident="incident-1", opened_at=now, at=now, params={"to": to})
        with self.platform.outside.life():
            facts = action.observe(target, self.worker.policy, LiveReader(self.worker.ports, action.reads))
        return action.next(target, self.worker.policy, facts, now)

    def make(self, call: Call) -> Made | Refused | Doubtful:
        with self.platform.outside.life():
            return self.executor.make(call)

    def position(self) -> Position | NoData | Refused:
        with self.platform.outside.life():
            return position(self.worker.policy, LiveReader(self.worker.ports, READS))

    def move(self, to: str) -> list[Call]:
        """Until the switch stands and every name server says so."""
        calls = []
        for name in ("switch-traffic", "verify-traffic"):
            for _ in range(60):
                match self.look(name, to):
                    case Done():
                        break
                    case Act(call=call):
                        assert isinstance(self.make(call), Made)
                        calls.append(call)
                    case Wait(again_in=again_in):
                        self.wait(again_in)
                    case Stuck(because=because):
                        pytest.fail(because)
            else:
                pytest.fail(f"{name} does not end: {self.look(name, to)}")
        return calls

    def wait(self, time: timedelta) -> None:
        self.platform.clock.sleep(time.total_seconds() / self.worker.policy.speed)

    def lose(self, region: str) -> None:
        self.platform.dark = frozenset({*self.platform.dark, region})

    def stays_in(self, region: str) -> None:
        """For ten minutes, asked every half minute."""
        for _ in range(20):
            self.wait(timedelta(seconds=30))
            assert self.traffic.serving() == region


def cloudflare(stage: Stage) -> Cloudflare:
    outage = stage.worker.policy.platform.outage
    assert outage is not None
    return outage.cloudflare


def by_day(stage: Stage) -> ByDay:
    found = cloudflare(stage).by_day
    assert found is not None
    return found


def at_cloudflare(stage: Stage, content: str) -> None:
    """The record there leads to this name."""
    row, traffic = cloudflare(stage), stage.worker.policy.platform.traffic
    there = stage.traffic.outside = neighbour.Cloudflare(
        stage.platform.clock.now, zones={row.zone: traffic.zone}, tokens={"t": frozenset({row.zone})}
    )
    there.add(row.zone, row.record, type="CNAME", name=traffic.record, content=content)


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return Stage(request.param, tmp_path)


@pytest.fixture
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return Stage(request.param, tmp_path)


def test_the_switch_moves_everyone_with_one_call_while_the_primary_is_dark_and_back(stage: Stage) -> None:
    assert stage.traffic.serving() == EAST
    before = stage.position()
    assert isinstance(before, Position)
    assert before.at == "primary"
    stage.platform.darken()
    calls = stage.move("standby")
    assert len(calls) == 1
    assert stage.traffic.serving() == WEST
    stood = stage.position()
    assert isinstance(stood, Position)
    assert (stood.at, stood.settled) == ("standby", True)
    stage.stays_in(WEST)
    stage.platform.dark = frozenset()
    assert len(stage.move("primary")) == 1
    assert stage.traffic.serving() == EAST
    back = stage.position()
    assert isinstance(back, Position)
    assert back.at == "primary"


def alarm_deleted(stage: Stage) -> None:
    switch = stage.worker.policy.platform.traffic.switch
    assert isinstance(switch, MetricSwitch)
    del stage.platform.cloudwatch.alarms[switch.region, switch.alarm]


def metric_deleted(stage: Stage) -> None:
    stage.platform.cloudwatch.forget()


def standby_lost(stage: Stage) -> None:
    stage.lose(WEST)


def endpoints_lost(stage: Stage) -> None:
    for region in REGIONS:
        stage.traffic.arc.take_away(region)


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("metric", alarm_deleted),
        ("metric", metric_deleted),
        ("metric", standby_lost),
        ("arc", standby_lost),
        ("arc", endpoints_lost),
    ],
    indirect=["kind"],
)
@pytest.mark.parametrize("to", ["standby", "primary"])
def test_a_switch_fails_in_place(kind: Stage, loss: Callable[[Stage], None], to: str) -> None:
    kind.move(to)
    loss(kind)
    kind.stays_in(WEST if to == "standby" else EAST)


@pytest.mark.parametrize(
    ("kind", "code"), [("metric", "ResourceNotFound"), ("object", "NoSuchBucket")], indirect=["kind"]
)
def test_a_switch_that_is_not_there_is_refused_and_has_no_position(kind: Stage, code: str) -> None:
    kind.platform.cloudwatch.alarms.clear()
    kind.platform.s3.buckets.clear()
    found = kind.position()
    assert isinstance(found, Refused)
    assert found.code == code
    assert isinstance(kind.look("switch-traffic", "standby"), Stuck)


def test_a_region_that_says_nothing_gives_no_position(stage: Stage) -> None:
    for region in (*REGIONS, WEST):
        stage.lose(region)
    assert isinstance(stage.position(), NoData)
    assert isinstance(stage.look("switch-traffic", "standby"), Wait)


@pytest.mark.parametrize("loss", ["deleted", "lost"])
@pytest.mark.parametrize("kind", ["object"], indirect=True)
def test_an_object_as_switch_falls_back_by_itself(kind: Stage, loss: str) -> None:
    kind.move("standby")
    switch = kind.worker.policy.platform.traffic.switch
    assert isinstance(switch, ObjectSwitch)
    if loss == "deleted":
        del kind.platform.s3.buckets[switch.bucket].objects[switch.key]
    else:
        kind.lose(WEST)
    kind.wait(timedelta(minutes=1))
    assert kind.traffic.serving() == EAST


@pytest.mark.parametrize("field", ["deletion_denied", "primary_ingress_closed"])
def test_the_linter_says_why_an_object_falls_back(broken: Broken, field: str) -> None:
    broken.edit("platform", METRIC, OBJECT).edit("platform", f"{field}: true", f"{field}: false")
    (finding,) = broken.findings("object-switch-cannot-fall-back")
    assert finding.field == f"traffic.switch.{field}"
    assert "falls back by itself" in finding.because


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    return Broken.copied(tmp_path / "policies")


@pytest.mark.parametrize("kind", ["arc"], indirect=True)
def test_arc_is_thrown_through_whichever_endpoint_is_left(kind: Stage) -> None:
    kind.platform.darken()
    for region in REGIONS[1:-1]:
        kind.traffic.arc.take_away(region)
    (call,) = kind.move("standby")
    assert call.region == REGIONS[-1]
    switch = kind.worker.policy.platform.traffic.switch
    assert isinstance(switch, ArcSwitch)
    assert (kind.traffic.arc.is_on(switch.primary_control), kind.traffic.arc.is_on(switch.standby_control)) == (
        False,
        True,
    )


@pytest.mark.parametrize("kind", ["arc"], indirect=True)
def test_an_endpoint_that_goes_away_before_the_call_leaves_a_doubt_and_the_next_look_finds_another(kind: Stage) -> None:
    found = kind.look("switch-traffic", "standby")
    assert isinstance(found, Act)
    kind.traffic.arc.take_away(found.call.region)
    asked = len(kind.platform.outside.calls)
    assert isinstance(kind.make(found.call), Doubtful)
    assert len(kind.platform.outside.calls) == asked + 1
    again = kind.look("switch-traffic", "standby")
    assert isinstance(again, Act)
    assert again.call.region != found.call.region


def test_a_name_server_that_differs_is_named_and_one_that_is_silent_is_waited_for(stage: Stage) -> None:
    stage.move("standby")
    first, second, *_ = stage.worker.policy.platform.traffic.name_servers
    stage.traffic.stale.add(first)
    stage.traffic.silent.add(second)
    found = stage.look("verify-traffic", "standby")
    assert isinstance(found, Wait)
    assert f"{first} sends api.neurectomy.io to api.us-east-1.neurectomy.io (us-east-1)" in found.because
    assert f"{second} did not answer" in found.because
    stage.traffic.stale.clear()
    assert isinstance(stage.look("verify-traffic", "standby"), Wait)
    stage.traffic.silent.clear()
    assert isinstance(stage.look("verify-traffic", "standby"), Done)


def test_the_name_that_cloudflare_leads_to_by_day_is_asked_for_in_its_own_zone(stage: Stage) -> None:
    stage.move("standby")
    server = by_day(stage).name_servers[2]
    stage.traffic.stale.add(server)
    found = stage.look("verify-traffic", "standby")
    assert isinstance(found, Wait)
    assert f"{server} sends api.aws.neurectomy.io to api.us-east-1.neurectomy.io (us-east-1)" in found.because
    assert "name server ns-" not in found.because
    stage.traffic.stale.clear()
    done = stage.look("verify-traffic", "standby")
    assert isinstance(done, Done)
    assert done.because == (
        "all 4 name servers send api.neurectomy.io to us-west-2"
        " and all 4 name servers send api.aws.neurectomy.io to us-west-2"
    )


def test_a_region_s_own_name_at_cloudflare_leaves_people_behind_and_is_told(stage: Stage) -> None:
    stage.move("standby")
    at_cloudflare(stage, "api.us-east-1.neurectomy.io")
    found = stage.look("verify-traffic", "standby")
    assert isinstance(found, Wait)
    for server in cloudflare(stage).servers:
        assert f"{server} sends api.neurectomy.io to api.us-east-1.neurectomy.io (us-east-1)" in found.because
    at_cloudflare(stage, by_day(stage).record)
    assert isinstance(stage.look("verify-traffic", "standby"), Done)


def test_what_cloudflare_does_not_say_keeps_no_failover_from_going_on(stage: Stage) -> None:
    stage.move("standby")
    stage.traffic.silent.update(cloudflare(stage).servers)
    found = stage.look("verify-traffic", "standby")
    assert isinstance(found, Done)
    assert all(f"name server {server} did not answer" in found.because for server in cloudflare(stage).servers)
    stage.traffic.silent.clear()
    at_cloudflare(stage, "api.westus2.neurectomy.io")
    found = stage.look("verify-traffic", "standby")
    assert isinstance(found, Done)
    assert "sends api.neurectomy.io to api.westus2.neurectomy.io (no region of ours)" in found.because


@pytest.mark.parametrize("kind", ["metric"], indirect=True)
def test_a_drill_s_record_is_nobody_else_s_to_answer_for(kind: Stage) -> None:
    """Nothing leads to it from outside, so none but its own zone's servers are asked for it."""
    now = kind.platform.clock.now()
    target = Target(step="traffic", incident="drill-1", opened_at=now, at=now, params={"to": "primary", COPY: DRILL})
    action = VerifyTraffic()
    with kind.platform.outside.life():
        facts = action.observe(target, kind.worker.policy, LiveReader(kind.worker.ports, action.reads))
    assert {a.server for a in facts} == set(kind.worker.policy.platform.traffic.name_servers)


def test_addresses_of_an_alias_are_told_apart_by_the_endpoints_own(stage: Stage) -> None:
    records = stage.traffic.records
    for record in records:
        own = record.pop("ResourceRecords")[0]["Value"]
        record |= {"Type": "A", "AliasTarget": {"DNSName": own, "EvaluateTargetHealth": False}}
        del record["TTL"]
    for address, region in (("192.0.2.1", EAST), ("192.0.2.2", WEST)):
        name = f"api.{region}.neurectomy.io"
        records.append({"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]})
    for record in stage.traffic.rows[by_day(stage).zone]:
        address = "192.0.2.1" if record["Failover"] == "PRIMARY" else "192.0.2.2"
        record |= {"Type": "A", "ResourceRecords": [{"Value": address}]}
    assert isinstance(stage.look("verify-traffic", "primary"), Done)
    found = stage.look("verify-traffic", "standby")
    assert isinstance(found, Wait)
    assert "sends api.neurectomy.io to 192.0.2.1 (us-east-1)" in found.because
    assert "sends api.aws.neurectomy.io to 192.0.2.1 (us-east-1)" in found.because


def test_a_record_that_is_gone_leads_nowhere(stage: Stage) -> None:
    stage.traffic.records.clear()
    found = stage.look("verify-traffic", "standby")
    assert isinstance(found, Wait)
    assert "to nowhere (no region of ours)" in found.because
