"""One DB instance: its settings, and the statuses it goes through.

A change is a row of stages, each with a status and how long it lasts; what a stage does to the database happens when
it ends. There is no timer: whoever asks first after a stage's end makes it end (`Rds.settle`).

Sources, named below by their short names:
- *statuses*: docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html (DB instance statuses)
- *promote*: …/UserGuide/USER_ReadRepl.Promote.html ("RDS reboots the DB instance before making it available")
- *monitoring*: …/UserGuide/USER_ReadRepl.Monitoring.html (states of replication: replicating, terminated, …)
- *replica*: …/APIReference/API_CreateDBInstanceReadReplica.html
- *failover*: …/UserGuide/Concepts.MultiAZ.Failover.html ("typically 60 to 120 seconds"; the console is late to show the
  new zone)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from drctl.neighbours.rds.engine import Address

Effect = Literal["", "promote", "apply", "delete", "failover"]


class Phase(NamedTuple):
    """A row of the tables below: status, seconds in real time, what is done to the database at its end."""

    status: str
    seconds: float
    effect: Effect = ""


# The statuses are *statuses*' own. How long each takes is documented nowhere (*promote*: "several minutes or
# longer"); these are the shortest that people report for small instances.
CREATION: Final = (Phase("creating", 120),)
# What has automated backups takes its first one when it is there (*statuses*, backing-up).
RESTORATION: Final = (Phase("creating", 160), Phase("backing-up", 20))
PROMOTION: Final = (Phase("modifying", 60), Phase("rebooting", 60, "promote"))
MODIFICATION: Final = (Phase("modifying", 30, "apply"),)
REBOOT: Final = (Phase("rebooting", 30),)
FAILOVER: Final = (Phase("rebooting", 60, "failover"),)
NOTICED: Final = (Phase("available", 45), Phase("rebooting", 45, "failover"))
"""By itself: first RDS has to notice that the zone does not answer."""
BACKUP: Final = (Phase("backing-up", 20),)
STOP: Final = (Phase("stopping", 60),)
START: Final = (Phase("starting", 60),)
DELETION: Final = (Phase("deleting", 60, "delete"),)

DOWN: Final = frozenset({"creating", "rebooting", "stopping", "stopped", "starting", "deleting"})
"""Statuses in which the database takes no connection. In `modifying` and `backing-up` it does (*statuses*)."""
DEFAULT_GROUP: Final = "default.postgres18"
"""What RDS gives an instance for which no parameter group is named."""
DEFAULT_SUBNETS: Final = "default"
UPLOAD: Final = timedelta(minutes=5)
"""Transaction logs are uploaded this often, so that is how old the latest restorable time may be
(…/UserGuide/USER_PIT.html).
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A phase with the time of its end."""

    status: str
    ends_at: datetime
    effect: Effect


@dataclass(slots=True, eq=False)
class Instance:
    """`source` is what ReadReplicaSourceDBInstanceIdentifier shows: an identifier in the same region, an ARN else.
    `resting` is the status when no stage is left.
    """

    account: str
    region: str
    identifier: str
    resource_id: str
    created_at: datetime
    address: Address
    username: str
    db_name: str
    engine_version: str
    instance_class: str = "db.r6g.large"
    storage: int = 100
    multi_az: bool = False
    backup_retention: int = 7
    backup_window: str = "07:00-07:30"
    deletion_protection: bool = False
    security_groups: tuple[str, ...] = ("sg-default",)
    parameter_group: str = DEFAULT_GROUP
    subnet_group: str = DEFAULT_SUBNETS
    copy_tags: bool = False
    source: str | None = None
    source_lost: bool = False
    replicas: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    applying: dict[str, Any] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    resting: str = "available"
    promoted_at: datetime | None = None
    kms_key: str = ""
    zone: str = ""
    secondary: str = ""

    def __post_init__(self) -> None:
        """`secondary` is where a Multi-AZ instance has its standby, which takes no connection itself."""
        self.zone = self.zone or f"{self.region}a"
        self.secondary = self.secondary or f"{self.region}{'a' if self.zone.endswith('b') else 'b'}"

    @property
    def arn(self) -> str:
        return f"arn:aws:rds:{self.region}:{self.account}:db:{self.identifier}"

    @property
    def key(self) -> str:
        """The KMS key that its storage is encrypted with; without one of its own, the account's in its region."""
        return self.kms_key or f"arn:aws:kms:{self.region}:{self.account}:key/aws-rds"

    @property
    def status(self) -> str:
        return self.stages[0].status if self.stages else self.resting

    def enter(self, phases: Iterable[Phase], now: datetime, speed: float) -> None:
        """Puts the phases after one another from `now` on."""
        at = now
        for phase in phases:
            at += timedelta(seconds=phase.seconds) / speed
            self.stages.append(Stage(phase.status, at, phase.effect))

    def name_for(self, region: str) -> str:
        """How another instance in `region` names this one: by identifier at home, by ARN from elsewhere (*replica*)."""
        return self.identifier if region == self.region else self.arn

    @property
    def restorable_from(self) -> datetime:
        """The first backup: an instance that was a replica has none from before its promotion."""
        return self.promoted_at or self.created_at

    def earliest_restorable_at(self, now: datetime, speed: float) -> datetime:
        """The first backup, or as far back as backups are retained."""
        return max(self.restorable_from, now - timedelta(days=self.backup_retention) / speed)

    def latest_restorable_at(self, now: datetime, speed: float) -> datetime:
        """The last upload of transaction logs."""
        return now - (now - self.restorable_from) % (UPLOAD / speed)

    def shown(self, now: datetime, speed: float) -> dict[str, Any]:
        """DescribeDBInstances' structure. What is unset is left out, as RDS does."""
        found: dict[str, Any] = {
            "DBInstanceIdentifier": self.identifier,
            "DBInstanceClass": self.instance_class,
            "Engine": "postgres",
            "EngineVersion": self.engine_version,
            "DBInstanceStatus": self.status,
            "MasterUsername": self.username,
            "DBName": self.db_name,
            "AllocatedStorage": self.storage,
            "InstanceCreateTime": self.created_at,
            "PreferredBackupWindow": self.backup_window,
            "BackupRetentionPeriod": self.backup_retention,
            "VpcSecurityGroups": [{"VpcSecurityGroupId": g, "Status": "active"} for g in self.security_groups],
            "AvailabilityZone": self.zone,
            "DBParameterGroups": [{"DBParameterGroupName": self.parameter_group, "ParameterApplyStatus": "in-sync"}],
            "DBSubnetGroup": {"DBSubnetGroupName": self.subnet_group, "SubnetGroupStatus": "Complete"},
            "CopyTagsToSnapshot": self.copy_tags,
            "PendingModifiedValues": dict(self.pending),
            "MultiAZ": self.multi_az,
            "ReadReplicaDBInstanceIdentifiers": list(self.replicas),
            "PubliclyAccessible": False,
            "StorageEncrypted": True,
            "KmsKeyId": self.key,
            "DbiResourceId": self.resource_id,
            "DBInstanceArn": self.arn,
            "DeletionProtection": self.deletion_protection,
            "TagList": [{"Key": k, "Value": v} for k, v in self.tags.items()],
        }
        if self.multi_az:
            found["SecondaryAvailabilityZone"] = self.secondary
        if self.status != "creating":
            # An instance that is being created has no endpoint yet.
            found["Endpoint"] = {"Address": self.address.host, "Port": self.address.port}
        if self.backup_retention > 0 and self.source is None:
            found["LatestRestorableTime"] = self.latest_restorable_at(now, speed)
        if self.source is not None:
            found["ReadReplicaSourceDBInstanceIdentifier"] = self.source
            state = "terminated" if self.source_lost else "replicating"
            info = {"StatusType": "read replication", "Normal": not self.source_lost, "Status": state}
            found["StatusInfos"] = [info]
        return found


def backed_up(instance: Instance, now: datetime, speed: float) -> dict[str, Any]:
    """DescribeDBInstanceAutomatedBackups' structure, of an instance that has automated backups."""
    window = {
        "EarliestTime": instance.earliest_restorable_at(now, speed),
        "LatestTime": instance.latest_restorable_at(now, speed),
    }
    return {
        "DBInstanceArn": instance.arn,
        "DbiResourceId": instance.resource_id,
        "Region": instance.region,
        "DBInstanceIdentifier": instance.identifier,
        "RestoreWindow": window,
        "AllocatedStorage": instance.storage,
        "Status": "creating" if instance.status == "creating" else "active",
        "Port": instance.address.port,
        "InstanceCreateTime": instance.created_at,
        "MasterUsername": instance.username,
        "Engine": "postgres",
        "EngineVersion": instance.engine_version,
        "Encrypted": True,
        "BackupRetentionPeriod": instance.backup_retention,
    }


@dataclass(slots=True)
class Snapshot:
    """A snapshot of one instance, available when `ready_at` has come."""

    identifier: str
    of: Instance
    kind: Literal["manual", "automated"]
    created_at: datetime
    ready_at: datetime
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:rds:{self.of.region}:{self.of.account}:snapshot:{self.identifier}"

    def shown(self, now: datetime) -> dict[str, Any]:
        """DescribeDBSnapshots' structure."""
        ready = now >= self.ready_at
        return {
            "DBSnapshotIdentifier": self.identifier,
            "DBInstanceIdentifier": self.of.identifier,
            "SnapshotCreateTime": self.created_at,
            "Engine": "postgres",
            "EngineVersion": self.of.engine_version,
            "AllocatedStorage": self.of.storage,
            "Status": "available" if ready else "creating",
            "PercentProgress": 100 if ready else 0,
            "Port": self.of.address.port,
            "SnapshotType": self.kind,
            "MasterUsername": self.of.username,
            "DBSnapshotArn": self.arn,
            "DbiResourceId": self.of.resource_id,
            "Encrypted": True,
            "TagList": [{"Key": k, "Value": v} for k, v in self.tags.items()],
        }
