"""policies/backups.yaml: Velero's schedules, replication, and what they promise."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.airgap import AirGap
from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.platform import Region


class Schedule(Row):
    """A Velero Schedule: `cron` in UTC, each backup kept for `keep`, which must give `copies` of them."""

    name: Name
    cron: str
    keep: Duration
    copies: Annotated[int, Field(ge=1)]
    clusters: tuple[Literal["primary", "standby"], ...] = Field(
        default=("primary",), description="where it stands; the standby restores from the primary's, and makes none"
    )
    drift: Literal["mend", "report"] = Field(
        default="mend", description="what becomes of it when it is not as written here: put right, or told to people"
    )


class Scope(Row):
    """What a backup holds."""

    namespaces: Literal["all"] | tuple[str, ...]
    volumes: Literal["snapshots", "file-system", "data-mover"]
    configuration: bool
    secrets: Literal["encrypted", "left-out"]


class BucketReplication(Row):
    """S3 cross-region replication. RTC is an objective for asynchronous copying, never a synchronous one."""

    source: str
    source_region: Region
    destination: str
    destination_region: Region
    kind: Literal["asynchronous"]
    rtc: bool
    objective: Duration
    objective_share: float = Field(description="per cent of objects that meet the objective")
    encryption: Literal["SSE-KMS", "SSE-S3"]


class Restorable(Row):
    """A versioned bucket whose objects the responder may put back as they were, below these prefixes only."""

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    region: Region
    prefixes: Annotated[tuple[Annotated[str, Field(pattern=r"^([^/*?$][^*?$]*)?$")], ...], Field(min_length=1)] = Field(
        description="what may be put back, and what IAM lets be touched; a folder ends with a slash, '' is the bucket"
    )
    restores_back: Duration = Field(description="the oldest moment, before now, that it is put back to")
    lifecycle_keeps: Duration = Field(
        description="how long its lifecycle keeps a version that is current no more (NoncurrentVersionExpiration)"
    )
    encryption: Literal["SSE-KMS", "SSE-S3"]
    kms_key: Annotated[str, Field(pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")] | None = Field(
        default=None, description="the ARN of the key that SSE-KMS encrypts with; no alias, since IAM knows none"
    )


class TerraformState(Row):
    """A Terraform state in a versioned bucket, as the S3 backend keeps it, and how it is locked there."""

    name: Name
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    region: Region
    key: str
    lock_file: bool = Field(default=True, description="use_lockfile: the lock is the object <key>.tflock")
    lock_table: str | None = Field(default=None, description="dynamodb_table: the lock and the digest are its items")
    encryption: Literal["SSE-KMS", "SSE-S3"]
    kms_key: Annotated[str, Field(pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$")] | None = None


class Audit(Row):
    """How often the clock compares the clusters' schedules with these."""

    every: Duration = timedelta(minutes=5)


class Backups(Row):
    """Backups and replication."""

    audit: Audit = Audit()
    schedules: tuple[Schedule, ...]
    scope: Scope
    replication: tuple[BucketReplication, ...]
    rpo: Duration = Field(description="how old the newest good backup may be when it is restored")
    restorable: tuple[Restorable, ...] = ()
    terraform_states: tuple[TerraformState, ...] = ()
    airgap: AirGap | None = Field(default=None, description="copies that nobody who holds the platform can delete")

    def on(self, place: Literal["primary", "standby"]) -> tuple[Schedule, ...]:
        """The schedules that stand in the cluster of a place."""
        return tuple(s for s in self.schedules if place in s.clusters)
