"""Route 53's zones of the platform: their records, and the name servers that answer for each.

The zone of the record is one; where Cloudflare answers for it too, the name that Cloudflare leads to by day lies in
another. Each zone has servers of its own, which refuse to answer for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from chalicelib.policy import Policy
from drctl.neighbours.dns import AuthoritativeDns, answer
from drctl.world.seeds import Clients
from drctl.world.supervisor import LOOPBACK

TTL_S: Final = 10
Rows = list[dict[str, Any]]
"""ResourceRecordSets as botocore gives them."""


def servers(policy: Policy) -> dict[str, tuple[str, ...]]:
    """Zone → its authoritative name servers."""
    traffic = policy.platform.traffic
    found = {traffic.zone: traffic.name_servers}
    if by_day := policy.platform.by_day:
        found[by_day.zone] = by_day.name_servers
    return found


def rows(policy: Policy, checks: Mapping[str, str], hosts: Mapping[str, str]) -> dict[str, Rows]:
    """Zone → its records: the failover pairs. `checks` are the ids by policy's name, `hosts` region → host."""
    traffic, test = policy.platform.traffic, policy.drills.test_record
    halves = [(record.role, record.identifier, record.health_check) for record in traffic.records]
    found = {traffic.zone: _pair(policy, traffic.record, halves, checks, hosts)}
    if test is not None:
        drilled = [("PRIMARY", test.primary, "drill"), ("SECONDARY", test.standby, None)]
        found[traffic.zone] += _pair(policy, test.record, drilled, checks, hosts)
    if by_day := policy.platform.by_day:
        found[by_day.zone] = _pair(policy, by_day.record, halves, checks, hosts)
    return found


def _pair(
    policy: Policy,
    record: str,
    halves: list[tuple[Any, str, Any]],
    checks: Mapping[str, str],
    hosts: Mapping[str, str],
) -> Rows:
    regions = policy.platform.regions
    return [
        {
            "Name": record,
            "Type": "CNAME",
            "TTL": TTL_S,
            "SetIdentifier": identifier,
            "Failover": role,
            "ResourceRecords": [{"Value": hosts[regions.primary if role == "PRIMARY" else regions.standby]}],
            **({"HealthCheckId": checks[check]} if check else {}),
        }
        for role, identifier, check in halves
    ]


class HostedZones:
    """They answer between enter and exit, from `furnish` on with records. `statuses()`: health check id → healthy."""

    def __init__(self, policy: Policy, statuses: Callable[[], Mapping[str, bool]]) -> None:
        self.policy = policy
        self.statuses = statuses
        self._rows: dict[str, Rows] = {zone: [] for zone in servers(policy)}
        self._left = ExitStack()
        self._dns: dict[str, AuthoritativeDns] = {}

    def __enter__(self) -> Self:
        for zone in self._rows:
            there = AuthoritativeDns(partial(self._rows.__getitem__, zone), self.statuses, zones=[zone])
            self._dns[zone] = self._left.enter_context(there)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.close()

    def furnish(self, clients: Clients, checks: Mapping[str, str], hosts: Mapping[str, str]) -> None:
        """Makes the zones and their records; from then on they are answered as Route 53's API tells them."""
        client = clients("route53", self.policy.platform.regions.primary)
        for zone, wanted in rows(self.policy, checks, hosts).items():
            made = client.create_hosted_zone(Name=zone, CallerReference=f"seed-{zone}")["HostedZone"]["Id"]
            changes = [{"Action": "CREATE", "ResourceRecordSet": row} for row in wanted]
            client.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": changes})
            self._rows[zone] = client.list_resource_record_sets(HostedZoneId=made)["ResourceRecordSets"]

    def silence(self, gone: bool) -> None:
        """Whether their name servers answer nobody."""
        for there in self._dns.values():
            there.silent = gone

    def name_servers(self) -> dict[str, str]:
        """Where each of their name servers is here."""
        return {
            server: f"dns://{LOOPBACK}:{self._dns[zone].port}"
            for zone, names in servers(self.policy).items()
            for server in names
        }

    def leads_to(self) -> str:
        """The host that the platform's public name leads to, by the records and the health checks; '' for none."""
        traffic = self.policy.platform.traffic
        _, found = answer(traffic.record, "CNAME", self._rows[traffic.zone], self.statuses())
        return found[0][3].rstrip(".") if found else ""
