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
from chalicelib.intake import identity
from chalicelib.policy.load import load
from chalicelib.policy.platform import ArcSwitch, ObjectSwitch
from drctl.deployment.agents import witness
from drctl.deployment.primary import alarm_stack
from drctl.deployment.project import package_of
from drctl.deployment.switch import object_host
from drctl.neighbours.healthchecks import CHECKERS, METRICS_NAMESPACE, METRICS_REGION, http_fetch, run_checkers
from drctl.neighbours.kubernetes.shared import SharedKubeApi
from drctl.world import lifecycles, replicated, rights, seeds, sight
from drctl.world.agents import publish_health
from drctl.world.authority import Authority
from drctl.world.breaks import Breaks
from drctl.world.deploy import client, deploy
from drctl.world.hosted_zones import HostedZones
from drctl.world.ministack import WorldError, install
from drctl.world.outside import Outside
from drctl.world.platform import ROUTES, LocalPlatform, now
from drctl.world.supervisor import World, hold

Told = Callable[[str], None]
WHOLE_WITHIN_S = 60.0
LONGEST_SIGNED_S = 604_800
"""Seven days: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html"""


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
        self._statuses: dict[str, bool] = {}
        self._object = ("", "")
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
        # Told before anything is started or written; the world itself takes the lock again, and keeps it.
        hold((self.local or self.root / ".local") / "world.json").close()
        await asyncio.to_thread(install, self.root)
        # Packaged at real durations: what is generated tells AWS how things are, and the speed is the world's alone.
        self.package = await asyncio.to_thread(package_of, self.root, self.policies, load(self.policies), "local")
        began = time.monotonic()
        self.told("starting AWS, two databases, two clusters, PagerDuty and Slack")
        self.platform = await asyncio.to_thread(LocalPlatform, self.policy)
        self._left.callback(self.platform.stop)
        primary = self.policy.platform.clusters.primary.name
        self.outside = self._outside()
        self.world = World(
            self.root,
            speed=self.policy.speed,
            account=self.policy.platform.account,
            neighbours=[*self.platform.neighbours(), *(self.outside.neighbours() if self.outside else ())],
            routes=ROUTES,
            local=self.local,
            says={"policies": str(self.policies.resolve())},
            on_dark=self.platform.darken,
            breaks=self._breaks(primary),
            everywhere=self._everywhere(),
            on_gone=self._lose_route53,
        )
        await self._left.enter_async_context(self.world)
        loop = asyncio.get_running_loop()
        self._broken.say = lambda event: asyncio.run_coroutine_threadsafe(self.world.ministack.say(event), loop).result(
            10
        )
        self.platform.ails = self.world.gate.faults.ailing
        urls = {neighbour.name: neighbour.url for neighbour in self.world.neighbours}
        await asyncio.to_thread(
            self.platform.connect, gate_url=self.world.gate_url, ministack_url=self.world.ministack.url, neighbours=urls
        )
        self.zones = self._left.enter_context(HostedZones(self.policy, lambda: self._statuses))
        if self.outside:
            await asyncio.to_thread(self._furnish, self.outside, urls)
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
        seeds.secrets(self.clients, policy, host=address.host, port=address.port, pager=urls["pagerduty"])
        if secret := self.platform.vaults.secret():
            client_ = self.clients("secretsmanager", platform.responder.region)
            client_.create_secret(Name=secret[0], SecretString=json.dumps(secret[1]))
        self.platform.rows.furnish()
        self.platform.folders.furnish()
        lifecycles.furnish(self.policy, self.platform.client)
        seeds.mail(self.clients, policy)
        seeds.roles(self.clients, policy)
        ids = seeds.checks(self.clients, policy, self.package.template)
        hosts = {e.region: str(urlsplit(e.url).hostname) for e in platform.endpoints}
        self._object = self._object_address()
        self._inverted_starts(ids["switch"])
        self.zones.furnish(self.clients, ids, hosts)
        environment = {
            "DR_SPEED": f"{policy.speed:g}",
            "DR_RESOLVE": json.dumps(
                {hosts[r]: urls[f"services-{r}"] for r in hosts} | self._elsewhere() | self._vaults(urls)
            ),
            "DR_PAGERDUTY_URL": urls["pagerduty"],
            "DR_SLACK_URL": urls["slack"] + "/api/",
            "DR_DATABASE_TLS": "off",
            **self.shift,
        }
        self.outputs = deploy(
            self.world.gate_url,
            platform.responder.region,
            stack=names.app(policy),
            template=seeds.known_part(self.package.template, {"TrafficSwitchCheck": ids["switch"]}),
            zip=self.package.zip,
            account=platform.account,
            environment=environment,
        )
        given = {"CodeBucket": "packages", "CodeKey": "package.zip", "Stage": "local"}
        stacks = {names.alarm_stack(policy, r): (r, alarm_stack(policy, r)) for r in names.alarm_regions(policy)}
        stacks[f"{names.app(policy)}-{names.WITNESS}"] = (platform.regions.witness, witness(policy))
        for stack, (region, template) in stacks.items():
            deploy(
                self.world.gate_url,
                region,
                stack=stack,
                template=seeds.known_part(template, {"EndpointCheck": ids["endpoint"]}),
                zip=self.package.zip,
                account=platform.account,
                environment=environment,
                parameters={name: value for name, value in given.items() if name in template.get("Parameters", {})},
            )
        seeds.composites(self.clients, policy)
        roles = rights.roles(self.clients, policy)
        self.platform.sts.know(rights.keys(self.clients, policy))
        rights.let_in(self.clients, policy, roles)
        self.world.gate.authority = Authority(platform.account, rights.principals(self.clients, policy, roles))

    def _vaults(self, urls: Mapping[str, str]) -> dict[str, str]:
        """Where the host of the vault in another cloud is here."""
        row = self.platform.vaults.row
        return {row.host: urls["azure"]} if row else {}

    def _everywhere(self) -> frozenset[str]:
        platform = self.policy.platform
        regions = platform.regions
        return frozenset({regions.primary, regions.standby, regions.witness, platform.responder.region})

    def _lose_route53(self, gone: bool) -> None:
        """Its name servers answer whatever region is lost, and nobody when all of AWS is."""
        self.zones.silence(gone)

    def _outside(self) -> Outside | None:
        """What stands outside AWS, if policy names anything there; its name servers answer from now on."""
        platform = self.policy.platform
        if platform.outage is None or platform.clusters.tertiary is None:
            return None
        return self._left.enter_context(Outside(self.policy, now, self.platform.engine, make=SharedKubeApi))

    def _furnish(self, outside: Outside, urls: Mapping[str, str]) -> None:
        outside.furnish(self.platform.store, urls)
        files = outside.files(self.world.state_path.parent)
        for path in files:
            self._left.callback(path.unlink, missing_ok=True)
        self.world.say(offline=outside.says(urls, files, self.zones.name_servers()))

    def _elsewhere(self) -> dict[str, str]:
        """Where the responder finds the zone's name servers, at Route 53 and elsewhere, and an ARC cluster's endpoints:
        those are behind the gate, which knows by the signature which region is asked.
        """
        platform, traffic = self.policy.platform, self.policy.platform.traffic
        found = self.zones.name_servers() | (self.outside.name_servers() if self.outside else {})
        # The responder asks STS who speaks; both ask it for the roles of other accounts, each in its own region.
        for region in (platform.responder.region, platform.regions.primary):
            found[identity.host(region)] = self.world.gate_url
        if isinstance(traffic.switch, ArcSwitch):
            found |= {str(urlsplit(e.url).hostname): self.world.gate_url for e in traffic.switch.endpoints}
        return found

    def _object_address(self) -> tuple[str, str]:
        """The host of the switch's object and where that is here; two empty strings for another switch. The address is
        signed, so that the gate knows whose S3 is asked, and can lose it.
        """
        switch = self.policy.platform.traffic.switch
        if not isinstance(switch, ObjectSwitch):
            return "", ""
        url = self.clients("s3", switch.region).generate_presigned_url(
            "get_object", Params={"Bucket": switch.bucket, "Key": switch.key}, ExpiresIn=LONGEST_SIGNED_S
        )
        # The checkers send the bucket's own host along, so the path holds the key alone.
        return object_host(switch), str(url).replace(f"/{switch.bucket}/{switch.key}?", f"/{switch.key}?", 1)

    def _inverted_starts(self, check: str) -> None:
        """An inverted check is unhealthy until its checkers have failed: no record hangs on it before they have."""
        config = self.platform.checks.get_health_check({"HealthCheckId": check})["HealthCheck"]["HealthCheckConfig"]
        if config["Inverted"]:
            for _ in range(config["FailureThreshold"]):
                self.platform.checks.observe(check, dict.fromkeys(CHECKERS, False), now())

    def _breaks(self, primary: str) -> Breaks:
        self._broken = Breaks(
            self.policy,
            self.platform.clusters[primary],
            self.platform.ec2,
            self.platform.rds,
            self.platform.client,
            rows=self.platform.rows,
            folders=self.platform.folders,
            guardduty=self.platform.guardduty,
        )
        return self._broken

    async def _go_on(self) -> None:
        """The platform's agents and Route 53's checkers, until the world ends."""
        session = await self._left.enter_async_context(aiohttp.ClientSession())
        await self._whole()
        region, primary = self.policy.platform.regions.primary, self.policy.platform.clusters.primary.name
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
                replicated.publish(
                    self.platform.replicated,
                    self.platform.client,
                    lambda: self.platform.dark,
                    self._stop,
                    self.policy.speed,
                )
            ),
            asyncio.create_task(
                publish_health(
                    self.policy,
                    self.platform.client("cloudwatch", region),
                    lambda: region not in self.platform.dark,
                    self._stop,
                    lambda: {
                        **sight.seen(self.platform.clusters[primary]),
                        **self.platform.rows.seen(),
                        **self._broken.seen(),
                    },
                )
            ),
        ]

        async def end() -> None:
            self._stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._left.push_async_callback(end)

    async def _whole(self) -> None:
        """Waits for the primary's pods, which nobody has looked at before: else the first word of its agents would be
        that none is available.
        """
        primary = self.platform.clusters[self.policy.platform.clusters.primary.name]
        until = asyncio.get_running_loop().time() + WHOLE_WITHIN_S
        while not await asyncio.to_thread(sight.well, primary):
            if asyncio.get_running_loop().time() > until:
                raise WorldError(
                    f"the primary's pods are not available after {WHOLE_WITHIN_S:.0f} s: {sight.seen(primary)}"
                )
            await asyncio.sleep(0.1)

    def _endpoint(self, config: Mapping[str, Any]) -> str:
        """Where Route 53's own DNS sends a checker now: the switch's object, or the services that have the traffic."""
        if config["FullyQualifiedDomainName"] == self._object[0]:
            return self._object[1]
        region = self.serving()
        path = config.get("ResourcePath") or "/"
        return f"{self.world_url(region)}{path}"

    def serving(self) -> str:
        """The region that the platform's public name points to, by the records and the health checks."""
        target = self.zones.leads_to()
        for endpoint in self.policy.platform.endpoints:
            if urlsplit(endpoint.url).hostname == target:
                return endpoint.region
        return self.policy.platform.regions.primary

    def world_url(self, region: str) -> str:
        """The base URL of a region's services."""
        return next(n.url for n in self.world.neighbours if n.name == f"services-{region}")

    async def stopped(self) -> None:
        """Waits for Ctrl-C, SIGTERM, or a terminal that is closed."""
        await self.world.stopped()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._left.aclose()
