"""Verifies a move of traffic where it counts: every authoritative name server of the zone is asked for the record.

Their answer is what Route 53's data plane makes of records and health checks, without a resolver's memory in between.
TestDNSAnswer would be asked of a control plane in us-east-1. Nothing is concluded from silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class VerifyTraffic:
    """As many looks as there are servers, no call."""

    name: ClassVar[str] = "verify-traffic"
    reads: ClassVar[tuple[Op, ...]] = ()
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Mapping[str, Leads | Refused | NoData]:
        record = _record(target, policy)
        return {server: _asked(server, record, policy, reader) for server in policy.platform.traffic.name_servers}

    def next(
        self, target: Target, policy: Policy, facts: Mapping[str, Leads | Refused | NoData], now: datetime
    ) -> Next:
        record = _record(target, policy)
        wanted = side_region(policy, "standby" if target.params["to"] == "standby" else "primary")
        if not facts:
            return Stuck(
                because=f"no name server of {policy.platform.traffic.zone} is known; name them in platform.yaml"
            )
        lacking, refused = [], []
        for server, said in facts.items():
            match said:
                case Leads(region=region) if region == wanted:
                    pass
                case Leads(region=region, words=words):
                    lacking.append(f"{server} sends {record} to {words} ({region or 'no region of ours'})")
                case NoData(because=because):
                    lacking.append(because)
                case Refused(because=because, code=code):
                    refused.append(f"{because} ({code})")
        if refused:
            return Stuck(because="; ".join([*refused, *lacking]))
        if lacking:
            return Wait(because=f"{'; '.join(lacking)}; expected {wanted}", again_in=AGAIN)
        return Done(because=f"all {len(facts)} name servers send {record} to {wanted}", facts={"answered": wanted})


def _record(target: Target, policy: Policy) -> str:
    return the_test_record(policy).record if is_copy(target) else policy.platform.traffic.record


def _asked(server: str, record: str, policy: Policy, reader: Reader) -> Leads | Refused | NoData:
    found = reader.dns(server, record, "A")
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
    # An alias answers with addresses: they are those of one of our endpoints, or of nobody we know.
    for host, region in hosts.items():
        own = reader.dns(server, host, "A")
        if isinstance(own, NoData):
            return own
        if not isinstance(own, Refused) and addresses & _addresses(own):
            return Leads(region, ", ".join(sorted(addresses)))
    return Leads(None, ", ".join(sorted(addresses)))


def _addresses(records: Records) -> frozenset[str]:
    return frozenset(value for _, kind, value in records if kind == "A")
