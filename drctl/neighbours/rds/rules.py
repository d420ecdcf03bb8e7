"""What RDS refuses, as small functions over one instance and one request.

Codes and constraints are the API reference's (docs.aws.amazon.com/AmazonRDS/latest/APIReference, the operation of each
function). Messages are those of real answers where service.py's *observed* has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from drctl.neighbours.aws import AwsError
from drctl.neighbours.rds.instance import DEFAULT_GROUP, DEFAULT_SUBNETS, Instance

FIELDS: Final = {
    "NewDBInstanceIdentifier": "identifier",
    "DBInstanceClass": "instance_class",
    "AllocatedStorage": "storage",
    "MultiAZ": "multi_az",
    "BackupRetentionPeriod": "backup_retention",
    "PreferredBackupWindow": "backup_window",
    "DeletionProtection": "deletion_protection",
    "VpcSecurityGroupIds": "security_groups",
    "DBParameterGroupName": "parameter_group",
    "CopyTagsToSnapshot": "copy_tags",
}
"""ModifyDBInstance's parameters that are kept here → the instance's field."""
AT_ONCE: Final = frozenset({"DeletionProtection", "VpcSecurityGroupIds", "PreferredBackupWindow", "CopyTagsToSnapshot"})
"""Applied at once whatever `ApplyImmediately` says (…/UserGuide/Overview.DBInstance.Modifying.html, settings table)."""
BACKUPS: Final = "BackupRetentionPeriod"
PENDING: Final = {"NewDBInstanceIdentifier": "DBInstanceIdentifier"}
"""Names that PendingModifiedValues has for parameters, where they differ."""
VERSION: Final = "18.1"


def refuse_unless_available(instance: Instance) -> None:
    """InvalidDBInstanceState in any other status, `backing-up` among them."""
    if instance.status != "available":
        message = f"Instance {instance.identifier} is not in available state; it is {instance.status}."
        raise AwsError("InvalidDBInstanceState", message)


def refuse_unless_replica(instance: Instance) -> None:
    """InvalidDBInstanceState for what replicates nothing, and for a replica that is not available."""
    if instance.source is None:
        raise AwsError("InvalidDBInstanceState", "DB Instance is not a read replica")
    refuse_unless_available(instance)


def refuse_stopping(instance: Instance) -> None:
    """InvalidDBInstanceState for a replica, and for an instance that has one (*stop*)."""
    refuse_unless_available(instance)
    if instance.source is not None or instance.replicas:
        raise AwsError("InvalidDBInstanceState", "Cannot stop a DB instance that is or has a read replica")


def refuse_unless_multi_az(instance: Instance) -> None:
    """ForceFailover cannot be true "if the instance is not configured for MultiAZ" (RebootDBInstance)."""
    if not instance.multi_az:
        message = (
            f"DB Instance {instance.identifier} is not a Multi-AZ deployment: it cannot be rebooted with failover."
        )
        raise AwsError("InvalidParameterCombination", message)


def refuse_malformed(identifier: str) -> None:
    """1 to 63 letters, digits and hyphens; a letter first, no hyphen last, no two in a row."""
    if not re.fullmatch(r"[A-Za-z](?:-?[A-Za-z0-9])*", identifier) or len(identifier) > 63:
        raise AwsError("InvalidParameterValue", f"The parameter DBInstanceIdentifier is not valid: {identifier!r}.")


def refuse_key(params: Mapping[str, Any], region: str, account: str, source: Instance) -> None:
    """An encrypted replica in another region needs a key of that region: "you can't use KMS keys from one Amazon Web
    Services Region in another" (CreateDBInstanceReadReplica, KmsKeyId).
    """
    if region == source.region:
        return
    key = params.get("KmsKeyId")
    if not key:
        # The text of a real answer, quoted in hashicorp/terraform#11538.
        message = "Cannot create a cross region unencrypted read replica from encrypted source."
        raise AwsError("InvalidParameterCombination", message)
    if str(key).startswith("arn:") and str(key).split(":")[3:5] != [region, account]:
        raise AwsError("KMSKeyNotAccessibleFault", f"The KMS key {key} is not accessible from {region}.")


def required(params: Mapping[str, Any], name: str) -> str:
    """A parameter that the description leaves optional and the operation needs."""
    if not params.get(name):
        raise AwsError("MissingParameter", f"The request must contain the parameter {name}.")
    return str(params[name])


def retention(days: int, instance: Instance) -> int:
    """0 to 35 days, and not 0 for the source of a replica."""
    if not 0 <= days <= 35:
        raise AwsError("InvalidParameterValue", f"Invalid backup retention period: {days}. It must be from 0 to 35.")
    if days == 0 and instance.replicas:
        message = f"{instance.identifier} is the source of {', '.join(instance.replicas)}: backups cannot be disabled."
        raise AwsError("InvalidDBInstanceState", message)
    return days


def at_once(params: Mapping[str, Any], instance: Instance) -> dict[str, Any]:
    """What of a modification does not wait for the maintenance window. With `ApplyImmediately` whatever is pending
    does not wait either (…/UserGuide/USER_ModifyInstance.ApplyImmediately.html); a retention that goes "from one
    non-zero value to another" never waits (ModifyDBInstance, BackupRetentionPeriod).
    """
    wanted = {name: params[name] for name in FIELDS if name in params}
    if params.get("ApplyImmediately"):
        named = {shown: name for name, shown in PENDING.items()}
        return {named.get(n, n): v for n, v in instance.pending.items()} | wanted
    kept = {BACKUPS} if wanted.get(BACKUPS) and instance.backup_retention else set()
    return {n: v for n, v in wanted.items() if n in AT_ONCE | kept}


def pend(instance: Instance, wanted: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """What is not changed at once waits; what is waits no longer."""
    instance.pending |= {PENDING.get(n, n): v for n, v in wanted.items() if n not in now}
    for name in now:
        instance.pending.pop(PENDING.get(name, name), None)


def inherited(base: Instance | None) -> dict[str, Any]:
    """What a new instance has: all but what is asked for otherwise is the source's (*api*,
    CreateDBInstanceReadReplica).
    """
    own: dict[str, Any] = {"username": "postgres", "db_name": "postgres", "engine_version": VERSION}
    return own if base is None else {name: getattr(base, name) for name in (*own, "instance_class", "storage")}


def restore_time(params: Mapping[str, Any], source: Instance, earliest: datetime, latest: datetime) -> datetime:
    """When to restore to: one of RestoreTime and UseLatestRestorableTime, not after the latest restorable time."""
    at, use_latest = params.get("RestoreTime"), bool(params.get("UseLatestRestorableTime"))
    if (at is None) is not use_latest:
        message = "Exactly one of RestoreTime and UseLatestRestorableTime must be specified."
        raise AwsError("InvalidParameterCombination", message)
    if at is None:
        return latest
    if not earliest <= at <= latest:
        message = (
            f"{source.identifier} cannot be restored to {at.isoformat()}: "
            f"it is restorable from {earliest.isoformat()} to {latest.isoformat()}."
        )
        raise AwsError("InvalidParameterValue", message)
    return datetime.fromisoformat(at.isoformat())


def refuse_unknown_groups(wanted: Mapping[str, Any], here: Iterable[Instance]) -> None:
    """The groups that there are, are those that an instance of the region has, and the default ones."""
    there = tuple(here)
    group, subnets = wanted.get("parameter_group"), wanted.get("subnet_group")
    if group is not None and group not in {DEFAULT_GROUP, *(i.parameter_group for i in there)}:
        raise AwsError("DBParameterGroupNotFound", f"DBParameterGroup {group} not found.")
    if subnets is not None and subnets not in {DEFAULT_SUBNETS, *(i.subnet_group for i in there)}:
        raise AwsError("DBSubnetGroupNotFoundFault", f"DB subnet group {subnets!r} does not exist.")


def backed_up(params: Mapping[str, Any], here: Iterable[Instance]) -> list[Instance]:
    """Those that have automated backups, by instance or resource id, or all; a replica has none of its own."""
    kept = [i for i in here if i.backup_retention and i.source is None]
    for name, of in (("DbiResourceId", "resource_id"), ("DBInstanceIdentifier", "identifier")):
        if name in params:
            kept = [i for i in kept if getattr(i, of) == params[name]]
            if not kept:
                raise AwsError("DBInstanceAutomatedBackupNotFound", f"There is no automated backup of {params[name]}.")
    return kept


def refuse_deletion(instance: Instance, params: Mapping[str, Any]) -> None:
    """Deletion protection, a final snapshot that is neither named nor waived or is of a replica, a deletion on its
    way.
    """
    named, waived = params.get("FinalDBSnapshotIdentifier"), bool(params.get("SkipFinalSnapshot"))
    if instance.status == "deleting":
        raise AwsError("InvalidDBInstanceState", f"Instance {instance.identifier} is already being deleted.")
    if instance.deletion_protection:
        message = "Cannot delete protected DB Instance, please disable deletion protection and try again."
        raise AwsError("InvalidParameterCombination", message)
    if named and waived:
        message = "FinalDBSnapshotIdentifier cannot be specified when SkipFinalSnapshot is."
        raise AwsError("InvalidParameterCombination", message)
    if not named and not waived:
        message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
        raise AwsError("InvalidParameterCombination", message)
    if named and instance.source is not None:
        raise AwsError("InvalidParameterCombination", "A read replica is deleted without a final snapshot.")


def settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new instance that the request sets; the rest is the source's."""
    found = {FIELDS[name]: params[name] for name in FIELDS if name in params}
    if "DBSubnetGroupName" in params:
        found["subnet_group"] = params["DBSubnetGroupName"]
    if "security_groups" in found:
        found["security_groups"] = tuple(found["security_groups"])
    if "KmsKeyId" in params:
        found["kms_key"] = params["KmsKeyId"]
    if "Tags" in params:
        found["tags"] = tags(params["Tags"])
    return found


def tags(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """[{Key, Value}] as a dict."""
    return {tag["Key"]: tag.get("Value", "") for tag in given}


def filters(given: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """DescribeDBInstances' filters by name, or InvalidParameterValue for one that is not kept here."""
    found = {f["Name"]: list(f["Values"]) for f in given}
    for name in found:
        if name not in ("db-instance-id", "engine"):
            raise AwsError("InvalidParameterValue", f"Unrecognized filter name: {name}")
    return found


def matches(instance: Instance, wanted: Mapping[str, list[str]]) -> bool:
    """Whether the instance passes every filter."""
    names = wanted.get("db-instance-id")
    by_name = names is None or any(n in (instance.identifier, instance.arn) for n in names)
    return by_name and "postgres" in wanted.get("engine", ["postgres"])


def apply(instance: Instance, instances: Iterable[Instance]) -> None:
    """What ModifyDBInstance set. A rename is seen by everyone who names the instance."""
    there = tuple(instances)
    before = {region: instance.name_for(region) for region in {i.region for i in there}}
    for name, value in instance.applying.items():
        setattr(instance, FIELDS[name], value)
    instance.applying = {}
    for other in there:
        old, new = before[other.region], instance.name_for(other.region)
        if other.source == old:
            other.source = new
        other.replicas = [new if name == old else name for name in other.replicas]
