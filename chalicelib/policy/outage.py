"""What carries the platform when the whole provider is gone: the `outage` part of policies/platform.yaml.

Nothing named here may lean on AWS: `drctl respond --offline` works with it from an operator's machine, where the
secrets lie in a file of the operator's under the names that stand here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chalicelib.policy.base import Row

Host = Annotated[str, Field(pattern=r"^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$")]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="a Cloudflare identifier")]


class Dumps(Row):
    """Where the copies of the database lie that AWS cannot reach, and what restores one, inside the cluster."""

    namespace: ObjectName
    claim: ObjectName = Field(description="the PersistentVolumeClaim on the air-gapped copies, mounted read-only")
    image: str = Field(description="holds pg_restore and psql of at least the server's version, and sh")
    secret: ObjectName = Field(description="Kubernetes Secret in the namespace, with the keys username and password")


class OutageDatabase(Row):
    """The PostgreSQL there: empty until a dump is restored into it."""

    host: Host
    port: int = 5432
    credentials_secret: str = Field(description="in the operator's file; an object with username and password")
    dumps: Dumps


class HeldAddress(Row):
    """The Kubernetes Secret by which the applications there find their database, in each of their namespaces."""

    name: ObjectName
    host_key: str = "host"
    port_key: str = "port"


class ByDay(Row):
    """Where the record at Cloudflare leads while AWS carries the platform: a name of a zone that Route 53 alone answers
    for, with a failover pair like the record's own, the primary half behind the traffic switch. A region's own name
    would stay where it is in a failover.
    """

    record: Host
    zone: Host
    name_servers: Annotated[tuple[Host, ...], Field(min_length=2)] = Field(
        description="that zone's authoritative name servers at Route 53, asked after a move"
    )


class Cloudflare(Row):
    """The zone at Cloudflare, and the one record that leads people to the platform."""

    zone: Hex32
    record: Hex32
    target: Host = Field(description="what the record holds once the traffic has moved")
    by_day: ByDay | None = None
    token_secret: str = Field(description="in the operator's file; an object with token (Zone:DNS:Edit of this zone)")
    servers: Annotated[tuple[Host, ...], Field(min_length=1)] = Field(
        description="the zone's name servers at Cloudflare: asked after a move, and by AWS's side for the marker"
    )
    marker: Host = Field(description="the TXT record that says to AWS's side that somebody else acts")


class Outage(Row):
    """All of it."""

    server: Annotated[str, Field(pattern=r"^https://[^/]+$")] = Field(
        description="the tertiary cluster's API server; a kubeconfig that leads elsewhere is refused"
    )
    url: Annotated[str, Field(pattern=r"^https?://")] = Field(description="the platform's own address there")
    database: OutageDatabase
    application_secret: HeldAddress
    cloudflare: Cloudflare
