"""The only place that builds clients: from settings and policy to a responder that is ready to work."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import names
from chalicelib.actions.reader import LiveReader, Ports
from chalicelib.actions.registry import ACTIONS
from chalicelib.agents.replay import Replay
from chalicelib.channels.contract import Channel
from chalicelib.channels.registry import SecretSilentError
from chalicelib.channels.registry import build as build_channels
from chalicelib.clients.any_endpoint import endpoints
from chalicelib.clients.aws import AwsClients, Others, read
from chalicelib.clients.database import DatabaseClients, checks
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.roles import Roles
from chalicelib.clients.vault_azure import VaultAtAzure
from chalicelib.clients.vault_copies import READ_S as COPIES_READ_S
from chalicelib.clients.vault_copies import SIDE_BY_SIDE as COPIES_SIDE_BY_SIDE
from chalicelib.clients.vault_s3 import VaultInS3
from chalicelib.clients.vaults import Vault, VaultError, Vaults
from chalicelib.clients.web import Web
from chalicelib.core.outcome import NoData, Refused
from chalicelib.desk import Desk
from chalicelib.executor import Executor
from chalicelib.intake import identity
from chalicelib.keeper import Keeper
from chalicelib.policy import Policy
from chalicelib.policy.airgap import AzureVault, S3Vault
from chalicelib.policy.platform import Mode
from chalicelib.readiness.registry import JUDGES
from chalicelib.readiness.round import Round
from chalicelib.reports.readiness import render
from chalicelib.settings import Settings
from chalicelib.store.beats import Beats
from chalicelib.store.codec import read_book
from chalicelib.store.contract import Store
from chalicelib.store.dynamodb import DynamoStore
from chalicelib.store.page import Page
from chalicelib.store.progress import Progresses
from chalicelib.store.rounds import Rounds
from chalicelib.tools import Clock, Tools
from chalicelib.vitals import Meter, unheard

SIDE_BY_SIDE = 8
GET_S = 4.0
RIGHTS_S = 45
"""The desk's function asks some sixty questions of each cluster, one after another."""
log = logging.getLogger("responder")


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Lets it pass."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """Everything a way in needs."""

    settings: Settings
    policy: Policy
    store: Store
    desk: Desk
    ports: Ports
    clock: WallClock
    beats: Beats | None = None
    """None where no heart and no witness are heard."""
    wake: Callable[[], None] = lambda: None
    """Has somebody visit the desk soon."""
    replayed: Callable[[datetime], None] = lambda _: None
    """Notes what the replica has replayed."""
    rounds: Rounds | None = None
    """None where nobody judges readiness."""
    round: Round | None = None
    page: Page | None = None
    """Where operators read of it; None where policy names no place."""

    keeper: Keeper | None = None
    """None where nobody keeps air-gapped copies."""

    def nonce(self) -> str:
        """A fresh name for one holding of the desk: a retried invocation has the same request id, so that is none."""
        return uuid4().hex


def responder(settings: Settings, policy: Policy, meter: Meter = unheard) -> Responder:
    """The real thing; nothing is connected yet."""
    region = policy.platform.responder.region
    clock = WallClock()
    aws = AwsClients(
        endpoints=endpoints(policy.platform.traffic.switch, settings.resolve),
        others=others(settings, policy, region, names.app(policy), clock),
    )
    clusters = policy.platform.clusters
    web = Web(settings.resolve)
    ports = Ports(
        aws=aws,
        kube=KubeClients(aws, (clusters.primary, clusters.standby), now=clock.now),
        database=DatabaseClients(
            aws, policy.platform.database, region, tls=settings.database_tls, checks=checks(policy)
        ),
        web=web,
        dns=Dns(settings.resolve),
        vaults=vaults(settings, policy, aws, web, clock),
    )
    store = DynamoStore(
        aws.writing("dynamodb", region), table=policy.platform.responder.table, platform=policy.platform.name
    )
    hands = Executor(ports=ports, actions=ACTIONS, channels=channels(settings, policy, ports))
    pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="side-by-side")

    def together(jobs: Sequence[Callable[[], object]]) -> list[object]:
        return [f.result() for f in [pool.submit(job) for job in jobs]]

    tools = Tools(
        store=store,
        hands=hands,
        policy=policy,
        clock=clock,
        together=together,
        side_by_side=SIDE_BY_SIDE,
        aside=ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="aside").submit,
        meter=meter,
    )
    beats = Beats(aws.writing("dynamodb", region), table=policy.platform.responder.table, platform=policy.platform.name)
    return Responder(
        settings=settings,
        policy=policy,
        store=store,
        desk=Desk(tools),
        ports=ports,
        clock=clock,
        beats=beats,
        wake=partial(wake, aws, policy),
        replayed=Replay(policy, ports, beats).record,
        rounds=Rounds(
            aws.writing("dynamodb", region), table=policy.platform.responder.table, platform=policy.platform.name
        ),
        page=operators_page(aws, policy),
        round=Round(
            policy=policy,
            clock=clock,
            actions=ACTIONS,
            judges=JUDGES,
            reader=partial(LiveReader, ports),
            get=lambda url, headers: ports.web.get(url, timeout_s=GET_S, headers=headers),
            rights=partial(rights_of_the_desk, aws, policy),
            slack_url=settings.slack_url,
            pagerduty_url=settings.pagerduty_url,
        ),
        keeper=Keeper(
            hands=hands,
            kept=Progresses(
                aws.writing("dynamodb", region), table=policy.platform.responder.table, platform=policy.platform.name
            ),
            policy=policy,
            now=clock.now,
            stopped=partial(_stopped, store),
        ),
    )


def _stopped(store: Store) -> str:
    """Why the keeper may make no call now, '' when it may."""
    body = store.read_book().body
    if body is None:
        return "nobody has been at the desk yet"
    book, _ = read_book(body)
    if book.paused:
        return "a person has paused everything"
    return "the mode is observe" if book.mode is Mode.OBSERVE else ""


def vaults(settings: Settings, policy: Policy, aws: AwsClients, web: Web, clock: Clock) -> Vaults:
    """The vaults of policy's air gap; none where it has none."""
    airgap, region = policy.backups.airgap, policy.platform.responder.region
    found: dict[str, Vault] = {}
    for row in airgap.vaults if airgap else ():
        match row:
            case S3Vault():
                creating = partial(
                    aws.bulk, "s3", row.region, connections=2 * COPIES_SIDE_BY_SIDE, read_s=COPIES_READ_S
                )
                found[row.name] = VaultInS3(row, aws.reading("s3", row.region), creating, clock.now)
            case AzureVault():
                base = settings.resolve.get(row.host, f"https://{row.host}")
                found[row.name] = VaultAtAzure(
                    row, web.client, base, partial(_vault_secret, aws, region, row.sas_secret)
                )
    return found


def _vault_secret(aws: AwsClients, region: str, name: str) -> Mapping[str, object]:
    found = read(aws, "secretsmanager", region, "get_secret_value", {"SecretId": name})
    if isinstance(found, Refused | NoData):
        raise VaultError("NoToken", found.because, silent=isinstance(found, NoData))
    held: Mapping[str, object] = json.loads(found["SecretString"])
    return held


def others(settings: Settings, policy: Policy, region: str, who: str, clock: Clock) -> Others | None:
    """How a function that runs in `region` enters the platform's other accounts; None where there are none."""
    if not policy.platform.accounts:
        return None
    host = identity.host(region)
    endpoint = settings.resolve.get(host, f"https://{host}")
    return Others(policy.platform, Roles(region=region, endpoint=endpoint, session_name=who, now=clock.now))


def wake(aws: AwsClients, policy: Policy) -> None:
    """Invokes the function that visits the desk, and does not wait for it. A signal is in the inbox before this, so
    when the invocation fails, the next tick finds it.
    """
    name = names.function(policy, "wake")
    try:
        aws.writing("lambda", policy.platform.responder.region).invoke(FunctionName=name, InvocationType="Event")
    except (ClientError, BotoCoreError) as error:
        log.warning("nobody could be woken, the next tick comes: %s", error)


def operators_page(aws: AwsClients, policy: Policy) -> Page | None:
    """Where the round's page goes."""
    bucket = policy.platform.responder.operators_bucket
    if bucket is None:
        return None
    client = aws.writing("s3", policy.platform.responder.region)
    return Page(client, bucket=bucket, key=render.KEY, content_type=render.CONTENT_TYPE)


def rights_of_the_desk(aws: AwsClients, policy: Policy) -> Mapping[str, Any] | NoData:
    """Has a function that works the desk ask the clusters what it may do: only it knows. It looks, and nothing else."""
    name, region = names.function(policy, "wake"), policy.platform.responder.region
    client = aws.bulk("lambda", region, connections=1, read_s=RIGHTS_S)
    try:
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"look": "rights"}).encode())
        body = json.loads(answer["Payload"].read())
    except (ClientError, BotoCoreError, ValueError) as error:
        return NoData(because=f"function {name} could not be asked what it may do: {error}")
    if answer.get("FunctionError") or not isinstance(body, dict):
        return NoData(because=f"function {name} failed when it was asked what it may do")
    return body


def channels(
    settings: Settings, policy: Policy, ports: Ports, *, monotonic: Callable[[], float] = time.monotonic
) -> Mapping[str, Channel]:
    """The channels of policy; their secrets stand in the standby region. `monotonic` as of the registry."""
    region = policy.platform.responder.region

    def secret(name: str) -> Mapping[str, str]:
        found = read(ports.aws, "secretsmanager", region, "get_secret_value", {"SecretId": name})
        if isinstance(found, NoData):
            raise SecretSilentError(found.because)
        if isinstance(found, Refused):
            raise KeyError(found.because)  # the secret is missing; no type is wrong
        held: Mapping[str, str] = json.loads(found["SecretString"])
        return held

    return build_channels(
        policy,
        http=ports.web.client,
        secret=secret,
        ses=ports.aws.writing("sesv2", region),
        s3=ports.aws.writing("s3", region),
        slack_base_url=settings.slack_url,
        pagerduty_base_url=settings.pagerduty_url,
        monotonic=monotonic,
    )
