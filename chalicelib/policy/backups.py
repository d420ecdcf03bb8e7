"""policies/backups.yaml: Velero's schedules, replication, and what they promise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.platform import Region


class Schedule(Row):
    """A Velero Schedule: `cron` in UTC, each backup kept for `keep`, which must give `copies` of them."""

    name: Name
    cron: str
    keep: Duration
    copies: Annotated[int, Field(ge=1)]


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


class Backups(Row):
    """Backups and replication."""

    schedules: tuple[Schedule, ...]
    scope: Scope
    replication: tuple[BucketReplication, ...]
    rpo: Duration = Field(description="how old the newest good backup may be when it is restored")
