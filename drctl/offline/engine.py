"""The desk on an operator's machine: the same loop, executor, actions, gates and channels; a file for a store, the
operator's kubeconfig and secrets, and nobody where AWS was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import httpx2

from chalicelib.actions.reader import LiveReader, Ports
from chalicelib.actions.registry import ACTIONS
from chalicelib.bootstrap import WallClock
from chalicelib.channels.contract import Channel
from chalicelib.channels.registry import build as build_channels
from chalicelib.clients import cloudflare
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.cloudflare import Cloudflare
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import Clusters
from chalicelib.clients.web import Web
from chalicelib.core.outcome import NoData
from chalicelib.desk import Desk, Worked
from chalicelib.executor import Executor
from chalicelib.hearing import Unheard
from chalicelib.policy import Policy
from chalicelib.policy.outage import Outage
from chalicelib.store.codec import read_book
from chalicelib.store.contract import Store
from chalicelib.tools import Clock, Tools
from chalicelib.ways_in import reply_to
from drctl.offline import sight
from drctl.offline.absent import NoAws
from drctl.offline.clusters import Kubeconfig
from drctl.offline.hearing import heard
from drctl.offline.secrets import Secrets

SIDE_BY_SIDE: Final = 8
SHIFT: Final = timedelta(seconds=55)
REPLY_WITHIN: Final = timedelta(seconds=20)
RETRY_S: Final = 0.5


class NoOutageError(Exception):
    """Policy names nothing outside AWS that could carry the platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the operator's machine has: the files, and where hosts are if not where their names say."""

    kubeconfig: Path
    secrets: Path
    resolve: Mapping[str, str]
    cloudflare: str = cloudflare.BASE
    pagerduty: str = "https://events.pagerduty.com"
    slack: str = "https://slack.com/api/"
    database_tls: bool = True


class Offline:
    """One operator's engine."""

    def __init__(self, policy: Policy, store: Store, tools: Tools, clusters: Clusters, reader: LiveReader) -> None:
        self.policy, self.store, self.tools, self.clusters = policy, store, tools, clusters
        self.reader = reader
        self.desk = Desk(tools)

    def say(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carries a command to the desk, whoever holds it, and answers what became of it."""
        clock = self.tools.clock
        said = heard(self.policy, self.clusters, clock, payload)
        if isinstance(said, Unheard):
            return {"ok": False, "because": said.because, "id": said.id, "by": None}
        self.desk.receive(said)
        give_up = clock.now() + REPLY_WITHIN
        while True:
            self.work(linger=False)
            if reply := reply_to(self.store, said.said.id):
                return {"ok": reply.ok, "because": reply.because, "id": reply.id, "by": reply.by}
            if clock.now() >= give_up:
                because = "it is in the inbox, and the desk has not taken it in yet; it will (see status)"
                return {"ok": True, "because": because, "id": said.said.id, "by": said.said.who}
            clock.sleep(RETRY_S)

    def sight(self, secrets: Secrets) -> tuple[sight.Seen, ...]:
        """What the night needs, looked at now; nothing is changed."""
        outage, row = outage_of(self.policy), self.policy.platform.cluster("tertiary")
        body = self.store.read_book().body
        incidents = tuple(read_book(body)[0].incidents) if body else ()
        return sight.seen(
            *(self.policy, outage, row),
            reader=self.reader,
            clusters=self.clusters,
            secrets=secrets,
            incidents=incidents,
            now=self.tools.clock.now(),
        )

    def work(self, *, linger: bool = True, until: datetime | None = None) -> Worked:
        """One shift at the desk."""
        return self.desk.work(uuid4().hex, until=until or self.tools.clock.now() + SHIFT, linger=linger)


def engine(policy: Policy, store: Store, where: Where, clock: Clock | None = None) -> Offline:
    """The engine of this machine; nothing is connected yet."""
    outage, clock = outage_of(policy), clock or WallClock()
    secrets = Secrets(where.secrets)
    web = Web(where.resolve)
    clusters = Kubeconfig(policy, where.kubeconfig, resolve=where.resolve)
    ports = Ports(
        aws=cast("AwsClients", NoAws()),
        kube=clusters,
        database=database(policy, secrets, tls=where.database_tls, resolve=where.resolve),
        web=web,
        dns=Dns(where.resolve),
        cloudflare=Cloudflare(
            web.client, lambda: secrets.field(outage.cloudflare.token_secret, "token"), base=where.cloudflare
        ),
    )
    told = channels(policy, secrets, web.client, pagerduty=where.pagerduty, slack=where.slack)
    pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="side-by-side")

    def together(jobs: Any) -> list[object]:
        return [f.result() for f in [pool.submit(job) for job in jobs]]

    aside = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="aside").submit
    return assembled(policy, store, ports, told, clock, clusters, together=together, aside=aside)


def assembled(
    policy: Policy,
    store: Store,
    ports: Ports,
    told: Mapping[str, Channel],
    clock: Clock,
    clusters: Clusters,
    **more: Any,
) -> Offline:
    """The engine over these ports."""
    hands = Executor(ports=ports, actions=ACTIONS, channels=told, leads=True)
    tools = Tools(store=store, hands=hands, policy=policy, clock=clock, side_by_side=SIDE_BY_SIDE, **more)
    return Offline(policy, store, tools, clusters, LiveReader(ports, sight.READS))


def outage_of(policy: Policy) -> Outage:
    """What carries the platform outside AWS; NoOutageError when policy names nothing."""
    if policy.platform.outage is None or policy.platform.clusters.tertiary is None:
        raise NoOutageError("platform.yaml names no outage and no tertiary cluster: nothing outside AWS can carry it")
    return policy.platform.outage


def database(
    policy: Policy, secrets: Secrets, *, tls: bool, resolve: Mapping[str, str] | None = None
) -> DatabaseClients:
    """The database outside AWS, by the credentials in the operator's file."""
    name = outage_of(policy).database.credentials_secret
    region = str(policy.platform.regions.tertiary and policy.platform.regions.tertiary.region)
    aws = cast("AwsClients", NoAws())
    return DatabaseClients(
        aws, policy.platform.database, region, tls=tls, credentials=lambda: secrets.named(name), resolve=resolve
    )


def channels(
    policy: Policy,
    secrets: Secrets,
    http: httpx2.Client,
    *,
    pagerduty: str,
    slack: str,
    monotonic: Callable[[], float] = time.monotonic,
) -> Mapping[str, Channel]:
    """The channels of policy. What stands in AWS (mail, the status page) fails, and is recorded as failed."""

    def secret(name: str) -> Mapping[str, str]:
        found = secrets.named(name)
        if isinstance(found, NoData):
            raise KeyError(found.because)  # the channel's registry reads it as a missing secret
        return found

    aws = NoAws()
    region = policy.platform.responder.region
    made: Callable[..., Mapping[str, Channel]] = build_channels
    return made(
        policy,
        http=http,
        secret=secret,
        ses=aws.writing("sesv2", region),
        s3=aws.writing("s3", region),
        slack_base_url=slack,
        pagerduty_base_url=pagerduty,
        monotonic=monotonic,
    )
