"""A vault at Azure: containers with version-level immutability, entered by a SAS that can create and one that can look.

With `sp=c` a SAS writes a new blob and replaces none
(learn.microsoft.com/rest/api/storageservices/create-service-sas, "Permissions for a directory, container, or blob").
Put Blob takes at most 5,000 MiB in one request, and is all that such a SAS may write with: Put Block wants `w`. The
service compares the bytes with `Content-MD5` before the blob is there, and keeps it
(learn.microsoft.com/rest/api/storageservices/put-blob). A listing goes in the order of names and begins at the first
(…/list-blobs). Until when a blob is immutable stands in the listing with `include=immutabilitypolicy`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl, quote
from xml.etree import ElementTree as ET

import httpx2

from chalicelib.clients.vaults import SHA256, Content, Kept, VaultError, tokens
from chalicelib.policy.airgap import AzureVault

VERSION: Final = "2021-12-02"
LARGEST: Final = 5000 * 1024**2
"""Bytes of one Put Blob, of version 2019-12-12 or later."""
DUMPS: Final = "dumps/"
TAKEN: Final = frozenset(
    {"BlobAlreadyExists", "BlobImmutableDueToPolicy", "ConditionNotMet", "UnauthorizedBlobOverwrite"}
)
LOOK_S, CREATE_S = 10.0, 120.0
Value = str | int | float | bool | None


class VaultAtAzure:
    """`base` is where its host is; `secret` gives the SAS's, and is asked anew each time, since they are renewed."""

    def __init__(
        self, row: AzureVault, client: httpx2.Client, base: str, secret: Callable[[], Mapping[str, object]]
    ) -> None:
        self._row = row
        self._client = client
        self._base = base
        self._secret = secret

    def names(self, prefix: str, *, after: str = "", through: str = "") -> Iterator[Kept]:
        """See Vault."""
        for found in self._listed(prefix, delimiter=""):
            if through and found.name > through:
                return
            if found.name > after:
                yield found

    def top(self, prefix: str) -> tuple[str, ...]:
        """See Vault."""
        return tuple(found.name for found in self._listed(prefix, delimiter="/"))

    def document(self, name: str) -> str | None:
        """See Vault."""
        container, blob = self._place(name)
        answer = self._asked("GET", container, blob, verb="look", timeout_s=LOOK_S)
        if answer.status_code == 404 and _code(answer) == "BlobNotFound":
            return None
        self._well(answer, f"reading {name!r}")
        return answer.text

    def stands(self, name: str) -> Kept | None:
        """See Vault."""
        return next((found for found in self._listed(name, delimiter="") if found.name == name), None)

    def create(self, name: str, content: Content) -> bool:
        """See Vault. VaultError `TooLarge` for what one Put Blob does not take."""
        if content.size > LARGEST:
            because = f"{name!r} has {content.size:,} bytes, Put Blob takes {LARGEST:,}, and sp=c allows no other way"
            raise VaultError("TooLarge", because)
        container, blob = self._place(name)
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "If-None-Match": "*",
            "Content-Length": str(content.size),
            "Content-MD5": base64.b64encode(content.md5).decode(),
            f"x-ms-meta-{SHA256}": content.sha256.hex(),
        }
        answer = self._asked(
            *("PUT", container, blob), verb="create", timeout_s=CREATE_S, headers=headers, content=content.pieces()
        )
        if answer.status_code in (403, 409, 412) and _code(answer) in TAKEN:
            return False
        self._well(answer, f"creating {name!r}")
        return True

    def _listed(self, prefix: str, *, delimiter: str) -> Iterator[Kept]:
        container, below = self._place(prefix)
        shown = DUMPS if container == self._row.dumps_container else ""
        asked = {"restype": "container", "comp": "list", "prefix": below, "include": "metadata,immutabilitypolicy"}
        asked |= {"delimiter": delimiter} if delimiter else {}
        marker = ""
        while True:
            query = asked | ({"marker": marker} if marker else {})
            answer = self._asked("GET", container, "", verb="look", timeout_s=LOOK_S, query=query)
            self._well(answer, f"listing {prefix!r}")
            tree = ET.fromstring(answer.content)  # noqa: S314  # Azure's own, over TLS
            rows = tree.find("Blobs")
            for row in rows if rows is not None else ():
                yield _kept(row, shown)
            marker = tree.findtext("NextMarker") or ""
            if not marker:
                return

    def _place(self, name: str) -> tuple[str, str]:
        """Dumps lie flat in a container of their own, which is mounted as the volume that a restore reads."""
        if name.startswith(DUMPS):
            return self._row.dumps_container, name.removeprefix(DUMPS)
        return self._row.container, name

    def _asked(
        self,
        method: str,
        container: str,
        blob: str,
        *,
        verb: str,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        content: Iterator[bytes] | None = None,
    ) -> httpx2.Response:
        sas = tokens(self._secret(), verb, container, self._row.sas_secret)
        path = f"/{container}/{quote(blob)}" if blob else f"/{container}"
        sent = {"x-ms-version": VERSION, "Host": self._row.host, **(headers or {})}
        what = f"{method} {path} in vault {self._row.name!r}"
        params: list[tuple[str, Value]] = [*(query or {}).items(), *parse_qsl(sas, keep_blank_values=True)]
        try:
            return self._client.request(
                method, f"{self._base}{path}", params=params, headers=sent, content=content, timeout=timeout_s
            )
        except httpx2.HTTPError as error:  # its text may hold the address, and that holds the SAS
            raise VaultError("Silent", f"{what} was not answered: {type(error).__name__}", silent=True) from None

    def _well(self, answer: httpx2.Response, doing: str) -> None:
        if answer.status_code < 300:
            return
        code = _code(answer)
        because = f"{doing} in vault {self._row.name!r}: HTTP {answer.status_code}"
        raise VaultError(code, because, silent=answer.status_code >= 500 or answer.status_code == 429)


def _code(answer: httpx2.Response) -> str:
    return str(answer.headers.get("x-ms-error-code", "Unknown"))


def _kept(row: ET.Element, shown: str) -> Kept:
    name = f"{shown}{row.findtext('Name') or ''}"
    found = row.find("Properties")
    if row.tag == "BlobPrefix" or found is None:
        return Kept(name=name, size=0, at=datetime.min)  # noqa: DTZ901  # a folder has no time
    until = found.findtext("ImmutabilityPolicyUntilDate")
    return Kept(
        name=name,
        size=int(found.findtext("Content-Length") or 0),
        at=parsedate_to_datetime(found.findtext("Last-Modified") or ""),
        sha256=row.findtext(f"Metadata/{SHA256}") or "",
        lock=found.findtext("ImmutabilityPolicyMode") or "",
        locked_until=parsedate_to_datetime(until) if until else None,
    )
