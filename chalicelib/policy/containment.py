"""The `containment` part of policies/platform.yaml: what a breach is contained with, all of it made beforehand.

In an emergency nobody makes a network: the security group and the network ACL stand there and are used by nobody. The
bucket for evidence has Object Lock, so that whoever holds the platform cannot take evidence away again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.base import Name, Row
from chalicelib.policy.stores import Bucket, Key, Lock, Prefix

Repository = Annotated[
    str,
    Field(
        min_length=2,
        max_length=256,
        pattern=r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$",
    ),
]
"""A repository's name as ECR takes it (…/AmazonECR/latest/APIReference/API_GetLifecyclePolicy.html)."""


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


class Databases(Row):
    """Which sides of the database nobody deletes while a breach is open, and how long their automated backups are kept.

    RDS keeps automated backups for 0 to 35 days
    (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html, BackupRetentionPeriod). An
    instance that keeps them longer keeps that, and one that has none is given none: to begin with them stops its I/O.
    """

    sides: Annotated[tuple[Literal["primary", "replica"], ...], Field(min_length=1)] = ("primary", "replica")
    retention_days: Annotated[int, Field(ge=1, le=35)] = Field(
        default=35, description="days that automated backups are kept for at least, while it is contained"
    )


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
    databases: Databases | None = Field(
        default=None, description="what of the database is kept from deletion; left out, nothing of it is touched"
    )
    repositories: tuple[Repository, ...] = Field(
        default=(),
        description="ECR repositories, in the primary's and the standby's region, whose lifecycle policies are taken "
        "away while a breach is open",
    )
