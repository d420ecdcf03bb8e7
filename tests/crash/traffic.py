"""The zone, its health checks and its name servers, in one process: where people are sent, by whichever switch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from chalicelib.account.endpoint import endpoint_check
from chalicelib.policy import Policy
from chalicelib.policy.platform import ArcSwitch, MetricSwitch, ObjectSwitch
from drctl.deployment.resources import resources
from drctl.neighbours.cloudflare import Cloudflare
from drctl.neighbours.dns import Authority, answer
from drctl.neighbours.healthchecks import HealthCheckers
from drctl.world import hosted_zones
from drctl.world.seeds import controls
from tests.crash.cloud import S3, CloudWatch

SETTLES: Final = 3
"""Rounds until checkers have made up their minds about a new check (`FailureThreshold`)."""


class Traffic:
    """As on a good day: the primary serves. `dark()` are the regions whose CloudWatch and S3 answer nobody, not even
    Route 53. `silent` are name servers that do not answer; `stale` answer as if every check were healthy.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Callable[[], datetime],
        *,
        cloudwatch: CloudWatch,
        s3: S3,
        dark: Callable[[], frozenset[str]],
    ) -> None:
        self.policy = policy
        self.silent: set[str] = set()
        self.outside: Cloudflare | None = None
        self.stale: set[str] = set()
        self.arc = controls(policy)
        self._clock, self._s3, self._dark = clock, s3, dark
        self.checks = HealthCheckers(
            clock,
            policy.speed,
            alarm=lambda region, name: None if region in dark() else cloudwatch.state(region, name),
            control=self.arc.is_on,
        )
        made = resources(policy)["Resources"]
        self.config = dict(made["TrafficSwitchCheck"]["Properties"]["HealthCheckConfig"])
        match policy.platform.traffic.switch:
            case MetricSwitch() as switch:
                cloudwatch.add(switch.region, made["TrafficSwitch"]["Properties"])
                self.config["AlarmIdentifier"] = {"Region": switch.region, "Name": switch.alarm}
            case ObjectSwitch() as switch:
                s3.add(switch.bucket)
            case ArcSwitch():
                pass  # the cluster is there
        configs: dict[str, Any] = {"endpoint": endpoint_check(policy), "switch": self.config}
        if drill := policy.drills.test_record:
            cloudwatch.add(drill.switch.region, made["DrillSwitch"]["Properties"])
            configs["drill"] = dict(made["DrillSwitchCheck"]["Properties"]["HealthCheckConfig"])
            configs["drill"]["AlarmIdentifier"] = {"Region": drill.switch.region, "Name": drill.switch.alarm}
        ids = {
            name: self.checks.create_health_check({"CallerReference": name, "HealthCheckConfig": config})
            for name, config in configs.items()
        }
        self.switch_id = str(ids["switch"]["HealthCheck"]["Id"])
        hosts = {e.region: str(urlsplit(e.url).hostname) for e in policy.platform.endpoints}
        self.rows = rows = hosted_zones.rows(
            policy, {name: str(made["HealthCheck"]["Id"]) for name, made in ids.items()}, hosts
        )
        self.records = rows[policy.platform.traffic.zone]
        self._authorities: dict[str, Authority] = {}
        self._stale: dict[str, Authority] = {}
        for zone, servers in hosted_zones.servers(policy).items():
            fresh = Authority(partial(rows.__getitem__, zone), self.checks.statuses, zones=[zone])
            self._authorities |= dict.fromkeys(servers, fresh)
            self._stale |= dict.fromkeys(servers, Authority(partial(rows.__getitem__, zone), dict, zones=[zone]))
        # An inverted check of an endpoint begins unhealthy: no record hangs on one before the checkers have looked.
        for _ in range(SETTLES):
            self._checkers_look()

    def watch(self) -> None:
        """What Route 53 does all the time: checkers ask when it is their turn, and alarms are read."""
        if any(check == self.switch_id for check, _, _ in self.checks.due(self._clock())):
            self._checkers_look()
        self.checks.statuses()

    def serving(self) -> str:
        """The region that the public name leads to, by the records and by what Route 53 thinks of their checks."""
        _, found = answer(self.policy.platform.traffic.record, "CNAME", self.records, self.checks.statuses())
        target = found[0][3].rstrip(".")
        return next(e.region for e in self.policy.platform.endpoints if urlsplit(e.url).hostname == target)

    def name_server(self, host: str, _port: int, query: bytes, _over_tcp: bool) -> bytes:
        """One of the zone's name servers, as chalicelib/clients/dns.py sends to it."""
        if host in self.silent:
            raise TimeoutError
        outage = self.policy.platform.outage
        if outage is not None and host in outage.cloudflare.servers:
            return self._at_cloudflare().wire(query)
        return (self._stale if host in self.stale else self._authorities)[host].wire(query)

    def _at_cloudflare(self) -> Authority:
        """The zone there as it is on a good day, until somebody has said what it holds."""
        outage, zone = self.policy.platform.outage, self.policy.platform.traffic.zone
        if outage is None or self.outside is None:
            by_day = self.policy.platform.by_day
            row = {"Name": self.policy.platform.traffic.record, "Type": "CNAME", "TTL": 300}
            rows = [row | {"ResourceRecords": [{"Value": by_day.record}]}] if by_day else []
            return Authority(lambda: rows, dict, zones=[zone])
        there, named = self.outside, outage.cloudflare.zone
        return Authority(lambda: there.record_sets(named), dict, zones=[zone])

    def _checkers_look(self) -> None:
        """At the switch's object, if there is one: a public GET, as its bucket's policy allows."""
        switch = self.policy.platform.traffic.switch
        if isinstance(switch, ObjectSwitch):
            there = switch.region not in self._dark() and switch.key in self._s3.buckets[switch.bucket].objects
            regions = ("us-east-1", "eu-west-1", "ap-southeast-1")
            self.checks.observe(self.switch_id, dict.fromkeys(regions, there), self._clock())
