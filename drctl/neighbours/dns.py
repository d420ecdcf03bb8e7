"""Which record Route 53 answers with, and a real DNS server on loopback that answers so.

Sources:
- docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html: a record without
  a health check is always healthy; when none is healthy, all count as healthy, so failover routing answers the primary
- …/DeveloperGuide/dns-failover-types.html (active-passive), …/resource-record-sets-choosing-alias-non-alias.html
- RFC 1035 and RFC 2308 for what an authoritative server says (AA, NXDOMAIN, an SOA with what does not exist)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from dnslib import QTYPE, RCODE, RR, DNSError, DNSRecord  # type: ignore[import-untyped]  # it ships no types
from dnslib.server import DNSLogger, DNSServer  # type: ignore[import-untyped]  # it ships no types

from drctl.ports import free_port

Record = Mapping[str, Any]
"""A ResourceRecordSet as botocore gives it: Name, Type, TTL, ResourceRecords or AliasTarget, SetIdentifier, Failover,
HealthCheckId."""
DEPTH: Final = 8


def resolve(records: Sequence[Record], statuses: Mapping[str, bool]) -> Record | None:
    """The record of one name and type that is answered now; None if there are no records.

    `statuses`: health check id → healthy. A record whose check is not in it counts as healthy: what Route 53 does after
    a check was deleted it does not promise, and missing knowledge is never "down". ValueError for routing policies
    other than simple and failover.
    """
    if not records:
        return None
    roles = {r.get("Failover"): r for r in records}
    if len(records) == 1 and None in roles:
        return records[0]
    if not set(roles) <= {"PRIMARY", "SECONDARY"} or len(roles) != len(records):
        found = sorted(r.get("SetIdentifier", "simple") for r in records)
        raise ValueError(f"records {found} are neither one simple record nor a failover pair; they are not answered")
    for role in ("PRIMARY", "SECONDARY"):
        record = roles.get(role)
        if record is not None and statuses.get(record.get("HealthCheckId", ""), True):
            return record
    return roles.get("PRIMARY") or roles["SECONDARY"]


def answer(
    name: str, kind: str, records: Sequence[Record], statuses: Mapping[str, bool]
) -> tuple[bool, tuple[tuple[str, str, int, str], ...]]:
    """(whether the name exists, the answer section as (name, type, ttl, value)).

    Aliases answer in their own name with the target's values, CNAMEs are followed; both only within `records`.
    """
    wanted, found, exists = _fqdn(name), [], False
    owner = wanted
    for _ in range(DEPTH):
        here = [r for r in records if _fqdn(r["Name"]) == wanted]
        exists = exists or bool(here)
        record = resolve([r for r in here if r["Type"] == kind], statuses)
        if record is None and kind != "CNAME":
            record = resolve([r for r in here if r["Type"] == "CNAME"], statuses)
        if record is None:
            break
        if "AliasTarget" in record:
            wanted = _fqdn(record["AliasTarget"]["DNSName"])
            continue
        values = [v["Value"] for v in record["ResourceRecords"]]
        found += [(owner, record["Type"], int(record.get("TTL", 60)), v) for v in values]
        if record["Type"] == kind:
            break
        wanted = owner = _fqdn(values[0])
    return exists, tuple(found)


def _fqdn(name: str) -> str:
    return name.lower().rstrip(".") + "."


class Authority:
    """An authoritative server for `zones`, without a socket.

    `records()` and `statuses()` are asked for every query, so a switched health check shows at once. Queries for other
    zones are REFUSED; records it cannot answer from are SERVFAIL.
    """

    def __init__(
        self,
        records: Callable[[], Sequence[Record]],
        statuses: Callable[[], Mapping[str, bool]],
        *,
        zones: Sequence[str],
    ) -> None:
        self.records = records
        self.statuses = statuses
        self.zones = tuple(_fqdn(z) for z in zones)

    def wire(self, query: bytes) -> bytes:
        """The same as it goes over the network."""
        return bytes(self.reply(DNSRecord.parse(query)).pack())

    def reply(self, request: DNSRecord) -> DNSRecord:
        """One query in, one reply out."""
        reply = request.reply(ra=0)
        name, kind = _fqdn(str(request.q.qname)), QTYPE.get(request.q.qtype)
        zone = next((z for z in self.zones if name == z or name.endswith(f".{z}")), None)
        if zone is None:
            reply.header.aa = 0
            reply.header.rcode = RCODE.REFUSED
            return reply
        try:
            exists, found = answer(name, kind, self.records(), self.statuses())
        except ValueError:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        for owner, record_type, ttl, value in found:
            reply.add_answer(*RR.fromZone(f"{owner} {ttl} IN {record_type} {value}"))
        if not found:
            reply.header.rcode = RCODE.NOERROR if exists or name == zone else RCODE.NXDOMAIN
            reply.add_auth(*RR.fromZone(f"{zone} 60 IN SOA ns.{zone} hostmaster.{zone} 1 7200 900 1209600 60"))
        return reply


class AuthoritativeDns:
    """The same over UDP and TCP, on one port of loopback, in threads of its own; `port` is the one it got. Use it as a
    context manager.
    """

    def __init__(
        self,
        records: Callable[[], Sequence[Record]],
        statuses: Callable[[], Mapping[str, bool]],
        *,
        zones: Sequence[str],
        port: int = 0,
    ) -> None:
        self.authority = Authority(records, statuses, zones=zones)
        self.silent = False
        silent = DNSLogger("error", prefix=False, logf=lambda _line: None)
        # One number for both, so it cannot be left to the kernel: what is free for UDP may be taken for TCP.
        self.port = port or free_port()
        udp = DNSServer(self, address="127.0.0.1", port=self.port, logger=silent)
        tcp = DNSServer(self, address="127.0.0.1", port=self.port, logger=silent, tcp=True)
        self._servers = (udp, tcp)

    def resolve(self, request: DNSRecord, _handler: object) -> DNSRecord:
        """The hook that dnslib calls; what it raises is logged there, and nothing is sent."""
        if self.silent:
            raise DNSError("this name server answers nobody")
        return self.authority.reply(request)

    def start(self) -> None:
        """Starts answering."""
        for server in self._servers:
            server.start_thread()

    def stop(self) -> None:
        """Stops answering and gives the port back."""
        for server in self._servers:
            server.stop()
            server.thread.join()
            server.server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
