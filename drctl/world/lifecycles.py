"""The lifecycle rules of the platform's buckets in the local world: what expires there by itself, in the shape S3 has it.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html. One rule of each bucket is disabled from the
start: whoever enables all of them does not put back what was.
"""

from __future__ import annotations

from typing import Any


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
