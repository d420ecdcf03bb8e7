"""The gate: a reverse proxy on loopback that all AWS traffic of the local world passes, in both directions.

It knows each request's region and service from its signature (wire.py), can break any of them (faults.py), refuses what
a function's role may not (authority.py), and writes down every call (ledger.py). What no stand-in for AWS has goes to a
neighbour: `routes` maps a service (`rds`) or one operation of it (`route53:GetHealthCheckStatus`) to that neighbour's
address; everything else goes to MiniStack.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from drctl.world import faults as wording
from drctl.world.authority import Authority
from drctl.world.faults import Fault, Faults
from drctl.world.ledger import Call, Ledger
from drctl.world.wire import Asked, read

LARGEST = 64 * 1024 * 1024
"""Bytes of the largest body that passes, more than a Lambda package or any object here."""
ANSWERS_WITHIN = 910.0
"""Seconds; a synchronous Lambda invocation may take 15 minutes."""
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
    "expect",
}
NOT_CARRIED_BACK = HOP_BY_HOP | {"content-length", "date", "server"}


@dataclass
class Gate:
    """The proxy as an aiohttp app. `sleep` and `clock` are there for tests."""

    default: str
    routes: Mapping[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    authority: Authority | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _session: aiohttp.ClientSession | None = None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{anything:.*}", self.pass_on)
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        return app

    async def _open(self, _: web.Application) -> None:
        # Bodies pass as they are, so nothing is unpacked on the way; there is no limit on connections, or a slow
        # neighbour would hold up the rest.
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=ANSWERS_WITHIN),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def _close(self, _: web.Application) -> None:
        if self._session is not None:
            await self._session.close()
        self.ledger.close()

    def upstream(self, asked: Asked) -> str:
        """Where a request goes: an operation's own route first, then its service's, then MiniStack."""
        by_operation = self.routes.get(f"{asked.service}:{asked.operation}")
        return by_operation or self.routes.get(asked.service) or self.default

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        began, at = time.monotonic(), self.clock()
        body = await request.read()
        asked = read(request.method, request.raw_path, request.headers, body)
        fault = self.faults.take(asked)
        answer = await self._answer(request, asked, body, fault)
        self.ledger.record(
            Call(
                at=at,
                region=asked.region,
                service=asked.service,
                operation=asked.operation,
                access_key=asked.access_key,
                status=answer.status if answer is not None else 0,
                fault=f"{fault.kind} {fault.phase}" if fault else "",
                ms=round(1000 * (time.monotonic() - began), 1),
                function=asked.function,
                function_region=asked.function_region,
            )
        )
        if answer is None:
            # The connection ends without a byte; what the handler returns after that goes nowhere.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return answer

    async def _answer(
        self, request: web.Request, asked: Asked, body: bytes, fault: Fault | None
    ) -> web.Response | None:
        """What the caller gets; None is no answer at all."""
        if fault is None:
            return await self._judged(request, asked, body)
        if fault.kind == "slow" and fault.phase == "before":
            await self.sleep(fault.seconds)
            return await self._judged(request, asked, body)
        true = await self._judged(request, asked, body) if fault.phase == "after" else None
        match fault.kind:
            case "lose":
                return None
            case "slow":
                await self.sleep(fault.seconds)
                return true
            case "throttle":
                return _worded(wording.throttled(asked))
            case "error":
                return _worded(wording.broken(asked))

    async def _judged(self, request: web.Request, asked: Asked, body: bytes) -> web.Response | None:
        """The service's answer, or its refusal of a function that may not ask this."""
        refusal = self.authority.refusal(asked, request.raw_path, body) if self.authority else None
        return _worded(refusal) if refusal else await self._forward(request, asked, body)

    async def _forward(self, request: web.Request, asked: Asked, body: bytes) -> web.Response | None:
        if self._session is None:
            raise RuntimeError("the gate was asked before it was opened")
        if self._session.closed:
            # The world ended while this one was being held back by a fault.
            return None
        headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP)
        # The path goes on as it came, byte by byte, or the signature over it would no longer hold.
        url = URL(self.upstream(asked) + request.raw_path, encoded=True)
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                # A package has eight megabytes: as a stream it does not hold up the loop.
                data=io.BytesIO(body),
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept"),
            ) as answer:
                back = CIMultiDict((k, v) for k, v in answer.headers.items() if k.lower() not in NOT_CARRIED_BACK)
                if request.method == "HEAD" and (length := answer.headers.get("Content-Length")):
                    back["Content-Length"] = length
                return web.Response(status=answer.status, headers=back, body=await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError):
            # Whoever stands behind the gate is gone; a caller sees what it would see of AWS then.
            return None


def _worded(error: wording.Wording) -> web.Response:
    return web.Response(status=error.status, headers=error.headers, body=error.body)
