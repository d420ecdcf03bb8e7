"""What services lean on, before a runbook leans on it to bring them back: buckets that keep what is overwritten, the
classes and drivers that volumes are made by, claims that have their volumes, and where backups are restored from.

A bucket that keeps no versions, or lets them expire sooner than policy says it is put back to, cannot be restored as of
a moment: neither can be mended on the day. Claims that are not bound or attached are a finding that lowers nothing: a
volume is between two nodes whenever a pod moves, and what is wrong with it is what its runbook mends.
Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html,
.../API_GetBucketLifecycleConfiguration.html (NoSuchLifecycleConfiguration: nothing expires).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import AwsOp, KubeOp, Op, Target, Where
from chalicelib.actions.infrastructure_sound import InfrastructureSound, Soundness
from chalicelib.actions.keeping import kept_days
from chalicelib.actions.lifecycles_paused import NONE_THERE
from chalicelib.actions.velero_location import READS as LOCATION_READS
from chalicelib.actions.velero_location import Location, location
from chalicelib.actions.versions import BUCKETS
from chalicelib.actions.volumes_attached import CLAIMS
from chalicelib.core.judging import Lacking, Ready, Verdict
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from chalicelib.policy.backups import Restorable
from chalicelib.policy.platform import Cluster
from chalicelib.policy.services import Check, Infrastructure
from chalicelib.readiness.backups import lies
from chalicelib.readiness.classes import DEFAULT, classes_of, storage_reads
from chalicelib.readiness.contract import Around, Said

Answer = Mapping[str, Any] | Refused | NoData
_DAY: Final = timedelta(days=1)


class BucketsJudge:
    """Two verdicts a bucket that is put back as of a moment: its versions are kept, and for long enough."""

    name: ClassVar[str] = "buckets"
    actions: ClassVar[frozenset[str]] = frozenset({"s3-restore"})
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="s3", operation="get_bucket_versioning", resources=BUCKETS, where="primary"),
        AwsOp(
            service="s3",
            operation="get_bucket_lifecycle_configuration",
            resources=BUCKETS,
            where="primary",
            iam=("s3:GetLifecycleConfiguration",),
        ),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = (
        "drctl verify-account; aws s3api put-bucket-versioning --versioning-configuration Status=Enabled, "
        "or aws s3api put-bucket-lifecycle-configuration with more NoncurrentDays"
    )

    def look(self, around: Around) -> Mapping[str, tuple[Answer, Answer]]:
        return {
            row.bucket: (
                around.reader.aws("s3", row.region, "get_bucket_versioning", Bucket=row.bucket),
                around.reader.aws("s3", row.region, "get_bucket_lifecycle_configuration", Bucket=row.bucket),
            )
            for row in around.policy.backups.restorable
        }

    def judge(self, facts: Mapping[str, tuple[Answer, Answer]], policy: Policy, now: datetime) -> Iterator[Said]:
        for row in policy.backups.restorable:
            versioning, rules = facts[row.bucket]
            yield f"versions of {row.bucket}", _versioned(row.bucket, versioning)
            yield f"how long {row.bucket} keeps versions", _kept(row, policy.speed, rules)


def _versioned(bucket: str, found: Answer) -> Verdict:
    match found:
        case NoData():
            return found
        case Refused(code=code, because=because):
            return Lacking(because=f"versioning of {bucket!r} cannot be read: {because} ({code})")
    status = found.get("Status", "never enabled")
    said = f"versioning is {status}"
    if status == "Enabled":
        return Ready(because=said)
    return Lacking(because=f"{said}, expected Enabled: what is overwritten there cannot be put back")


def _kept(row: Restorable, speed: float, found: Answer) -> Verdict:
    """S3's days are real ones, whatever the speed is."""
    match found:
        case NoData():
            return found
        case Refused(code=code) if code == NONE_THERE:
            return Ready(because="it has no lifecycle: no version expires")
        case Refused(code=code, because=because):
            return Lacking(because=f"the lifecycle of {row.bucket!r} cannot be read: {because} ({code})")
    wanted = row.restores_back * speed / _DAY
    for prefix in row.prefixes:
        days = kept_days(found, prefix)
        if days is not None and days < wanted:
            said = f"versions below {prefix!r} expire after {days} days"
            return Lacking(because=f"{said}, and policy puts it back to {wanted:g} days ago")
    return Ready(because=f"what was overwritten is kept for {wanted:g} days and more")


class StatesJudge:
    """A verdict a state of Terraform: its bucket keeps the versions of which one is put back."""

    name: ClassVar[str] = "states"
    actions: ClassVar[frozenset[str]] = frozenset({"terraform-state-restored"})
    place: ClassVar[Where | None] = None
    reads: ClassVar[tuple[Op, ...]] = (
        AwsOp(service="s3", operation="get_bucket_versioning", resources=("{terraform_buckets}",), where="primary"),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = "aws s3api put-bucket-versioning --versioning-configuration Status=Enabled"

    def look(self, around: Around) -> Mapping[str, Answer]:
        return {
            row.name: around.reader.aws("s3", row.region, "get_bucket_versioning", Bucket=row.bucket)
            for row in around.policy.backups.terraform_states
        }

    def judge(self, facts: Mapping[str, Answer], policy: Policy, now: datetime) -> Iterator[Said]:
        for row in policy.backups.terraform_states:
            yield f"versions of state {row.name}", _versioned(row.bucket, facts[row.name])


class StorageJudge:
    """One verdict: by which classes and drivers the primary's claims have their volumes, and would have them again."""

    name: ClassVar[str] = "storage"
    actions: ClassVar[frozenset[str]] = frozenset({"volumes-attached", "velero-missing"})
    place: ClassVar[Where | None] = "primary"
    reads: ClassVar[tuple[Op, ...]] = (
        KubeOp(verb="list", group="", resource="persistentvolumeclaims", where="primary"),
        *storage_reads("primary"),
    )
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = (
        "kubectl get storageclass,csidriver in the primary cluster; apply the missing StorageClass, or install the "
        "driver (aws eks create-addon --addon-name aws-ebs-csi-driver)"
    )

    def look(self, around: Around) -> Mapping[str, Verdict] | Refused | NoData:
        cluster = around.policy.platform.clusters.primary.name
        names: set[str] = set()
        for service in _with_claims(around.policy):
            found = around.reader.kube(cluster, CLAIMS, namespace=service.namespace, label=service.label)
            if isinstance(found, Refused | NoData):
                return found
            specs = [claim.get("spec") or {} for claim in (found if isinstance(found, Sequence) else ())]
            # A claim that names '' wants a volume that somebody has made, and no class.
            names |= {str(s.get("storageClassName", DEFAULT)) for s in specs if s.get("storageClassName") != ""}
        return classes_of(cluster, names, around.reader)

    def judge(self, facts: Mapping[str, Verdict] | Refused | NoData, policy: Policy, now: datetime) -> Iterator[Said]:
        subject = f"storage classes in {policy.platform.clusters.primary.name}"
        if isinstance(facts, Refused | NoData):
            yield subject, NoData(because=facts.because)
            return
        for worst in (Lacking, NoData):
            if found := next((v for v in facts.values() if isinstance(v, worst)), None):
                yield subject, found
                return
        yield subject, Ready(because=f"there with their drivers: {', '.join(sorted(facts)) or 'none is needed'}")


class ClaimsJudge:
    """A verdict a row of `infrastructure` that is claims. A volume is between two nodes whenever a pod moves, so none
    lowers anything.
    """

    name: ClassVar[str] = "claims"
    actions: ClassVar[frozenset[str]] = frozenset({"infrastructure-sound", "volumes-attached", "velero-missing"})
    place: ClassVar[Where | None] = "primary"
    reads: ClassVar[tuple[Op, ...]] = InfrastructureSound.reads
    lowers: ClassVar[bool] = False
    mend: ClassVar[str] = (
        "kubectl describe pvc of the service that is named; a claim that is Lost is deleted first, since Velero leaves "
        "what exists as it is; then drctl declare, as is said there"
    )

    def look(self, around: Around) -> Mapping[str, Soundness | Refused | NoData]:
        action, found = InfrastructureSound(), {}
        for row in _claimed(around.policy):
            target = Target(
                step=self.name,
                incident=self.name,
                opened_at=around.now,
                at=around.now,
                params={"infrastructure": row.name, "cluster": "primary"},
            )
            found[row.name] = action.observe(target, around.policy, around.reader)
        return found

    def judge(self, facts: Mapping[str, Soundness | Refused | NoData], policy: Policy, now: datetime) -> Iterator[Said]:
        for row in _claimed(policy):
            match facts[row.name]:
                case NoData() as silent:
                    yield row.display, silent
                case Refused(because=because, code=code):
                    yield row.display, NoData(because=f"it cannot be looked at: {because} ({code})")
                case Soundness(lacking=(first, *more), way_back=ways):
                    others = f"; and {len(more)} more" if more else ""
                    back = " or ".join(_way(way, policy) for way in ways)
                    yield row.display, Lacking(because=f"{first}{others}; the way back is {back}")
                case Soundness(sound=sound):
                    yield row.display, Ready(because=f"every claim has its volume; looked at: {sound}")


def _way(action: str, policy: Policy) -> str:
    """An action with the command that begins the shortest runbook which has it in the primary, if one has."""
    runbooks = sorted(policy.runbooks.runbooks, key=lambda r: len(r.steps))
    for runbook in runbooks:
        if any(s.action == action and s.with_.get("cluster") == "primary" for s in runbook.steps):
            scope = next((r.scope for r in policy.signals.rules if r.scenario == runbook.scenario), "<scope>")
            return f"{action} (drctl declare {runbook.scenario} {scope})"
    return action


def _claimed(policy: Policy) -> list[Infrastructure]:
    rows = policy.services.infrastructure
    claims = [row for row in rows if {Check.BOUND, Check.ATTACHED} & set(row.checks)]
    return [row for row in claims if policy.services.leaning_on(row.name)]


def _with_claims(policy: Policy) -> list[Any]:
    """The services that lean on claims, each once."""
    table = policy.services
    return list({s.name: s for row in _claimed(policy) for s in table.leaning_on(row.name)}.values())


class LocationJudge:
    """Whether what is missing in a cluster could be restored: its backup location is there, and Velero reaches it."""

    name: ClassVar[str]
    place: ClassVar[Where | None]
    actions: ClassVar[frozenset[str]] = frozenset({"velero-missing"})
    reads: ClassVar[tuple[Op, ...]] = LOCATION_READS
    lowers: ClassVar[bool] = True
    mend: ClassVar[str] = (
        "velero backup-location get; apply the BackupStorageLocation anew, or let Velero at its bucket"
    )

    def look(self, around: Around) -> Location | Refused | NoData | None:
        return location(self._cluster(around.policy), around.reader)

    def judge(self, facts: Location | Refused | NoData | None, policy: Policy, now: datetime) -> Iterator[Said]:
        cluster = self._cluster(policy)
        yield f"backup location in {cluster.name}", lies(facts, cluster)

    def _cluster(self, policy: Policy) -> Cluster:
        clusters = policy.platform.clusters
        return clusters.primary if self.place == "primary" else clusters.standby


class PrimaryLocation(LocationJudge):
    """The primary's."""

    name: ClassVar[str] = "primary-location"
    place: ClassVar[Where | None] = "primary"


class StandbyLocation(LocationJudge):
    """The standby's, where the clean room is made."""

    name: ClassVar[str] = "standby-location"
    place: ClassVar[Where | None] = "standby"
