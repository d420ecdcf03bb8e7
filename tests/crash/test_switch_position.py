"""The deployed parts in one process: the switch is asked every tick, and what is wrong with it rings in that tick."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib import ways_in
from chalicelib.actions.switches.arc import WANTED
from chalicelib.actions.switches.metric import VALUES
from chalicelib.actions.switches.position import READS, found
from chalicelib.actions.switches.stand import Side
from chalicelib.core.outcome import NoData, Refused
from chalicelib.core.switch import Stands, Unset
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch
from drctl.deployment.permissions import operations
from tests.crash.platform_in_process import POLICY, SETTINGS, SPEED, Platform
from tests.crash.story import MINUTE, Story
from tests.policy.switches import platform_with

PRIMARY = POLICY.platform.regions.primary
STANDBY = POLICY.platform.regions.standby


def tick(platform: Platform, times: int = 1) -> None:
    """The clock comes a minute later, as often as that."""
    for _ in range(times):
        platform.clock.sleep(MINUTE.total_seconds())
        responder = platform.responder()
        with platform.outside.life():
            ways_in.tick(responder, until=platform.clock.now() + SETTINGS.shift)


def rung(platform: Platform) -> list[tuple[str, str]]:
    """PagerDuty's alerts about the switch: their key's kind, and where they stand."""
    alerts = [(a.dedup_key.rpartition("-")[0], a.status) for a in platform.pagerduty.alerts]
    return [(key, status) for key, status in alerts if key.startswith("switch-")]


def posted(platform: Platform) -> list[str]:
    return [m.text for m in platform.slack.messages if "traffic switch" in m.text]


def kind_of(kind: str, folder: Path) -> Platform:
    if kind == "metric":
        return Platform()
    return Platform(policy=platform_with(kind, folder / kind, speed=SPEED))


def delete(platform: Platform) -> None:
    match platform.policy.platform.traffic.switch:
        case MetricSwitch() as switch:
            del platform.cloudwatch.alarms[switch.region, switch.alarm]
        case ObjectSwitch() as switch:
            del platform.s3.buckets[switch.bucket]
        case ArcSwitch():
            raise AssertionError("the model keeps its controls")


def throw(platform: Platform, to: Side) -> None:
    """By hand, and past the responder."""
    account = platform.policy.platform.account
    match platform.policy.platform.traffic.switch:
        case MetricSwitch() as switch:
            row = {"MetricName": switch.metric, "Value": VALUES[to]}
            put = {"Namespace": switch.namespace, "MetricData": [row]}
            platform.cloudwatch.put_metric_data(switch.region, account, put)
        case ObjectSwitch() as switch:
            named = {"Bucket": switch.bucket, "Key": switch.key}
            if to == "standby":
                platform.s3.put_object(switch.region, account, {**named, "Body": b"by hand"})
            else:
                platform.s3.delete_object(switch.region, account, named)
        case ArcSwitch() as switch:
            states = zip((switch.primary_control, switch.standby_control), WANTED[to], strict=True)
            rows = [{"RoutingControlArn": arn, "RoutingControlState": state} for arn, state in states]
            both = {"UpdateRoutingControlStateEntries": rows}
            platform.traffic.arc.update_routing_control_states(STANDBY, account, both)


def test_a_switch_that_is_deleted_rings_within_one_tick_and_traffic_has_not_moved() -> None:
    platform = Platform()
    tick(platform)
    delete(platform)
    tick(platform)
    assert rung(platform) == [("switch-lost", "open")]
    assert len(posted(platform)) == 1
    assert platform.serving() == PRIMARY
    tick(platform, 5)
    assert rung(platform) == [("switch-lost", "open")]
    assert len(posted(platform)) == 1


def test_after_a_failover_it_is_the_same_and_people_stay_at_the_standby() -> None:
    platform = Story().tell()
    assert rung(platform) == []
    tick(platform)
    delete(platform)
    tick(platform)
    assert rung(platform) == [("switch-lost", "open")]
    assert platform.serving() == STANDBY


@pytest.mark.parametrize("kind", ["metric", "object", "arc"])
def test_a_switch_thrown_by_hand_rings_and_is_resolved_when_it_is_thrown_back(kind: str, tmp_path: Path) -> None:
    platform = kind_of(kind, tmp_path)
    tick(platform)
    throw(platform, "standby")
    tick(platform, 2 if kind == "metric" else 1)  # an alarm looks once a period
    assert rung(platform) == [("switch-moved", "open")]
    throw(platform, "primary")
    tick(platform, 2 if kind == "metric" else 1)
    assert rung(platform) == [("switch-moved", "resolved")]
    book = platform.book()
    assert book is not None
    assert book.findings == {}


@pytest.mark.parametrize("kind", ["metric", "object"])
def test_losing_the_standby_s_cloudwatch_and_s3_after_the_failover_is_no_data(kind: str, tmp_path: Path) -> None:
    policy = POLICY if kind == "metric" else platform_with(kind, tmp_path / kind, speed=SPEED)
    platform = Story(policy=policy).tell()
    tick(platform)
    platform.cloudwatch.down = platform.s3.down = True
    tick(platform, 3)
    assert rung(platform) == []
    tick(platform, 2)
    assert rung(platform) == [("switch-silent", "open")]
    platform.cloudwatch.down = platform.s3.down = False
    tick(platform)
    assert rung(platform) == [("switch-silent", "resolved")]


def test_an_idle_tick_asks_once_and_writes_no_book() -> None:
    platform = Platform()
    tick(platform, 2)
    body, rev = platform.store.book.body, platform.store.book.rev
    before = len(platform.outside.calls)
    tick(platform)
    made = platform.outside.calls[before:]
    assert made.count("cloudwatch.DescribeAlarms") == 1
    assert [c for c in made if c in ("store claim", "store stamp", "store release")] == [
        "store claim",
        "store stamp",
        "store release",
    ]
    assert not [c for c in made if c in ("store save", "store put_timeline", "store put_document")]
    assert (platform.store.book.body, platform.store.book.rev) == (body, rev)


@pytest.mark.parametrize("kind", ["metric", "object", "arc"])
def test_what_the_switch_says_is_told_by_region(kind: str, tmp_path: Path) -> None:
    platform = kind_of(kind, tmp_path)
    with platform.outside.life():
        said = platform.responder().desk.tools.hands.switch(platform.policy)
    assert isinstance(said, Stands)
    assert (said.region, said.whole) == (PRIMARY, True)


class Tells:
    """A reader that answers every AWS read with one thing."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __getattr__(self, name: str) -> Callable[..., object]:
        assert name == "aws"
        return lambda *_, **__: self.answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"MetricAlarms": [{"StateValue": "OK"}]}, Stands),
        ({"MetricAlarms": [{"StateValue": "INSUFFICIENT_DATA"}]}, Unset),
        ({"MetricAlarms": []}, Refused),
        (Refused(code="AccessDenied", because="no"), Refused),
        (NoData(because="no answer"), NoData),
    ],
)
def test_an_alarm_that_never_had_a_datapoint_is_neither_missing_nor_silent(answer: object, expected: type) -> None:
    assert type(found(POLICY, Tells(answer))) is expected  # type: ignore[arg-type]  # as much of a reader as is asked


@pytest.mark.parametrize("kind", ["metric", "object", "arc"])
def test_every_read_of_the_look_is_granted_to_whoever_works_the_desk(kind: str, tmp_path: Path) -> None:
    policy = platform_with(kind, tmp_path / kind) if kind != "metric" else POLICY
    granted = operations(policy)
    mine = [op for op in READS if op.switch == kind]  # type: ignore[union-attr]  # all of them are AWS's
    assert mine
    assert all(op in granted for op in mine)
