"""What a breach is contained with, and what would be evidence: made beforehand and used by nobody, so that only a look
tells that somebody has changed it. An intruder who stays begins with these.

What a person chooses on the day (instances, subnets, a moment) cannot be looked at; what the steps lean on can. The
newest copies in the vaults are looked at by the clock that makes them. Sources:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html (ObjectLockEnabled;
ObjectLockConfigurationNotFoundError; its right is s3:GetBucketObjectLockConfiguration),
https://docs.aws.amazon.com/guardduty/latest/APIReference/API_ListDetectors.html (no id: it is not on).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from chalicelib.actions.contract import AwsOp, Op, Reader, Where
from chalicelib.actions.images_kept import NO_POLICY, NO_REPOSITORY
from chalicelib.actions.quarantine import DESCRIBE_ACLS, DESCRIBE_GROUPS, acl_holds, group_holds
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.containment import Containment, Evidence
from chalicelib.readiness.contract import Around, Said

NO_LOCK: Final = "ObjectLockConfigurationNotFoundError"
Looked = str | Refused | NoData
"""Why something would not do, '' when it would; or why nobody said."""


@dataclass(frozen=True, slots=True)
class Look:
    """One thing: what was seen of it, and what is said of it when it is well."""

    name: str
    found: Looked
    well: str


class ContainmentJudge:
    """A verdict a thing; none where policy has no containment, of which the linter speaks."""

    name: ClassVar[str] = "containment"
    actions: ClassVar[frozenset[str]] = frozenset({"instances-quarantined", "subnets-quarantined", "logs-kept"})
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (
        DESCRIBE_GROUPS,
        DESCRIBE_ACLS,
        AwsOp(
            service="s3",
            operation="get_object_lock_configuration",
            resources=("{evidence_bucket}",),
            iam=("s3:GetBucketObjectLockConfiguration",),
        ),
        AwsOp(service="s3", operation="list_objects_v2", resources=("{log_buckets}",), iam=("s3:ListBucket",)),
        AwsOp(service="guardduty", operation="list_detectors", resources=("*",), where="primary"),
        AwsOp(service="ecr", operation="get_lifecycle_policy", resources=("{primary_repositories}",), where="primary"),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "make it anew as platform.yaml names it, and ask who has changed it: it may be an intruder"

    def look(self, around: Around) -> tuple[Look, ...]:
        policy, reader = around.policy, around.reader
        containment = policy.platform.containment
        if containment is None:
            return ()
        evidence = containment.evidence
        group, acl = containment.quarantine_group, containment.quarantine_acl
        days = f"locks for {evidence.lock.days} days"
        return (
            Look("quarantine's security group", group_holds(policy, reader), f"{group} lets nothing through"),
            Look("quarantine's network ACL", acl_holds(policy, reader), f"{acl} denies everything"),
            Look("evidence", _lockable(evidence, reader), f"bucket {evidence.bucket!r} {days}"),
            Look("logs", _logs(containment, reader), f"{len(containment.logs)} logs are where policy has them"),
            Look("GuardDuty", _watched(policy, reader), "it is on wherever policy waits for its findings"),
            Look("images", _images(policy, reader), f"all {len(containment.repositories)} repositories are there"),
        )

    def judge(self, facts: tuple[Look, ...], policy: Policy, now: datetime) -> Iterator[Said]:
        for look in facts:
            yield look.name, _verdict(look)


def _verdict(look: Look) -> Verdict:
    match look.found:
        case NoData() as silent:
            return silent
        case Refused(because=because, code=code):
            return Lacking(because=f"it cannot be looked at: {because} ({code})")
        case "":
            return Ready(because=look.well)
    return Lacking(because=str(look.found))


def _lockable(evidence: Evidence, reader: Reader) -> Looked:
    """A lock that a step asks for is refused by a bucket without Object Lock."""
    found = reader.aws("s3", evidence.region, "get_object_lock_configuration", Bucket=evidence.bucket)
    if isinstance(found, Refused) and found.code == NO_LOCK:
        return f"bucket {evidence.bucket!r} has no Object Lock: what is kept there could be deleted"
    if not isinstance(found, Mapping):
        return found
    on = (found.get("ObjectLockConfiguration") or {}).get("ObjectLockEnabled") == "Enabled"
    return "" if on else f"bucket {evidence.bucket!r} has Object Lock, and it is not Enabled"


def _logs(containment: Containment, reader: Reader) -> Looked:
    """That there is anything of each; how new it is, a page of the oldest keys does not say."""
    for log in containment.logs:
        found = reader.aws("s3", log.region, "list_objects_v2", Bucket=log.bucket, Prefix=log.prefix, MaxKeys=1)
        if not isinstance(found, Mapping):
            return found
        if not found.get("Contents"):
            return f"there is no log of {log.name} below {log.bucket}/{log.prefix}: nobody would know what was done"
    return ""


def _watched(policy: Policy, reader: Reader) -> Looked:
    off = []
    for region in dict.fromkeys(r for row in policy.signals.findings for r in row.regions):
        found = reader.aws("guardduty", region, "list_detectors")
        if not isinstance(found, Mapping):
            return found
        if not found["DetectorIds"]:
            off.append(region)
    return f"it is not on in {', '.join(off)}: nobody would find an intruder there" if off else ""


def _images(policy: Policy, reader: Reader) -> Looked:
    """A name that is no repository keeps nothing, and a step says so too late. The standby's region may lack one."""
    containment, region = policy.platform.containment, policy.platform.regions.primary
    missing = []
    for name in containment.repositories if containment else ():
        found = reader.aws("ecr", region, "get_lifecycle_policy", repositoryName=name)
        if isinstance(found, Refused) and found.code == NO_REPOSITORY:
            missing.append(name)
        elif isinstance(found, NoData) or (isinstance(found, Refused) and found.code != NO_POLICY):
            return found
    return f"there is no repository {', '.join(missing)} in {region}, whose images would be kept" if missing else ""
