"""A backup's `<name>.tar.gz` (*docs*, "Output file format", version 1.1.0): each object as JSON, under its resource,
once at the top and once under its version.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from drctl.neighbours.kubernetes.kinds import by_kind

FORMAT: Final = "1.1.0"


def packed(objects: Iterable[Mapping[str, Any]]) -> bytes:
    """The file."""
    return _packed(json.dumps(list(objects)))


@lru_cache(maxsize=8)
def _packed(objects: str) -> bytes:
    """Backups that follow one another often hold the same."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as file:
        for path, content in _paths(json.loads(objects)):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def _paths(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    yield "metadata/version", FORMAT.encode()
    for obj in objects:
        resource, meta = by_kind(obj["apiVersion"], obj["kind"]), obj["metadata"]
        where = f"namespaces/{meta['namespace']}" if "namespace" in meta else "cluster"
        content = json.dumps(obj).encode()
        yield f"resources/{resource.key}/{where}/{meta['name']}.json", content
        yield f"resources/{resource.key}/{resource.version}-preferredversion/{where}/{meta['name']}.json", content
