"""What a breach is contained with, as somebody would break it and as somebody would mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drctl.world import workloads
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import REGIONS, Day
from tests.readiness.fault import Fault

PLATFORM = POLICY.platform

BREACH = "security-breach"
CONTAINMENT = PLATFORM.containment
assert CONTAINMENT is not None
GROUP, ACL = (REGIONS.primary, CONTAINMENT.quarantine_group), CONTAINMENT.quarantine_acl
LOG = CONTAINMENT.logs[0]
ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def group_lets_out(day: Day) -> None:
    day.platform.ec2.instances.interfaces.egress[GROUP] = [ANYWHERE]


def group_holds(day: Day) -> None:
    del day.platform.ec2.instances.interfaces.egress[GROUP]


def group_is_gone(day: Day) -> None:
    day.platform.ec2.instances.interfaces.known.remove(GROUP)


def group_is_back(day: Day) -> None:
    day.platform.ec2.instances.interfaces.known.add(GROUP)


def acl(day: Day) -> Any:
    return next(a for a in day.platform.ec2.acls if a.identifier == ACL)


def acl_lets_in(day: Day) -> None:
    rule = {"NetworkAclId": ACL, "RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow", "Egress": False}
    day.platform.ec2.create_network_acl_entry(REGIONS.primary, acl(day).account, {**rule, "CidrBlock": "0.0.0.0/0"})


def acl_holds(day: Day) -> None:
    acl(day).entries.clear()


def bucket(name: str) -> Callable[[Day], Any]:
    return lambda day: day.platform.s3.buckets[name]


EVIDENCE = bucket(CONTAINMENT.evidence.bucket)


def without_a_lock(day: Day) -> None:
    day.kept["locks"], EVIDENCE(day).locks = EVIDENCE(day).locks, None


def with_a_lock(day: Day) -> None:
    EVIDENCE(day).locks = day.kept["locks"]


def no_logs(day: Day) -> None:
    held = bucket(LOG.bucket)(day).objects
    day.kept["logs"] = dict(held)
    for key in [k for k in held if k.startswith(LOG.prefix)]:
        del held[key]


def logs_again(day: Day) -> None:
    bucket(LOG.bucket)(day).objects.update(day.kept["logs"])


def nobody_watches(day: Day) -> None:
    day.kept["detectors"] = dict(day.platform.guardduty.detectors)
    day.platform.guardduty.detectors.clear()


def somebody_watches(day: Day) -> None:
    day.platform.guardduty.detectors.update(day.kept["detectors"])


REPOSITORY = CONTAINMENT.repositories[0]


def no_repository(day: Day) -> None:
    day.platform.ecr.drop(REGIONS.primary, PLATFORM.account, REPOSITORY)


def a_repository(day: Day) -> None:
    day.platform.ecr.push(REGIONS.primary, PLATFORM.account, REPOSITORY, workloads.TAG)


ARTIFACTS = POLICY.backups.restorable[0].bucket


def no_artifacts(day: Day) -> None:
    day.kept["artifacts"] = day.platform.s3.buckets.pop(ARTIFACTS)


def artifacts_again(day: Day) -> None:
    day.platform.s3.buckets[ARTIFACTS] = day.kept["artifacts"]


CONTAINED = (
    Fault(
        kind="the quarantine's security group lets something out",
        done=group_lets_out,
        mended=group_holds,
        judge="containment",
        subject="quarantine's security group",
        said="has 1 rules, and a quarantine has none",
        scenario=BREACH,
    ),
    Fault(
        kind="the quarantine's security group is gone",
        done=group_is_gone,
        mended=group_is_back,
        judge="containment",
        subject="quarantine's security group",
        said="does not exist (InvalidGroup.NotFound)",
        scenario=BREACH,
    ),
    Fault(
        kind="the quarantine's network ACL lets something in",
        done=acl_lets_in,
        mended=acl_holds,
        judge="containment",
        subject="quarantine's network ACL",
        said="allows by rule 100",
        scenario=BREACH,
    ),
    Fault(
        kind="evidence could be deleted",
        done=without_a_lock,
        mended=with_a_lock,
        judge="containment",
        subject="evidence",
        said="has no Object Lock",
        scenario=BREACH,
    ),
    Fault(
        kind="there are no logs",
        done=no_logs,
        mended=logs_again,
        judge="containment",
        subject="logs",
        said=f"there is no log of {LOG.name}",
        scenario=BREACH,
    ),
    Fault(
        kind="GuardDuty is off",
        done=nobody_watches,
        mended=somebody_watches,
        judge="containment",
        subject="GuardDuty",
        said=f"it is not on in {REGIONS.primary}",
        scenario=BREACH,
    ),
    Fault(
        kind="a repository whose images are kept is not there",
        done=no_repository,
        mended=a_repository,
        judge="containment",
        subject="images",
        said=f"there is no repository {REPOSITORY}",
        scenario=BREACH,
    ),
    Fault(
        kind="a bucket whose rules are paused is not there",
        done=no_artifacts,
        mended=artifacts_again,
        judge="steps",
        subject="Let no bucket delete anything by itself",
        said="its look is refused",
        scenario=BREACH,
    ),
)
