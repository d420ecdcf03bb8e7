"""DNS records at Cloudflare, by its v4 API: one record, records by name, one change.

Every answer is an envelope `{success, errors: [{code, message}], messages, result}`; what went wrong is told by the
number in `errors`, not by its text. 429 comes when 1,200 requests of one user were made within five minutes, whatever
they were, and then for the next five. Sources: developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/,
/fundamentals/api/reference/limits/, developers.cloudflare.com/api/resources/dns/subresources/records/; for 81057 and
81058 (it is there already) github.com/certbot/certbot/pull/10725.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx2

from chalicelib.core.outcome import Doubtful, Made, NoData, Outcome, Refused

BASE: Final = "https://api.cloudflare.com/client/v4"
TIMEOUT: Final = httpx2.Timeout(4.0, connect=2.0)
THERE_ALREADY: Final = frozenset({"81057", "81058"})
_BUSY: Final = 429
_BROKEN: Final = 500
_PAGE: Final = "100"

Token = Callable[[], str | NoData]
"""`token()` is the API token, or why there is none; it is asked for anew each time, and kept nowhere."""


class Cloudflare:
    """Looks at records and changes one. `http` brings no timeout of its own."""

    def __init__(self, http: httpx2.Client, token: Token, *, base: str = BASE) -> None:
        self._http = http
        self._token = token
        self._base = base

    def record(self, zone: str, record: str) -> Mapping[str, Any] | Refused | NoData:
        """One record; Refused with 81044 when there is none of that id."""
        found = self._look(f"/zones/{zone}/dns_records/{record}", {})
        return found if isinstance(found, Refused | NoData) else dict(found)

    def named(self, zone: str, kind: str, name: str) -> Sequence[Mapping[str, Any]] | Refused | NoData:
        """All records of this type and exact name: at most a hundred, of which more than one is odd already."""
        asked = {"type": kind, "name.exact": name, "per_page": _PAGE}
        found = self._look(f"/zones/{zone}/dns_records", asked)
        return found if isinstance(found, Refused | NoData) else [dict(record) for record in found]

    def change(self, zone: str, operation: str, params: Mapping[str, Any], *, until: str) -> Outcome:
        """One write, tried once. A record that is there already is as good as made: the next look sees it."""
        verb, resource = operation.split(" ", 1)
        method, path = {
            "create": ("POST", f"/zones/{zone}/{resource}"),
            "patch": ("PATCH", f"/zones/{zone}/{resource}/{params.get('record')}"),
        }[verb]
        name = f"cloudflare {operation} in zone {zone}"
        token = self._token()
        if isinstance(token, NoData):
            return Refused(code="NoToken", because=f"{name} was not sent: {token.because}")
        try:
            answer = self._send(method, path, token, json=dict(params["body"]))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            return Refused(code="Unreachable", because=f"{name} was not reached: {type(error).__name__}")
        except httpx2.HTTPError as error:
            return Doubtful(because=f"{name} was not answered: {type(error).__name__}")
        said = _envelope(answer)
        if said is None or answer.status_code >= _BROKEN:
            return Doubtful(because=f"{name} broke: HTTP {answer.status_code}")
        if said.get("success") is True:
            return Made(because=f"{name} was accepted; done when {until}")
        code, text = _error(said)
        if code in THERE_ALREADY:
            return Made(because=f"{name}: {text} ({code}); done when {until}")
        return Refused(code=code, because=f"{name} was refused: {text}")

    def _look(self, path: str, query: Mapping[str, str]) -> Any:
        token = self._token()
        if isinstance(token, NoData):
            return token
        name = f"cloudflare GET {path}"
        try:
            answer = self._send("GET", path, token, params=dict(query))
        except httpx2.HTTPError as error:
            return NoData(because=f"{name} was not answered: {type(error).__name__}")
        said = _envelope(answer)
        if said is None or answer.status_code >= _BROKEN or answer.status_code == _BUSY:
            return NoData(because=f"{name}: HTTP {answer.status_code}{_wait(answer)}")
        if said.get("success") is not True:
            code, text = _error(said)
            return Refused(code=code, because=f"{name}: {text}")
        return said["result"]

    def _send(self, method: str, path: str, token: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self._http.request(method, f"{self._base}{path}", headers=headers, timeout=TIMEOUT, **more)


def _envelope(answer: httpx2.Response) -> Mapping[str, Any] | None:
    try:
        said = answer.json()
    except ValueError:
        return None
    return said if isinstance(said, Mapping) and "success" in said else None


def _error(said: Mapping[str, Any]) -> tuple[str, str]:
    first: Mapping[str, Any] = next(iter(said.get("errors") or ()), {})
    return str(first.get("code", "Unknown")), str(first.get("message", "no message"))


def _wait(answer: httpx2.Response) -> str:
    after = answer.headers.get("Retry-After")
    return f", again after {after} s" if after else ""
