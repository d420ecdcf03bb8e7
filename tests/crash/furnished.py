"""What stands in the in-process platform on a good day: databases, secrets, clusters, workloads, rights, backups."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import trustme

from chalicelib import names
from chalicelib.actions.contract import Where
from chalicelib.actions.rights import PLACES
from chalicelib.policy import Policy
from chalicelib.policy.notifications import PagerDutyChannel, SlackChannel
from drctl.deployment import rbac
from drctl.deployment.rbac import group, readers
from drctl.neighbours.kubernetes.api import seed
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.kubernetes.velero.taken import take_backup
from drctl.world import deployments, nodes, workloads, zones
from drctl.world.platform import BACKUPS_THERE, PRIMARY_SETTINGS, STANDBY_NODES
from drctl.world.seeds import BOT_TOKEN, DATABASE_PASSWORD, DATABASE_USER, ROUTING_KEY
from tests.crash import terraform

if TYPE_CHECKING:
    from tests.crash.platform_in_process import Platform


def furnish(platform: Platform, start: datetime) -> None:
    """Terraform's states, databases, secrets, clusters, workloads and backups, as they are on a good day."""
    terraform.furnish(platform.policy, platform.aws, platform.s3)
    its = platform.policy.platform
    account, database = its.account, its.database
    sides = database.primary, database.replica
    held = [side.account or account for side in sides]
    primary = platform.rds.add(
        sides[0].region, sides[0].instance, account=held[0], db_name=database.name, **PRIMARY_SETTINGS
    )
    zones.furnish(platform.policy, platform.shifts, primary)
    platform.rds.add(sides[1].region, sides[1].instance, source=primary, account=held[1], db_name=database.name)
    _secrets(platform, primary.address.host, primary.address.port)
    for row in platform.rows():
        group, api = row.node_group, platform.clusters[row.name]
        size = (nodes.GROUP if row is its.clusters.primary else STANDBY_NODES) if group else 0
        platform.eks.add(
            row.region,
            row.name,
            endpoint=f"https://{row.name}.eks.example",
            certificate=_authority(),
            nodegroups={group.name: (1, size, group.max_size)} if group else {},
            account=row.account or account,
        )
        if group:
            api.workloads.node_labels["eks.amazonaws.com/nodegroup"] = group.name
        workloads.furnish(platform.policy, row, api, platform.ecr)
        api.set_nodes(size)
        if row is its.clusters.primary:
            nodes.furnish(platform.policy, row, api, platform.ec2)
    _rights(platform)
    source = platform.clusters[its.clusters.primary.name]
    seed(source, workloads.objects(platform.policy))
    seed(source, workloads.schedules(platform.policy))
    deployments.furnish(platform.policy, source, start)
    for schedule, age, phase in BACKUPS_THERE:
        at = start - age / platform.policy.speed
        take_backup(source, f"{schedule}-{at:%Y%m%d%H%M%S}", at=at, schedule=schedule, phase=phase)
    _evidence(platform)


def _evidence(platform: Platform) -> None:
    """A bucket with Object Lock, and logs of the day."""
    containment = platform.policy.platform.containment
    if containment is None:
        return
    platform.s3.buckets[containment.evidence.bucket].locks = {}
    for log in containment.logs:
        for n in range(3):
            platform.s3.buckets[log.bucket].objects[f"{log.prefix}{n:03d}.json.gz"] = b"a log"


def _rights(platform: Platform) -> None:
    """The worker's role in each cluster, as the generated manifests and access entries have it."""
    for place, row in zip(PLACES, platform.rows(), strict=True):
        manifests = _granted(platform.policy, place)
        seed(platform.clusters[row.name], manifests)
        if not manifests:
            continue
        for function, its in (("tick", group(platform.policy)), ("readiness", readers(platform.policy))):
            its_role = role(platform.policy, function)
            entry = {"clusterName": row.name, "principalArn": its_role, "kubernetesGroups": [its]}
            platform.eks.create_access_entry(row.region, row.account or platform.policy.platform.account, entry)


def _secrets(platform: Platform, host: str, port: int) -> None:
    its, region = platform.policy.platform, platform.policy.platform.responder.region
    user = {"username": DATABASE_USER, "password": DATABASE_PASSWORD}
    application = its.application_secret
    where = {application.host_key: host, application.port_key: port}
    platform.secrets.add(application.region, application.name, {**user, **where})
    if own := its.primary_secret:
        platform.secrets.add(own.region, own.name, {**user, own.host_key: host, own.port_key: port})
    platform.secrets.add(region, its.database.credentials_secret, user)
    for channel in platform.policy.notifications.channels:
        if isinstance(channel, PagerDutyChannel):
            platform.secrets.add(region, channel.secret, {"routing_key": ROUTING_KEY})
        if isinstance(channel, SlackChannel):
            platform.secrets.add(region, channel.secret, {"bot_token": BOT_TOKEN})


@cache
def _authority() -> str:
    """The clusters' certificate authority, in base64 as EKS gives it."""
    return base64.b64encode(trustme.CA().cert_pem.bytes()).decode()


_MADE: dict[Where, tuple[Policy, Sequence[Obj]]] = {}


def _granted(policy: Policy, place: Where) -> Sequence[Obj]:
    """What is applied there: of one policy made once, for a platform is made hundreds of times."""
    if place not in _MADE or _MADE[place][0] is not policy:
        _MADE[place] = (policy, tuple(rbac.manifests(policy, place)))
    return _MADE[place][1]


def role(policy: Policy, function: str) -> str:
    return f"arn:aws:iam::{policy.platform.account}:role/{names.function(policy, function)}"
