"""Amazon RDS for PostgreSQL: instances in several regions, their replicas, and what may be asked of them when.

Sources, named below by their short names:
- *api*: docs.aws.amazon.com/AmazonRDS/latest/APIReference (the operations; error codes are of botocore's description)
- *delete*: …/UserGuide/USER_DeleteInstance.html
- *stop*: …/UserGuide/USER_StopInstance.html (not with a read replica, and not a read replica)
- *observed*: messages of real answers, quoted in the public threads ansible/ansible-modules-core#2150,
  cloud-custodian/cloud-custodian#178 and #1687, hashicorp/terraform-provider-aws#11905
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from drctl.neighbours.aws import DEFAULT_ACCOUNT, AwsError
from drctl.neighbours.rds import rules
from drctl.neighbours.rds.engine import Engine
from drctl.neighbours.rds.events import COMPLETED, STARTED, Events
from drctl.neighbours.rds.instance import (
    BACKUP,
    CREATION,
    DELETION,
    DOWN,
    FAILOVER,
    MODIFICATION,
    NOTICED,
    PROMOTION,
    REBOOT,
    RESTORATION,
    START,
    STOP,
    Instance,
    Phase,
    Snapshot,
    Stage,
    backed_up,
)
from drctl.neighbours.rds.snapshots import Snapshots


class Rds:
    """The model: `clock` gives aware UTC, `speed` divides how long every stage takes. Its operations are named as
    boto3's and take `(region, account, params)`. `closed_groups` are security groups that let nobody in: an
    instance that has no other cannot be reached.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        *,
        engine: Engine,
        closed_groups: Iterable[str] = (),
    ) -> None:
        self.clock = clock
        self.speed = speed
        self.engine = engine
        self.closed_groups = frozenset(closed_groups)
        self._instances: list[Instance] = []
        self._snapshots = Snapshots(speed)
        self._dark: frozenset[str] = frozenset()
        self._denied: frozenset[str] = frozenset()
        self._failed: dict[str, frozenset[str]] = {}
        self._events = Events()
        self._made = 0

    # What the local world does to it

    def add(
        self,
        region: str,
        identifier: str,
        *,
        source: Instance | None = None,
        account: str = DEFAULT_ACCOUNT,
        **set_: Any,
    ) -> Instance:
        """An instance that is there from the start, `available`; with `source` it is a replica of that one. `set_` are
        further fields of `Instance` (`db_name`, `username`, `backup_retention`, …).
        """
        return self._make(region, account, identifier, (), source=source, **set_)

    def darken(self, regions: frozenset[str]) -> None:
        """The regions that are wholly lost now: their databases cannot be reached, and go on behind that."""
        # What ended before the change ends before it: a promotion must not catch up with what comes to light now.
        self.settle()
        self._dark = regions
        for instance in self._instances:
            self._connect(instance)

    def deny(self, region: str, *, denied: bool) -> None:
        """Whether the ACLs of the region's database subnets deny the port to whoever asks from outside them."""
        self.settle()
        self._denied = self._denied | {region} if denied else self._denied - {region}
        for instance in self._instances:
            self._connect(instance)

    def fail_zones(self, region: str, zones: frozenset[str], *, stuck: bool = False) -> None:
        """These zones of a region are down, and no others. A writer there is reached by nobody; of a Multi-AZ instance
        the standby takes over by itself (*failover*), unless RDS does not notice: `stuck`.
        """
        self.settle()
        self._failed[region] = zones
        for instance in self._instances:
            left = instance.multi_az and not stuck and instance.secondary not in zones
            if instance.region == region and instance.zone in zones and left and not instance.stages:
                instance.enter(NOTICED, self.clock(), self.speed)
            self._connect(instance)

    def back_up(self, instance: Instance) -> None:
        """The backup window has come."""
        instance.enter(BACKUP, self.clock(), self.speed)

    def settle(self) -> None:
        """Ends every stage whose time has come, oldest first. All operations begin with it; the local world calls it
        now and then, so that a promotion takes effect though nobody asks.
        """
        now = self.clock()
        while due := [(i.stages[0].ends_at, n) for n, i in enumerate(self._instances) if i.stages]:
            at, number = min(due)
            if at > now:
                break
            instance = self._instances[number]
            self._end(instance, instance.stages.pop(0))

    def instances(self) -> list[Instance]:
        """All there are, in the order in which they were made."""
        self.settle()
        return list(self._instances)

    def instance(self, region: str, identifier: str, account: str = DEFAULT_ACCOUNT) -> Instance:
        """The instance as it is now, or AwsError DBInstanceNotFound."""
        self.settle()
        return self._known(region, account, identifier)

    def _end(self, instance: Instance, stage: Stage) -> None:
        match stage.effect:
            case "promote":
                self._release(instance)
                self.engine.promote(instance.resource_id)
                instance.promoted_at = self.clock()
            case "apply":
                renamed = "NewDBInstanceIdentifier" in instance.applying
                rules.apply(instance, self._instances)
                if renamed:
                    instance.address = self.engine.rename(instance.resource_id)
            case "delete":
                self._instances.remove(instance)
                self.engine.delete(instance.resource_id)
                return
            case "failover":
                instance.zone, instance.secondary = instance.secondary, instance.zone
                self._events.add(instance, stage.ends_at, COMPLETED)
            case "":
                pass
        if instance.stages and instance.stages[0].effect == "failover":
            self._events.add(instance, stage.ends_at, STARTED)
        self._connect(instance)

    def _release(self, replica: Instance) -> None:
        """The replica and its source forget one another."""
        source = self._source_of(replica)
        if source is not None:
            name = replica.name_for(source.region)
            source.replicas = [n for n in source.replicas if n != name]
        replica.source, replica.source_lost = None, False

    def _source_of(self, replica: Instance) -> Instance | None:
        near = (i for i in self._instances if i.account == replica.account)
        return next((i for i in near if replica.source == i.name_for(replica.region)), None)

    def _connect(self, instance: Instance) -> None:
        closed = self.closed_groups.issuperset(instance.security_groups)
        down = instance.region in self._dark | self._denied or instance.status in DOWN or closed
        down = down or instance.zone in self._failed.get(instance.region, ())
        self.engine.set_reachable(instance.resource_id, not down)

    def _make(
        self,
        region: str,
        account: str,
        identifier: str,
        phases: Iterable[Phase],
        *,
        source: Instance | None = None,
        restored: tuple[Instance, datetime] | None = None,
        **set_: Any,
    ) -> Instance:
        self._made += 1
        resource_id = f"db-{self._made:026d}"
        if restored is not None:
            address = self.engine.restore(resource_id, source=restored[0].resource_id, at=restored[1])
        else:
            address = self.engine.create(resource_id, source=source.resource_id if source is not None else None)
        base = source or (restored[0] if restored is not None else None)
        taken = rules.inherited(base)
        if source is not None:
            taken |= {"source": source.name_for(region), "backup_retention": 0}
        made = Instance(account, region, identifier, resource_id, self.clock(), address, **(taken | set_))
        made.enter(phases, self.clock(), self.speed)
        self._instances.append(made)
        if source is not None:
            source.replicas.append(made.name_for(source.region))
        self._connect(made)
        return made

    # RDS's operations

    def describe_db_instances(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeDBInstances: all, one by name, or by the filters `db-instance-id` and `engine`; in one page."""
        self.settle()
        if "DBInstanceIdentifier" in params:
            found = [self._known(region, account, params["DBInstanceIdentifier"])]
        else:
            wanted = rules.filters(params.get("Filters", ()))
            found = [i for i in self._in(region, account) if rules.matches(i, wanted)]
        return {"DBInstances": [i.shown(self.clock(), self.speed) for i in found]}

    def promote_read_replica(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """PromoteReadReplica: modifying, rebooting, available. It stays a replica until the reboot is over."""
        self.settle()
        replica = self._known(region, account, params["DBInstanceIdentifier"])
        rules.refuse_unless_replica(replica)
        replica.backup_retention = rules.retention(params.get("BackupRetentionPeriod", 1), replica)
        replica.backup_window = params.get("PreferredBackupWindow", replica.backup_window)
        return self._enter(replica, PROMOTION)

    def create_db_instance_read_replica(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateDBInstanceReadReplica: the source by identifier in the same region, by ARN in another."""
        self.settle()
        source = self._known(region, account, rules.required(params, "SourceDBInstanceIdentifier"), anywhere=True)
        identifier = self._free(region, account, params["DBInstanceIdentifier"])
        rules.refuse_unless_available(source)
        if source.backup_retention == 0:
            raise AwsError("InvalidDBInstanceState", "Automated backups are not enabled for this database instance.")
        rules.refuse_key(params, region, account, source)
        made = self._make(region, account, identifier, CREATION, source=source, **rules.settings(params))
        return {"DBInstance": made.shown(self.clock(), self.speed)}

    def restore_db_instance_to_point_in_time(
        self, region: str, account: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """RestoreDBInstanceToPointInTime: always a new instance beside the old one."""
        self.settle()
        source = self._known(region, account, rules.required(params, "SourceDBInstanceIdentifier"))
        identifier = self._free(region, account, params["TargetDBInstanceIdentifier"])
        if source.backup_retention == 0:
            raise AwsError("PointInTimeRestoreNotEnabled", f"{source.identifier} has no automated backups.")
        latest = source.latest_restorable_at(self.clock(), self.speed)
        earliest = source.earliest_restorable_at(self.clock(), self.speed)
        at = rules.restore_time(params, source, earliest, latest)
        wanted = rules.settings(params)
        rules.refuse_unknown_groups(wanted, self._in(region, account))
        if "backup_retention" in wanted:
            rules.retention(wanted["backup_retention"], source)
        # Of the source's retention: it "uses the existing setting"; of groups and zones, the defaults (*api*).
        wanted = {"backup_retention": source.backup_retention} | wanted
        phases = [p for p in RESTORATION if p.status != "backing-up" or wanted["backup_retention"]]
        made = self._make(region, account, identifier, phases, restored=(source, at), **wanted)
        return {"DBInstance": made.shown(self.clock(), self.speed)}

    def describe_db_instance_automated_backups(
        self, region: str, account: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """DescribeDBInstanceAutomatedBackups by instance or resource id, or all; only what has backups. None of a
        deleted instance is retained here.
        """
        self.settle()
        kept = rules.backed_up(params, self._in(region, account))
        return {"DBInstanceAutomatedBackups": [backed_up(i, self.clock(), self.speed) for i in kept]}

    def modify_db_instance(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """ModifyDBInstance. Without `ApplyImmediately` most settings wait in PendingModifiedValues for the maintenance
        window, which never comes here; `rules.at_once` says which do not wait.
        """
        self.settle()
        instance = self._known(region, account, params["DBInstanceIdentifier"])
        rules.refuse_unless_available(instance)
        wanted = {name: params[name] for name in rules.FIELDS if name in params}
        if "BackupRetentionPeriod" in wanted:
            rules.retention(wanted["BackupRetentionPeriod"], instance)
        if "NewDBInstanceIdentifier" in wanted:
            wanted["NewDBInstanceIdentifier"] = self._free(region, account, wanted["NewDBInstanceIdentifier"])
        now = rules.at_once(params, instance)
        rules.pend(instance, wanted, now)
        if not now:
            return {"DBInstance": instance.shown(self.clock(), self.speed)}
        instance.applying = {n: tuple(v) if isinstance(v, list) else v for n, v in now.items()}
        return self._enter(instance, MODIFICATION)

    def reboot_db_instance(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """RebootDBInstance: takes no connection until it is over. With `ForceFailover` the standby takes over, and what
        was the writer is the standby: asked twice, it is back where it was.
        """
        self.settle()
        instance = self._known(region, account, params["DBInstanceIdentifier"])
        rules.refuse_unless_available(instance)
        if not params.get("ForceFailover"):
            return self._enter(instance, REBOOT)
        rules.refuse_unless_multi_az(instance)
        instance.stages = []
        self._events.add(instance, self.clock(), STARTED)
        return self._enter(instance, FAILOVER)

    def describe_events(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeEvents of one instance or all: failovers, of the last hour unless `StartTime` is given."""
        self.settle()
        return {"Events": self._events.shown(region, account, params, self.clock())}

    def stop_db_instance(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """StopDBInstance: refused for a replica, and for an instance that has one (*stop*)."""
        self.settle()
        instance = self._known(region, account, params["DBInstanceIdentifier"])
        rules.refuse_stopping(instance)
        instance.resting = "stopped"
        return self._enter(instance, STOP)

    def start_db_instance(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """StartDBInstance: only what is stopped."""
        self.settle()
        instance = self._known(region, account, params["DBInstanceIdentifier"])
        if instance.status != "stopped":
            raise AwsError("InvalidDBInstanceState", f"Instance {instance.identifier} is not stopped.")
        instance.resting = "available"
        return self._enter(instance, START)

    def delete_db_instance(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteDBInstance. Replicas in the same region are promoted; those in others stay replicas, of nothing, until
        they are promoted (*delete*).
        """
        self.settle()
        instance = self._known(region, account, params["DBInstanceIdentifier"])
        rules.refuse_deletion(instance, params)
        if not params.get("SkipFinalSnapshot"):
            self._snapshots.take(instance, params["FinalDBSnapshotIdentifier"], self.clock(), {})
        for other in self._instances:
            if other.source == instance.name_for(other.region) and other.account == account:
                if other.region == region:
                    other.enter(PROMOTION, self.clock(), self.speed)
                else:
                    other.source_lost = True
        self._release(instance)
        instance.stages = []
        return self._enter(instance, DELETION)

    def create_db_snapshot(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateDBSnapshot: the instance is `backing-up` meanwhile."""
        self.settle()
        instance = self._known(region, account, params["DBInstanceIdentifier"])
        rules.refuse_unless_available(instance)
        tags = rules.tags(params.get("Tags", ()))
        made = self._snapshots.take(instance, params["DBSnapshotIdentifier"], self.clock(), tags)
        instance.enter(BACKUP, self.clock(), self.speed)
        return {"DBSnapshot": made.shown(self.clock())}

    def describe_db_snapshots(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeDBSnapshots by snapshot, by instance, by type, or all."""
        self.settle()
        found = self._snapshots.find(region, account, params)
        return {"DBSnapshots": [s.shown(self.clock()) for s in found]}

    def add_tags_to_resource(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """AddTagsToResource, by the ARN of an instance or a snapshot."""
        self._tagged(region, account, params["ResourceName"]).tags.update(rules.tags(params["Tags"]))
        return {}

    def list_tags_for_resource(self, region: str, account: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListTagsForResource."""
        found = self._tagged(region, account, params["ResourceName"]).tags
        return {"TagList": [{"Key": k, "Value": v} for k, v in found.items()]}

    def _tagged(self, region: str, account: str, arn: str) -> Instance | Snapshot:
        self.settle()
        return self._snapshots.by_arn(region, arn) or self._known(region, account, arn)

    def _enter(self, instance: Instance, phases: Iterable[Phase]) -> dict[str, Any]:
        instance.enter(phases, self.clock(), self.speed)
        self._connect(instance)
        return {"DBInstance": instance.shown(self.clock(), self.speed)}

    def _in(self, region: str, account: str) -> Iterator[Instance]:
        return (i for i in self._instances if (i.region, i.account) == (region, account))

    def _known(self, region: str, account: str, name: str, *, anywhere: bool = False) -> Instance:
        """By identifier (in any case of letters) or ARN; `anywhere`: an ARN of another region too."""
        there = self._instances if anywhere and name.startswith("arn:") else self._in(region, account)
        found = next((i for i in there if name.lower() == i.identifier or name == i.arn), None)
        if found is None:
            raise AwsError("DBInstanceNotFound", f"DBInstance {name} not found.")
        return found

    def _free(self, region: str, account: str, identifier: str) -> str:
        rules.refuse_malformed(identifier)
        if any(i.identifier == identifier.lower() for i in self._in(region, account)):
            raise AwsError("DBInstanceAlreadyExists", f"DB instance {identifier} already exists")
        return identifier.lower()
