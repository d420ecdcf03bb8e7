"""The lifecycle rules of the platform's buckets in the local world: what expires there by itself.

In the shape of https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html. One rule of
each bucket is disabled from the start: whoever enables all of them does not put back what was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.actions.lifecycles_paused import platform_buckets
from chalicelib.policy import Policy
from drctl.world.deploy import make_bucket


def furnish(policy: Policy, clients: Callable[[str, str], Any]) -> None:
    """Rules for every bucket of policy's; those that nobody else has made are made, and empty."""
    for bucket, region in platform_buckets(policy):
        s3 = clients("s3", region)
        if bucket not in {row["Name"] for row in s3.list_buckets()["Buckets"]}:
            make_bucket(s3, bucket, region)
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": lifecycle(bucket)})


def lifecycle(bucket: str) -> list[dict[str, Any]]:
    """Its rules; the last one is disabled."""
    return [
        {
            "ID": f"{bucket}-old-versions",
            "Filter": {"Prefix": ""},
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 35},
        },
        {
            "ID": f"{bucket}-broken-uploads",
            "Filter": {"Prefix": ""},
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {"ID": f"{bucket}-tried-once", "Filter": {"Prefix": "tmp/"}, "Status": "Disabled", "Expiration": {"Days": 1}},
    ]
