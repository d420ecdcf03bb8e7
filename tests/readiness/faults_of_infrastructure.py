"""Faults of what services lean on: buckets, storage classes, drivers, claims and where backups lie."""

from __future__ import annotations

import copy
from datetime import timedelta

from drctl.neighbours.kubernetes.kinds import by_key
from tests.crash.cloud import Bucket
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import CLUSTERS, NODE, Day
from tests.readiness.fault import Change, Fault

DELETION, BREACH = "accidental-deletion", "security-breach"
(ARTIFACTS, BACKUPS, *_) = POLICY.backups.restorable
(STATE,) = POLICY.backups.terraform_states
LOCATION = "backupstoragelocations.velero.io"
CLASSES, DRIVERS = "storageclasses.storage.k8s.io", "csidrivers.storage.k8s.io"
CLAIMS, ATTACHMENTS = "persistentvolumeclaims", "volumeattachments.storage.k8s.io"
EBS = "ebs.csi.aws.com"


def bucket(day: Day, name: str) -> Bucket:
    return day.platform.s3.buckets[name]


def versioning(status: str | None, of: str = ARTIFACTS.bucket) -> Change:
    def done(day: Day) -> None:
        bucket(day, of).versioning = status

    return done


def expires_early(day: Day) -> None:
    """Somebody's new rule for a folder of what is put back: of several the shortest wins."""
    its = bucket(day, BACKUPS.bucket)
    day.kept["rules"] = list(its.rules)
    rule = {
        "ID": "to-save-cost",
        "Filter": {"And": {"Prefix": "backups/daily-", "Tags": [{"Key": "kind", "Value": "daily"}]}},
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    its.rules = [*its.rules, rule]


def expires_as_promised(day: Day) -> None:
    bucket(day, BACKUPS.bucket).rules = day.kept["rules"]


def without(cluster: str, kind: str, name: str | None = None) -> Change:
    """All of a kind, or the one of a name, is gone from a cluster."""

    def done(day: Day) -> None:
        api = day.platform.clusters[cluster]
        found = [o for o in api.objects(kind) if name in (None, o["metadata"]["name"])]
        day.kept[kind] = copy.deepcopy(found)
        for obj in found:
            api.cluster.remove(by_key(kind), obj)

    return done


def with_them(cluster: str, kind: str) -> Change:
    def done(day: Day) -> None:
        for obj in day.kept[kind]:
            bare = {k: v for k, v in obj.items() if k != "status"}
            day.platform.clusters[cluster].cluster.create(by_key(kind), bare)
        day.platform.clock.pass_to(day.platform.clock.now() + timedelta(seconds=30))  # Velero looks

    return done


def volume_is_lost(day: Day) -> None:
    claim = next(c for c in day.primary.objects(CLAIMS) if c["metadata"]["name"] == "redis-data")
    day.kept["claim"] = copy.deepcopy(claim)
    claim["status"]["phase"] = "Lost"
    day.primary.cluster.write(by_key(CLAIMS), claim)


def volume_is_back(day: Day) -> None:
    day.primary.cluster.write(by_key(CLAIMS), day.kept["claim"])


PRIMARY, STANDBY = CLUSTERS.primary.name, CLUSTERS.standby.name
INFRASTRUCTURE = (
    Fault(
        kind="a bucket's versioning was suspended",
        done=versioning("Suspended"),
        mended=versioning("Enabled"),
        judge="buckets",
        subject=f"versions of {ARTIFACTS.bucket}",
        said="is Suspended, expected Enabled: what is overwritten there cannot be put back",
        scenario=DELETION,
    ),
    Fault(
        kind="the bucket of Terraform's state keeps no versions",
        done=versioning("Suspended", STATE.bucket),
        mended=versioning("Enabled", STATE.bucket),
        judge="states",
        subject=f"versions of state {STATE.name}",
        said="is Suspended, expected Enabled: what is overwritten there cannot be put back",
        scenario="configuration-error",
    ),
    Fault(
        kind="a bucket never had versions",
        done=versioning(None),
        mended=versioning("Enabled"),
        judge="buckets",
        subject=f"versions of {ARTIFACTS.bucket}",
        said="is never enabled, expected Enabled",
        scenario=DELETION,
    ),
    Fault(
        kind="versions expire before the window is over",
        done=expires_early,
        mended=expires_as_promised,
        judge="buckets",
        subject=f"how long {BACKUPS.bucket} keeps versions",
        said="expire after 30 days, and policy puts it back to 84 days ago",
        scenario=DELETION,
    ),
    Fault(
        kind="the standby has no storage class",
        done=without(STANDBY, CLASSES),
        mended=with_them(STANDBY, CLASSES),
        judge="contents",
        subject="storage classes",
        said=f"StorageClass 'gp3-us-west-2' is not in {STANDBY!r}",
    ),
    Fault(
        kind="the standby has no driver for volumes",
        done=without(STANDBY, DRIVERS, EBS),
        mended=with_them(STANDBY, DRIVERS),
        judge="contents",
        subject="storage classes",
        said=f"wants the driver {EBS!r}, which is not installed in {STANDBY!r}",
    ),
    Fault(
        kind="the primary has no driver for volumes",
        done=without(PRIMARY, DRIVERS, EBS),
        mended=with_them(PRIMARY, DRIVERS),
        judge="storage",
        subject=f"storage classes in {PRIMARY}",
        said="which is not installed",
        scenario=NODE,
    ),
    Fault(
        kind="a claim has lost its volume",
        done=volume_is_lost,
        mended=volume_is_back,
        judge="claims",
        subject="EBS volumes",
        said="claim 'redis-data' of Redis is Lost, expected Bound; the way back is volumes-attached (drctl declare "
        "node-failure us-east-1/cluster) or velero-restore or velero-missing",
        lowers=False,
        scenario=NODE,
    ),
    Fault(
        kind="the primary's backup location is gone",
        done=without(PRIMARY, LOCATION),
        mended=with_them(PRIMARY, LOCATION),
        judge="primary-location",
        subject=f"backup location in {PRIMARY}",
        said="does not exist",
        scenario=DELETION,
    ),
    Fault(
        kind="the clean room's backup location is gone",
        done=without(STANDBY, LOCATION),
        mended=with_them(STANDBY, LOCATION),
        judge="standby-location",
        subject=f"backup location in {STANDBY}",
        said="does not exist",
        scenario=BREACH,
    ),
)
