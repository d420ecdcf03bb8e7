"""A cluster that several threads ask."""

from __future__ import annotations

import threading
from typing import Any

from drctl.neighbours.kubernetes.api import KubeApi
from drctl.neighbours.kubernetes.objects import Obj
from drctl.neighbours.kubernetes.status import Answer


class SharedKubeApi(KubeApi):
    """A cluster that is asked from several threads: its own server, EKS, and the services that run in it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._turn = threading.RLock()
        super().__init__(*arguments, **named)
        self.trouble.turn = self._turn

    def request(self, *arguments: Any) -> Answer:
        with self._turn:
            return super().request(*arguments)

    def set_nodes(self, count: int) -> None:
        with self._turn:
            super().set_nodes(count)

    def ready_deployment(self, namespace: str, name: str) -> bool:
        with self._turn:
            return super().ready_deployment(namespace, name)

    def objects(self, key: str, namespace: str | None = None) -> list[Obj]:
        with self._turn:
            return super().objects(key, namespace)
