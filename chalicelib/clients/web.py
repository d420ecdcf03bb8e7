"""HTTP GET for probes and verification: no redirects, explicit timeouts, addresses resolved as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from chalicelib.core.outcome import NoData


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status and text (at most 4,000 characters)."""

    status: int
    text: str


class Web:
    """`resolve` sends a host elsewhere, as /etc/hosts would (the local world): `host` → base URL."""

    def __init__(self, resolve: Mapping[str, str], transport: httpx2.BaseTransport | None = None) -> None:
        self._resolve = resolve
        self._client = httpx2.Client(transport=transport, follow_redirects=False, trust_env=False)

    @property
    def client(self) -> httpx2.Client:
        """For the channels, which bring their own timeouts."""
        return self._client

    def get(self, url: str, *, timeout_s: float) -> HttpAnswer | NoData:
        """NoData when nobody answered within the time."""
        parts = urlsplit(url)
        base = self._resolve.get(parts.hostname or "")
        where = f"{base}{parts.path}" if base else url
        try:
            answer = self._client.get(where, timeout=timeout_s, headers={"Host": parts.netloc} if base else None)
        except httpx2.HTTPError as error:
            return NoData(because=f"GET {url} was not answered within {timeout_s:g} s: {type(error).__name__}")
        return HttpAnswer(answer.status_code, answer.text[:4000])
