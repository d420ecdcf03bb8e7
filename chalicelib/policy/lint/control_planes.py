"""Where the control planes of services that seem to have no region are hosted, in the partition `aws`.

Source: AWS Fault Isolation Boundaries, "Global services"
(https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html).
Services stand under their boto3 client names. ARC's data plane (`route53-recovery-cluster`: five regional endpoints)
is not here: it is made to be leaned on. STS is not here: it is called at its regional endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chalicelib.actions.contract import AwsOp

HOSTED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "iam": "us-east-1",
        "organizations": "us-east-1",
        "account": "us-east-1",
        "route53": "us-east-1",
        "route53domains": "us-east-1",
        "cloudfront": "us-east-1",
        "shield": "us-east-1",
        "route53-recovery-control-config": "us-west-2",
        "route53-recovery-readiness": "us-west-2",
        "globalaccelerator": "us-west-2",
        "networkmanager": "us-west-2",
    }
)
"""A service all of whose operations go to a control plane in one region."""

S3_BUCKET_SETTINGS: Final = frozenset(
    f"{verb}_bucket{what}"
    for verb in ("create", "delete", "put")
    for what in (
        *("", "_policy", "_versioning", "_replication", "_encryption", "_lifecycle_configuration", "_lifecycle"),
        *("_cors", "_tagging", "_logging", "_website", "_ownership_controls", "_notification_configuration"),
    )
)
"""S3 operations that create, delete or configure a bucket: these lean on one region from every other."""
S3_BUCKET_SETTINGS_HOME: Final = "us-east-1"


def hosted_in(op: AwsOp) -> str | None:
    """The one region that an operation leans on wherever it is called from; None for a regional one."""
    if op.service == "s3" and op.operation in S3_BUCKET_SETTINGS:
        return S3_BUCKET_SETTINGS_HOME
    return HOSTED.get(op.service)
