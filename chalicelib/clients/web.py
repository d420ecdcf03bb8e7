"""HTTP GET for probes, verification and STS: no redirects, explicit timeouts, hosts resolved as the settings say."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import httpx2

from chalicelib.core.outcome import NoData

KEPT: Final = 16_000
"""Characters of an answer: STS spells out what it would have signed."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status and text (at most 16,000 characters)."""

    status: int
    text: str


@cache
def authorities() -> ssl.SSLContext:
    """Whom the runtime's own list of authorities vouches for. Reading it takes longer than an answer."""
    return httpx2.create_ssl_context(trust_env=False)


class Web:
    """`resolve` sends a host elsewhere, as /etc/hosts would (the local world): `host` → base URL."""

    def __init__(self, resolve: Mapping[str, str], transport: httpx2.BaseTransport | None = None) -> None:
        self._resolve = resolve
        verify = True if transport else authorities()
        self._client = httpx2.Client(transport=transport, verify=verify, follow_redirects=False, trust_env=False)

    @property
    def client(self) -> httpx2.Client:
        """For the channels, which bring their own timeouts."""
        return self._client

    def get(self, url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> HttpAnswer | NoData:
        """NoData when nobody answered within the time. A query is sent, and never told: it may be signed."""
        parts = urlsplit(url)
        base = self._resolve.get(parts.hostname or "")
        query = f"?{parts.query}" if parts.query else ""
        where = f"{base}{parts.path}{query}" if base else url
        sent = {**(headers or {}), **({"Host": parts.netloc} if base else {})}
        try:
            answer = self._client.get(where, timeout=timeout_s, headers=sent)
        except httpx2.HTTPError as error:
            named = url.removesuffix(query)
            return NoData(because=f"GET {named} was not answered within {timeout_s:g} s: {type(error).__name__}")
        return HttpAnswer(answer.status_code, answer.text[:KEPT])
