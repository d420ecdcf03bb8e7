"""Faults of the backups, and of what they hold: one at a time."""

from __future__ import annotations

import copy
from datetime import timedelta

from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.velero.store import StoredBackup
from drctl.neighbours.kubernetes.velero.taken import take_backup
from drctl.world import workloads
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import REGIONS, Day
from tests.readiness.fault import Fault

PLATFORM = POLICY.platform
LOCATION = "backupstoragelocations.velero.io"
BUDGETS = "poddisruptionbudgets.policy"


def pass_by(day: Day, time: timedelta) -> None:
    day.platform.clock.pass_to(day.platform.clock.now() + time)


def too_old(day: Day) -> None:
    pass_by(day, 3 * POLICY.backups.rpo)


def back_up(day: Day) -> None:
    at = day.platform.clock.now()
    take_backup(day.primary, f"hourly-{at:%Y%m%d%H%M%S}", at=at, schedule="hourly")
    pass_by(day, timedelta(seconds=30))  # and it is synced


def none_is_good(day: Day) -> None:
    backups = by_key("backups.velero.io")
    day.kept["backups"] = [copy.deepcopy(b) for b in day.standby.objects(backups.key)]
    for backup in day.standby.objects(backups.key):
        backup["status"] |= {"phase": "PartiallyFailed", "errors": 1}
        day.standby.cluster.write(backups, backup)


def all_are_as_they_were(day: Day) -> None:
    for backup in day.kept["backups"]:
        day.standby.cluster.write(by_key("backups.velero.io"), backup)


def twice_named(day: Day) -> None:
    """The standby has made a backup of its own under a name that the primary made one under."""
    backups = by_key("backups.velero.io")
    theirs = day.primary.objects("backups.velero.io")
    name = next(b["metadata"]["name"] for b in theirs if b["status"]["phase"] == "Completed")
    ours = next(b for b in day.standby.objects("backups.velero.io") if b["metadata"]["name"] == name)
    day.kept["backups"] = [copy.deepcopy(ours)]
    ours["status"]["startTimestamp"] = "2026-11-20T01:00:00Z"
    day.standby.cluster.write(backups, ours)


def bucket_is_lost(day: Day) -> None:
    day.platform.backups.reachable = False
    pass_by(day, timedelta(seconds=30))  # Velero looks


def bucket_is_back(day: Day) -> None:
    day.platform.backups.reachable = True
    pass_by(day, timedelta(seconds=30))


def no_location(day: Day) -> None:
    (found,) = day.standby.objects(LOCATION)
    day.kept["location"] = found
    day.standby.cluster.remove(by_key(LOCATION), found)


def a_location(day: Day) -> None:
    bare = {k: v for k, v in day.kept["location"].items() if k != "status"}
    day.standby.cluster.create(by_key(LOCATION), bare)
    pass_by(day, timedelta(seconds=30))  # Velero looks


def not_installed(day: Day) -> None:
    day.standby.lacks.add(BUDGETS)


def installed(day: Day) -> None:
    day.standby.lacks.discard(BUDGETS)


def not_replicated(day: Day) -> None:
    day.platform.ecr.drop(REGIONS.standby, PLATFORM.account, f"{PLATFORM.name}/redis", workloads.TAG)


def replicated(day: Day) -> None:
    day.platform.ecr.push(REGIONS.standby, PLATFORM.account, f"{PLATFORM.name}/redis", workloads.TAG)


def newest(day: Day) -> StoredBackup:
    kept = day.platform.backups.backups("velero").values()
    good = [b for b in kept if b.backup["status"]["phase"] == "Completed"]
    return max(good, key=lambda b: str(b.backup["status"]["completionTimestamp"]))


def drawn_from_the_primary(day: Day) -> None:
    """Somebody's Deployment names a registry that no rewrite of policy knows."""
    found = newest(day)
    day.kept["objects"] = copy.deepcopy(found.objects)
    redis = next(o for o in found.objects if (o["kind"], o["metadata"]["name"]) == ("Deployment", "redis"))
    image = f"999988887777.dkr.ecr.{REGIONS.primary}.amazonaws.com/redis:1"
    redis["spec"]["template"]["spec"]["containers"][0]["image"] = image
    day.platform.backups.keep("velero", found.backup, found.objects)


def drawn_from_ours(day: Day) -> None:
    day.platform.backups.keep("velero", newest(day).backup, day.kept["objects"])


BACKUPS = (
    Fault(
        kind="the newest backup is older than the RPO",
        done=too_old,
        mended=back_up,
        judge="backups",
        subject="backup of Redis",
        said="old, allowed are 1h15m",
    ),
    Fault(
        kind="no backup is complete",
        done=none_is_good,
        mended=all_are_as_they_were,
        judge="backups",
        subject="backup of Redis",
        said="there is no good and complete one",
    ),
    Fault(
        kind="a name stands for two backups",
        done=twice_named,
        mended=all_are_as_they_were,
        judge="backups",
        subject="names of backups",
        said="1 names stand for two backups",
    ),
    Fault(
        kind="the backups' bucket is not to be reached",
        done=bucket_is_lost,
        mended=bucket_is_back,
        judge="backups",
        subject="backup location",
        said="is Unavailable",
    ),
    Fault(
        kind="the standby's Velero has no location",
        done=no_location,
        mended=a_location,
        judge="backups",
        subject="backup location",
        said="does not exist",
    ),
    Fault(
        kind="an API version is not served",
        done=not_installed,
        mended=installed,
        judge="contents",
        subject="API versions",
        said="serves no policy/v1 poddisruptionbudgets, of which backup",
    ),
    Fault(
        kind="an image is not replicated",
        done=not_replicated,
        mended=replicated,
        judge="contents",
        subject="images",
        said=f"image {PLATFORM.name}/redis:{workloads.TAG} is not replicated to us-west-2",
    ),
    Fault(
        kind="an image would be drawn from the region that failed",
        done=drawn_from_the_primary,
        mended=drawn_from_ours,
        judge="contents",
        subject="images",
        said="is pulled from us-east-1, not from us-west-2",
    ),
)
