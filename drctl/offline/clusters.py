"""The tertiary cluster by the operator's kubeconfig: a token in it, or a program that fetches one (credentials.py).

The kubeconfig must lead to the server that policy names: a restore into somebody else's cluster is not undone by
noticing. The clusters in AWS are not looked for: their addresses are EKS's to say.
Sources: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/;
https://learn.microsoft.com/azure/aks/kubelogin-authentication.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx2
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster as KubeCluster
from lightkube.core.exceptions import ConfigError

from chalicelib.clients.kubernetes import TIMEOUT, StrictTransport
from chalicelib.core.outcome import NoData, Refused
from chalicelib.policy import Policy
from drctl.offline.absent import NOT_ASKED
from drctl.offline.credentials import fetched, without_program


class Kubeconfig:
    """One client for one cluster. `resolve` sends the server's host elsewhere (the local world); `transport` is for
    tests that bring their own.
    """

    def __init__(
        self,
        policy: Policy,
        path: Path,
        *,
        resolve: Mapping[str, str] | None = None,
        transport: httpx2.BaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._policy, self._path, self._resolve, self._transport = policy, path, resolve or {}, transport
        self._now = now
        self._turn = Lock()
        self._client: Client | None = None
        self._until: datetime | None = None

    def afresh(self) -> Kubeconfig:
        return Kubeconfig(self._policy, self._path, resolve=self._resolve, transport=self._transport, now=self._now)

    def forget(self, cluster: str) -> None:  # noqa: ARG002  # it has one
        """Reads the kubeconfig anew, and runs its program again, when it is asked next."""
        with self._turn:
            self._client = None

    def client(self, cluster: str) -> Client | Refused | NoData:
        """The tertiary cluster's client; NoData for any other, and when the kubeconfig cannot be used."""
        row, outage = self._policy.platform.clusters.tertiary, self._policy.platform.outage
        if row is None or outage is None or cluster != row.name:
            return NoData(because=f"cluster {cluster!r}: {NOT_ASKED.because}")
        # Looks run side by side, and a person types a code in once.
        with self._turn:
            if self._client is None or (self._until and self._now() >= self._until):
                made = self._connect(outage.server)
                if not isinstance(made, Client):
                    return made
                self._client = made
            return self._client

    def _connect(self, server: str) -> Client | NoData:
        try:
            config = KubeConfig.from_file(self._path).get()
        except (ConfigError, OSError, ValueError, KeyError, TypeError) as error:
            return NoData(because=f"the kubeconfig {str(self._path)!r} cannot be read: {type(error).__name__}: {error}")
        if config is None:
            return NoData(because=f"the kubeconfig {str(self._path)!r} has no current context")
        if _place(config.cluster.server) != _place(server):
            said = f"the kubeconfig {str(self._path)!r} leads to {config.cluster.server}, policy's cluster is {server}"
            return NoData(because=f"{said}; nothing is asked or changed there")
        self._until = None
        if config.user is not None and config.user.exec is not None and not config.user.token:
            found = fetched(config.user.exec, self._now())
            if isinstance(found, NoData):
                return found
            config, self._until = config._replace(user=without_program(found.token)), found.until
        here = self._resolve.get(str(urlsplit(server).hostname))
        if here:
            config = config._replace(cluster=KubeCluster(server=here, certificate_auth_data=_ca(config.cluster)))
        try:
            transport = self._transport or httpx2.HTTPTransport(verify=_trusts(config.cluster))
        except (ssl.SSLError, OSError, ValueError) as error:
            said = f"the certificate authority in the kubeconfig {str(self._path)!r} cannot be read"
            return NoData(because=f"{said}: {type(error).__name__}: {error}")
        return Client(config, transport=StrictTransport(transport), timeout=TIMEOUT, trust_env=False)


def _place(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    return str(parts.hostname), parts.port or 443


def _ca(cluster: KubeCluster) -> str | None:
    found: str | None = cluster.certificate_auth_data
    return found


def _trusts(cluster: KubeCluster) -> ssl.SSLContext:
    data: Any = cluster.certificate_auth_data
    if data:
        return ssl.create_default_context(cadata=base64.b64decode(data).decode())
    return ssl.create_default_context(cafile=cluster.certificate_auth or None)
