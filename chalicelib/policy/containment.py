"""The `containment` part of policies/platform.yaml: what a breach is contained with, all of it made beforehand.

In an emergency nobody makes a network: the security group and the network ACL stand there and are used by nobody. The
bucket for evidence has Object Lock, so that whoever holds the platform cannot take evidence away again.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chalicelib.policy.base import Name, Row
from chalicelib.policy.stores import Bucket, Key, Lock, Prefix


class Evidence(Row):
    """Where evidence is kept: a bucket with Object Lock, in a region that is not the primary."""

    bucket: Bucket
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-gov)?-[a-z]+-\d$")]
    lock: Lock
    kms_key: Key | None = None


class Log(Row):
    """Logs that are evidence: what lies below a prefix of a bucket, such as CloudTrail's or the VPC's flow logs."""

    name: Name
    bucket: Bucket
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-gov)?-[a-z]+-\d$")]
    prefix: Prefix
    kms_key: Key | None = None


class Containment(Row):
    """All of it, in the primary region and in the account of its network."""

    quarantine_group: Annotated[str, Field(pattern=r"^sg-[0-9a-f]+$")] = Field(
        description="a security group of the primary's VPC without any rule, in or out"
    )
    quarantine_acl: Annotated[str, Field(pattern=r"^acl-[0-9a-f]+$")] = Field(
        description="a network ACL of that VPC as AWS makes one: without rules, so that it denies everything"
    )
    evidence: Evidence
    logs: tuple[Log, ...] = ()
