"""policies/platform.yaml: what the platform consists of and where it stands."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from chalicelib.policy.accounts import Account, AccountId
from chalicelib.policy.base import Duration, Name, Row
from chalicelib.policy.containment import Containment
from chalicelib.policy.outage import ByDay, Outage

Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-gov)?-[a-z]+-\d$")]
SecurityGroup = Annotated[str, Field(pattern=r"^sg-[0-9a-f]+$")]
HeldBy = Annotated[AccountId | None, Field(description="the account that holds it; left out, the platform's own")]


class Mode(StrEnum):
    """How much the responder does without a person. `observe` is the default of a first deployment."""

    OBSERVE = "observe"
    APPROVE = "approve"
    AUTOMATIC = "automatic"


class Tertiary(Row):
    """The cold third place, in another cloud."""

    cloud: Literal["azure"]
    region: str
    display: str


class Regions(Row):
    """Active-passive: one primary, one standby; a witness that breaks ties; a cold third."""

    primary: Region
    standby: Region
    witness: Region
    tertiary: Tertiary | None = None


class ReservedIn(Row):
    """So many instances that are reserved in one zone."""

    zone: Annotated[str, Field(pattern=r"^[a-z]{2}(-gov)?-[a-z]+-\d[a-z]$")]
    count: Annotated[int, Field(ge=1)] = Field(description="so many are free there, beside those that run")


class Reserved(Row):
    """What On-Demand Capacity Reservations keep for a node group, so that it can grow when everybody wants to."""

    instance_type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")]
    zones: Annotated[tuple[ReservedIn, ...], Field(min_length=1)]
    margin: Duration = Field(
        default=timedelta(days=7), description="so long before a reservation ends readiness says so"
    )

    @property
    def count(self) -> int:
        """Over all zones."""
        return sum(zone.count for zone in self.zones)


class NodeGroup(Row):
    """An EKS managed node group: the size it needs to carry the whole platform, and the one that carries tier 1."""

    name: str
    failover_size: Annotated[int, Field(ge=1)]
    max_size: Annotated[int, Field(ge=1)]
    warm_size: Annotated[int, Field(ge=1)] = Field(
        default=1, description="so many nodes carry tier 1: they are Ready before the day, or reserved"
    )
    reserved: Reserved | None = Field(default=None, description="what of warm_size is reserved and does not run")

    @property
    def standing(self) -> int:
        """So many nodes are Ready before the day: those of tier 1 that are not reserved."""
        return max(0, self.warm_size - (self.reserved.count if self.reserved else 0))


class Cluster(Row):
    """A Kubernetes cluster with a Velero in it."""

    name: str
    cloud: Literal["aws", "azure"] = "aws"
    region: str
    velero_namespace: str = "velero"
    backup_location: str = "default"
    node_group: NodeGroup | None = None
    account: HeldBy = None


class Clusters(Row):
    """One cluster a place."""

    primary: Cluster
    standby: Cluster
    tertiary: Cluster | None = None


class DatabaseSide(Row):
    """One RDS instance."""

    region: Region
    instance: str
    account: HeldBy = None


class Database(Row):
    """The PostgreSQL that everything stateful leans on: a primary and its cross-region replica."""

    service: Name
    primary: DatabaseSide
    replica: DatabaseSide
    name: str
    port: int = 5432
    rpo: Duration
    restore_rpo: Duration | None = Field(
        default=None,
        description="what a restore as of a time may lose, of backups whose logs RDS uploads every five minutes; left "
        "out, it is the rpo",
    )
    lag_threshold: Duration
    credentials_secret: str = Field(description="Secrets Manager name, standby region; JSON with username and password")
    heartbeat_table: str = "dr_heartbeat"
    primary_replication: Literal["synchronous", "asynchronous"]
    standby_replication: Literal["synchronous", "asynchronous"]


class Fence(Row):
    """How the old primary is kept from taking writes: where its database stands, written down beforehand."""

    subnets: Annotated[tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")], ...], Field(min_length=1)]
    standby_subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")], ...] = Field(
        default=(), description="as subnets, of the replica: a failback stops the standby's writes there"
    )
    rule_number: Annotated[int, Field(ge=1, le=32766)] = Field(
        default=1, description="of the network ACL entry that denies; lower than every other, it is evaluated first"
    )
    account: AccountId | None = Field(
        default=None, description="the owner of the subnets' VPC; left out, the account of the primary's database"
    )


class ApplicationSecret(Row):
    """The secret by which the applications find their database."""

    region: Region
    name: str
    host_key: str = "host"
    port_key: str = "port"
    account: HeldBy = None


class Check(Row):
    """What must hold in the database's content: a read-only query that counts what must not be there.

    `sql` answers one row with one number, which is 0 while all is well. It is asked in a read-only transaction.
    """

    name: Name
    finds: str = Field(description="what it counts, as a person reads it: runs whose experiment is not there")
    sql: Annotated[str, Field(pattern=r"^(?i:select|with)\s[^;]*$")]


class Integrity(Row):
    """How it is known that the database's content is whole: asked by the primary's agent, and of what is restored."""

    every: Duration
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]


class Record(Row):
    """One half of the Route 53 failover pair."""

    identifier: str
    role: Literal["PRIMARY", "SECONDARY"]
    health_check: Literal["switch", "endpoint"] | None = None


class MetricSwitch(Row):
    """A health check over a CloudWatch alarm in the standby region; the responder publishes the metric."""

    kind: Literal["metric"]
    region: Region
    namespace: str
    metric: str
    alarm: str
    health_check: str
    insufficient_data: Literal["Healthy", "Unhealthy", "LastKnownStatus"] = "LastKnownStatus"


class ObjectSwitch(Row):
    """An inverted check on an object in the standby region; falls back by itself when that is gone."""

    kind: Literal["object"]
    region: Region
    bucket: str
    key: str
    health_check: str
    deletion_denied: bool
    primary_ingress_closed: bool


class ClusterEndpoint(Row):
    """One of the five addresses of an ARC cluster; requests to it are signed for its own region."""

    region: Region
    url: Annotated[str, Field(pattern=r"^https://")]


class ArcSwitch(Row):
    """ARC routing controls, over five endpoints written down beforehand."""

    kind: Literal["arc"]
    endpoints: tuple[ClusterEndpoint, ...]
    primary_control: str = Field(description="the ARN of the routing control that the primary's record hangs on")
    standby_control: str = Field(description="the ARN of the routing control that is On while the standby serves")
    health_check: str


class Traffic(Row):
    """Where the users are sent, and by what it is switched."""

    zone: str
    record: str
    records: tuple[Record, ...]
    switch: Annotated[MetricSwitch | ObjectSwitch | ArcSwitch, Field(discriminator="kind")]
    dns: tuple[Literal["route53", "cloudflare"], ...]
    name_servers: tuple[str, ...] = Field(description="the zone's authoritative name servers, asked after a move")


class Zone(Row):
    """An availability zone. The same name means another place in another account, so AWS is told its id."""

    name: Annotated[str, Field(pattern=r"^[a-z]{2}(-gov)?-[a-z]+-\d[a-z]$")]
    id: Annotated[str, Field(pattern=r"^[a-z]{2,4}[a-z]?\d-az\d+$")]


class Shiftable(Row):
    """A resource that is opted in to ARC's zonal shift: a load balancer, an EKS cluster or an Auto Scaling group."""

    arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:[a-z-]+:[a-z0-9-]+:\d{12}:\S+$")]
    display: str


class Zones(Row):
    """The primary region's zones, and what traffic is shifted by."""

    zones: tuple[Zone, ...]
    needed: Annotated[int, Field(ge=1)] = Field(description="how many zones carry the whole platform")
    expires_in: Duration = Field(description="after which a shift ends by itself; renewed when half of it is over")
    shifts: Annotated[tuple[Shiftable, ...], Field(min_length=1)]

    def named(self, name: str) -> Zone | None:
        """The zone of that name."""
        return next((z for z in self.zones if z.name == name), None)


class Endpoint(Row):
    """Where a region answers at its own address, never the global name."""

    region: Region
    url: Annotated[str, Field(pattern=r"^https?://")]


class Endpoints(Row):
    """The VPC endpoints that the responder's stack makes. `route_tables` are those of the functions' subnets."""

    vpc: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]+$")]
    route_tables: Annotated[tuple[Annotated[str, Field(pattern=r"^rtb-[0-9a-f]+$")], ...], Field(min_length=1)]
    security_groups: Annotated[tuple[SecurityGroup, ...], Field(min_length=1)]


class Network(Row):
    """Where the functions run when a cluster's API or the database is private."""

    subnets: Annotated[tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")], ...], Field(min_length=1)]
    security_groups: Annotated[tuple[SecurityGroup, ...], Field(min_length=1)]
    endpoints: Endpoints | None = Field(default=None, description="left out when the VPC has its endpoints already")


class Responder(Row):
    """The responder's own things, all in the standby region."""

    region: Region
    table: str
    status_bucket: str
    status_url: Annotated[str, Field(pattern=r"^https?://")]
    operators_bucket: str | None = Field(
        default=None,
        description="a private bucket for the pages that operators read; left out, none is written",
    )
    initial_mode: Mode = Mode.OBSERVE
    approval_valid: Duration
    block_window: Duration
    answer_time: Duration = Field(description="how long a person is expected to take to answer a page")
    reserved_concurrency: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Lambda capacity kept for the clock and for people, so that no storm starves them"
    )
    network: Network | None = Field(
        default=None, description="the VPC of the functions; left out while clusters and database are public"
    )


class Platform(Row):
    """Everything that has a name."""

    name: Name
    display_name: str
    account: AccountId
    regions: Regions
    clusters: Clusters
    database: Database
    fence: Fence
    application_secret: ApplicationSecret
    traffic: Traffic
    endpoints: tuple[Endpoint, ...]
    responder: Responder
    zones: Zones | None = Field(default=None, description="left out, nothing is known of zones and none can be left")
    primary_secret: ApplicationSecret | None = Field(
        default=None,
        description="as application_secret, for the applications in the primary: where a restored one goes",
    )
    integrity: Integrity | None = None
    accounts: tuple[Account, ...] = Field(
        default=(), description="the other accounts that may hold parts of the platform, and the roles into them"
    )

    containment: Containment | None = Field(
        default=None, description="what a breach is contained with; left out, people contain it by hand"
    )
    outage: Outage | None = Field(
        default=None, description="what carries the platform when AWS is gone; left out, nothing outside AWS does"
    )

    @property
    def by_day(self) -> ByDay | None:
        """Where the record at Cloudflare leads by day; None where nothing is written down of it."""
        return self.outage.cloudflare.by_day if self.outage else None

    def endpoint(self, region: str) -> Endpoint | Outage:
        """The region's own address (`url`); KeyError names the region that has none."""
        for endpoint in self.endpoints:
            if endpoint.region == region:
                return endpoint
        if self.outage and self.clusters.tertiary and self.clusters.tertiary.region == region:
            return self.outage
        raise KeyError(f"region {region!r} has no endpoint in platform.yaml")

    def cluster(self, place: Literal["primary", "standby", "tertiary"]) -> Cluster:
        """The cluster of a place; KeyError when the platform has none there."""
        cluster: Cluster | None = getattr(self.clusters, place)
        if cluster is None:
            raise KeyError(f"the platform has no {place} cluster in platform.yaml")
        return cluster
