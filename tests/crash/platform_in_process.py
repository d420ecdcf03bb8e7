"""The platform of the shipped policies in one process, with a clock that stands still unless somebody moves it.

The same models that `drctl` serves over HTTP, put together as drctl/world/platform.py does, without a socket; what the
neighbours do not keep is in cloud.py. A worker that looks at it holds the real executor, actions, channels and clients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import httpx2

from chalicelib import names
from chalicelib.actions.lifecycles_paused import platform_buckets
from chalicelib.actions.reader import Ports
from chalicelib.actions.registry import ACTIONS
from chalicelib.bootstrap import Responder, channels, others
from chalicelib.channels.contract import Channel
from chalicelib.clients.any_endpoint import endpoints
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.vaults import Vaults
from chalicelib.clients.web import Web
from chalicelib.core.book import Book
from chalicelib.desk import Desk
from chalicelib.executor import Executor
from chalicelib.intake import identity
from chalicelib.policy import Policy
from chalicelib.policy.load import load
from chalicelib.policy.notifications import EmailChannel, SlackChannel
from chalicelib.policy.platform import Cluster
from chalicelib.settings import Settings
from chalicelib.store.codec import read_book
from chalicelib.store.contract import Store
from chalicelib.store.memory import MemoryStore
from chalicelib.tools import Tools
from drctl.neighbours.aws import Aws
from drctl.neighbours.ecr import Ecr
from drctl.neighbours.eks import Eks
from drctl.neighbours.guardduty import GuardDuty
from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.kubernetes.transport import ModelTransport
from drctl.neighbours.kubernetes.velero.store import BackupStore
from drctl.neighbours.pagerduty import PagerDuty
from drctl.neighbours.quotas import ServiceQuotas
from drctl.neighbours.rds.client import InMemoryClients
from drctl.neighbours.rds.engine import InMemoryEngine, SqlError
from drctl.neighbours.rds.service import Rds
from drctl.neighbours.services import RegionServices
from drctl.neighbours.slack import Channel as SlackRoom
from drctl.neighbours.slack import Slack
from drctl.neighbours.sts import Sts
from drctl.neighbours.sts_token import Unauthorized, Verifier
from drctl.neighbours.zonal_shift import ZonalShifts
from drctl.world import people, workloads, zones
from drctl.world.lifecycles import lifecycle
from drctl.world.network import network
from drctl.world.seeds import BOT_TOKEN, ROUTING_KEY
from tests.crash.agents import heart, replay
from tests.crash.assume import AssumeRole
from tests.crash.cloud import Bucket, CloudWatch, SecretsManager, Ses
from tests.crash.furnished import furnish, role
from tests.crash.outside import Clock, Outside, Stop
from tests.crash.tables import Tables
from tests.crash.traffic import Traffic
from tests.crash.vaults import vaults
from tests.crash.versioned import VersionedS3
from tests.crash.wires import (
    InProcessSession,
    InProcessSlackChannel,
    OutsideDatabase,
    OutsideStore,
    OutsideTransport,
    session,
)

FOLDER: Final = Path(__file__).parents[2] / "policies"
SPEED: Final = 10.0
POLICY: Final = load(FOLDER, speed=SPEED)
START: Final = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SETTINGS: Final = Settings(
    stage="local",
    policies=FOLDER,
    speed=SPEED,
    resolve={},
    pagerduty_url="https://events.pagerduty.com",
    slack_url="https://slack.com/api/",
    database_tls=False,
    shift=timedelta(seconds=20),
)

SIDE_BY_SIDE: Final = 8


@cache
def _session() -> InProcessSession:
    """One for all platforms: making a boto3 client takes longer than a whole failover."""
    return InProcessSession(session(POLICY.platform.account))


class Platform:
    """Everything outside the responder. `outside` counts who asks it what."""

    def __init__(self, stops: tuple[Stop, ...] = (), policy: Policy = POLICY, clock: Clock | None = None) -> None:
        self.policy = policy
        self.deployed = policy
        """What workers go by; `policy` is what the platform really is like."""
        self.clock = clock or Clock(START)
        self.caller = "tick"  # the function whose role signs for the clusters
        self.untaken = 0  # of how many requests, from now on, no cluster takes the token
        self._tokens: dict[str, tuple[datetime, datetime]] = {}
        self.outside = Outside(self.clock, stops)
        self.dark: frozenset[str] = frozenset()
        self.cut_off = False
        """Whether the primary region goes on, and hears nobody outside."""
        now, speed, platform = self.clock.now, self.policy.speed, self.policy.platform
        self.store = MemoryStore()
        self.engine = InMemoryEngine(now)
        self.rds = Rds(now, speed, engine=self.engine)
        self.eks = Eks(now, speed, on_nodes=lambda cluster, nodes: self.clusters[cluster].set_nodes(nodes))
        self.cloudwatch = CloudWatch(now, speed)
        self.secrets = SecretsManager()
        rows = self.policy.notifications.channels
        self.ses = Ses({c.sender for c in rows if isinstance(c, EmailChannel)})
        self.s3 = VersionedS3(platform.responder.status_bucket, clock=now)
        self.traffic = Traffic(policy, now, cloudwatch=self.cloudwatch, s3=self.s3, dark=lambda: self.dark)
        self.pagerduty = PagerDuty(now, speed, routing_keys=[ROUTING_KEY])
        rooms_ = dict.fromkeys(c.channel.removeprefix("#") for c in rows if isinstance(c, SlackChannel))
        rooms = [SlackRoom(id=f"C{n:08d}", name=name) for n, name in enumerate(rooms_)]
        self.slack = Slack(now, speed, tokens={BOT_TOKEN: "U00000001"}, channels=rooms, burst=5)
        self.ec2 = network(self.policy, self.rds)
        self.assumed = AssumeRole(policy, now)
        self.tables = Tables(platform.responder.table)
        self.ecr = Ecr(now)
        workloads.push(self.policy, self.ecr)
        self.shifts = ZonalShifts(now, speed, on_weights=self._weighed)
        self.quotas = ServiceQuotas()
        self.guardduty = GuardDuty()
        for region in dict.fromkeys(r for row in policy.signals.findings for r in row.regions):
            self.guardduty.switch_on(region, platform.account)
        self.aws = Aws(
            {
                "service-quotas": self.quotas,
                "ec2": self.ec2,
                "guardduty": self.guardduty,
                "arc-zonal-shift": self.shifts,
                "sts": self.assumed,
                "dynamodb": self.tables,
                "rds": self.rds,
                "eks": self.eks,
                "ecr": self.ecr,
                "route53": self.traffic.checks,
                "route53-recovery-cluster": self.traffic.arc,
                "cloudwatch": self.cloudwatch,
                "secretsmanager": self.secrets,
                "sesv2": self.ses,
                "s3": self.s3,
            },
            clock=now,
        )
        self.sts = Sts(people.keys(self.policy), clock=now)
        self.backups = BackupStore(*(b for r in self.policy.backups.replication for b in (r.source, r.destination)))
        for bucket in self.backups.buckets:
            self.s3.add(bucket)
        for row in self.policy.backups.restorable[:1]:
            self.s3.versioned(row.bucket, row.kms_key or "")
        self.backups.upload = self._uploaded
        for bucket, _ in platform_buckets(policy):
            self.s3.buckets.setdefault(bucket, Bucket()).rules = lifecycle(policy, bucket)
        self.clusters = {c.name: self._cluster(c) for c in self.rows()}
        self.services = {e.region: self._services(e.region) for e in platform.endpoints}
        self.vaults = vaults(policy, START)
        furnish(self, START)
        self.heart = heart(self, SETTINGS, _session().events)
        self.replay = replay(self, _session().events)
        # Route 53 looks at the switch all the time, not only when somebody asks who serves.
        self.clock.every = self.traffic.watch

    def _uploaded(self, key: str, body: bytes) -> None:
        """Velero's files, replicated at once."""
        for bucket in self.backups.buckets:
            self.s3.buckets[bucket].objects[key] = body

    def _weighed(self, arn: str, weights: Mapping[str, float]) -> None:
        zones.inside(self.policy, self.clusters)(arn, weights)

    def responder(self) -> Responder:
        """A new worker's own: nothing in it was there before, and all it holds is gone with it."""
        policy, store = self.deployed, cast("Store", OutsideStore(self.store, self.outside))
        shared = _session()
        shared.of = (self.aws, self.outside, lambda: self.dark)
        switch, region = policy.platform.traffic.switch, policy.platform.responder.region
        who = names.app(policy)
        aws = AwsClients(
            shared, endpoints=endpoints(switch, {}), others=others(SETTINGS, policy, region, who, self.clock)
        )
        rows = (policy.platform.clusters.primary, policy.platform.clusters.standby)
        ports = Ports(
            aws=aws,
            kube=KubeClients(aws, rows, now=self.clock.now, transport=self._to_cluster),
            database=cast("DatabaseClients", OutsideDatabase(InMemoryClients(self.engine), self.outside)),
            web=Web({}, OutsideTransport("http", httpx2.MockTransport(self._web), self.outside)),
            dns=Dns({}, self.name_server),
            vaults=cast("Vaults", self.vaults),
        )
        hands = Executor(ports=ports, actions=ACTIONS, channels=self._channels(ports))
        tools = Tools(store=store, hands=hands, policy=policy, clock=self.clock, side_by_side=SIDE_BY_SIDE)
        return Responder(settings=SETTINGS, policy=policy, store=store, desk=Desk(tools), ports=ports, clock=self.clock)

    def beat(self) -> None:
        """The standby's agent beats, and the primary's if its region is up."""
        self.replay.record(self.clock.now())
        if not self.dark or self.cut_off:
            self.heart.beat(self.clock.now())

    def lighten(self) -> None:
        """The primary region is back."""
        self.dark = frozenset()
        self.rds.darken(self.dark)
        for row in self.rows():
            self.clusters[row.name].reachable = True

    def darken(self) -> None:
        """The primary region is gone: its APIs, its cluster, its database and its services answer nobody."""
        self.dark = frozenset({self.policy.platform.regions.primary})
        self.rds.darken(self.dark)
        self.ecr.dark = self.dark
        for row in self.rows():
            self.clusters[row.name].reachable = row.region not in self.dark

    def book(self) -> Book | None:
        """The book as it is stored, asked by nobody's worker."""
        return read_book(self.store.book.body)[0] if self.store.book.body else None

    def serving(self) -> str:
        """The region that the public name leads to."""
        return self.traffic.serving()

    def rows(self) -> tuple[Cluster, Cluster]:
        return (self.policy.platform.clusters.primary, self.policy.platform.clusters.standby)

    def _cluster(self, row: Cluster) -> KubeApi:
        replication = self.policy.backups.replication[0]
        is_primary = row is self.policy.platform.clusters.primary
        return KubeApi(
            self.clock.now,
            self.policy.speed,
            name=row.name,
            location=self.backups,
            bucket=replication.source if is_primary else replication.destination,
            authenticate=partial(self._known, row),
        )

    def _services(self, region: str) -> RegionServices:
        table, database = self.policy.services, self.policy.platform.database.service
        found = [s for s in table.in_order() if s.kind == "workload"]
        return RegionServices(
            region=region,
            services={s.name: table.leans_on(s.name, database) for s in found},
            gateway=found[0].name,
            region_up=lambda name: name not in self.dark,
            deployment_ready=self._ready,
            database_write=self._write,
        )

    def _known(self, row: Cluster, token: str) -> User | None:
        """Whom the cluster takes a token for: STS is asked, as EKS does, and its access entries."""
        if self.untaken:
            self.untaken -= 1
            return None
        # botocore signs with the machine's time. A token is used as soon as it is signed, and ages with the time here.
        signed_at, came_at = self._tokens.setdefault(token, (datetime.now(UTC), self.clock.now()))
        verifier = Verifier(
            row.name,
            clock=lambda: signed_at + (self.clock.now() - came_at),
            fetch=self._sts,
            hosts=[f"sts.{row.region}.amazonaws.com"],
        )
        try:
            return self.eks.user(row.name, verifier.verify(token))
        except Unauthorized:
            return None

    def forget_tokens(self) -> None:
        """What comes now was signed now. Within one of the machine's seconds botocore signs the same text again."""
        self._tokens.clear()

    def _sts(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """GetCallerIdentity, asked by a session of the caller's role."""
        del url, headers
        account, its = self.policy.platform.account, role(self.policy, self.caller).rpartition("/")[2]
        who = {
            "Account": account,
            "UserId": f"AROA:{its}",
            "Arn": f"arn:aws:sts::{account}:assumed-role/{its}/{its}",
        }
        said = {"GetCallerIdentityResponse": {"GetCallerIdentityResult": who}}
        return 200, json.dumps(said).encode()

    def monotonic(self) -> float:
        """The story's clock, in seconds."""
        return self.clock.now().timestamp()

    def _channels(self, ports: Ports) -> Mapping[str, Channel]:
        """The real channels, Slack's with its one method replaced. A sweep waits for its children at a call, so that
        how long one has been sending is told by the story's clock.
        """
        built = dict(channels(SETTINGS, self.policy, ports, monotonic=self.monotonic))
        for row in self.policy.notifications.channels:
            if isinstance(row, SlackChannel):
                built[row.name] = InProcessSlackChannel(
                    row.name, self.slack, self.outside, token=BOT_TOKEN, channel=row.channel
                )
        return built

    def name_server(self, host: str, port: int, query: bytes, over_tcp: bool) -> bytes:
        return self.outside.call(
            "dns", lambda: self.traffic.name_server(host, port, query, over_tcp), lambda: TimeoutError("it was lost")
        )

    def _to_cluster(self, name: str) -> httpx2.BaseTransport:
        return OutsideTransport("kubernetes", ModelTransport(self.clusters[name]), self.outside)

    def _web(self, request: httpx2.Request) -> httpx2.Response:
        """PagerDuty, STS and the regions' services, by host."""
        if request.url.host == identity.host(self.policy.platform.responder.region):
            told = self.sts.request(request.method, str(request.url), request.headers, request.read())
            return httpx2.Response(told.status, headers=told.headers, content=told.body)
        if request.url.host == urlsplit(SETTINGS.pagerduty_url).hostname:
            said = self.pagerduty.request(request.method, request.url.path, request.headers, request.read())
            return httpx2.Response(said.status, headers=said.headers, content=said.body)
        hosts = {urlsplit(e.url).hostname: e.region for e in self.policy.platform.endpoints}
        service = request.url.path.strip("/").rpartition("/")[0] or None
        found = self.services[hosts[request.url.host]].health(service)
        if found is None:
            raise httpx2.ConnectTimeout("the region does not answer", request=request)
        return httpx2.Response(found.status, json=found.body)

    def _ready(self, region: str, service: str) -> bool:
        row = self.policy.service(service)
        api = next(self.clusters[c.name] for c in self.rows() if c.region == region)
        return all(api.ready_deployment(row.namespace or "", name) for name in row.deployments)

    def _write(self, region: str, service: str) -> str:
        """A write with the address that the region's applications are configured with."""
        del service  # all services of a region share one configuration
        host, port = self._configured(region)
        try:
            self.engine.run(host, port, "prepare-heartbeat")
        except (SqlError, OSError) as error:
            return str(error)
        return "ok"

    def _configured(self, region: str) -> tuple[str, int]:
        platform = self.policy.platform
        if region == platform.regions.primary and platform.primary_secret is None:
            side = platform.database.primary
            address = self.rds.instance(region, side.instance, side.account or platform.account).address
            return address.host, address.port
        own = platform.primary_secret if region == platform.regions.primary else None
        secret = own or platform.application_secret
        held = self.secrets.value(secret.region, secret.name)
        return str(held[secret.host_key]), int(held[secret.port_key])
