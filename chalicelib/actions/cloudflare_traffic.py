"""The traffic by a record at Cloudflare: the marker that stops AWS's side, the move, and what name servers make of it.

A record is changed and not a load balancer's pool: the record is there on every plan, the change is one PATCH of one
field, and putting it back is another. The zone may have name servers at Route 53 too: while those answer, they send
people where they always did, and no change at Cloudflare moves them. That is looked at and told.
Source: https://developers.cloudflare.com/api/resources/dns/subresources/records/methods/edit/; TXT:
https://developers.cloudflare.com/dns/manage-dns-records/reference/dns-record-types/ (content in quotation marks).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from chalicelib.actions.contract import CloudflareOp, Op, Reader, Target
from chalicelib.actions.places import cluster_of, outage_of
from chalicelib.core.elsewhere import marker_text, read_marker
from chalicelib.core.outcome import Act, Call, Done, Next, NoData, Refused, Stuck, Wait
from chalicelib.policy import Policy

AGAIN: Final = timedelta(seconds=10)
TTL_S: Final = 60
RECORDS: Final = "dns_records"
Kept = Mapping[str, Any]


class MarkerLeft:
    """One TXT record. AWS's side reads it before it acts, and pauses; and of two operators who act from two machines,
    whose files know nothing of each other, the one who looks last finds the other's here and goes no further.
    """

    name: ClassVar[str] = "marker-left"
    reads: ClassVar[tuple[Op, ...]] = (CloudflareOp(verb="list"),)
    calls: ClassVar[tuple[Op, ...]] = (CloudflareOp(verb="create"),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Sequence[Kept] | Refused | NoData:
        row = outage_of(policy).cloudflare
        return reader.cloudflare_named(row.zone, "TXT", row.marker)

    def next(self, target: Target, policy: Policy, facts: Sequence[Kept] | Refused | NoData, now: datetime) -> Next:
        row = outage_of(policy).cloudflare
        if isinstance(facts, NoData | Refused):
            return _silent(facts)
        left = [mark for r in facts if (mark := read_marker(str(r.get("content", ""))))]
        others = [mark for mark in left if mark.incident != target.incident]
        if others:
            because = f"{row.marker} says that {others[0].by} acts for {others[0].incident} since {others[0].at}"
            advice = "go on at that machine, or, if it does not act any more, take the record away at Cloudflare"
            return Stuck(because=f"{because}: two engines must not act at once; {advice}")
        if left:
            return Done(because=f"{row.marker} says that {left[0].by} acts since {left[0].at}; AWS's side pauses by it")
        by = target.approved_by or "an operator"
        text = marker_text(incident=target.incident, by=by, at=target.opened_at)
        body = {"type": "TXT", "name": row.marker, "content": f'"{text}"', "ttl": TTL_S}
        call = _call(policy, "create", {"name": row.marker, "content": text, "body": body}, until="it is there")
        return Act(because=f"{row.marker} does not tell AWS's side yet that somebody else acts", call=call)


class RecordMoved:
    """One PATCH of one field of one record."""

    name: ClassVar[str] = "record-moved"
    reads: ClassVar[tuple[Op, ...]] = (CloudflareOp(verb="get"),)
    calls: ClassVar[tuple[Op, ...]] = (CloudflareOp(verb="patch"),)

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Kept | Refused | NoData:
        row = outage_of(policy).cloudflare
        return reader.cloudflare(row.zone, row.record)

    def next(self, target: Target, policy: Policy, facts: Kept | Refused | NoData, now: datetime) -> Next:
        row, name = outage_of(policy).cloudflare, policy.platform.traffic.record
        if isinstance(facts, NoData | Refused):
            return _silent(facts)
        if facts.get("name") != name:
            return Stuck(because=f"record {row.record} at Cloudflare is {facts.get('name')!r}, policy means {name!r}")
        if facts.get("type") != "CNAME":
            return Stuck(because=f"{name} at Cloudflare is a {facts.get('type')}, expected a CNAME; nothing is changed")
        held = str(facts.get("content", ""))
        if held == row.target:
            return Done(
                because=f"{name} at Cloudflare leads to {row.target}", facts={"serves": _region(target, policy)}
            )
        params = {"record": row.record, "content": row.target, "was": held, "body": {"content": row.target}}
        call = _call(policy, "patch", params, until=f"it leads to {row.target}")
        return Act(because=f"{name} at Cloudflare leads to {held}, not to {row.target}", call=call)


@dataclass(frozen=True, slots=True)
class Answers:
    """Which name servers lead there, which do not (with where they do), and which of AWS's did not answer."""

    right: tuple[str, ...]
    wrong: Mapping[str, str]
    silent: tuple[str, ...]
    proxied: bool


class VerifyMove:
    """As many looks as there are name servers, no call."""

    name: ClassVar[str] = "verify-move"
    reads: ClassVar[tuple[Op, ...]] = (CloudflareOp(verb="get"),)
    calls: ClassVar[tuple[Op, ...]] = ()

    def observe(self, target: Target, policy: Policy, reader: Reader) -> Answers | Refused | NoData:
        row, traffic = outage_of(policy).cloudflare, policy.platform.traffic
        kept = reader.cloudflare(row.zone, row.record)
        if isinstance(kept, Refused | NoData):
            return kept
        proxied = bool(kept.get("proxied"))
        right, wrong, silent = [], {}, []
        for server in (*row.servers, *traffic.name_servers):
            said = reader.dns(server, traffic.record, "CNAME")
            aws = server in traffic.name_servers
            match said:
                case NoData() if aws:
                    # A server that answers nobody leads nobody anywhere: resolvers ask another of the zone's.
                    silent.append(server)
                case NoData(because=because) | Refused(because=because):
                    wrong[server] = because
                case _ if proxied and not aws:
                    right.append(server)  # it answers with Cloudflare's own addresses, and the record says where to
                case found:
                    leads = next((value for _, kind, value in found if kind == "CNAME"), "nowhere")
                    if leads == row.target:
                        right.append(server)
                    else:
                        wrong[server] = f"{server} sends {traffic.record} to {leads}"
        return Answers(tuple(right), wrong, tuple(silent), proxied)

    def next(self, target: Target, policy: Policy, facts: Answers | Refused | NoData, now: datetime) -> Next:
        row, traffic = outage_of(policy).cloudflare, policy.platform.traffic
        if isinstance(facts, NoData | Refused):
            return _silent(facts)
        if facts.wrong:
            stays = [s for s in facts.wrong if s in traffic.name_servers]
            advice = f"; take {', '.join(stays)} out of the zone's delegation at the registrar" if stays else ""
            return Wait(because=f"{'; '.join(facts.wrong.values())}; expected {row.target}{advice}", again_in=AGAIN)
        quiet = f"; {', '.join(facts.silent)} answer nobody" if facts.silent else ""
        by = "through Cloudflare's proxy" if facts.proxied else f"by {len(facts.right)} name servers"
        region = _region(target, policy)
        return Done(because=f"{traffic.record} leads to {row.target}, {by}{quiet}", facts={"answered": region})


def _region(target: Target, policy: Policy) -> str:
    return cluster_of(target, policy).region


def _call(policy: Policy, verb: str, params: Mapping[str, Any], *, until: str) -> Call:
    zone = outage_of(policy).cloudflare.zone
    return Call(
        system="cloudflare",
        service=zone,
        region="global",
        operation=f"{verb} {RECORDS}",
        params=params,
        until=until,
        reversible=True,
    )


def _silent(facts: NoData | Refused) -> Wait | Stuck:
    match facts:
        case NoData(because=because):
            return Wait(because=f"{because}; looking again in {AGAIN.seconds} s", again_in=AGAIN)
        case Refused(because=because, code=code):
            return Stuck(because=f"{because} ({code})")
