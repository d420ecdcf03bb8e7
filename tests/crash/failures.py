"""A pod failure and a node failure, each told as a story: what breaks, and the alarm that says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from chalicelib.core.happened import AlarmState, Signal, SignalKind
from drctl.neighbours.ec2_instances import State
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.objects import Obj
from tests.crash.outside import Stop
from tests.crash.platform_in_process import POLICY, START, Platform
from tests.crash.story import DARK_AT, Story

APP: Final = "redis"
SPACE: Final = "cache"
ALARMED_AT: Final = START + timedelta(seconds=12)
MENDED_AT: Final = START + timedelta(seconds=60)


def says(name: str, at: datetime, state: AlarmState = AlarmState.ALARM) -> Signal:
    """An alarm of the primary region."""
    region, account = POLICY.platform.regions.primary, POLICY.platform.account
    return Signal(
        source=f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
        name=name,
        kind=SignalKind.METRIC_ALARM,
        state=state,
        changed_at=at,
        reason="Threshold Crossed",
        region=region,
        account=account,
    )


def crash(platform: Platform) -> None:
    """A service's containers exit, and go on doing so."""
    primary(platform).trouble.crash(SPACE, APP, exit_code=137, reason="OOMKilled", message="out of memory")


def stop_the_node(platform: Platform) -> None:
    """The node that holds the service's volume is stopped: its instance is there, and says nothing."""
    lose(platform, "stopped")


def cut_the_node_off(platform: Platform) -> None:
    """It says nothing, and its instance runs."""
    lose(platform, "running")


def lose(platform: Platform, state: State) -> None:
    """The node of the service falls silent, and EC2 calls its instance so."""
    (pod,) = pods(platform)
    node = pod["spec"]["nodeName"]
    platform.ec2.instances.turn(node.partition(".")[0], state)
    primary(platform).trouble.lose_node(node)


def primary(platform: Platform) -> KubeApi:
    """The primary cluster."""
    return platform.clusters[platform.policy.platform.clusters.primary.name]


def pods(platform: Platform) -> list[Obj]:
    """The service's pods."""
    every = primary(platform).objects("pods", SPACE)
    return [p for p in every if p["metadata"]["labels"]["app.kubernetes.io/name"] == APP]


class PodStory(Story):
    """A crash loop that a person mends after a minute."""

    def __init__(self, *stops: Stop, mode: str = "automatic") -> None:
        super().__init__(*stops, breaks=crash, mode=mode)

    def evidence(self) -> None:
        self.alarm(ALARMED_AT, says("PodAvailability", DARK_AT))
        self.platform.clock.at(MENDED_AT, lambda: primary(self.platform).trouble.end_crash(SPACE, APP))


class NodeStory(Story):
    """A node that is stopped, with a volume on it that a person lets go."""

    note = "the console says that it is stopped"

    def __init__(
        self, *stops: Stop, breaks: Callable[[Platform], None] = stop_the_node, mode: str = "automatic"
    ) -> None:
        super().__init__(*stops, breaks=breaks, mode=mode)

    def evidence(self) -> None:
        self.alarm(ALARMED_AT, says("NodeReadiness", DARK_AT))
