"""The replication of Velero's buckets in the local world: configured as policy promises it, and what S3 says of it.

MiniStack keeps the configuration and copies by it; it publishes no metrics of it, so the world does, as S3 would.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.account.replication import ENCRYPTION
from chalicelib.policy import Policy
from chalicelib.policy.backups import BucketReplication
from drctl.neighbours.s3_replication import NAMESPACE, ReplicatedRule

Clients = Callable[[str, str], Any]
"""`clients(service, region)` is a boto3 client."""
MINUTE_S: Final = 60.0
RULE: Final = "whole-bucket"
log = logging.getLogger(__name__)


def furnish(policy: Policy, clients: Clients) -> list[ReplicatedRule]:
    """Versions, encryption and the rule of each pair of buckets, which are there."""
    return [_one(policy, row, clients) for row in policy.backups.replication]


def _one(policy: Policy, row: BucketReplication, clients: Clients) -> ReplicatedRule:
    for bucket, region in ((row.destination, row.destination_region), (row.source, row.source_region)):
        s3 = clients("s3", region)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        by = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": ENCRYPTION[row.encryption]}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [by]})
    minutes = {"Minutes": round((row.objective * policy.speed).total_seconds() / 60)}
    kms = row.encryption == "SSE-KMS"
    key = f"arn:aws:kms:{row.destination_region}:{policy.platform.account}:key/00000000-0000-4000-8000-000000000000"
    there: dict[str, Any] = {"Bucket": f"arn:aws:s3:::{row.destination}"}
    there |= {"EncryptionConfiguration": {"ReplicaKmsKeyID": key}} if kms else {}
    if row.rtc:
        there |= {
            "ReplicationTime": {"Status": "Enabled", "Time": minutes},
            "Metrics": {"Status": "Enabled", "EventThreshold": minutes},
        }
    rule: dict[str, Any] = {
        "ID": RULE,
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "Status": "Enabled",
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": there,
    }
    rule |= {"SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}} if kms else {}
    role = f"arn:aws:iam::{policy.platform.account}:role/replication"
    clients("s3", row.source_region).put_bucket_replication(
        Bucket=row.source, ReplicationConfiguration={"Role": role, "Rules": [rule]}
    )
    return ReplicatedRule(
        id=RULE,
        source=row.source,
        source_region=row.source_region,
        destination=row.destination,
        destination_region=row.destination_region,
        metrics=row.rtc,
    )


async def publish(
    rules: list[ReplicatedRule], clients: Clients, dark: Callable[[], frozenset[str]], stop: asyncio.Event, speed: float
) -> None:
    """Once a minute, whatever the platform does: S3 itself says it. A region that is dark says nothing."""
    regions = {region for rule in rules for region in (rule.source_region, rule.destination_region)}
    made = {region: clients("cloudwatch", region) for region in regions}
    while not stop.is_set():
        for rule in rules:
            for region, datum in rule.minute():
                if region in dark():
                    continue
                data = [{**datum, "Timestamp": datetime.now(UTC)}]
                try:
                    await asyncio.to_thread(made[region].put_metric_data, Namespace=NAMESPACE, MetricData=data)
                except (BotoCoreError, ClientError) as error:
                    log.warning("S3's metrics of replication could not be published: %s", error)
        try:
            await asyncio.wait_for(stop.wait(), timeout=MINUTE_S / speed)
        except TimeoutError:
            continue
