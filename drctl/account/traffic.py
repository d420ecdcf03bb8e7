"""Route 53: the zone, its failover records, and the checks that hang on them.

Field names: botocore's model of Route 53.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.account.endpoint import endpoint_check, find, of_check
from chalicelib.account.verdicts import Claim, NotSeen, NotThere, Row, Subject, at
from chalicelib.policy import Policy
from chalicelib.policy.platform import MetricSwitch
from drctl.account.asking import Account
from drctl.deployment.resources import resources


def traffic(policy: Policy, account: Account) -> Iterator[Row]:
    """Both checks, then which record carries which."""
    region = policy.platform.responder.region
    listed = account.ask("route53", region, "list_health_checks")
    if isinstance(listed, NotSeen | NotThere):
        because = listed if isinstance(listed, NotSeen) else NotSeen(listed.because)
        yield Subject("health checks", "signals.health_check").unseen("exist", True, because)
        yield Subject("records", "platform.traffic.records").unseen("carry", "their checks", because)
        return
    found: dict[str, str | None] = {}
    for name, field, wanted in _checks(policy):
        check = find(listed["HealthChecks"], wanted)
        found[name] = check["Id"] if check else None
        yield from of_check(name, field, wanted, listed)
    claimed = policy.platform.traffic
    yield from _records(policy, account, found, claimed.zone, claimed.record, "platform.traffic")
    if by_day := policy.platform.by_day:
        yield from _records(policy, account, found, by_day.zone, by_day.record, "platform.outage.cloudflare.by_day")


def _checks(policy: Policy) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Name, field, HealthCheckConfig as the templates make it."""
    yield "endpoint", "signals.health_check", endpoint_check(policy)
    switch = policy.platform.traffic.switch
    if isinstance(switch, MetricSwitch):
        config = resources(policy)["Resources"]["TrafficSwitchCheck"]["Properties"]["HealthCheckConfig"]
        alarm = {"Name": switch.alarm, "Region": switch.region}
        yield "switch", "platform.traffic.switch", {**config, "AlarmIdentifier": alarm}


def _records(
    policy: Policy, account: Account, checks: Mapping[str, str | None], zone: str, record_name: str, field: str
) -> Iterator[Row]:
    """A failover pair as `traffic.records` has it, in the public zone of that name."""
    claimed, region = policy.platform.traffic, policy.platform.responder.region
    zones = account.ask("route53", region, "list_hosted_zones_by_name", DNSName=zone)
    subject = Subject(f"zone {zone}", f"{field}.zone")
    if isinstance(zones, NotSeen | NotThere):
        yield subject.unseen("exists", True, zones if isinstance(zones, NotSeen) else NotSeen(zones.because))
        return
    public = [z for z in zones["HostedZones"] if _is(z["Name"], zone) and not z["Config"].get("PrivateZone")]
    yield subject.row("public zones of this name", 1, len(public))
    if not public:
        return
    answer = account.ask("route53", region, "list_resource_record_sets", HostedZoneId=public[0]["Id"])
    names = {id_: name for name, id_ in checks.items() if id_}
    for i, record in enumerate(claimed.records):
        one = Subject(f"record {record_name} '{record.identifier}'", f"platform.traffic.records[{i}]")
        if isinstance(answer, NotSeen | NotThere):
            yield one.unseen("exists", True, answer if isinstance(answer, NotSeen) else NotSeen(answer.because))
            continue
        ours = [r for r in answer["ResourceRecordSets"] if _is(r["Name"], record_name)]
        there = next((r for r in ours if r.get("SetIdentifier") == record.identifier), None)
        if there is None:
            yield one.missing()
            continue
        carried = there.get("HealthCheckId")
        yield from one.claims(there, (Claim("failover", record.role, at("Failover")),))
        yield one.row("health check", record.health_check, carried and names.get(carried, carried))
    if not isinstance(answer, NotSeen | NotThere):
        ours = [r for r in answer["ResourceRecordSets"] if _is(r["Name"], record_name) and r["Type"] != "TXT"]
        known = [r.identifier for r in claimed.records]
        others = [str(r.get("SetIdentifier")) for r in ours if r.get("SetIdentifier") not in known]
        whole = Subject(f"record {record_name}", "platform.traffic.records")
        yield whole.row("records beside these", None, others or None)


def _is(name: str, wanted: str) -> bool:
    return name.rstrip(".") == wanted.rstrip(".")
