"""policies/services.yaml: tiers, services, what they lean on, in which order they come back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field

from chalicelib.policy.base import Duration, Name, Row


class Tier(Row):
    """A class of services that share a recovery time objective."""

    tier: Annotated[int, Field(ge=1, le=4)]
    name: Name
    rto: Duration


class ManagedBy(Row):
    """What deploys a workload: an Argo CD Application in the primary cluster, and a Rollout where it goes by canary."""

    application: str
    namespace: str = Field(description="where Argo CD keeps the Application")
    rollout: str | None = Field(default=None, description="an Argo Rollouts Rollout in the service's own namespace")


class Service(Row):
    """A row of the service table. `depends_on` names services or infrastructure."""

    name: Name
    display: str
    tier: int
    order: Annotated[int, Field(ge=1)]
    depends_on: tuple[Name, ...] = ()
    kind: Literal["workload", "database"] = "workload"
    namespace: str | None = None
    label: str = Field(description="the label selector by which Velero and readiness find it")
    deployments: tuple[str, ...] = ()
    health_path: str | None = None
    component: str | None = Field(default=None, description="the public component on the status page")
    managed_by: ManagedBy | None = Field(default=None, description="left out where nothing deploys it by itself")


class Check(StrEnum):
    """What can be looked at. `bound`: a claim has its volume; `attached`: the volume is where its pod is; `versioned`:
    a bucket keeps what is overwritten and deleted.
    """

    BOUND = "bound"
    ATTACHED = "attached"
    VERSIONED = "versioned"


Storage = Literal["ebs-volume", "persistent-volume-claim", "s3-bucket"]
CHECKS: Final[Mapping[Storage, tuple[Check, ...]]] = {
    "ebs-volume": (Check.BOUND, Check.ATTACHED),
    "persistent-volume-claim": (Check.BOUND, Check.ATTACHED),
    "s3-bucket": (Check.VERSIONED,),
}
"""Type → what can be checked of it."""
WAYS_BACK: Final[Mapping[Storage, tuple[str, ...]]] = {
    "ebs-volume": ("volumes-attached", "velero-restore", "velero-missing"),
    "persistent-volume-claim": ("velero-restore", "velero-missing", "volumes-attached"),
    "s3-bucket": ("s3-restore",),
}
"""Type → the actions that bring it back: a volume that a dead node holds, what a backup holds, a moment's objects."""


class Infrastructure(Row):
    """Something services lean on that is no service itself.

    What an older policy did not say has a default, so that an incident that follows it goes on; the linter wants it.
    """

    name: Name
    display: str
    type: Storage | None = None
    checks: tuple[Check, ...] = ()
    way_back: tuple[Name, ...] = Field(default=(), description="the actions of runbooks that bring it back")
    buckets: tuple[str, ...] = Field(default=(), description="of an s3-bucket, by their names in backups.yaml")


class Services(Row):
    """The service table."""

    tiers: tuple[Tier, ...]
    services: tuple[Service, ...]
    infrastructure: tuple[Infrastructure, ...]
    configuration: ManagedBy | None = Field(
        default=None,
        description="what deploys the platform's configuration: settings and external secrets, no workloads",
    )

    @property
    def application_namespaces(self) -> tuple[str, ...]:
        """Where the Applications lie, each once."""
        rows = (*self.managed("services"), *self.managed("configuration"))
        return tuple(dict.fromkeys(row.namespace for row in rows))

    def managed(self, of: str) -> tuple[ManagedBy, ...]:
        """What deploys the services in their order, or the configuration."""
        if of == "configuration":
            return (self.configuration,) if self.configuration else ()
        return tuple(s.managed_by for s in self.services if s.managed_by)

    def tier(self, number: int) -> Tier:
        """The tier with that number; KeyError when there is none."""
        return self._tier[number]

    def in_order(self) -> tuple[Service, ...]:
        """By recovery order, as written."""
        return self._in_order

    def leaners(self, name: str) -> tuple[Service, ...]:
        """Every service that leans on `name`, directly or through others."""
        found: dict[str, Service] = {}
        wave = {name}
        while wave:
            wave = {s.name for s in self.services if wave & set(s.depends_on) and s.name not in found}
            found |= {s.name: s for s in self.services if s.name in wave}
        return tuple(found[s.name] for s in self.in_order() if s.name in found)

    def leaning_on(self, infrastructure: str) -> tuple[Service, ...]:
        """The workloads that lean on it directly; a database has its storage where it is kept, and no claim."""
        return tuple(s for s in self.in_order() if infrastructure in s.depends_on and s.kind == "workload")

    def infrastructure_named(self, name: str) -> Infrastructure:
        """The row of that name; KeyError when there is none."""
        return {row.name: row for row in self.infrastructure}[name]

    def leans_on(self, service: str, target: str) -> bool:
        """Whether `service` leans on `target`, directly or through others."""
        return any(s.name == service for s in self.leaners(target))

    def rto(self, service: Service) -> Duration:
        """Its own tier's RTO, or the tightest of what leans on it."""
        key = (service.name, service.tier)
        if key not in self._rtos:
            self._rtos[key] = min(self.tier(s.tier).rto for s in (service, *self.leaners(service.name)))
        return self._rtos[key]

    # The table never changes, and every round of the desk asks it for each service again.

    @cached_property
    def _tier(self) -> dict[int, Tier]:
        return {t.tier: t for t in self.tiers}

    @cached_property
    def _in_order(self) -> tuple[Service, ...]:
        return tuple(sorted(self.services, key=lambda s: s.order))

    @cached_property
    def _rtos(self) -> dict[tuple[str, int], Duration]:
        """By name and tier, filled as they are asked for: a table with one wrong row still answers for the others."""
        return {}
