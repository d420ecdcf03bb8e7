"""The question and the answer on the wire: what is no answer to it is never taken for one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from dnslib import QTYPE, RCODE, RR, DNSRecord  # type: ignore[import-untyped]  # it ships no types
from dnslib.server import DNSLogger, DNSServer  # type: ignore[import-untyped]  # it ships no types

from chalicelib.clients.dns import Dns, asked
from chalicelib.core.outcome import NoData, Refused
from drctl.neighbours.dns import AuthoritativeDns, Authority

NAME = "api.neurectomy.io"
RECORDS = [
    {"Name": NAME, "Type": "CNAME", "TTL": 10, "ResourceRecords": [{"Value": "api.us-west-2.neurectomy.io"}]},
    {"Name": "api.us-west-2.neurectomy.io", "Type": "A", "TTL": 10, "ResourceRecords": [{"Value": "192.0.2.7"}]},
    {"Name": "six.neurectomy.io", "Type": "AAAA", "TTL": 10, "ResourceRecords": [{"Value": "2001:db8::7"}]},
]
MOVED = (
    (NAME, "CNAME", "api.us-west-2.neurectomy.io"),
    ("api.us-west-2.neurectomy.io", "A", "192.0.2.7"),
)
AUTHORITY = Authority(lambda: RECORDS, dict, zones=["neurectomy.io"])


def dns(answer: Callable[[bytes], bytes]) -> Dns:
    return Dns({}, lambda _host, _port, query, _tcp: answer(query))


def honest(query: bytes) -> bytes:
    return AUTHORITY.wire(query)


def patched(at: int, value: bytes) -> Callable[[bytes], bytes]:
    def answer(query: bytes) -> bytes:
        said = honest(query)
        return said[:at] + value + said[at + len(value) :]

    return answer


def test_an_answer_is_read_along_its_chain() -> None:
    assert dns(honest).ask("ns", NAME, "A") == MOVED
    assert dns(honest).ask("ns", "API.Neurectomy.IO", "CNAME") == MOVED[:1]
    assert dns(honest).ask("ns", "six.neurectomy.io", "AAAA") == (("six.neurectomy.io", "AAAA", "2001:db8::7"),)


def test_what_does_not_exist_is_an_empty_answer() -> None:
    assert dns(honest).ask("ns", "nobody.neurectomy.io", "A") == ()
    assert dns(honest).ask("ns", "six.neurectomy.io", "A") == ()


def test_a_query_is_as_a_library_writes_it() -> None:
    ours = DNSRecord.parse(asked(4711, NAME, "A"))
    assert (ours.header.id, ours.header.rd, ours.header.qr) == (4711, 0, 0)
    assert (str(ours.q.qname), QTYPE[ours.q.qtype]) == (f"{NAME}.", "A")


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (lambda query: bytes([query[0] ^ 1]) + honest(query)[1:], "another question"),
        (lambda query: honest(query)[:2] + b"\0" + honest(query)[3:], "another question"),
        (lambda query: honest(asked(struct.unpack(">H", query[:2])[0], "apo.neurectomy.io", "A")), "another question"),
        (lambda _query: b"", "too few"),
        (lambda query: honest(query)[:-3], "cannot be read"),
        # The first answer's owner points at itself, and then ahead.
        (
            lambda query: honest(query)[: len(query)] + struct.pack(">H", 0xC000 | len(query)) + honest(query)[-30:],
            "points",
        ),
        (lambda query: honest(query)[: len(query)] + b"\x80" + honest(query)[-30:], "of a kind that nobody uses"),
    ],
)
def test_bytes_that_are_no_answer_are_no_data(answer: Callable[[bytes], bytes], because: str) -> None:
    found = dns(answer).ask("ns-1.example", NAME, "A")
    assert isinstance(found, NoData), found
    assert "ns-1.example" in found.because
    assert because in found.because


def test_silence_is_no_data() -> None:
    def silent(_query: bytes) -> bytes:
        raise TimeoutError

    found = dns(silent).ask("ns-1.example", NAME, "A")
    assert isinstance(found, NoData)
    assert "ns-1.example did not answer" in found.because


@pytest.mark.parametrize(
    ("answer", "name", "code"),
    [
        (honest, "example.com", "REFUSED"),
        (patched(3, b"\x02"), NAME, "SERVFAIL"),
        (patched(2, b"\x80"), NAME, "LAME"),
    ],
)
def test_a_server_that_has_no_authority_or_says_no_is_refused(
    answer: Callable[[bytes], bytes], name: str, code: str
) -> None:
    found = dns(answer).ask("ns", name, "A")
    assert isinstance(found, Refused)
    assert found.code == code


@pytest.mark.parametrize("name", ["", "a..b", f"{'a' * 64}.io", ".".join(["abcdefg"] * 40)])
def test_a_name_without_a_wire_form_is_not_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match="no domain name"):
        dns(honest).ask("ns", name, "A")


def test_a_kind_that_is_not_read_is_not_asked_for() -> None:
    with pytest.raises(ValueError, match="'MX' is not asked for"):
        dns(honest).ask("ns", NAME, "MX")


class CutsShort:
    """Says over UDP that its answer did not fit."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def resolve(self, request: DNSRecord, handler: Any) -> DNSRecord:
        self.asked.append(handler.protocol)
        reply = request.reply(ra=0)
        if handler.protocol == "udp":
            reply.header.tc = 1
        else:
            reply.add_answer(*RR.fromZone(f"{NAME} 10 IN A 192.0.2.8"))
        reply.header.rcode = RCODE.NOERROR
        return reply


def test_an_answer_that_was_cut_short_is_asked_for_again_over_tcp() -> None:
    model, silent = CutsShort(), DNSLogger("error", prefix=False, logf=lambda _line: None)
    udp = DNSServer(model, address="127.0.0.1", port=0, logger=silent)
    port = udp.server.server_address[1]
    tcp = DNSServer(model, address="127.0.0.1", port=port, logger=silent, tcp=True)
    for server in (udp, tcp):
        server.start_thread()
    try:
        found = Dns({"ns-1.example": f"dns://127.0.0.1:{port}"}).ask("ns-1.example", NAME, "A")
    finally:
        for server in (udp, tcp):
            server.stop()
            server.thread.join()
            server.server.server_close()
    assert found == ((NAME, "A", "192.0.2.8"),)
    assert model.asked == ["udp", "tcp"]


def test_a_real_server_is_asked_and_one_that_is_not_there_says_nothing() -> None:
    with AuthoritativeDns(lambda: RECORDS, dict, zones=["neurectomy.io"]) as server:
        where = {"ns-1.example": f"dns://127.0.0.1:{server.port}"}
        assert Dns(where).ask("ns-1.example", NAME, "A") == MOVED
    found = Dns(where).ask("ns-1.example", NAME, "A")
    assert isinstance(found, NoData)
