"""Every kind of fault that readiness knows, as somebody would cause it and as somebody would mend it."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

from chalicelib.policy.platform import MetricSwitch
from drctl.neighbours.kubernetes.kinds import by_key
from drctl.neighbours.kubernetes.velero.store import StoredBackup
from drctl.neighbours.kubernetes.velero.taken import take_backup
from drctl.neighbours.quotas import STANDARD
from drctl.world import workloads
from tests.crash.platform_in_process import POLICY
from tests.readiness.day import CLUSTERS, NODE, REGIONS, Day
from tests.readiness.fault import Change, Fault
from tests.readiness.faults_of_capacity import CAPACITY, with_node_group
from tests.readiness.faults_of_containment import CONTAINED
from tests.readiness.faults_of_infrastructure import INFRASTRUCTURE
from tests.readiness.faults_of_the_test import CHANNEL_TEST

PLATFORM = POLICY.platform
LOCATION = "backupstoragelocations.velero.io"
BINDINGS = ("rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io")
BUDGETS = "poddisruptionbudgets.policy"

# The database


def stopped(day: Day) -> None:
    day.instance().resting = "stopped"


def started(day: Day) -> None:
    day.instance().resting = "available"


def alone(day: Day) -> None:
    day.kept["source"] = day.instance().source
    day.instance().source = None


def followed(day: Day) -> None:
    day.instance().source = day.kept["source"]


def severed(day: Day) -> None:
    day.instance().source_lost = True


def joined(day: Day) -> None:
    day.instance().source_lost = False


def falls_behind(day: Day) -> None:
    day.platform.engine.pause(day.instance().resource_id, True)
    pass_by(day, 3 * PLATFORM.database.rpo)
    day.platform.beat()
    # A fault at a time: meanwhile the backups have gone on.
    back_up(day)


def catches_up(day: Day) -> None:
    day.platform.engine.pause(day.instance().resource_id, False)


# Backups


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


# What they hold


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


# Secrets


def secret_is_gone(region: str, name: str) -> Change:
    def done(day: Day) -> None:
        day.kept[name] = day.platform.secrets.secrets.pop((region, name))

    return done


def secret_is_back(region: str, name: str) -> Change:
    def done(day: Day) -> None:
        day.platform.secrets.secrets[region, name] = day.kept[name]

    return done


def without_a_password(day: Day) -> None:
    region, name = PLATFORM.responder.region, PLATFORM.database.credentials_secret
    day.kept[name] = day.platform.secrets.secrets[region, name]
    day.platform.secrets.add(region, name, {"username": "responder"})


OWN = (PLATFORM.responder.region, PLATFORM.database.credentials_secret)
APPLICATION = (PLATFORM.application_secret.region, PLATFORM.application_secret.name)


# Nodes


def node_group(day: Day) -> Any:
    group = CLUSTERS.standby.node_group
    assert group is not None
    return day.platform.eks.nodegroup(CLUSTERS.standby.name, group.name)


def out_of_quota(day: Day) -> None:
    issue = {"code": "AsgInstanceLaunchFailures", "message": "You've reached your quota", "resourceIds": ["asg-1"]}
    node_group(day).issues.append(issue)


def quota_is_raised(day: Day) -> None:
    node_group(day).issues.clear()


def too_small(day: Day) -> None:
    """Policy itself gives the standby fewer nodes than a failover needs, and EKS has it no other way."""
    day.kept["sizes"] = dict(node_group(day).sizes)
    node_group(day).sizes["maxSize"] = 1
    group = CLUSTERS.standby.node_group
    assert group is not None
    day.policy = with_node_group(group.model_copy(update={"max_size": 1}))


def large_enough(day: Day) -> None:
    node_group(day).sizes.update(day.kept["sizes"])
    day.policy = POLICY


def vcpus(number: float) -> Change:
    def done(day: Day) -> None:
        day.platform.quotas.applied[REGIONS.standby, PLATFORM.account, STANDARD] = number

    return done


def no_warm_node(day: Day) -> None:
    day.standby.set_nodes(0)


def a_warm_node(day: Day) -> None:
    day.standby.set_nodes(1)


def tier_one_needs_two(day: Day) -> None:
    group = CLUSTERS.standby.node_group
    assert group is not None
    day.policy = with_node_group(group.model_copy(update={"warm_size": 2}))


def tier_one_needs_one(day: Day) -> None:
    day.policy = POLICY


# Rights, the switch, clocks, channels, people


def no_rights(cluster: str) -> Change:
    def done(day: Day) -> None:
        api = day.platform.clusters[cluster]
        day.kept["bindings"] = [(kind, copy.deepcopy(b)) for kind in BINDINGS for b in api.objects(kind)]
        for kind, binding in day.kept["bindings"]:
            api.cluster.write(by_key(kind), {**binding, "subjects": []})

    return done


def rights(cluster: str) -> Change:
    def done(day: Day) -> None:
        for kind, binding in day.kept["bindings"]:
            day.platform.clusters[cluster].cluster.write(by_key(kind), binding)

    return done


def no_switch(day: Day) -> None:
    day.kept["alarms"] = dict(day.platform.cloudwatch.alarms)
    day.platform.cloudwatch.alarms.clear()


def a_switch(day: Day) -> None:
    day.platform.cloudwatch.alarms.update(day.kept["alarms"])


def thrown(value: float) -> Change:
    """Somebody publishes the switch's metric by hand, and its alarm looks."""

    def done(day: Day) -> None:
        switch = PLATFORM.traffic.switch
        assert isinstance(switch, MetricSwitch)
        row = {"MetricName": switch.metric, "Value": value}
        asked = {"Namespace": switch.namespace, "MetricData": [row]}
        for _ in range(3):
            day.platform.cloudwatch.put_metric_data(switch.region, PLATFORM.account, asked)
            pass_by(day, timedelta(seconds=60) / POLICY.speed)

    return done


def ahead(day: Day) -> None:
    day.kept["clock"] = day.platform.engine.clock
    day.platform.engine.clock = lambda: day.platform.clock.now() + timedelta(seconds=60)


def on_time(day: Day) -> None:
    day.platform.engine.clock = day.kept["clock"]


SLACK = next(c for c in POLICY.notifications.channels if c.kind == "slack")
PAGER = next(c for c in POLICY.notifications.channels if c.kind == "pagerduty")


def token_is_revoked(day: Day) -> None:
    where = PLATFORM.responder.region, SLACK.secret
    day.kept[SLACK.secret] = day.platform.secrets.secrets[where]
    day.platform.secrets.add(*where, {"bot_token": "xoxb-revoked"})


EMAIL = next(c for c in POLICY.notifications.channels if c.kind == "email")
PAGE = next(c for c in POLICY.notifications.channels if c.kind == "status-page")


def ses_sends(*, sending: bool) -> Change:
    def done(day: Day) -> None:
        day.platform.ses.sending = sending

    return done


def unverified(day: Day) -> None:
    day.kept["senders"] = set(day.platform.ses.senders)
    day.platform.ses.senders.clear()


def verified(day: Day) -> None:
    day.platform.ses.senders.update(day.kept["senders"])


def page_is_gone(day: Day) -> None:
    day.kept["page"] = day.platform.s3.buckets.pop(PLATFORM.responder.status_bucket)


def page_is_back(day: Day) -> None:
    day.platform.s3.buckets[PLATFORM.responder.status_bucket] = day.kept["page"]


def nobody_breaks_the_glass(day: Day) -> None:
    roles = [r.model_copy(update={"may": tuple(s for s in r.may if s != "break-glass")}) for r in POLICY.people.roles]
    day.policy = POLICY.model_copy(update={"people": POLICY.people.model_copy(update={"roles": tuple(roles)})})


def somebody_does(day: Day) -> None:
    day.policy = POLICY


FAULTS = (
    Fault(
        kind="the replica is stopped",
        done=stopped,
        mended=started,
        judge="replica",
        subject="replica's state",
        said="is 'stopped', expected 'available'",
    ),
    Fault(
        kind="the replica was promoted by somebody",
        done=alone,
        mended=followed,
        judge="replica",
        subject="replication",
        said="there is no replica to promote",
    ),
    Fault(
        kind="replication has ended",
        done=severed,
        mended=joined,
        judge="replica",
        subject="replication",
        said="does not replicate although its source is 'available'",
    ),
    Fault(
        kind="the replica is behind by more than the RPO",
        done=falls_behind,
        mended=catches_up,
        judge="replica",
        subject="possible loss",
        said="of writes behind, allowed are 1m",
    ),
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
    Fault(
        kind="the responder's database credentials are gone",
        done=secret_is_gone(*OWN),
        mended=secret_is_back(*OWN),
        judge="secrets",
        subject="database credentials",
        said="cannot be read",
    ),
    Fault(
        kind="a secret lacks what is needed of it",
        done=without_a_password,
        mended=secret_is_back(*OWN),
        judge="secrets",
        subject="database credentials",
        said="holds no password",
    ),
    Fault(
        kind="the applications' secret is gone",
        done=secret_is_gone(*APPLICATION),
        mended=secret_is_back(*APPLICATION),
        judge="secrets",
        subject="applications' database secret",
        said="cannot be read",
    ),
    Fault(
        kind="the look of a step is refused",
        done=secret_is_gone(*APPLICATION),
        mended=secret_is_back(*APPLICATION),
        judge="steps",
        subject="Point the applications at the promoted database",
        said="its look is refused",
    ),
    Fault(
        kind="EKS cannot start nodes",
        done=out_of_quota,
        mended=quota_is_raised,
        judge="capacity",
        subject="node group",
        said="is ill: AsgInstanceLaunchFailures: You've reached your quota",
    ),
    Fault(
        kind="the node group may not grow far enough",
        done=too_small,
        mended=large_enough,
        judge="capacity",
        subject="largest size",
        said="may have 1 nodes, 6 are needed",
    ),
    Fault(
        kind="the account's quota is smaller than a failover",
        done=vcpus(16),
        mended=vcpus(24),
        judge="quotas",
        subject=f"vCPU quota in {REGIONS.standby}",
        said="16 vCPUs may run, 6 nodes of 4 need 24",
    ),
    Fault(
        kind="nothing stands warm",
        done=no_warm_node,
        mended=a_warm_node,
        judge="warm",
        subject="warm nodes",
        said="no node is Ready in the standby",
        lowers=False,
    ),
    Fault(
        kind="less stands warm than carries tier 1",
        done=tier_one_needs_two,
        mended=tier_one_needs_one,
        judge="warm",
        subject="warm nodes",
        said="1 node is Ready in the standby, and 2 carry tier 1",
        lowers=False,
    ),
    Fault(
        kind="rights in the standby's cluster are gone",
        done=no_rights(CLUSTERS.standby.name),
        mended=rights(CLUSTERS.standby.name),
        judge="standby-rights",
        subject=f"rights in {CLUSTERS.standby.name}",
        said="are missing",
    ),
    Fault(
        kind="rights in the primary's cluster are gone",
        done=no_rights(CLUSTERS.primary.name),
        mended=rights(CLUSTERS.primary.name),
        judge="primary-rights",
        subject=f"rights in {CLUSTERS.primary.name}",
        said="are missing",
        scenario=NODE,
    ),
    Fault(
        kind="the traffic switch is gone",
        done=no_switch,
        mended=a_switch,
        judge="switch",
        subject="traffic switch",
        said="cannot be thrown",
    ),
    Fault(
        kind="the traffic switch sends people elsewhere",
        done=thrown(1.0),
        mended=thrown(0.0),
        judge="switch",
        subject="traffic switch",
        said=f"it sends people to {REGIONS.standby}, and {REGIONS.primary} serves",
    ),
    Fault(
        kind="the database's clock is wrong",
        done=ahead,
        mended=on_time,
        judge="clocks",
        subject="the database's clock",
        said="it is 60 s ahead of ours, allowed are 5 s",
        lowers=False,
    ),
    Fault(
        kind="Slack's token was revoked",
        done=token_is_revoked,
        mended=secret_is_back(PLATFORM.responder.region, SLACK.secret),
        judge="channels",
        subject=f"channel {SLACK.name}",
        said="Slack refuses the token: invalid_auth",
        lowers=False,
    ),
    Fault(
        kind="PagerDuty's key is gone",
        done=secret_is_gone(PLATFORM.responder.region, PAGER.secret),
        mended=secret_is_back(PLATFORM.responder.region, PAGER.secret),
        judge="channels",
        subject=f"channel {PAGER.name}",
        said="its secret cannot be read",
        lowers=False,
    ),
    Fault(
        kind="SES sends nothing",
        done=ses_sends(sending=False),
        mended=ses_sends(sending=True),
        judge="channels",
        subject=f"channel {EMAIL.name}",
        said="sends nothing for this account (SHUTDOWN)",
        lowers=False,
    ),
    Fault(
        kind="the sender is not verified",
        done=unverified,
        mended=verified,
        judge="channels",
        subject=f"channel {EMAIL.name}",
        said="is not verified in us-west-2, by itself or by its domain",
        lowers=False,
    ),
    Fault(
        kind="the status page has no bucket",
        done=page_is_gone,
        mended=page_is_back,
        judge="channels",
        subject=f"channel {PAGE.name}",
        said="does not exist",
        lowers=False,
    ),
    Fault(
        kind="nobody may break the glass",
        done=nobody_breaks_the_glass,
        mended=somebody_does,
        judge="break-glass",
        subject="who may break the glass",
        said="nobody in people.yaml may break the glass",
        lowers=False,
    ),
    *CHANNEL_TEST,
    *INFRASTRUCTURE,
    *CONTAINED,
    *CAPACITY,
)
"""Each by a name of its own."""
