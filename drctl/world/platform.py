"""The platform of the policies, as it stands in the local world: its databases, clusters, services, DNS, channels.

Everything is a model of drctl/neighbours with the world's clock and speed. Here they are only put together: which
cluster holds which workloads, which region's services ask which database, what a dark region takes with it.
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pg8000.dbapi
import trustme
from aiohttp.typedefs import Middleware

from chalicelib.clients import any_endpoint
from chalicelib.clients.postgres import connected
from chalicelib.policy import Policy
from chalicelib.policy.notifications import SlackChannel
from chalicelib.policy.platform import Cluster
from drctl.neighbours import aws, azure_blob, pagerduty, services, slack, sts
from drctl.neighbours.aws import Aws
from drctl.neighbours.ecr import Ecr
from drctl.neighbours.eks import Eks
from drctl.neighbours.guardduty import GuardDuty
from drctl.neighbours.healthchecks import Evaluation, HealthCheckers
from drctl.neighbours.kubernetes.api import KubeApi, seed
from drctl.neighbours.kubernetes.app import make_app as kubernetes_app
from drctl.neighbours.kubernetes.shared import SharedKubeApi
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.kubernetes.velero.taken import take_backup
from drctl.neighbours.pagerduty import PagerDuty
from drctl.neighbours.pagerduty_cloudwatch import CloudWatchIntegration
from drctl.neighbours.quotas import ServiceQuotas
from drctl.neighbours.rds.engine import Address
from drctl.neighbours.rds.postgres import PostgresEngine
from drctl.neighbours.rds.service import Rds
from drctl.neighbours.s3_replication import ReplicatedRule
from drctl.neighbours.services import RegionServices
from drctl.neighbours.slack import Channel, Slack
from drctl.neighbours.zonal_shift import ZonalShifts
from drctl.world import deployments, nodes, people, replicated, seeds, states, workloads, zones
from drctl.world.ailing import KUBERNETES, SERVICES, Ails, felt
from drctl.world.callers import Callers
from drctl.world.deploy import client, make_bucket
from drctl.world.faults import Fault
from drctl.world.folders import Folders
from drctl.world.network import network
from drctl.world.rights import grant
from drctl.world.rows import Rows
from drctl.world.seeds import BOT_TOKEN, DATABASE_PASSWORD, DATABASE_USER, INTEGRATION_KEY, ROUTING_KEY
from drctl.world.supervisor import LOOPBACK, Neighbour
from drctl.world.vaults import Vaults

ROUTES: Final[Mapping[str, str]] = {
    "rds": "aws",
    "ec2": "aws",
    "guardduty": "aws",
    "eks": "aws",
    "ecr": "aws",
    "arc-zonal-shift": "aws",
    "servicequotas": "aws",
    **{f"route53:{operation}HealthCheck": "aws" for operation in ("Create", "Get", "Update", "Delete")},
    "route53:ListHealthChecks": "aws",
    "route53:GetHealthCheckStatus": "aws",
    any_endpoint.ARC: "aws",
    "sts:GetCallerIdentity": "sts",
}
"""What the gate sends to our neighbours instead of MiniStack."""
STANDBY_NODES: Final = 1
PRIMARY_SETTINGS: Final[Mapping[str, Any]] = {
    "multi_az": True,
    "security_groups": ("sg-database",),
    "parameter_group": "tuned",
    "subnet_group": "private",
    "deletion_protection": True,
    "copy_tags": True,
    "backup_retention": 14,
}
"""What RDS gives nobody by itself: a restored instance that lacks it is no match for the old one."""
BACKUPS_THERE: Final = (
    ("daily", timedelta(hours=9), "Completed"),
    ("hourly", timedelta(minutes=95), "Completed"),
    ("hourly", timedelta(minutes=35), "Completed"),
    # The newest one is no good: a responder that takes the newest without looking restores half a platform.
    ("hourly", timedelta(minutes=5), "PartiallyFailed"),
)
"""Schedule, age in real time, phase."""

log = logging.getLogger(__name__)


class LocalPlatform:
    """All models, put together. `gate_url` and the ports are known once the world is up (`connect`)."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.dark: frozenset[str] = frozenset()
        self.ails: Ails = lambda _: None
        self.gate_url = self.ministack_url = ""
        self.authority = trustme.CA()
        speed, platform = policy.speed, policy.platform
        self.engine = PostgresEngine(username=DATABASE_USER, password=DATABASE_PASSWORD, db_name=platform.database.name)
        self.rds = Rds(now, speed, engine=self.engine)
        self.rows = Rows(policy, lambda: self._configured(platform.regions.primary))
        self.folders = Folders(policy, self.client)
        self.eks = Eks(now, speed, on_nodes=lambda cluster, nodes: self.clusters[cluster].set_nodes(nodes))
        self.ec2 = network(policy, self.rds)
        self.guardduty = GuardDuty()
        for region in dict.fromkeys(r for row in policy.signals.findings for r in row.regions):
            self.guardduty.switch_on(region, platform.account)
        self.ecr = Ecr(now)
        workloads.push(policy, self.ecr)
        self.arc = seeds.controls(policy)
        self.shifts = ZonalShifts(now, speed, on_weights=self._weighed)
        self.checks = HealthCheckers(now, speed, alarm=self._alarm, control=self.arc.is_on)
        self.aws = Aws(
            {
                "rds": self.rds,
                "eks": self.eks,
                "ecr": self.ecr,
                "ec2": self.ec2,
                "guardduty": self.guardduty,
                "route53": self.checks,
                any_endpoint.ARC: self.arc,
                "arc-zonal-shift": self.shifts,
                "service-quotas": ServiceQuotas(),
            },
            # A role's temporary keys are of this account, as an account's own are.
            account=platform.account,
        )
        self.pagerduty = PagerDuty(now, speed, routing_keys=[ROUTING_KEY])
        self.trouble = CloudWatchIntegration(now, keys=[INTEGRATION_KEY])
        names = [c.channel.removeprefix("#") for c in policy.notifications.channels if isinstance(c, SlackChannel)]
        channels = [Channel(id=f"C{n:08d}", name=name) for n, name in enumerate(names)]
        self.slack = Slack(now, speed, tokens={BOT_TOKEN: "U00000001"}, channels=channels, burst=5)
        self.vaults = Vaults(policy, now)
        self.replicated: list[ReplicatedRule] = []
        self._callers = Callers(policy, self.eks, gate_url=lambda: self.gate_url, clock=now)
        self.sts = sts.Sts(people.keys(policy), clock=now)
        self.store = BackupStore(*(bucket for r in policy.backups.replication for bucket in (r.source, r.destination)))
        self.clusters = {c.name: self._cluster(c) for c in (platform.clusters.primary, platform.clusters.standby)}
        self.services = {e.region: self._services(e.region) for e in platform.endpoints}

    def _cluster(self, row: Cluster) -> KubeApi:
        replication = self.policy.backups.replication[0]
        is_primary = row is self.policy.platform.clusters.primary
        return SharedKubeApi(
            now,
            self.policy.speed,
            name=row.name,
            location=self.store,
            bucket=replication.source if is_primary else replication.destination,
            authenticate=partial(self._callers.user, row.name),
        )

    def _services(self, region: str) -> RegionServices:
        database = self.policy.platform.database.service
        table = self.policy.services
        workloads_ = [s for s in table.in_order() if s.kind == "workload"]
        return RegionServices(
            region=region,
            services={s.name: table.leans_on(s.name, database) for s in workloads_},
            gateway=workloads_[0].name,
            region_up=lambda name: name not in self.dark,
            deployment_ready=self._ready,
            database_write=self._write,
        )

    def neighbours(self) -> list[Neighbour]:
        """Everything that the world serves, each on a port of its own."""
        found = [
            Neighbour("aws", aws.make_app(self.aws)),
            Neighbour("pagerduty", pagerduty.make_app(self.pagerduty, self.trouble)),
            Neighbour("slack", slack.make_app(self.slack)),
            Neighbour("sts", sts.make_app(self.sts)),
        ]
        if self.vaults.azure is not None:
            found.append(Neighbour("azure", azure_blob.make_app(self.vaults.azure)))
        for region, model in self.services.items():
            app = services.make_app(model)
            app.middlewares.append(self._feels(region, SERVICES))
            found.append(Neighbour(f"services-{region}", app))
        certificate = self.authority.issue_cert(LOOPBACK)
        for name, api in self.clusters.items():
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(tls)
            app = kubernetes_app(api)
            region = next(row.region for row in self._rows() if row.name == name)
            app.middlewares.append(self._feels(region, KUBERNETES))
            app.middlewares.append(self._callers.knows(name))
            found.append(Neighbour(f"kubernetes-{name}", app, tls=tls))
        return found

    def connect(self, *, gate_url: str, ministack_url: str, neighbours: Mapping[str, str]) -> None:
        """Tells the models where things are, and puts the platform's databases, clusters and workloads there."""
        self.gate_url, self.ministack_url = gate_url, ministack_url
        platform, account = self.policy.platform, self.policy.platform.account
        database = platform.database
        primary = self.rds.add(
            database.primary.region,
            database.primary.instance,
            account=account,
            db_name=database.name,
            **PRIMARY_SETTINGS,
        )
        self.rds.add(
            database.replica.region, database.replica.instance, source=primary, account=account, db_name=database.name
        )
        zones.furnish(self.policy, self.shifts, primary)
        authority = base64.b64encode(self.authority.cert_pem.bytes()).decode()
        self._open_buckets()
        self.vaults.buckets(ministack_url)
        states.furnish(self.policy, self.client)
        for row in self._rows():
            group = row.node_group
            size = (nodes.GROUP if row is platform.clusters.primary else STANDBY_NODES) if group else 0
            self.eks.add(
                row.region,
                row.name,
                endpoint=neighbours[f"kubernetes-{row.name}"],
                certificate=authority,
                nodegroups={group.name: (1, size, group.max_size)} if group else {},
                account=account,
            )
            self.clusters[row.name].url = neighbours[f"kubernetes-{row.name}"]
            self._furnish(row, size)

    def _weighed(self, arn: str, weights: Mapping[str, float]) -> None:
        zones.inside(self.policy, self.clusters)(arn, weights)

    def _open_buckets(self) -> None:
        """Velero's buckets in MiniStack, so that its backups can be read as they are read on AWS."""
        rows = self.policy.backups.replication
        places = [p for r in rows for p in ((r.source, r.source_region), (r.destination, r.destination_region))]
        kept = {bucket: self.client("s3", region) for bucket, region in places}
        for bucket, region in places:
            make_bucket(kept[bucket], bucket, region)
        self.replicated = replicated.furnish(self.policy, self.client)

        def upload(key: str, body: bytes) -> None:
            for bucket, s3 in kept.items():
                s3.put_object(Bucket=bucket, Key=key, Body=body)

        def remove(folder: str) -> None:
            # From the source only: a delete marker is not replicated unless somebody asks for it.
            for bucket in {r.source for r in rows}:
                for found in kept[bucket].list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", ()):
                    kept[bucket].delete_object(Bucket=bucket, Key=found["Key"])

        self.store.upload, self.store.remove = upload, remove

    def _furnish(self, row: Cluster, size: int) -> None:
        """The primary runs the workloads; the standby has a Velero on the replicated bucket and little else."""
        api = self.clusters[row.name]
        if row.node_group:
            # https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html: the label that EKS puts there
            api.workloads.node_labels["eks.amazonaws.com/nodegroup"] = row.node_group.name
        workloads.furnish(self.policy, row, api, self.ecr)
        api.set_nodes(size)
        if row is self.policy.platform.clusters.primary:
            nodes.furnish(self.policy, row, api, self.ec2)
        grant(api, self.policy, "primary" if row is self.policy.platform.clusters.primary else "standby")
        if row is not self.policy.platform.clusters.primary:
            self.vaults.furnish(api, self._replica, self.client)
            return
        seed(api, workloads.objects(self.policy))
        seed(api, workloads.schedules(self.policy))
        deployments.furnish(self.policy, api, now())
        for schedule, age, phase in BACKUPS_THERE:
            at = now() - age / self.policy.speed
            take_backup(api, f"{schedule}-{at:%Y%m%d%H%M%S}", at=at, schedule=schedule, phase=phase)

    def _replica(self) -> Address:
        side, account = self.policy.platform.database.replica, self.policy.platform.account
        return self.rds.instance(side.region, side.instance, account).address

    def darken(self, regions: frozenset[str]) -> None:
        """What stands in these regions, and is no AWS API, answers nobody."""
        self.dark = regions
        self.rds.darken(regions)
        self.ecr.dark = regions
        for row in self._rows():
            self.clusters[row.name].reachable = row.region not in regions

    def stop(self) -> None:
        """Ends the databases."""
        self.engine.stop()

    # What the models ask of one another

    def _feels(self, region: str, error: dict[str, Any]) -> Middleware:
        def ails(name: str) -> Fault | None:
            # The gate, which knows what ails whom, comes after the neighbours.
            return self.ails(name)

        return felt(region, ails, error)

    def _ready(self, region: str, service: str) -> bool:
        row = self.policy.service(service)
        cluster = next(c for c in self._rows() if c.region == region)
        # One ready pod answers: a Service sends to those that are, however many a Deployment wants
        # (https://kubernetes.io/docs/concepts/services-networking/service/#endpointslices).
        there = self.clusters[cluster.name].objects("deployments.apps", row.namespace)
        ready = {d["metadata"]["name"] for d in there if (d.get("status") or {}).get("readyReplicas", 0) > 0}
        return ready.issuperset(row.deployments)

    def _write(self, region: str, service: str) -> str:
        """A real write with the address that the region's applications are configured with."""
        host, port = self._configured(region)
        name = self.policy.platform.database.name
        login = {"user": DATABASE_USER, "password": DATABASE_PASSWORD, "database": name}
        try:
            with connected(host, port, timeout=2, **login) as connection:
                cursor = connection.cursor()
                cursor.execute("CREATE TABLE IF NOT EXISTS visits (service text, at timestamptz DEFAULT now())")
                cursor.execute("INSERT INTO visits (service) VALUES (%s)", (service,))
                connection.commit()
        except (pg8000.dbapi.Error, OSError) as error:
            return str(error)[:200]
        return "ok"

    def _configured(self, region: str) -> tuple[str, int]:
        """What the secret of the region's applications says; without one the primary's ask their own database."""
        platform = self.policy.platform
        if region == platform.regions.primary and platform.primary_secret is None:
            address = self.rds.instance(region, platform.database.primary.instance, platform.account).address
            return address.host, address.port
        own = platform.primary_secret if region == platform.regions.primary else None
        secret = own or platform.application_secret
        held = json.loads(
            self.client("secretsmanager", secret.region).get_secret_value(SecretId=secret.name)["SecretString"]
        )
        return str(held[secret.host_key]), int(held[secret.port_key])

    def _alarm(self, region: str, name: str) -> Evaluation | None:
        """What the metric under an alarm says. In MiniStack that is the alarm's state, unless somebody set it."""
        alarms = self.client("cloudwatch", region).describe_alarms(AlarmNames=[name])["MetricAlarms"]
        state: Evaluation | None = alarms[0]["StateValue"] if alarms else None
        return state

    def client(self, service: str, region: str) -> Any:
        """A boto3 client that speaks to MiniStack itself: what happens inside AWS passes no gate."""
        return client(self.ministack_url, service, region, self.policy.platform.account)

    def _rows(self) -> tuple[Cluster, ...]:
        clusters = self.policy.platform.clusters
        return (clusters.primary, clusters.standby)


def now() -> datetime:
    """The world's clock is the wall clock; only durations are scaled."""
    return datetime.now(UTC)
