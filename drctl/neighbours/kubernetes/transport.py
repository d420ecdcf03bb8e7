"""lightkube's client straight to the model, without a socket: `lightkube.Client(config,
transport=ModelTransport(api))`.
"""

from __future__ import annotations

import httpx2

from drctl.neighbours.kubernetes.api import KubeApi


class ModelTransport(httpx2.BaseTransport):
    """Hands each request to `api`. An unreachable cluster is a ConnectTimeout, which is what a dark region looks
    like.
    """

    def __init__(self, api: KubeApi) -> None:
        self.api = api

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self.api.reachable:
            raise httpx2.ConnectTimeout(f"cluster '{self.api.name}' does not answer", request=request)
        query = list(request.url.params.multi_items())
        answer = self.api.request(request.method, request.url.path, query, request.headers, request.read())
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.body, request=request)
