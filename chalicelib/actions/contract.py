"""The contract of an action, and the two ports it sees the world through.

`Reader` can only look; the executor alone can change. An action declares the operations it reads with
(`reads`) and the calls it can make (`calls`): IAM policies, Kubernetes RBAC and the linter are generated from
them, and the reader and the executor refuse what was not declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, Protocol

from chalicelib.core.outcome import Next, NoData, Refused
from chalicelib.policy import Policy

Where = Literal["standby", "primary", "tertiary"]
VAULT_BUCKETS: Final = "{vault_buckets}"
"""The resource of an `AwsOp` that looks at the vaults of air-gapped copies: whoever declares it may be shown them."""
NOT_SERVED: Final = "NotServed"
"""The code of a Refused when a cluster has no such group, version or resource at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsOp:
    """A boto3 operation, e.g. `AwsOp(service="rds", operation="describe_db_instances", resources=(...))`.

    `where` is the region it goes to, from policy. `resources` are the ARNs of its IAM statement, with the words of
    drctl/deployment/words.py in braces, or `*` where the API knows no resource; then `condition`, an IAM
    condition key and its value, may narrow it. `iam` is the IAM action where it is not the operation's own name.
    `batch` is the call that makes it, many times: it can be made in no other way, and the batch is what is called.
    `switch` is the kind of traffic switch that it belongs to: with another one nothing is granted. `items` are the
    families of the desk's table (`beats`) that it keeps to, by their partition keys.
    """

    service: str
    operation: str
    resources: tuple[str, ...]
    where: Where = "standby"
    iam: tuple[str, ...] = ()
    condition: tuple[str, str] | None = None
    batch: str = ""
    switch: Literal["metric", "object", "arc"] | None = None
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeOp:
    """A Kubernetes request, e.g. `KubeOp(verb="create", group="velero.io", resource="restores")`.

    `within` is where its objects lie: `velero`, the namespace of Velero; `workloads`, those of the platform's
    services; `argocd`, those of their Applications; `dumps`, the namespace of the database's dumps; `cluster`,
    in none. Left out, it follows from the resource (`rights.py`). `only` narrows it to what bears a name of the drills'
    copies, of what a move restores, or of the clean room: Kubernetes knows names in a rule, and no patterns.
    """

    verb: Literal["get", "list", "create", "patch", "delete"]
    group: str
    resource: str
    version: str = "v1"
    where: Where = "standby"
    within: Literal["velero", "workloads", "cluster", "argocd", "dumps"] | None = None
    only: Literal["drills", "services", "rooms"] | None = None

    @property
    def named(self) -> str:
        """`velero.io/v1 restores`, as `Reader.kube` and a call's operation name it."""
        return f"{self.group}/{self.version} {self.resource}" if self.group else f"{self.version} {self.resource}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudflareOp:
    """A request about a zone's DNS records at Cloudflare, e.g. `CloudflareOp(verb="patch")`."""

    verb: Literal["get", "list", "create", "patch"]
    resource: str = "dns_records"
    where: Where = "tertiary"

    @property
    def named(self) -> str:
        """`cloudflare patch dns_records`."""
        return f"cloudflare {self.verb} {self.resource}"


Op = AwsOp | KubeOp | CloudflareOp


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a step is aimed at: the runbook's `with`, filled in, and the incident it is for.

    `incident` is the incident's id (used in deterministic names), `opened_at` its opening, `at` the time of this look
    (only to say how far back to look, never for a name). `failed_at` is the earliest bad sign of the incident, and
    where it is `declared`, when a person said so. `facts` is what the step's earlier looks kept, `calls` how many calls
    of the step have been made so far. `scope` is what the incident is about; empty without one. Of a step that takes
    another back, `facts` has what that one kept too.
    """

    step: str
    incident: str
    opened_at: datetime
    at: datetime
    params: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str | float] = field(default_factory=dict)
    approved_by: str | None = None
    approved_note: str = ""
    calls: int = 0
    scope: str = ""
    failed_at: datetime | None = None
    declared: bool = False


class Answer(Protocol):
    """An HTTP answer: what `Reader.http` gives."""

    @property
    def status(self) -> int: ...

    @property
    def text(self) -> str: ...


class Locked(Protocol):
    """One object of a vault, with its lock: what `Reader.vault_stands` gives. `lock` is '' where it has none."""

    @property
    def at(self) -> datetime: ...

    @property
    def lock(self) -> str: ...

    @property
    def locked_until(self) -> datetime | None: ...


class Reader(Protocol):
    """Looks at the world; changes nothing. Every method answers `NoData` with a reason instead of raising when
    nobody answered in time, and raises only on our own mistakes (an operation that was not declared).
    """

    def aws(self, service: str, region: str, operation: str, **params: Any) -> Mapping[str, Any] | Refused | NoData:
        """boto3's answer; Refused when the service said no (its `code` is the service's error code)."""
        ...

    def aws_each(
        self, service: str, region: str, operation: str, each: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any] | Refused | NoData]:
        """The same operation once for each of these parameters, side by side; the answers in their order."""
        ...

    def aws_any(
        self, service: str, regions: Sequence[str], operation: str, **params: Any
    ) -> tuple[str, Mapping[str, Any]] | Refused | NoData:
        """The same of a service that answers alike at several regions: the first that answers, and its answer."""
        ...

    def dns(self, server: str, name: str, kind: str) -> Sequence[tuple[str, str, str]] | Refused | NoData:
        """What one authoritative name server says itself, as (owner, type, value), names in lower case without the
        last dot; empty when there is nothing of that name and kind (`A`, `AAAA`, `CNAME`). Refused has the RCODE's
        name as its code (`REFUSED`), or `LAME` for a server that has no authority.
        """
        ...

    def kube(
        self,
        cluster: str,
        resource: str,
        *,
        namespace: str | None = None,
        name: str | None = None,
        label: str | None = None,
    ) -> Mapping[str, Any] | Sequence[Mapping[str, Any]] | Refused | NoData | None:
        """`resource` is `<apiVersion> <plural>` (`velero.io/v1 backups`, `apps/v1 deployments`).

        With `name`: the object as plain JSON, None when the server says 404. Without: all that match `label`,
        as a list. Refused on 401 and 403 (`code` is the Status reason, `Forbidden`), and when the cluster does not
        serve `resource` (`code` is NOT_SERVED).
        """
        ...

    def served(self, cluster: str, version: str) -> frozenset[str] | Refused | NoData:
        """The plurals that a cluster serves of a group's version (`apps/v1`, `v1`); empty when it has no such version.
        Whoever is known to a cluster may ask.
        """
        ...

    def vault_top(self, vault: str, prefix: str) -> Sequence[str] | Refused | NoData:
        """The names right below a prefix of a vault, and its folders, which end with a slash."""
        ...

    def vault_document(self, vault: str, name: str) -> str | Refused | NoData | None:
        """A text that stands in a vault; None when there is none of that name."""
        ...

    def vault_stands(self, vault: str, name: str) -> Locked | Refused | NoData | None:
        """One object of a vault, with when it was made and its lock; None when there is none of that name."""
        ...

    def cloudflare(self, zone: str, record: str) -> Mapping[str, Any] | Refused | NoData:
        """One DNS record as Cloudflare keeps it (`type`, `name`, `content`, `proxied`). Refused has the API's own
        number as its code (`81044`: there is no such record).
        """
        ...

    def cloudflare_named(self, zone: str, kind: str, name: str) -> Sequence[Mapping[str, Any]] | Refused | NoData:
        """The zone's records of that type and name."""
        ...

    def http(self, url: str, *, timeout_s: float = 3.0) -> Answer | NoData:
        """GET without redirects."""
        ...

    def sql(
        self, host: str, port: int, query: str, arguments: Sequence[Any] = ()
    ) -> Sequence[Sequence[Any]] | Refused | NoData:
        """Rows of one of the named reads (clients/database.py). Refused has the SQLSTATE as its code."""
        ...


class Action(Protocol):
    """Two verbs. `observe` reads; `next` is pure and says the one thing that is missing.

    What `observe` answers is the action's own frozen facts; only its own `next` reads them.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[Op, ...]]
    calls: ClassVar[tuple[Op, ...]]

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Any: ...

    def next(self, target: Target, policy: Policy, facts: Any, now: datetime) -> Next: ...
