"""The whole local world: the platform of the policies, AWS around it, and the responder deployed into it.

async with LocalWorld(root, policies, speed=10) as world:
await world.stopped()
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from chalicelib import names
from chalicelib.policy.load import load
from drctl.deployment import generate
from drctl.deployment.primary import primary
from drctl.neighbours.dns import answer
from drctl.neighbours.healthchecks import METRICS_NAMESPACE, METRICS_REGION, http_fetch, run_checkers
from drctl.world import rights, seeds
from drctl.world.agents import publish_health
from drctl.world.authority import Authority
from drctl.world.deploy import client, deploy
from drctl.world.ministack import install
from drctl.world.package import package
from drctl.world.platform import ROUTES, LocalPlatform
from drctl.world.supervisor import World

Told = Callable[[str], None]


class LocalWorld:
    """Up between enter and exit. `told` hears what is being done, for the screen; `shift_s` shortens the responder's
    shifts (seconds), so that a killed worker's lease ends sooner.
    """

    def __init__(
        self,
        root: Path,
        policies: Path,
        *,
        speed: float,
        told: Told = lambda _: None,
        local: Path | None = None,
        shift_s: float | None = None,
    ) -> None:
        self.root = root
        self.policies = policies
        self.policy = load(policies, speed=speed)
        self.told = told
        self.local = local
        self.shift = {} if shift_s is None else {"DR_SHIFT": f"{shift_s:g}"}
        self.records: list[dict[str, Any]] = []
        self._statuses: dict[str, bool] = {}
        self._left = AsyncExitStack()
        self._stop = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._left.aclose()
            raise
        return self

    async def _start(self) -> None:
        await asyncio.to_thread(install, self.root)
        # Everything that `package` reads is generated; what is stale would deploy yesterday's policy.
        merge = self.root / ".chalice" / generate.MERGED
        self.package = await asyncio.to_thread(package, self.root, "local", merge=merge)
        began = time.monotonic()
        self.told("starting AWS, two databases, two clusters, PagerDuty and Slack")
        self.platform = await asyncio.to_thread(LocalPlatform, self.policy)
        self._left.callback(self.platform.stop)
        self.world = World(
            self.root,
            speed=self.policy.speed,
            account=self.policy.platform.account,
            neighbours=self.platform.neighbours(),
            routes=ROUTES,
            local=self.local,
            says={"policies": str(self.policies)},
            on_dark=self.platform.darken,
        )
        await self._left.enter_async_context(self.world)
        urls = {neighbour.name: neighbour.url for neighbour in self.world.neighbours}
        await asyncio.to_thread(
            self.platform.connect, gate_url=self.world.gate_url, ministack_url=self.world.ministack.url, neighbours=urls
        )
        self.told("deploying the responder and the primary region's alarms")
        await asyncio.to_thread(self._seed, urls)
        await self._go_on()
        self.ready_in = time.monotonic() - began

    def clients(self, service: str, region: str) -> Any:
        """An ordinary AWS client, through the gate."""
        return client(self.world.gate_url, service, region, self.policy.platform.account)

    def _seed(self, urls: Mapping[str, str]) -> None:
        policy, platform = self.policy, self.policy.platform
        address = self.platform.rds.instance(
            platform.database.primary.region, platform.database.primary.instance, platform.account
        ).address
        seeds.secrets(self.clients, policy, host=address.host, port=address.port)
        seeds.mail(self.clients, policy)
        ids = seeds.checks(self.clients, policy, self.package.template)
        hosts = {e.region: str(urlsplit(e.url).hostname) for e in platform.endpoints}
        zone = seeds.zone(self.clients, policy, ids, hosts)
        self.records = self.clients("route53", platform.regions.primary).list_resource_record_sets(HostedZoneId=zone)[
            "ResourceRecordSets"
        ]
        deploy(
            self.world.gate_url,
            platform.regions.primary,
            stack=f"{names.app(policy)}-primary",
            template=seeds.known_part(primary(policy), {"EndpointCheck": ids["endpoint"]}),
            account=platform.account,
        )
        seeds.composites(self.clients, policy, names.alarm_topic_arn(policy))
        self.outputs = deploy(
            self.world.gate_url,
            platform.responder.region,
            stack=names.app(policy),
            template=seeds.known_part(self.package.template, {"TrafficSwitchCheck": ids["switch"]}),
            zip=self.package.zip,
            account=platform.account,
            environment={
                "DR_SPEED": f"{policy.speed:g}",
                "DR_RESOLVE": json.dumps({hosts[region]: urls[f"services-{region}"] for region in hosts}),
                "DR_PAGERDUTY_URL": urls["pagerduty"],
                "DR_SLACK_URL": urls["slack"] + "/api/",
                "DR_DATABASE_TLS": "off",
                **self.shift,
            },
        )
        roles = rights.roles(self.clients, policy)
        self.world.gate.authority = Authority(platform.account, rights.principals(self.clients, policy, roles))
        rights.let_in(self.clients, policy, roles)

    async def _go_on(self) -> None:
        """The platform's agents and Route 53's checkers, until the world ends."""
        session = await self._left.enter_async_context(aiohttp.ClientSession())
        region = self.policy.platform.regions.primary
        route53 = self.platform.client("cloudwatch", METRICS_REGION)

        async def publish(values: list[dict[str, Any]]) -> None:
            if values:
                await asyncio.to_thread(route53.put_metric_data, Namespace=METRICS_NAMESPACE, MetricData=values)

        tasks = [
            asyncio.create_task(
                run_checkers(
                    self.platform.checks,
                    http_fetch(session, self._endpoint),
                    on_change=self._statuses.__setitem__,
                    publish=publish,
                    stop=self._stop,
                )
            ),
            asyncio.create_task(
                publish_health(
                    self.policy,
                    self.platform.client("cloudwatch", region),
                    lambda: region not in self.platform.dark,
                    self._stop,
                )
            ),
        ]

        async def end() -> None:
            self._stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._left.push_async_callback(end)

    def _endpoint(self, config: Mapping[str, Any]) -> str:
        """Where Route 53's own DNS sends a checker now: the services of the region that has the traffic."""
        region = self.serving()
        path = config.get("ResourcePath") or "/"
        return f"{self.world_url(region)}{path}"

    def serving(self) -> str:
        """The region that the platform's public name points to, by the records and the health checks."""
        _, found = answer(self.policy.platform.traffic.record, "CNAME", self.records, self._statuses)
        target = found[0][3].rstrip(".") if found else ""
        for endpoint in self.policy.platform.endpoints:
            if urlsplit(endpoint.url).hostname == target:
                return endpoint.region
        return self.policy.platform.regions.primary

    def world_url(self, region: str) -> str:
        """The base URL of a region's services."""
        return next(n.url for n in self.world.neighbours if n.name == f"services-{region}")

    async def stopped(self) -> None:
        """Waits for Ctrl-C or SIGTERM."""
        await self.world.stopped()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._left.aclose()
