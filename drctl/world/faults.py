"""What can go wrong between a caller and AWS, and how AWS words it.

Error shapes: https://smithy.io/2.0/aws/protocols/index.html; throttling codes are those botocore retries on
(`botocore.retries.standard.ThrottledRetryableChecker`) and the services document.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from xml.sax.saxutils import escape

from drctl.world.wire import Asked, Protocol

Kind = Literal["lose", "slow", "throttle", "error"]
Phase = Literal["before", "after"]

LONGEST_SLOW = 900.0

THROTTLES: Mapping[str, tuple[int, str]] = {
    "s3": (503, "SlowDown"),
    "lambda": (429, "TooManyRequestsException"),
    "ses": (429, "TooManyRequestsException"),
    "ec2": (503, "RequestLimitExceeded"),
    "sns": (429, "Throttled"),
    "eks": (429, "ThrottlingException"),
}
"""Status and code where a service has its own; otherwise the protocol's, below."""
THROTTLE_OF_PROTOCOL: Mapping[Protocol, tuple[int, str]] = {
    "json": (400, "ThrottlingException"),
    "cbor": (400, "ThrottlingException"),
    "query": (400, "Throttling"),
    "rest-xml": (400, "Throttling"),
    "rest-json": (429, "ThrottlingException"),
    "ec2": (503, "RequestLimitExceeded"),
}


@dataclass
class Fault:
    """One thing that is broken. What is None matches everything; `times` None means until mended.

    `lose` closes the connection without an answer; `slow` waits `seconds` and passes; `throttle` and `error`
    answer with the service's own words. `phase='after'` lets the call take effect and spoils only its answer.
    A region is matched by where the call goes *and* by where the function that makes it runs: a dark region
    neither answers nor asks. A region that is wholly lost is `silent` too: its alarms, topics and schedules tell
    nobody. `silent` False leaves them working, as when a region's services fail and its monitoring still speaks.
    """

    kind: Kind
    region: str | None = None
    service: str | None = None
    operation: str | None = None
    times: int | None = None
    seconds: float = 0.0
    phase: Phase = "before"
    silent: bool = True
    id: int = field(default=0)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"fault kind is {self.kind!r}, allowed are {', '.join(get_args(Kind))}")
        if self.phase not in get_args(Phase):
            raise ValueError(f"fault phase is {self.phase!r}, allowed are {', '.join(get_args(Phase))}")
        if not 0 <= self.seconds <= LONGEST_SLOW:
            raise ValueError(f"fault seconds is {self.seconds}, allowed is 0 to {LONGEST_SLOW:.0f}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"fault times is {self.times}, allowed is 1 or more, or nothing for until mended")

    def hits(self, asked: Asked) -> bool:
        return (
            (self.region is None or self.region in (asked.region, asked.function_region))
            and self.service in (None, asked.service)
            and self.operation in (None, asked.operation)
        )

    @property
    def ails(self) -> str | None:
        """The region that this fault makes wholly slow or faulty, if it does that."""
        whole = self.kind != "lose" and self.service is None and self.operation is None and self.times is None
        return self.region if whole else None

    @property
    def darkens(self) -> str | None:
        """The region that this fault makes wholly dark, if it does that."""
        whole = self.kind == "lose" and self.service is None and self.operation is None and self.times is None
        return self.region if whole and self.phase == "before" else None

    @property
    def provider(self) -> bool:
        """Whether this fault takes all of AWS away, in every region."""
        whole = self.kind == "lose" and self.phase == "before" and self.times is None
        return whole and (self.region, self.service, self.operation) == (None, None, None)


class Faults:
    """The faults there are now, first come first matched."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = itertools.count(1)

    def number(self) -> int:
        """A number that no fault has."""
        return next(self._ids)

    def add(self, fault: Fault) -> Fault:
        fault.id = self.number()
        self._faults[fault.id] = fault
        return fault

    def remove(self, number: int) -> Fault:
        """Raises KeyError when there is none of that number."""
        return self._faults.pop(number)

    def clear(self) -> tuple[Fault, ...]:
        gone, self._faults = tuple(self._faults.values()), {}
        return gone

    def __iter__(self) -> Any:
        return iter(tuple(self._faults.values()))

    def ailing(self, region: str) -> Fault | None:
        """What ails the whole region, None when nothing does."""
        return next((fault for fault in self._faults.values() if fault.ails == region), None)

    def take(self, asked: Asked) -> Fault | None:
        """The fault that hits this call, counted. A fault whose times are used up is gone."""
        for fault in self._faults.values():
            if fault.hits(asked):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        del self._faults[fault.id]
                return fault
        return None


@dataclass(frozen=True, slots=True)
class Wording:
    """An error as it goes over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def throttled(asked: Asked) -> Wording:
    status, code = THROTTLES.get(asked.service) or THROTTLE_OF_PROTOCOL[asked.protocol]
    if asked.service == "dynamodb" and asked.operation not in ("CreateTable", "UpdateTable", "DescribeTable"):
        # On data, the table's own capacity speaks.
        code = "ProvisionedThroughputExceededException"
    return word(asked, status, code, "Rate exceeded")


def broken(asked: Asked) -> Wording:
    if asked.service == "s3":
        return word(asked, 503, "ServiceUnavailable", "Service is unable to handle request.")
    return word(asked, 500, "InternalFailure", "The request processing has failed because of an unknown error.")


def word(asked: Asked, status: int, code: str, message: str) -> Wording:
    request_id = f"gate-{asked.service}-{code}"
    headers = {"x-amzn-RequestId": request_id}
    match asked.protocol:
        case "json":
            body = json.dumps({"__type": f"com.amazonaws#{code}", "message": message}).encode()
            return Wording(status, headers | {"Content-Type": "application/x-amz-json-1.0"}, body)
        case "rest-json":
            body = json.dumps({"message": message}).encode()
            return Wording(status, headers | {"Content-Type": "application/json", "x-amzn-ErrorType": code}, body)
        case "cbor":
            body = b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))
            return Wording(
                status, headers | {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, body
            )
        case _:
            error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
            who = "Sender" if status < 500 else "Receiver"
            if asked.service == "s3":
                xml = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
            elif asked.protocol == "ec2":
                xml = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
            else:
                xml = (
                    f"<ErrorResponse><Error><Type>{who}</Type>{error}</Error>"
                    f"<RequestId>{request_id}</RequestId></ErrorResponse>"
                )
            return Wording(status, headers | {"Content-Type": "text/xml"}, b'<?xml version="1.0"?>\n' + xml.encode())


def _cbor_text(text: str) -> bytes:
    raw = text.encode()
    return (bytes([0x60 + len(raw)]) if len(raw) < 24 else bytes([0x78, len(raw)])) + raw
