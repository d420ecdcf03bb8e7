"""Verifies a move of traffic where it counts: every authoritative name server of the zone is asked for the record.

Their answer is what Route 53's data plane makes of records and health checks, without a resolver's memory in between.
TestDNSAnswer would be asked of a control plane in us-east-1. Nothing is concluded from silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from chalicelib.actions.contract import Op, Reader, Target
from chalicelib.actions.copies import is_copy, the_test_record
from chalicelib.actions.switch_traffic import side_region
from chalicelib.core.outcome import Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=5)
Records = Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Leads:
    """Where one server sends people: the region whose endpoint it named, None for none of ours, and its own words."""

    region: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One name server and what it is asked for. At `cloudflare` it cannot be moved, and is asked for what it says."""

    server: str
    record: str
    cloudflare: bool = False


class VerifyTraffic:
    """As many looks as there are servers, no call.

    Where Cloudflare answers for the record too, the name that it leads to by day is asked for in its own zone, and
    Cloudflare's servers are asked what they say: a region's own name there leaves people behind. Their silence keeps
    nobody from going on, since it leads nobody anywhere.
    """

    name: ClassVar[str] = "verify-traffic"
    reads: ClassVar[tuple[Op, ...]] = ()
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Mapping[Asked, Leads | Refused | NoData]:
        return {asked: _answer(asked, policy, reader) for asked in _questions(target, policy)}

    def next(
        self, target: Target, policy: Policy, facts: Mapping[Asked, Leads | Refused | NoData], now: datetime
    ) -> Next:
        wanted = side_region(policy, "standby" if target.params["to"] == "standby" else "primary")
        by_day = policy.platform.by_day
        if not facts:
            return Stuck(
                because=f"no name server of {policy.platform.traffic.zone} is known; name them in platform.yaml"
            )
        lacking, refused, aside = [], [], []
        for asked, said in facts.items():
            match said:
                case Leads(region=region) if region == wanted:
                    pass
                case Leads(region=None, words=words) if asked.cloudflare:
                    if by_day is None or words != by_day.record:
                        aside.append(f"{asked.server} sends {asked.record} to {words} (no region of ours)")
                case Leads(region=region, words=words):
                    lacking.append(f"{asked.server} sends {asked.record} to {words} ({region or 'no region of ours'})")
                case NoData(because=because) | Refused(because=because) if asked.cloudflare:
                    aside.append(because)
                case NoData(because=because):
                    lacking.append(because)
                case Refused(because=because, code=code):
                    refused.append(f"{because} ({code})")
        if refused:
            return Stuck(because="; ".join([*refused, *lacking]))
        if lacking:
            return Wait(because=f"{'; '.join(lacking)}; expected {wanted}", again_in=AGAIN)
        return Done(because="; ".join([_moved(facts, wanted), *aside]), facts={"answered": wanted})


def _questions(target: Target, policy: Policy) -> Iterator[Asked]:
    traffic, outage = policy.platform.traffic, policy.platform.outage
    if is_copy(target):
        yield from (Asked(server, the_test_record(policy).record) for server in traffic.name_servers)
        return
    yield from (Asked(server, traffic.record) for server in traffic.name_servers)
    if outage is not None and (by_day := policy.platform.by_day) is not None:
        yield from (Asked(server, by_day.record) for server in by_day.name_servers)
        yield from (Asked(server, traffic.record, cloudflare=True) for server in outage.cloudflare.servers)


def _moved(facts: Iterable[Asked], wanted: str) -> str:
    counts = Counter(asked.record for asked in facts if not asked.cloudflare)
    return " and ".join(f"all {n} name servers send {record} to {wanted}" for record, n in counts.items())


def _answer(asked: Asked, policy: Policy, reader: Reader) -> Leads | Refused | NoData:
    found = reader.dns(asked.server, asked.record, "A")
    if isinstance(found, Refused | NoData):
        return found
    hosts = {str(urlsplit(e.url).hostname): e.region for e in policy.platform.endpoints}
    names = [value for _, kind, value in found if kind == "CNAME"]
    for name in names:
        if name in hosts:
            return Leads(hosts[name], name)
    addresses = _addresses(found)
    if not addresses:
        return Leads(None, names[-1] if names else "nowhere")
    # An alias answers with addresses: they are those of one of our endpoints, or of nobody we know. Those names lie in
    # the record's zone, for which the servers of another do not answer.
    servers = policy.platform.traffic.name_servers
    for host, region in hosts.items():
        own = reader.dns(asked.server if asked.server in servers else servers[0], host, "A")
        if isinstance(own, NoData):
            return own
        if not isinstance(own, Refused) and addresses & _addresses(own):
            return Leads(region, ", ".join(sorted(addresses)))
    return Leads(None, ", ".join(sorted(addresses)))


def _addresses(records: Records) -> frozenset[str]:
    return frozenset(value for _, kind, value in records if kind == "A")
