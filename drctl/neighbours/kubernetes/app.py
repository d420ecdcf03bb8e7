"""The model behind aiohttp, over TLS as a real API server is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import trustme
from aiohttp import web

from drctl.neighbours.kubernetes.api import KubeApi

MAX_BODY = 3 * 1024 * 1024
"""Bytes; the API server's own limit for a request's body."""


def make_app(model: KubeApi) -> web.Application:
    """Every path of the API, `GET /_seen`, and for `drctl break` `POST /_fail?count=&status=&after_effect=`,
    `POST /_reachable?value=true|false` and `POST /_restart_velero`.

    While the model is not reachable the connection is closed without an answer; the `/_` paths go on answering.
    """
    app = web.Application(client_max_size=MAX_BODY)

    async def serve(request: web.Request) -> web.StreamResponse:
        if not model.reachable:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError(f"cluster '{model.name}' does not answer")
        answer = model.request(
            request.method, request.path, list(request.query.items()), request.headers, await request.read()
        )
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def seen(_request: web.Request) -> web.Response:
        return web.json_response(model.seen())

    async def fail(request: web.Request) -> web.Response:
        query = request.query
        model.fail_next(
            int(query.get("count", "1")),
            int(query.get("status", "500")),
            after_effect=query.get("after_effect") == "true",
        )
        return web.json_response({"ok": True})

    async def reachable(request: web.Request) -> web.Response:
        model.reachable = request.query.get("value", "true") == "true"
        return web.json_response({"reachable": model.reachable})

    async def restart(_request: web.Request) -> web.Response:
        model.restart_velero()
        return web.json_response({"ok": True})

    app.router.add_get("/_seen", seen)
    app.router.add_post("/_fail", fail)
    app.router.add_post("/_reachable", reachable)
    app.router.add_post("/_restart_velero", restart)
    app.router.add_route("*", "/{rest:.*}", serve)
    return app


@dataclass(frozen=True, slots=True)
class Tls:
    """A server's side and what its clients must trust (`certificate-authority-data` of a kubeconfig)."""

    context: ssl.SSLContext
    ca_pem: bytes


def tls(*names: str) -> Tls:
    """A fresh authority and a certificate for `names`, by default the loopback's."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    return Tls(context, authority.cert_pem.bytes())


@dataclass(slots=True)
class Served:
    """A running server; `stop()` ends it."""

    url: str
    ca_pem: bytes
    runner: web.AppRunner

    async def stop(self) -> None:
        await self.runner.cleanup()


async def serve_tls(model: KubeApi, *, host: str = "127.0.0.1", port: int = 0) -> Served:
    """Serves the model over TLS; port 0 takes a free one. The model's `url` is set, so that its downloads lead back
    here.
    """
    secured = tls(host, "localhost") if host != "localhost" else tls(host)
    runner = web.AppRunner(make_app(model), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=secured.context)
    await site.start()
    taken = runner.addresses[0][1]
    model.url = f"https://{host}:{taken}"
    return Served(model.url, secured.ca_pem, runner)
