"""The agents beside the desk, in the in-process platform: the primary region's and the standby's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx2
from botocore.exceptions import ConnectTimeoutError

from chalicelib import names
from chalicelib.actions.reader import Ports
from chalicelib.agents.build import FenceHands, checker, writer
from chalicelib.agents.heart import Heart
from chalicelib.agents.replay import Replay
from chalicelib.bootstrap import others
from chalicelib.clients.aws import AwsClients
from chalicelib.clients.database import DatabaseClients
from chalicelib.clients.dns import Dns
from chalicelib.clients.kubernetes import KubeClients
from chalicelib.clients.web import Web
from chalicelib.settings import Settings
from chalicelib.store.beats import Beats
from drctl.neighbours.aws_clients import make_client
from drctl.neighbours.rds.client import InMemoryClients
from tests.crash.straight import Straight

if TYPE_CHECKING:
    from tests.crash.platform_in_process import Platform


def heart(platform: Platform, settings: Settings, events: Any) -> Heart:
    """The agent in the primary region: no worker of the desk's, so its calls are nobody's to stop."""
    session, its = _Own(platform, events), platform.policy.platform
    region, who = its.regions.primary, names.function(platform.policy, names.HEART)
    clients = AwsClients(session, others=others(settings, platform.policy, region, who, platform.clock))
    ports = Ports(
        aws=clients,
        kube=KubeClients(clients, (), now=platform.clock.now),
        database=cast("DatabaseClients", InMemoryClients(platform.engine)),
        web=Web({}, httpx2.MockTransport(lambda _: httpx2.Response(403))),
        dns=Dns({}),
    )
    side = its.database.primary
    return Heart(
        policy=platform.policy,
        clock=platform.clock,
        beats=_beats(platform),
        write=writer(ports, side.region, side.instance),
        hands=FenceHands(platform.policy, ports),
        third_answers=lambda: not platform.cut_off,
        check=checker(ports, side.region, side.instance),
    )


def replay(platform: Platform, events: Any) -> Replay:
    """The agent in the standby region, likewise."""
    clients = AwsClients(_Own(platform, events))
    ports = Ports(
        aws=clients,
        kube=KubeClients(clients, (), now=platform.clock.now),
        database=cast("DatabaseClients", InMemoryClients(platform.engine)),
        web=Web({}, httpx2.MockTransport(lambda _: httpx2.Response(403))),
        dns=Dns({}),
    )
    return Replay(platform.policy, ports, _beats(platform))


def _beats(platform: Platform) -> Beats:
    """The agents' way to the desk's table, which the primary's has lost where it is cut off."""
    responder, its = platform.policy.platform.responder, platform.policy.platform

    def reached() -> None:
        if platform.cut_off and responder.region != its.regions.primary:
            raise ConnectTimeoutError(endpoint_url=f"dynamodb in {responder.region}")

    client = Straight(platform.tables, responder.region, its.account, reached)
    return Beats(client, table=responder.table, platform=its.name)


class _Own:
    """A session whose clients ask the platform's AWS directly, past everything that counts or stops workers."""

    def __init__(self, platform: Platform, events: Any) -> None:
        self._platform = platform
        self.events = events

    def client(
        self, service: str, *, region_name: str, config: Any, aws_access_key_id: str | None = None, **_: Any
    ) -> Any:
        del config
        platform = self._platform.policy.platform
        account = aws_access_key_id or platform.account
        client = make_client(self._platform.aws, service, region_name, account=account)

        def hears(**_: Any) -> None:
            if self._platform.cut_off and region_name != platform.regions.primary:
                raise ConnectTimeoutError(endpoint_url=f"{service} in {region_name}")

        client.meta.events.register_first("before-send", hears)
        return client
