"""The reader that looks at the real world. It refuses what an action did not declare, and knows no way to change
anything: its AWS operations must be reads by name, its Kubernetes verbs are get and list, its statements named reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from chalicelib.actions.contract import VAULT_BUCKETS, AwsOp, CloudflareOp, KubeOp, Op
from chalicelib.clients import any_endpoint, aws, discovery, kubernetes
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.cloudflare import Cloudflare
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import Clusters
from chalicelib.clients.vaults import Kept, Vault, VaultError, Vaults
from chalicelib.clients.web import HttpAnswer, Web
from chalicelib.core.outcome import NoData, Refused

T = TypeVar("T")
EACH_SIDE_BY_SIDE: Final = 8
"""As many as a client's pool of connections bears (botocore's `max_pool_connections` is 10)."""
NOT_HERE: Final = NoData(
    because="Cloudflare is asked from an operator's machine only (`drctl respond --offline`), which holds its token"
)
READ_STATEMENTS: Final = frozenset({"role", "proof", "proofs", "beat", "beats", "check", "clock"})


class UndeclaredError(Exception):
    """An action did what it had not declared: its IAM policy would not have allowed it either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that opens connections, built once by bootstrap."""

    aws: AwsClients
    kube: Clusters
    database: DatabaseClients
    web: Web
    dns: Dns
    vaults: Vaults = field(default_factory=dict)
    """Where air-gapped copies lie; empty where policy names none."""
    cloudflare: Cloudflare | None = None
    """None where the responder runs in AWS: the token lies with the operators."""


@dataclass(frozen=True, slots=True)
class LiveReader:
    """A `Reader` for one action, with the operations it declared."""

    ports: Ports
    declared: tuple[Op, ...]

    def aws(self, service: str, region: str, operation: str, **params: Any) -> Mapping[str, Any] | Refused | NoData:
        self._declared(service, operation)
        return aws.read(self.ports.aws, service, region, operation, params)

    def aws_each(
        self, service: str, region: str, operation: str, each: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any] | Refused | NoData]:
        self._declared(service, operation)
        if not each:
            return ()
        with ThreadPoolExecutor(EACH_SIDE_BY_SIDE) as pool:
            return list(pool.map(partial(aws.read, self.ports.aws, service, region, operation), each))

    def aws_any(
        self, service: str, regions: Sequence[str], operation: str, **params: Any
    ) -> tuple[str, Mapping[str, Any]] | Refused | NoData:
        self._declared(service, operation)
        return any_endpoint.read(self.ports.aws, service, regions, operation, params)

    def dns(self, server: str, name: str, kind: str) -> Sequence[tuple[str, str, str]] | Refused | NoData:
        return self.ports.dns.ask(server, name, kind)

    def kube(
        self,
        cluster: str,
        resource: str,
        *,
        namespace: str | None = None,
        name: str | None = None,
        label: str | None = None,
    ) -> Mapping[str, Any] | Sequence[Mapping[str, Any]] | Refused | NoData | None:
        verb = "get" if name else "list"
        if not any(isinstance(d, KubeOp) and (d.verb, d.named) == (verb, resource) for d in self.declared):
            raise UndeclaredError(f"{verb} {resource} is not among what this action declared to read")
        return kubernetes.look(self.ports.kube, cluster, resource, namespace=namespace, name=name, label=label)

    def served(self, cluster: str, version: str) -> frozenset[str] | Refused | NoData:
        return discovery.served(self.ports.kube, cluster, version)

    def vault_top(self, vault: str, prefix: str) -> Sequence[str] | Refused | NoData:
        return self._of_vault(vault, lambda there: there.top(prefix))

    def vault_document(self, vault: str, name: str) -> str | Refused | NoData | None:
        return self._of_vault(vault, lambda there: there.document(name))

    def vault_stands(self, vault: str, name: str) -> Kept | Refused | NoData | None:
        return self._of_vault(vault, lambda there: there.stands(name))

    def cloudflare(self, zone: str, record: str) -> Mapping[str, Any] | Refused | NoData:
        self._at_cloudflare("get")
        return self.ports.cloudflare.record(zone, record) if self.ports.cloudflare else NOT_HERE

    def cloudflare_named(self, zone: str, kind: str, name: str) -> Sequence[Mapping[str, Any]] | Refused | NoData:
        self._at_cloudflare("list")
        return self.ports.cloudflare.named(zone, kind, name) if self.ports.cloudflare else NOT_HERE

    def http(self, url: str, *, timeout_s: float = 3.0) -> HttpAnswer | NoData:
        return self.ports.web.get(url, timeout_s=timeout_s)

    def sql(
        self, host: str, port: int, query: str, arguments: Sequence[Any] = ()
    ) -> Sequence[Sequence[Any]] | Refused | NoData:
        if query not in READ_STATEMENTS:
            raise UndeclaredError(f"statement {query!r} is no read; reads are {', '.join(sorted(READ_STATEMENTS))}")
        return self.ports.database.query(host, port, query, arguments)

    def _of_vault(self, name: str, look: Callable[[Vault], T]) -> T | Refused | NoData:
        if not any(isinstance(d, AwsOp) and VAULT_BUCKETS in d.resources for d in self.declared):
            raise UndeclaredError("vaults are not among what this action declared to read")
        vault = self.ports.vaults.get(name)
        if vault is None:
            return NoData(because=f"vault {name!r} is not reached from here")
        try:
            return look(vault)
        except VaultError as error:
            because = f"{error.because} ({error.code})" if error.silent else error.because
            return NoData(because=because) if error.silent else Refused(code=error.code, because=because)

    def _at_cloudflare(self, verb: str) -> None:
        if not any(isinstance(d, CloudflareOp) and d.verb == verb for d in self.declared):
            raise UndeclaredError(f"cloudflare {verb} dns_records is not among what this action declared to read")

    def _declared(self, service: str, operation: str) -> None:
        if not any(isinstance(d, AwsOp) and (d.service, d.operation) == (service, operation) for d in self.declared):
            raise UndeclaredError(f"{service} {operation} is not among what this action declared to read")
