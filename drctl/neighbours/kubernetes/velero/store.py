"""The object storage that clusters share: backups with the objects in them, and the files restores leave behind.

Layout as Velero's (*docs*, "Output file format"): everything lies under the location's prefix. Several clusters hold
the same `BackupStore`, so what one backs up the other finds and restores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drctl.neighbours.kubernetes.trees import copied
from drctl.neighbours.kubernetes.velero.contents import packed

Obj = dict[str, Any]


@dataclass(slots=True)
class StoredBackup:
    """One backup: its Backup object as uploaded, the Kubernetes objects captured, and its results file."""

    backup: Obj
    objects: list[Obj]
    results: Obj = field(default_factory=lambda: {"errors": {}, "warnings": {}})


class BackupStore:
    """A bucket and its replicas, which are taken to hold the same at once (replication's lag is not modelled here).

    `upload`, when it is set, is given every backup's file with its key, for who keeps a bucket that others can read,
    and `remove` the folder of each that is deleted. `reachable`: False makes every location on it Unavailable.
    `unreachable_prefixes` and
    `unreachable_buckets` do so for single ones. A cluster plays what fell due only when it is asked, so ask it
    once before these are changed.
    """

    def __init__(self, bucket: str, *replicas: str) -> None:
        self.buckets = (bucket, *replicas)
        self.reachable = True
        self.upload: Callable[[str, bytes], None] | None = None
        self.remove: Callable[[str], None] | None = None
        self.unreachable_prefixes: set[str] = set()
        self.unreachable_buckets: set[str] = set()
        self._backups: dict[tuple[str, str], StoredBackup] = {}
        self._files: dict[str, Obj | str] = {}

    def backups(self, prefix: str) -> Mapping[str, StoredBackup]:
        """Everything under `prefix`, by name."""
        return {name: kept for (where, name), kept in sorted(self._backups.items()) if where == prefix}

    def backup(self, prefix: str, name: str) -> StoredBackup | None:
        return self._backups.get((prefix, name))

    def keep(self, prefix: str, backup: Obj, objects: Iterable[Obj], results: Obj | None = None) -> StoredBackup:
        """Uploads a backup, in the place of one of the same name."""
        kept = StoredBackup(copied(backup), copied(list(objects)))
        if results is not None:
            kept.results = results
        name = backup["metadata"]["name"]
        self._backups[prefix, name] = kept
        if self.upload is not None:
            files = {f"{name}.tar.gz": packed(kept.objects), "velero-backup.json": json.dumps(kept.backup).encode()}
            for file, body in files.items():
                key = f"backups/{name}/{file}"
                self.upload(f"{prefix}/{key}" if prefix else key, body)
        return kept

    def drop(self, prefix: str, name: str) -> None:
        self._backups.pop((prefix, name), None)
        if self.remove is not None:
            self.remove(f"{prefix}/backups/{name}/" if prefix else f"backups/{name}/")

    def put_file(self, prefix: str, path: str, content: Obj | str) -> None:
        self._files[f"{prefix}/{path}" if prefix else path] = content

    def drop_files(self, prefix: str, folder: str) -> None:
        whole = f"{prefix}/{folder}" if prefix else folder
        for path in [p for p in self._files if p.startswith(whole)]:
            del self._files[path]

    def file(self, path: str) -> Obj | str | None:
        """The content at `prefix/path`, before it is zipped; None when there is no such object."""
        return self._files.get(path)
