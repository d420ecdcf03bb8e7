"""A region that is neither up nor gone: what stands in it answers late, or with errors only.

The gate does this to a region's AWS; here it is done to what is no AWS API, its clusters and its services. Sources:
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ (what an API server's error looks like),
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html (503 of a load
balancer whose targets are ill).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from drctl.world.faults import Fault

Ails = Callable[[str], Fault | None]
"""What ails a whole region now, None when nothing does."""

KUBERNETES: Final[dict[str, Any]] = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "an error on the server has prevented the request from succeeding",
    "reason": "InternalError",
    "code": 500,
}
SERVICES: Final[dict[str, Any]] = {"code": 503, "reason": "no target is healthy"}


def felt(region: str, ails: Ails, error: dict[str, Any]) -> Middleware:
    """Lets every request to a server that stands in `region` feel what ails it; `error` is how it words an error."""

    @web.middleware
    async def feel(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        fault = ails(region)
        match fault.kind if fault else None:
            case "slow":
                await asyncio.sleep(fault.seconds if fault else 0)
            case "error" | "throttle":
                return web.json_response(error, status=error["code"])
            case _:
                pass
        return await handler(request)

    return feel
