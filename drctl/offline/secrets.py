"""The operator's own secrets: one JSON file, each under the name that policy gives it.

    {"shop/cloudflare": {"token": "…"}, "shop/postgresql/azure": {"username": "…", "password": "…"}}

It is read when a secret is wanted and never kept; a file that others may read is refused.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.core.outcome import NoData


class Secrets:
    """The file, which need not be there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def named(self, name: str) -> Mapping[str, Any] | NoData:
        """The secret; NoData says why there is none, and shows nothing of what the file holds."""
        try:
            if stat.S_IMODE(self._path.stat().st_mode) & 0o077:
                return NoData(because=f"{self._path} may be read by others and is not used; chmod 600 it")
            held = json.loads(self._path.read_text(encoding="utf-8"))
        except OSError as error:
            return NoData(because=f"the operator's secrets cannot be read: {error.strerror}: {self._path}")
        except ValueError:
            return NoData(because=f"{self._path} is no JSON; expected an object of secrets by name")
        found = held.get(name) if isinstance(held, dict) else None
        if not isinstance(found, dict):
            return NoData(because=f"{self._path} holds no object {name!r}")
        return found

    def field(self, name: str, key: str) -> str | NoData:
        """One text of a secret."""
        found = self.named(name)
        if isinstance(found, NoData):
            return found
        value = found.get(key)
        if not isinstance(value, str) or not value:
            return NoData(because=f"{self._path}: {name!r} holds no {key!r}")
        return value
