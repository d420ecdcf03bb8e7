"""The gate's ledger: every call, in order, in memory and as one JSON line each in a file."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import IO

KEPT = 100_000
"""Calls kept in memory; the file keeps all."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `status` is what the caller saw, 0 when it got no answer; `fault` says what was done to it (''
    if nothing); `ms` is how long it took; `function` is the Lambda function that made it, '' for anyone else.
    """

    at: datetime
    region: str
    service: str
    operation: str
    access_key: str
    status: int
    fault: str
    ms: float
    function: str
    function_region: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self) | {"at": self.at.isoformat(timespec="milliseconds")})


class Ledger:
    """Append-only. `path` is emptied when the ledger is opened; None keeps it in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._file: IO[str] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8", buffering=1)

    def record(self, call: Call) -> None:
        self._calls.append(call)
        if self._file is not None:
            self._file.write(call.line() + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls))

    def find(self, wanted: Mapping[str, str] | None = None, *, since: datetime | None = None) -> tuple[Call, ...]:
        """The calls whose fields have the wanted values (compared as text), oldest first. A field that does not exist
        raises ValueError with the ones that do.
        """
        wanted = wanted or {}
        names = {field.name for field in fields(Call)}
        if unknown := sorted(set(wanted) - names):
            raise ValueError(f"a call has no {', '.join(unknown)}; it has {', '.join(sorted(names))}")
        return tuple(
            call
            for call in self
            if (since is None or call.at >= since)
            and all(str(getattr(call, name)) == value for name, value in wanted.items())
        )
