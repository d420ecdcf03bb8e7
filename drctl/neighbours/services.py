"""The platform's own services in one region, as the outside sees them: their health, honestly derived.

Not a copy of anybody's API: what it answers follows from the rest of the local world through three questions. A
service is healthy only if its region is up, its deployment is ready in that region's cluster, and, if it leans on the
database, a real write works with the host *it is configured with*. So a service that was restored but still points at
the dead primary is unhealthy, as it would be in life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aiohttp import web

NOT_USED: Final = "not used"


class Health(NamedTuple):
    """An answer: 200, 503 or 404, and `{"service", "region", "database", "reason"?}`."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RegionServices:
    """The model of one region: no I/O of its own, no state.

    `services` maps each service's name to whether it depends on the database; `gateway` is the one that answers
    at `/health`. The questions:
    - `region_up(region)`: False makes every connection to the region drop, which is not an answer;
    - `deployment_ready(region, service)`: whether its pods are ready in that region's cluster;
    - `database_write(region, service)`: `ok`, or the text of the error a write got with that service's configuration.
    """

    region: str
    services: Mapping[str, bool]
    gateway: str
    region_up: Callable[[str], bool]
    deployment_ready: Callable[[str, str], bool]
    database_write: Callable[[str, str], str]

    def health(self, service: str | None = None) -> Health | None:
        """The service's health (None: the gateway's). None when the region is dark and nothing comes back."""
        name = self.gateway if service is None else service
        if not self.region_up(self.region):
            return None
        if name not in self.services:
            return Health(404, {"service": name, "region": self.region, "reason": f"there is no service {name!r}"})
        body: dict[str, Any] = {"service": name, "region": self.region, "database": NOT_USED}
        if not self.deployment_ready(self.region, name):
            body["database"] = "not tried"
            return Health(503, body | {"reason": f"deployment {name!r} has no ready pods in {self.region}"})
        if self.services[name]:
            body["database"] = self.database_write(self.region, name)
            # A write can take seconds, and the region can go dark meanwhile: then nobody hears its result.
            if not self.region_up(self.region):
                return None
            if body["database"] != "ok":
                return Health(503, body | {"reason": f"a database write failed: {body['database']}"})
        return Health(200, body)


def make_app(model: RegionServices) -> web.Application:
    """`GET /health` (the gateway's) and `GET /<service>/health`; dropped while the region is dark."""
    app = web.Application()

    async def health(request: web.Request) -> web.StreamResponse:
        # The questions may reach a real database: not on the event loop, or one slow write would stop every region.
        found = await asyncio.to_thread(model.health, request.match_info.get("service"))
        if found is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)  # never arrives: the connection is gone
        return web.json_response(found.body, status=found.status)

    app.router.add_get("/health", health)
    app.router.add_get("/{service}/health", health)
    return app
