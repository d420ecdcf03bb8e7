"""From the line that the responder writes of itself to the pager: log, metric, alarm, topic, and a telephone.

The alarms, the topic and its listeners are the deployed template's; of the functions only one is here, which prints the
lines that the responder's own meter made. A minute of policy is two seconds, so five are ten.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from aiohttp import web

from chalicelib import vitals
from chalicelib.meter import metered
from chalicelib.policy.load import load
from drctl.deployment import trouble
from drctl.neighbours.pagerduty import PagerDuty, make_app
from drctl.neighbours.pagerduty_cloudwatch import CloudWatchIntegration
from drctl.world import seeds
from drctl.world.deploy import deploy
from drctl.world.supervisor import World
from tests.world.cloud import ACCOUNT, Cloud, Loop, eventually, looping

pytestmark = [pytest.mark.local, pytest.mark.long]
SPEED = 30.0
ROOT = Path(__file__).parents[2]
POLICY = load(ROOT / "policies")
MINUTE = 60 / SPEED
TOLD_WITHIN = vitals.TOLD_WITHIN.total_seconds() / SPEED
PRINTS = """
def handler(event, context):
    print(event["line"])
"""


@dataclass
class House:
    """The trouble topics of the standby and the witness in a world of their own, and the pager that hears them."""

    cloud: Cloud
    pager: CloudWatchIntegration

    def say(self, metric: str, value: float = 1, region: str = "us-west-2", **dimensions: str) -> None:
        """As the responder says it, from one of its functions."""
        line = StringIO()
        with redirect_stdout(line):
            metered(POLICY)(metric, value, **dimensions)
        payload = json.dumps({"line": line.getvalue()}).encode()
        self.cloud.client("lambda", region).invoke(FunctionName="prints", Payload=payload)

    def open(self) -> set[str]:
        """The alarms that ring."""
        return {t.alarm.removeprefix("neurectomy-dr-") for t in self.pager.trouble if t.status == "open"}

    def until(self, wanted: Callable[[set[str]], bool], well: Callable[[], None], within: float) -> float:
        """Says what is well every minute until the pager is as wanted; how long that took, in real seconds."""
        began = time.monotonic()
        while (lasted := time.monotonic() - began) < within:
            well()
            if wanted(self.open()):
                return lasted
            time.sleep(MINUTE / 4)
        pytest.fail(f"after {within:.0f} s these ring: {sorted(self.open())}")


def all_is_well(house: House) -> None:
    house.say(vitals.TICK_AGE, 30)
    house.say(vitals.INBOX_AGE, 0)
    house.say(vitals.UNHEARD, 0, region="us-east-2")


@contextmanager
def listening(loop: Loop) -> Iterator[tuple[CloudWatchIntegration, str]]:
    def now() -> datetime:
        return datetime.now(UTC)

    pager = CloudWatchIntegration(now, keys=[seeds.INTEGRATION_KEY])
    runner = web.AppRunner(make_app(PagerDuty(now, SPEED, routing_keys=[seeds.ROUTING_KEY]), pager))

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return int(runner.addresses[0][1])

    port = loop.run(start())
    try:
        yield pager, f"http://127.0.0.1:{port}"
    finally:
        loop.run(runner.cleanup())


@pytest.fixture(scope="module")
def house(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    world = World(installed, SPEED, ACCOUNT, local=tmp_path_factory.mktemp("world"))
    with looping() as loop, listening(loop) as (pager, url):
        loop.run(world.__aenter__())
        cloud = Cloud(world.gate_url)
        cloud.notebook()
        stacks = {"us-west-2": trouble.standby(POLICY), "us-east-2": trouble.witness(POLICY)}
        for region, resources in stacks.items():
            told = {"url": f"{url}/integration/{seeds.INTEGRATION_KEY}/enqueue"}
            (secret,) = [row.secret for row in POLICY.notifications.trouble if row.kind == "https"]
            cloud.client("secretsmanager", region).create_secret(Name=secret, SecretString=json.dumps(told))
            kept = {n: r for n, r in resources.items() if r["Properties"].get("Namespace") != "AWS/Lambda"}
            deploy(
                world.gate_url,
                region,
                stack="trouble",
                template=seeds.known_part({"Resources": kept}, {}),
                account=ACCOUNT,
            )
            cloud.function("prints", region=region, code=PRINTS)
        yield House(cloud, pager)
        loop.run(asyncio.wait_for(world.__aexit__(None, None, None), 60))


def test_the_pager_has_confirmed_each_topic_by_itself(house: House) -> None:
    eventually(lambda: len(house.pager.topics) == 2)
    for region in ("us-west-2", "us-east-2"):
        assert f"arn:aws:sns:{region}:{ACCOUNT}:neurectomy-dr-trouble" in house.pager.topics
        topic = next(t for t in house.pager.topics if f":{region}:" in t)
        heard = house.cloud.client("sns", region).list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert sorted(s["Protocol"] for s in heard) == ["email", "http"]


def wrong(metric: str, value: float, **dimensions: str) -> Callable[[House], None]:
    def say(house: House) -> None:
        region = "us-east-2" if metric == vitals.UNHEARD else "us-west-2"
        house.say(metric, value, region=region, **dimensions)

    return say


KINDS: dict[str, tuple[str, Callable[[House], None]]] = {
    "the tick stands still": ("tick-stands-still", wrong(vitals.TICK_AGE, 121)),
    "nobody drains the inbox": ("inbox-not-drained", wrong(vitals.INBOX_AGE, 91)),
    "a dead letter": ("dead-letters-there", wrong(vitals.DEAD_LETTERS, 1)),
    "a channel fails": ("channel-slack-incidents-fails", wrong(vitals.NOTICES_FAILED, 1, channel="slack-incidents")),
    "events are left in a queue": ("events-left", wrong(vitals.LEFT_IN_QUEUES, 2)),
    "nothing is heard of the responder": ("responder-unheard", wrong(vitals.UNHEARD, 1)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_pager_rings_within_five_minutes_and_only_for_that(house: House, kind: str) -> None:
    """The rest of the five minutes, in which it became wrong, is in `vitals.py`'s reckoning."""
    name, say = KINDS[kind]
    watch = next(w for w in vitals.WATCHES if w.metric == next(iter(_metrics(name))))
    house.until(lambda ringing: not ringing & STATES, lambda: all_is_well(house), 4 * TOLD_WITHIN)
    before = house.open()

    def beside() -> None:
        all_is_well(house)
        say(house)

    left = TOLD_WITHIN - (watch.after + watch.every).total_seconds() / SPEED
    took = house.until(lambda ringing: name in ringing, beside, 4 * TOLD_WITHIN)
    assert took <= left + 2, f"{took:.1f} s"
    assert house.open() - before == {name}


def test_silence_about_the_tick_rings_too(house: House) -> None:
    house.until(lambda ringing: not ringing & STATES, lambda: all_is_well(house), 4 * TOLD_WITHIN)
    house.until(lambda ringing: "tick-stands-still" in ringing, lambda: None, TOLD_WITHIN + 2)


def test_what_stood_is_said_to_be_over_and_what_happened_is_not(house: House) -> None:
    house.until(lambda ringing: not ringing & STATES, lambda: all_is_well(house), 4 * TOLD_WITHIN)
    assert {"dead-letters-there", "channel-slack-incidents-fails"} <= house.open()


STATES = {"tick-stands-still", "inbox-not-drained", "events-left", "responder-unheard"}


def _metrics(name: str) -> Iterator[str]:
    for resources in (trouble.standby(POLICY), trouble.witness(POLICY)):
        for resource in resources.values():
            if resource["Properties"].get("AlarmName") == f"neurectomy-dr-{name}":
                yield resource["Properties"]["MetricName"]
