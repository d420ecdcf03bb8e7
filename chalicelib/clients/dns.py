"""One question to one authoritative name server, and its answer, as they go over the wire.

RFC 1035 (section 4: the message, its names and their compression; 4.2.1 and 4.2.2: UDP, and TCP with a length before
it), RFC 2181 section 5.4.1 (only an answer with authority is believed), RFC 5452 section 9 (a random id and port, and
the question must come back as it was asked), RFC 7766 (what was cut short is asked again over TCP).
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from chalicelib.core.outcome import NoData, Refused

PORT: Final = 53
TIMEOUT_S: Final = 2.0
TYPES: Final = {"A": 1, "CNAME": 5, "TXT": 16, "AAAA": 28}
NAMES: Final = {number: name for name, number in TYPES.items()}
RCODES: Final = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
INTERNET: Final = 1
LARGEST: Final = 65_535
_POINTER: Final = 0xC0
_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 255

Send = Callable[[str, int, bytes, bool], bytes]
"""`send(host, port, query, over TCP)` gives the answer's bytes, or raises OSError."""


class UnreadableError(Exception):
    """Bytes that are no answer to what was asked."""


class Dns:
    """`resolve` sends a name server elsewhere (the local world): host → `dns://address:port`."""

    def __init__(self, resolve: Mapping[str, str], send: Send | None = None) -> None:
        self._resolve = resolve
        self._send = send or _sent

    def ask(self, server: str, name: str, kind: str) -> Sequence[tuple[str, str, str]] | Refused | NoData:
        """The answer section; empty when there is no such name, or nothing of that kind. ValueError for a name or a
        kind that cannot be asked for.
        """
        parts = urlsplit(self._resolve.get(server, f"dns://{server}"))
        host, port = parts.hostname or server, parts.port or PORT
        query = asked(secrets.randbelow(1 << 16), name, kind)
        try:
            answer = self._send(host, port, query, False)
            if is_cut_short(answer, query):
                answer = self._send(host, port, query, True)
            rcode, authoritative, records = read(answer, query)
        except OSError as error:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return NoData(because=f"name server {server} did not answer within {TIMEOUT_S:g} s: {said}")
        except UnreadableError as error:
            return NoData(because=f"name server {server} sent no readable answer: {error}")
        said = RCODES.get(rcode, f"RCODE {rcode}")
        if rcode and said != "NXDOMAIN":
            return Refused(code=said, because=f"name server {server} does not answer for {name}")
        if not authoritative:
            return Refused(code="LAME", because=f"name server {server} has no authority over {name}")
        return records


def asked(number: int, name: str, kind: str) -> bytes:
    """A query without recursion, as one asks an authority. ValueError when the name has no wire form."""
    labels = name.rstrip(".").encode("ascii").split(b".")
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels) or len(name) > _LONGEST_NAME - 2:
        raise ValueError(f"{name!r} is no domain name: labels have 1 to 63 bytes, a name at most 253")
    if kind not in TYPES:
        raise ValueError(f"kind {kind!r} is not asked for; these are: {', '.join(sorted(TYPES))}")
    head = struct.pack(">HHHHHH", number, 0, 1, 0, 0, 0)
    return head + b"".join(bytes([len(x)]) + x for x in labels) + b"\0" + struct.pack(">HH", TYPES[kind], INTERNET)


def is_cut_short(answer: bytes, query: bytes) -> bool:
    """Whether the answer to this query says that it did not fit."""
    return bool(_flags(answer, query) & 0x0200)


def read(answer: bytes, query: bytes) -> tuple[int, bool, tuple[tuple[str, str, str], ...]]:
    """(RCODE, whether with authority, the records of the answer section that are of a known type)."""
    flags = _flags(answer, query)
    count, at = struct.unpack_from(">H", answer, 6)[0], len(query)
    found = []
    try:
        for _ in range(count):
            owner, at = _name(answer, at)
            kind, _class, _ttl, length = struct.unpack_from(">HHIH", answer, at)
            at += 10
            value = answer[at : at + length]
            match NAMES.get(kind):
                case "CNAME":
                    found.append((owner, "CNAME", _name(answer, at)[0]))
                case "TXT":
                    found.append((owner, "TXT", _strings(value)))
                case "A" | "AAAA" as known:
                    found.append((owner, known, str(ipaddress.ip_address(value))))
                case _:
                    pass
            at += length
    except (struct.error, IndexError, ValueError) as error:
        raise UnreadableError(f"a record cannot be read: {error}") from error
    return flags & 0x000F, bool(flags & 0x0400), tuple(found)


def _flags(answer: bytes, query: bytes) -> int:
    """The header's flags, once it is clear that these bytes answer this query."""
    if len(answer) < len(query):
        raise UnreadableError(f"{len(answer)} bytes are too few")
    number, flags, questions = struct.unpack_from(">HHH", answer)
    # The question comes back as it was asked, but for the case of its letters.
    same = questions == 1 and answer[12 : len(query)].lower() == query[12:].lower()
    if not flags & 0x8000 or number != struct.unpack_from(">H", query)[0] or not same:
        raise UnreadableError("it answers another question")
    return int(flags)


def _name(message: bytes, at: int) -> tuple[str, int]:
    """The name at an offset, and the offset behind it. Pointers lead only backwards, so they come to an end."""
    labels: list[str] = []
    behind, earliest = None, at
    while length := message[at]:
        if length & _POINTER == _POINTER:
            target = struct.unpack_from(">H", message, at)[0] & 0x3FFF
            if target >= earliest:
                raise UnreadableError(f"the name at {at} points forward, to {target}")
            behind = at + 2 if behind is None else behind
            at = earliest = target
            continue
        if length > _LONGEST_LABEL:
            raise UnreadableError(f"a label of the name at {at} is of a kind that nobody uses")
        labels.append(message[at + 1 : at + 1 + length].decode("ascii", "backslashreplace").lower())
        at += 1 + length
    return ".".join(labels), at + 1 if behind is None else behind


def _strings(value: bytes) -> str:
    """A TXT record's strings as one, each with its length before it (RFC 1035, section 3.3.14)."""
    at, found = 0, b""
    while at < len(value):
        length = value[at]
        if at + 1 + length > len(value):
            raise UnreadableError("a string of a TXT record is longer than the record")
        found += value[at + 1 : at + 1 + length]
        at += 1 + length
    return found.decode("utf-8", "backslashreplace")


def _sent(host: str, port: int, query: bytes, over_tcp: bool) -> bytes:
    """Over a connected socket, which takes answers of that address only."""
    if over_tcp:
        with socket.create_connection((host, port), TIMEOUT_S) as stream:
            stream.sendall(struct.pack(">H", len(query)) + query)
            with stream.makefile("rb") as incoming:
                length = struct.unpack(">H", _all(incoming.read(2), 2))[0]
                return _all(incoming.read(length), length)
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(TIMEOUT_S)
        datagrams.connect(address)
        datagrams.send(query)
        return datagrams.recv(LARGEST)


def _all(found: bytes, wanted: int) -> bytes:
    if len(found) != wanted:
        raise ConnectionError(f"the stream ended after {len(found)} of {wanted} bytes")
    return found
