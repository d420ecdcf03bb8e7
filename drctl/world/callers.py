"""Who calls a cluster of the local world: its webhook asks STS who a token is, and its access entries whom they take
that one for.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chalicelib.policy import Policy
from drctl.neighbours.eks import Eks
from drctl.neighbours.kubernetes.rbac import User
from drctl.neighbours.sts_token import Identity, Unauthorized, Verifier

log = logging.getLogger(__name__)


class Callers:
    """`gate_url` is asked when a token is looked at: the gate is up later than the clusters."""

    def __init__(self, policy: Policy, eks: Eks, *, gate_url: Callable[[], str], clock: Callable[[], datetime]) -> None:
        self._policy = policy
        self._eks = eks
        self._gate_url = gate_url
        self._clock = clock
        self._identities: dict[str, dict[str, Identity]] = {}

    def knows(self, cluster: str) -> Middleware:
        """Asks STS who a new token is, beside the event loop: the question goes through the gate, which is on it."""
        clusters = self._policy.platform.clusters
        row = next(c for c in (clusters.primary, clusters.standby) if c.name == cluster)
        identities = self._identities.setdefault(cluster, {})
        verifier = Verifier(cluster, clock=self._clock, fetch=self._fetch, hosts=[f"sts.{row.region}.amazonaws.com"])

        @web.middleware
        async def known(request: web.Request, handler: Handler) -> web.StreamResponse:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
            if token and token not in identities:
                try:
                    identities[token] = await asyncio.to_thread(verifier.verify, token)
                except Unauthorized as refused:
                    log.warning("cluster %s refuses a token: %s", cluster, refused)
            return await handler(request)

        return known

    def user(self, cluster: str, token: str) -> User | None:
        """Whom the cluster's access entries take a token's owner for; whoever has none is answered 401. The account's
        own keys made the cluster, so they administer it (`bootstrapClusterCreatorAdminPermissions`:
        https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessConfigRequest.html).
        """
        identity = self._identities.get(cluster, {}).get(token)
        if identity and identity.arn == f"arn:aws:iam::{self._policy.platform.account}:root":
            return User(identity.arn, groups=("system:masters",))
        return self._eks.user(cluster, identity) if identity else None

    def _fetch(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(url)
        sent = {**headers, "Host": parts.netloc}  # it is signed
        request = urllib.request.Request(f"{self._gate_url()}{parts.path}?{parts.query}", headers=sent)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # it is the gate, on loopback
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
