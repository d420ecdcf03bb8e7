"""The local world's buckets are replicated as policy promises, MiniStack copies by it, and S3's metrics say so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.account.backlog import behind
from chalicelib.account.replication import replications
from chalicelib.account.verdicts import Verdict
from chalicelib.policy.load import load
from drctl.neighbours.s3_replication import ReplicatedRule
from drctl.world.deploy import make_bucket
from drctl.world.replicated import furnish, publish
from tests.world.cloud import Cloud

POLICY = load(Path(__file__).parents[2] / "policies", speed=60.0)
ROW = POLICY.backups.replication[0]


class Asks:
    """Asks MiniStack itself."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def ask(self, service: str, region: str, operation: str, **params: Any) -> Any:
        return getattr(self.cloud.client(service, region), operation)(**params)


@pytest.fixture(scope="module")
def rules(cloud: Cloud) -> list[ReplicatedRule]:
    for bucket, region in ((ROW.source, ROW.source_region), (ROW.destination, ROW.destination_region)):
        make_bucket(cloud.client("s3", region), bucket, region)
    return furnish(POLICY, cloud.client)


@pytest.mark.usefixtures("rules")
def test_the_world_s_replication_is_as_policy_promises(cloud: Cloud) -> None:
    rows = list(replications(POLICY, Asks(cloud)))
    assert [r.sentence() for r in rows if r.verdict is not Verdict.AS_CLAIMED] == []
    assert len(rows) >= 10


@pytest.mark.usefixtures("rules")
def test_what_is_put_is_copied_and_what_is_deleted_is_not(cloud: Cloud) -> None:
    source, copy = cloud.client("s3", ROW.source_region), cloud.client("s3", ROW.destination_region)
    source.put_object(Bucket=ROW.source, Key="backups/one", Body=b"one")
    assert copy.get_object(Bucket=ROW.destination, Key="backups/one")["Body"].read() == b"one"
    source.delete_object(Bucket=ROW.source, Key="backups/one")
    assert copy.get_object(Bucket=ROW.destination, Key="backups/one")["Body"].read() == b"one"


def test_what_s3_publishes_says_how_far_the_copy_is_behind(cloud: Cloud, rules: list[ReplicatedRule]) -> None:
    async def once(dark: frozenset[str] = frozenset()) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(publish(rules, cloud.client, lambda: dark, stop, POLICY.speed))
        await asyncio.sleep(0)
        stop.set()
        await task

    later = datetime.now(UTC) + timedelta(minutes=2)
    (late, *_) = list(behind(POLICY, Asks(cloud), later))
    assert late.verdict is Verdict.NOT_SEEN, "before anything was published nobody knows"
    asyncio.run(once(dark=frozenset({ROW.destination_region})))
    (late, *_) = list(behind(POLICY, Asks(cloud), later))
    assert late.verdict is Verdict.NOT_SEEN, "what failed is kept at the source, and says nothing of what is pending"
    asyncio.run(once())
    assert [r.verdict for r in behind(POLICY, Asks(cloud), later)] == [Verdict.AS_CLAIMED, Verdict.AS_CLAIMED]
    rules[0].seconds, rules[0].operations, rules[0].failed = 3600, 4, 2
    asyncio.run(once())
    assert [r.found for r in behind(POLICY, Asks(cloud), later)] == [
        "3600, with 4 operations and 0 bytes pending",
        "2",
    ]
