"""The lifecycle rules of the platform's buckets in the local world: what expires there by itself.

In the shape of https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html. One rule of
each bucket is disabled from the start: whoever enables all of them does not put back what was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from chalicelib.actions.lifecycles_paused import platform_buckets
from chalicelib.policy import Policy
from chalicelib.policy.containment import Containment
from drctl.world.deploy import S3_UNNAMED, make_bucket

LOGS: Final = 5
KEPT_DAYS: Final = 35
"""Of a bucket of which policy promises nothing."""


def furnish(policy: Policy, clients: Callable[[str, str], Any]) -> None:
    """Rules for every bucket of policy's; those that nobody else has made are made, and empty."""
    if containment := policy.platform.containment:
        _evidence(containment, clients)
    for bucket, region in platform_buckets(policy):
        s3 = clients("s3", region)
        if bucket not in {row["Name"] for row in s3.list_buckets()["Buckets"]}:
            make_bucket(s3, bucket, region)
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": lifecycle(policy, bucket)}
        )


def _evidence(containment: Containment, clients: Callable[[str, str], Any]) -> None:
    """The bucket with Object Lock, which only a new one can be given, and some logs that are evidence."""
    evidence = containment.evidence
    where = {} if evidence.region == S3_UNNAMED else {"LocationConstraint": evidence.region}
    clients("s3", evidence.region).create_bucket(
        Bucket=evidence.bucket,
        ObjectLockEnabledForBucket=True,
        **({"CreateBucketConfiguration": where} if where else {}),
    )
    for log in containment.logs:
        s3 = clients("s3", log.region)
        make_bucket(s3, log.bucket, log.region)
        for n in range(LOGS):
            s3.put_object(Bucket=log.bucket, Key=f"{log.prefix}{n:03d}.json.gz", Body=b"what was done")


def lifecycle(policy: Policy, bucket: str) -> list[dict[str, Any]]:
    """Its rules; the last one is disabled. What is put back as of a moment is kept as policy has it, in real days."""
    promised = [r.lifecycle_keeps * policy.speed for r in policy.backups.restorable if r.bucket == bucket]
    days = max((math.ceil(kept / timedelta(days=1)) for kept in promised), default=KEPT_DAYS)
    return [
        {
            "ID": f"{bucket}-old-versions",
            "Filter": {"Prefix": ""},
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": days},
        },
        {
            "ID": f"{bucket}-broken-uploads",
            "Filter": {"Prefix": ""},
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {"ID": f"{bucket}-tried-once", "Filter": {"Prefix": "tmp/"}, "Status": "Disabled", "Expiration": {"Days": 1}},
    ]
